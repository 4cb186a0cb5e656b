"""Whether the unit's recovery key is in three custodians' hands who have rehearsed: before that no query is taken."""

from collections.abc import Sequence
from datetime import date

from storage.confidential.custody import StoredCustody
from storage.confidential.protocol import custody as protocol
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.lists import Chain


def in_force(rows: Sequence[StoredCustody], chain: Chain) -> StoredCustody | None:
    """The custody of the newest list's recovery reader, made by this unit for the custodians whom the list names."""
    reader = protocol.recovery_reader(chain)
    for row in rows:
        if reader is not None and row.recovery == reader["join"]["id"] and _is_of(row, chain):
            return row
    return None


def _is_of(row: StoredCustody, chain: Chain) -> bool:
    try:
        custody = protocol.check_custody(row.signed, chain.newest["unit"])
    except ProtocolError:
        return False
    return sorted(one["name"] for one in custody["custodians"]) == sorted(chain.newest["custodians"])


def rehearsed(row: StoredCustody, chain: Chain) -> frozenset[str]:
    """The custodians who have shown that their codes open the keys."""
    present: set[str] = set()
    for signed in row.rehearsals:
        try:
            present |= {*protocol.check_rehearsal(signed, row.signed["custody"], chain)["custodians"]}
        except ProtocolError:
            continue  # of another recovery key, or invented
    return frozenset(present)


def is_used(row: StoredCustody, chain: Chain) -> bool:
    """Whether custodians have used the keys, on whatever day."""
    for signed in row.uses:
        try:
            protocol.check_use(signed, row.signed["custody"], chain, date.fromisoformat(signed["use"]["day"]))
        except ProtocolError:
            continue
        return True
    return False


def is_ready(rows: Sequence[StoredCustody], chain: Chain) -> bool:
    """Whether all three custodians of the recovery key have rehearsed, and it was not used since."""
    row = in_force(rows, chain)
    if row is None or is_used(row, chain):
        return False
    return len(rehearsed(row, chain)) == protocol.CUSTODIANS
