"""Which list of readers is in force: the chain in the database, up to the newest that the adopted unit has signed.

A key that follows the unit's is believed after `integra unit succeed`, and lists that it signed are not served before.
"""

from collections.abc import Sequence
from datetime import date

import structlog

from handlers.casework import readiness
from storage.confidential import custody, key_lists
from storage.confidential.custody import Kept
from storage.confidential.key_lists import StoredList
from storage.confidential.protocol import lists
from storage.confidential.protocol.errors import Expired, ProtocolError, WrongClock
from storage.confidential.protocol.lists import Chain, SignedList
from storage.confidential.unit_trust import BrokenTrustFile, UnitTrust, Verified
from storage.database import Transaction

log = structlog.get_logger()

MIN_READERS = 2  # active ones, the recovery key included
WARNED_BEFORE = 20  # days before a list expires


class Closed(Exception):
    """No query can be taken; `reason` says why.

    none: no officer has signed a list. adoption: the first list waits for `integra unit adopt`. altered: the lists are
    not those of the adopted unit, or older than one seen. expired: the newest list is no longer in force. readers: too
    few are active. custody: the recovery key is not in the hands of three custodians who have rehearsed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def verified(tx: Transaction, unit: UnitTrust) -> Verified:
    """The chain of the adopted unit up to its newest list. Raises Closed (none, adoption, altered)."""
    newest = await key_lists.newest(tx)
    if newest is None:
        raise Closed("none")
    try:
        return await _verified(tx, unit, newest)
    except BrokenTrustFile as fault:
        log.error("unit_files_broken", fault=str(fault))
        raise Closed("altered") from fault


async def _verified(tx: Transaction, unit: UnitTrust, newest: StoredList) -> Verified:
    pin = unit.pin()
    if not pin and unit.adopts_itself:
        pin = await _adopt_first(tx, unit)
    if not pin:
        raise Closed("adoption")
    known = unit.verified
    if known is None or known.newest_row != newest.body or lists.unit_pin(known.chain.newest["unit"]) != pin:
        known = _walk(await key_lists.all_lists(tx), pin)
    unit.verified = known = _above_floor(known, unit)
    try:
        unit.raise_floor(lists.pin_of(known.chain.newest))
    except OSError as fault:  # the list holds all the same, and the next request tries again
        log.error("list_head_not_written", fault=fault.strerror)
    return known


def _above_floor(known: Verified | None, unit: UnitTrust) -> Verified:
    """The chain, if it is none that an older state of the rows would give. Raises Closed."""
    if known is None or not unit.is_reached_by(known.chain):
        raise Closed("altered")
    return known


async def waiting(tx: Transaction) -> Verified | None:
    """The chain from the first row on, its unit adopted or not; for officers, who compare it with their pin."""
    return whole_chain(await key_lists.all_lists(tx))


def whole_chain(rows: Sequence[StoredList]) -> Verified | None:
    """The chain from the first row on, over all keys that its unit has had; None where the first is no list."""
    return _walk(rows)


async def succeeding(tx: Transaction, unit: UnitTrust) -> Verified | None:
    """The chain that leads to a key which follows the adopted one and is not believed yet. Raises BrokenTrustFile."""
    return chain_to_next(await key_lists.all_lists(tx), unit)


def chain_to_next(rows: Sequence[StoredList], unit: UnitTrust) -> Verified | None:
    """The chain in these rows, where it leads from the adopted unit to another key of it. Raises BrokenTrustFile."""
    known, whole = unit.unit(), whole_chain(rows)
    if whole is None or known not in [one["succ"]["old"] for one in whole.chain.succ]:
        return None
    return whole if unit.is_reached_by(whole.chain) else None


async def _adopt_first(tx: Transaction, unit: UnitTrust) -> str:
    first = await waiting(tx)
    if first is None:
        return ""
    unit.adopt(first.chain.newest["unit"], lists.pin_of(first.lists[0]["list"]))
    log.warning("unit_adopted_itself", fingerprint=lists.unit_fingerprint(unit.unit()))
    return unit.pin()


def _walk(rows: Sequence[StoredList], pin: str = "") -> Verified | None:
    """The chain from list 1 on, up to the first row that does not follow; with a pin, up to that unit's newest list.

    Lists before those of the unit are believed as it names their hashes. None: no list is this unit's.
    """
    chains: list[Chain] = []
    signed: list[SignedList] = []
    for row in rows:
        try:
            one = lists.read_list(row.body)
            first = lists.unit_pin(one["list"]["unit"])
            chains.append(lists.check_next(chains[-1], one) if chains else lists.check_first(one, first))
        except ProtocolError as fault:
            log.warning("key_list_ignored", serial=row.serial, fault=str(fault))
            break
        signed.append(one)
    while chains and pin not in ("", lists.unit_pin(chains[-1].newest["unit"])):
        log.warning("key_list_of_other_unit", serial=chains.pop().serial)
    return Verified(rows[-1].body, tuple(signed[: len(chains)]), chains[-1]) if chains else None


async def in_force(tx: Transaction, unit: UnitTrust, today: date) -> Verified:
    """The chain, where its newest list takes new cases today. Raises Closed."""
    return _in_force(await verified(tx, unit), await custody.everything(tx), unit, today)


def _in_force(known: Verified, kept: Kept, unit: UnitTrust, today: date) -> Verified:
    try:
        lists.check_in_force(known.chain.newest, today)
    except (Expired, WrongClock) as fault:
        raise Closed("expired") from fault
    active = [reader for reader in known.chain.by_id if known.chain.is_active(reader)]
    if len(active) < MIN_READERS or not any(known.chain.is_officer(reader) for reader in active):
        raise Closed("readers")
    if not unit.adopts_itself and not readiness.is_ready(kept, known.chain):
        raise Closed("custody")
    return known


def look(rows: Sequence[StoredList], kept: Kept, unit: UnitTrust, today: date) -> Verified:
    """The chain in these rows, where it takes new cases today; nothing is adopted or remembered.

    Raises Closed, BrokenTrustFile.
    """
    if not rows:
        raise Closed("none")
    pin = unit.pin()
    if not pin:
        raise Closed("adoption")
    return _in_force(_above_floor(_walk(rows, pin), unit), kept, unit, today)


def days_left(unit: UnitTrust, today: date) -> int | None:
    """Days until the newest list expires, negative once it has; None: this process has verified none."""
    return None if unit.verified is None else days_until_expiry(unit.verified, today)


def days_until_expiry(known: Verified, today: date) -> int:
    """Days until the newest list expires."""
    return (date.fromisoformat(known.chain.newest["until"]) - today).days
