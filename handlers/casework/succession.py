"""Another key of the unit: its holder makes it, and the lists of readers go on under it once a person has said so."""

from typing import Any

from handlers.casework import joining, trust
from handlers.casework.joining import KeysRefused
from handlers.casework.office import OfficerContext
from storage.confidential import key_lists, unit_keys
from storage.confidential.ledger import Verb
from storage.confidential.protocol import lists
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.lists import Chain, SignedList
from storage.confidential.protocol.successions import is_by_unit
from storage.confidential.unit_trust import BrokenTrustFile


async def succeed(context: OfficerContext, posted: Any, unit_key: str) -> None:
    """Store the first list of the unit's next key, and the key as its holder's browser has sealed it.

    The former key ends with it, for other holders too; the server believes the next one after `integra unit succeed`.
    While an officer waits to join, with a statement for the former key, it is refused. Raises KeysRefused.
    """
    known = await joining.known_lists(context)
    if known is None or not context.officer.signs_keys or not joining.is_adopted(context.unit):
        raise KeysRefused
    try:
        signed = lists.parse_list(posted)
        after = lists.check_next(known.chain, signed)
        joining.check_days(context, after)
    except ProtocolError as fault:
        raise KeysRefused from fault
    if not _is_succession_alone(known.chain, after) or await joining.waiting_officers(context):
        raise KeysRefused
    if not await key_lists.add(context.tx, signed):
        raise KeysRefused
    await unit_keys.replace(context.tx, context.officer.id, unit_key)
    await context.append_to_ledger(Verb.SUCCEED)


def _is_succession_alone(before: Chain, after: Chain) -> bool:
    """Whether the former key has signed the next one, and nothing else changes with it."""
    if len(after.succ) != len(before.succ) + 1 or not is_by_unit(after.succ[-1]):
        return False
    same = ("readers", "custodians")
    return all(before.newest[name] == after.newest[name] for name in same)  # type: ignore[literal-required]


async def waiting_lists(context: OfficerContext) -> tuple[SignedList, ...]:
    """The lists of a key that follows the adopted one and is not believed yet, oldest first."""
    known = await joining.known_lists(context)
    try:
        whole = await trust.succeeding(context.tx, context.unit)
    except BrokenTrustFile:
        return ()
    return whole.lists[len(known.lists) :] if known and whole else ()


async def unit_of_held_key(context: OfficerContext) -> str:
    """Which key of the unit the holders' boxes are made for: that of the newest list, believed or not; empty: none."""
    newest, known = await key_lists.newest(context.tx), await joining.known_lists(context)
    if newest and known and known.chain.serial < newest.serial:
        known = await trust.waiting(context.tx)
    return known.chain.newest["unit"] if known else ""
