"""Whether the unit's recovery key is in three custodians' hands who have rehearsed: before that no query is taken."""

from collections.abc import Sequence
from datetime import date
from itertools import combinations

from storage.confidential.custody import Kept, StoredCustody
from storage.confidential.protocol import custody as protocol
from storage.confidential.protocol.custody import SignedRehearsal
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


def pairs_of(signed: SignedRehearsal) -> frozenset[tuple[str, str]]:
    """The pairs of custodians who have opened the keys together, by id."""
    return frozenset(combinations(signed["rehearsal"]["custodians"], 2))


def rehearsed(row: StoredCustody, chain: Chain) -> frozenset[tuple[str, str]]:
    """The pairs of custodians who have shown that their codes open the keys."""
    present: set[tuple[str, str]] = set()
    for signed in row.rehearsals:
        try:
            protocol.check_rehearsal(signed, row.signed["custody"], chain)
        except ProtocolError:
            continue  # of another recovery key, or invented
        present |= pairs_of(signed)
    return frozenset(present)


def is_rehearsed(row: StoredCustody, chain: Chain) -> bool:
    """Whether each pair has: the share of a pair that never met could hold anything."""
    return len(rehearsed(row, chain)) == len(row.signed["custody"]["shares"])


def is_used(row: StoredCustody, chain: Chain) -> bool:
    """Whether custodians have used the keys, on whatever day."""
    for signed in row.uses:
        try:
            protocol.check_use(signed, row.signed["custody"], chain, date.fromisoformat(signed["use"]["day"]))
        except ProtocolError:
            continue
        return True
    return False


def is_ready(kept: Kept, chain: Chain) -> bool:
    """Whether the custodians' keys are there, each pair has rehearsed, and the recovery key was not used since."""
    row = in_force(kept.custodies, chain)
    if row is None or is_used(row, chain) or not is_rehearsed(row, chain):
        return False
    registered = [one.statement for one in kept.custodians if one.box]
    return all(one in registered for one in row.signed["custody"]["custodians"])
