"""The unit and its readers in Python, with real, distinct keys.

They sign, seal and open with storage.confidential.protocol, as the scripts in the browser do with its twin.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Literal

from storage.confidential import custody, key_lists
from storage.confidential.protocol import custody as protocol_custody
from storage.confidential.protocol import lists, readers, threads
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.custody import SignedCustody
from storage.confidential.protocol.epochs import Change, Seal, next_seal
from storage.confidential.protocol.lists import Chain, KeyList, SignedList
from storage.confidential.protocol.readers import Join, Proof, Reader
from storage.confidential.protocol.signatures import PrivateKey, point_of
from storage.confidential.protocol.successions import SignedSuccession
from storage.confidential.unit_trust import UnitTrust
from storage.database import Transaction
from tests.fakes import custodians
from tests.fakes.correspondence import Opened, Written, is_in_force, new_content, open_rows, write
from tests.fakes.correspondence import new_key as new_key
from tests.fakes.custodians import CustodianKeys

FIRST_DAY = date(2026, 11, 20)  # of the first list
IN_FORCE = 45  # days, the most that a list may be


def new_id() -> str:
    """A random identifier of a case or an officer."""
    return encode(os.urandom(16))


def new_token() -> str:
    """A link's token that no server has made."""
    return encode(os.urandom(24))


# ---------------------------------------------------------------- officers


