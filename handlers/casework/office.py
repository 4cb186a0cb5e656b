"""What all work of an officer shares: the transaction, the officer, the moment and the ledger."""

from dataclasses import dataclass
from datetime import date, datetime

from handlers.context import Installation
from storage.confidential import ledger
from storage.confidential.ledger import Verb
from storage.confidential.officers import Officer
from storage.confidential.unit_trust import UnitTrust
from storage.database import Transaction


@dataclass(frozen=True, slots=True)
class OfficerContext:
    """One action of an officer, in one transaction, at one moment."""

    tx: Transaction  # opened, committed or rolled back by the caller
    officer: Officer
    installation: Installation
    audit_key: bytes  # authenticates the entries of the ledger
    now: datetime  # UTC

    @property
    def local(self) -> datetime:
        """`now` in the office's time zone."""
        return self.now.astimezone(self.installation.timezone)

    @property
    def today(self) -> date:
        """The calendar day in the office's time zone."""
        return self.local.date()

    @property
    def unit(self) -> UnitTrust:
        """The unit that the installation has adopted."""
        return self.installation.unit

    @property
    def route_key(self) -> bytes:
        """The key that names and encrypts chat addresses."""
        return self.installation.route_key

    async def append_to_ledger(self, verb: Verb, case_id: str = "") -> None:
        """Append an entry to the ledger."""
        await ledger.append(self.tx, self.audit_key, self.officer.id, verb, case_id, self.local)