@dataclass(frozen=True, eq=False)
class Keyholder:
    """An officer or the recovery key, with private keys; `seen` is the notebook: first and newest letter by case."""

    name: str
    role: Literal["officer", "recovery"] = "officer"
    id: str = field(default_factory=new_id)
    reading: PrivateKey = field(default_factory=new_key)
    signing: PrivateKey = field(default_factory=new_key)
    seen: dict[str, tuple[str, int, str]] = field(default_factory=dict)

    def join(self, unit: str) -> Join:
        """The statement that this reader signs to join the unit with this public key."""
        return {
            "v": 2,
            "unit": unit,
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "reading": point_of(self.reading),
            "signing": point_of(self.signing),
        }

    def prove(self, join: Join) -> Proof:
        """The own proof, or that of a vouching officer."""
        return readers.prove(self.signing, self.id, join)

    def open(self, rows: Sequence[object], access: object, chain: Chain) -> Opened:
        """Check a thread against the notebook and open it. Raises ProtocolError."""
        opened = open_rows(rows, access, chain, self.reading)
        if opened.thread.case in self.seen:
            threads.check_seen(opened.thread, chain, *self.seen[opened.thread.case])
        self._remember(opened)
        return opened

    def answer(
        self,
        opened: Opened,
        chain: Chain,
        text: str,
        day: date,
        *,
        kind: str = "answer",
        change: Change | None = None,
        seal: Seal | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Written:
        """The next letter by the rule for writing; `seal` and `context` replace what it says. Raises ProtocolError."""
        thread = opened.thread
        _, seen, _ = self.seen.get(thread.case, ("", 0, ""))
        seal = seal or next_seal(
            thread, chain, self.id, seen=seen, floor=1, is_in_force=is_in_force(chain, day), change=change
        )
        bound = {"case": thread.case, "day": day.isoformat(), **(context or {})}
        return write(opened, chain, self, kind, new_content(text), seal, bound)

    def _remember(self, opened: Opened) -> None:
        thread = opened.thread
        self.seen[thread.case] = (thread.hashes[0], thread.seq, thread.hashes[-1])


# ---------------------------------------------------------------- the unit


@dataclass
class Unit:
    """The unit's signing key, its active readers, and the chain of lists that it has signed."""

    readers: list[Keyholder]
    signing: PrivateKey = field(default_factory=new_key)
    lists: list[SignedList] = field(default_factory=list)
    custodians: list[CustodianKeys] = field(default_factory=custodians.three)
    custodies: dict[str, SignedCustody] = field(default_factory=dict)
    succ: list[SignedSuccession] = field(default_factory=list)

    @classmethod
    def with_recovery_key(cls) -> "Unit":
        """A unit with one officer, Carmen, and the recovery key."""
        return cls([Keyholder("Carmen Ríos"), Keyholder("Respaldo", "recovery")])

    @property
    def officer(self) -> Keyholder:
        return self.readers[0]

    @property
    def point(self) -> str:
        """The unit's public key."""
        return point_of(self.signing)

    @property
    def pin(self) -> str:
        """What poster, link and page keep of it."""
        return lists.unit_pin(self.point)

    @property
    def newest(self) -> SignedList:
        """The newest list; signs the first one if there is none."""
        return self.lists[-1] if self.lists else self.first_list()

    @property
    def chain(self) -> Chain:
        """All lists, verified."""
        first, *later = [self.newest] and self.lists
        chain = lists.check_first(first, lists.unit_pin(first["list"]["unit"]))
        for signed in later:
            chain = lists.check_next(chain, signed)
        return chain

    def first_list(self, day: date = FIRST_DAY, days: int = IN_FORCE) -> SignedList:
        """Sign the list with serial 1, of all readers."""
        entries = [self.entry(reader, 1) for reader in self.readers]
        self.lists = [self.sign(self._keys(1, "", entries, day, days))]
        return self.lists[0]

    def next_list(
        self,
        adding: Sequence[Keyholder] = (),
        ending: Sequence[Keyholder] = (),
        days: int = IN_FORCE,
        day: date | None = None,
    ) -> SignedList:
        """Sign the next list: two active officers vouch for those who are added."""
        signed = self.sign(self.next_keys(adding, ending, days, day))
        self.lists.append(signed)
        self.readers = [one for one in (*self.readers, *adding) if one not in ending]
        return signed

    def next_keys(
        self,
        adding: Sequence[Keyholder] = (),
        ending: Sequence[Keyholder] = (),
        days: int = IN_FORCE,
        day: date | None = None,
    ) -> KeyList:
        """The next list before it is signed; it does not count yet."""
        former = self.newest["list"]
        serial, gone = former["serial"] + 1, {one.id for one in ending}
        vouchers = [one for one in self.readers if one.role == "officer" and one not in ending][: readers.PROOFS]
        entries: list[Reader] = [
            {**entry, "ended": serial} if entry["join"]["id"] in gone else entry for entry in former["readers"]
        ]
        entries += [self.entry(reader, serial, vouchers) for reader in adding]
        return self._keys(serial, lists.list_hash(former), entries, day or date.fromisoformat(former["day"]), days)

    def _keys(self, serial: int, prev: str, entries: list[Reader], day: date, days: int) -> KeyList:
        return {
            "v": 2,
            "suite": 1,
            "unit": self.point,
            "serial": serial,
            "prev": prev,
            "day": day.isoformat(),
            "until": (day + timedelta(days=days)).isoformat(),
            "custodians": self._custodian_names(serial, entries),
            "readers": sorted(entries, key=lambda entry: entry["join"]["id"]),
        }

    def _custodian_names(self, serial: int, entries: Sequence[Reader]) -> list[str]:
        """Those of the recovery key that is active in this list, if there is one."""
        has_recovery = any(one["join"]["role"] == "recovery" and readers.is_active(one, serial) for one in entries)
        return sorted(one.name for one in self.custodians) if has_recovery else []

    @property
    def recovery(self) -> Keyholder | None:
        """The active recovery reader."""
        return next((one for one in self.readers if one.role == "recovery"), None)

    def custody(self, recovery: Keyholder) -> SignedCustody:
        """The custody of a recovery reader's keys and the unit's; made once."""
        if recovery.id not in self.custodies:
            kept = custodians.kept_keys(recovery.id, recovery.reading, recovery.signing, self.signing)
            statements = [one.statement(self.point) for one in self.custodians]
            self.custodies[recovery.id] = protocol_custody.seal_custody(kept, statements)
        return self.custodies[recovery.id]

    def entry(self, reader: Keyholder, since: int, vouchers: Sequence[Keyholder] = ()) -> Reader:
        """A reader's entry, with the own proof and those of officers who vouch."""
        return {"scope": "", "since": since, "ended": 0, **self.joining(reader, vouchers)}  # type: ignore[typeddict-item]

    def joining(self, reader: Keyholder, vouchers: Sequence[Keyholder] = ()) -> dict[str, Any]:
        """What is stored with an officer: the statement and its proofs."""
        join = reader.join(self.point)
        proofs = sorted((one.prove(join) for one in (reader, *vouchers)), key=lambda proof: proof["id"])
        return {"join": join, "proofs": proofs}

    def sign(self, key_list: KeyList) -> SignedList:
        return lists.sign_list(self.signing, key_list, self.succ)

    async def publish(self, tx: Transaction, trust: UnitTrust | None = None) -> None:
        """Store the lists that are not stored yet; with `trust` the installation adopts the unit."""
        newest = self.newest["list"]
        for signed in self.lists:
            await key_lists.add(tx, signed)
        await self.rehearse(tx)
        if trust is not None:
            trust.adopt(self.point, lists.pin_of(newest))

    def _kept_by(self, recovery: Keyholder) -> set[str]:
        return {one["id"] for one in self.custodies[recovery.id]["custody"]["custodians"]}

    async def rehearse(self, tx: Transaction) -> None:
        """Store the custody of the active recovery reader, as if all three custodians had rehearsed; once.

        Other `custodians` than before keep the same keys from now on, as no list of ours would let them.
        """
        recovery = self.recovery
        if recovery is None:
            return
        if self.custodies.get(recovery.id) and self._kept_by(recovery) != {one.id for one in self.custodians}:
            del self.custodies[recovery.id]
            await custody.discard(tx, recovery.id)
        for one in self.custodians:
            await one.register(tx, self.point)
        signed = self.custody(recovery)
        if await custody.add(tx, signed, self.joining(recovery)):  # type: ignore[arg-type]
            stored = await custody.locked(tx, recovery.id)
            assert stored is not None
            said = custodians.rehearsal(signed, self.custodians, FIRST_DAY)
            await custody.replace(tx, replace(stored, rehearsals=[said]))
