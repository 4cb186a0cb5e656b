"""What two custodians do with the recovery key: rehearse, hand cases over, give the unit's key to an officer.

No session is needed: what is posted is signed with the recovery key, which two custodians have opened.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from handlers.casework import custody as custodians
from handlers.casework import posting, readiness, trust
from handlers.casework.joining import KeysRefused
from handlers.context import WorkContext
from storage.confidential import cases, custody, ledger, routes
from storage.confidential.cases import CaseState
from storage.confidential.custody import StoredCustody
from storage.confidential.ledger import Verb
from storage.confidential.protocol import custody as protocol
from storage.confidential.protocol import fields, tokens
from storage.confidential.protocol import letters as protocol_letters
from storage.confidential.protocol.canonical import decode, encode
from storage.confidential.protocol.errors import Altered, Malformed, ProtocolError
from storage.confidential.protocol.lists import Chain
from storage.confidential.unit_trust import Verified

PAGE: Final = 20  # cases in one response
USES_SHOWN: Final = 20  # of the newest: one is enough for all to know that the key has to be replaced
_SECRET: Final = fields.coded(32)


@dataclass(frozen=True, slots=True)
class Recovery:
    """One action with the recovery key, in one transaction."""

    work: WorkContext
    audit_key: bytes  # authenticates the entries of the ledger

    async def append_to_ledger(self, recovery: str, verb: Verb, case_id: str = "") -> None:
        """Append an entry in the name of the recovery reader."""
        local = self.work.now.astimezone(self.work.installation.timezone)
        await ledger.append(self.work.tx, self.audit_key, recovery, verb, case_id, local)


@dataclass(frozen=True, slots=True)
class Announced:
    """A use that was stored, and the secret of the tab that made it: everybody may see the use, as a page shows it."""

    use: Any
    secret: str  # 32 bytes; the first half of its SHA-256 is the use's nonce

    def is_of_tab(self) -> bool:
        """Whether this is the tab that made the use. Raises Malformed."""
        _SECRET(self.secret, "secret")
        nonce: str = self.use["use"]["nonce"]
        return hmac.compare_digest(encode(hashlib.sha256(decode(self.secret)).digest()[:16]), nonce)


async def _in_force(work: WorkContext) -> tuple[Verified, StoredCustody]:
    """The lists and the custody in force. Raises KeysRefused."""
    try:
        known = await trust.verified(work.tx, work.installation.unit)
    except trust.Closed as closed:
        raise KeysRefused from closed
    stored = readiness.in_force(await custody.all_custodies(work.tx), known.chain)
    if stored is None:
        raise KeysRefused
    return known, stored


async def _locked(work: WorkContext) -> tuple[Chain, StoredCustody]:
    """The same, and no other transaction changes the custody. Raises KeysRefused."""
    known, found = await _in_force(work)
    stored = await custody.locked(work.tx, found.recovery)
    if stored is None:
        raise KeysRefused
    return known.chain, stored


async def boxes(work: WorkContext) -> dict[str, Any]:
    """All that the custodians' browser needs to open the custody with two codes, as JSON values.

    Strangers may ask for it, and cannot make it grow. Raises KeysRefused.
    """
    known, stored = await _in_force(work)
    ids = {one["id"] for one in stored.signed["custody"]["custodians"]}
    kept = [one for one in await custody.all_custodians(work.tx) if one.id in ids and one.box]
    return {
        "lists": [*known.lists],
        "custody": stored.signed,
        "boxes": [{"id": one.id, "box": one.box} for one in kept],
        "rehearsals": [*stored.rehearsals],
        "uses": [*stored.uses[-USES_SHOWN:]],
        "today": work.today.isoformat(),
    }


async def rehearse(recovery: Recovery, posted: Any) -> bool:
    """Store that custodians opened the keys; return whether all three have by now. Raises KeysRefused, Malformed."""
    signed = protocol.parse_rehearsal(posted)
    chain, stored = await _locked(recovery.work)
    try:
        protocol.check_rehearsal(signed, stored.signed["custody"], chain)
    except ProtocolError as fault:
        raise KeysRefused from fault
    if not readiness.pairs_of(signed) <= readiness.rehearsed(stored, chain):
        stored = replace(stored, rehearsals=[*stored.rehearsals, signed])
        await custody.replace(recovery.work.tx, stored)
        await recovery.append_to_ledger(stored.recovery, Verb.REHEARSE)
    return readiness.is_rehearsed(stored, chain)


# ---------------------------------------------------------------- use


async def use(recovery: Recovery, posted: Any) -> None:
    """Store that custodians use the keys: from now on no new query is taken. Raises KeysRefused, Malformed."""
    signed = protocol.parse_use(posted)
    chain, stored = await _locked(recovery.work)
    try:
        protocol.check_use(signed, stored.signed["custody"], chain, recovery.work.today)
    except ProtocolError as fault:
        raise KeysRefused from fault
    if any(one["use"] == signed["use"] for one in stored.uses):
        return
    await custody.replace(recovery.work.tx, replace(stored, uses=[*stored.uses, signed]))
    await recovery.append_to_ledger(stored.recovery, Verb.USE_RECOVERY)


async def _used(work: WorkContext, announced: Announced, purpose: str) -> tuple[Chain, str]:
    """The chain and the recovery reader, where this tab has stored a use for this purpose.

    Raises KeysRefused, Malformed.
    """
    signed = protocol.parse_use(announced.use)
    known, stored = await _in_force(work)
    is_stored = any(one["use"] == signed["use"] for one in stored.uses)
    if not (is_stored and signed["use"]["purpose"] == purpose and announced.is_of_tab()):
        raise KeysRefused
    try:
        protocol.check_use(signed, stored.signed["custody"], known.chain, work.today)
    except ProtocolError as fault:
        raise KeysRefused from fault
    return known.chain, stored.recovery


async def readable_cases(work: WorkContext, announced: Announced, after: str) -> dict[str, Any]:
    """The next cases that the recovery key reads, as JSON values; `after`: the last one of the page before.

    A case with a row that holds no letter comes without any, so that the others go on. Raises KeysRefused, Malformed.
    """
    _, reader = await _used(work, announced, "cases")
    ids = await cases.of_reader(work.tx, reader, after, PAGE)
    found = [
        {
            "case": one,
            "letters": await _letters(work, one),
            "access": await cases.access(work.tx, one, reader),
        }
        for one in ids
    ]
    return {"cases": found, "after": ids[-1] if len(ids) == PAGE else "", "today": work.today.isoformat()}


async def _letters(work: WorkContext, case_id: str) -> Sequence[Any]:
    try:
        return await cases.letters(work.tx, case_id)
    except Malformed:
        return ()


async def hand_over(
    recovery: Recovery, announced: Announced, posted: Any, access: Sequence[Any], bell: str = ""
) -> CaseState:
    """Store a letter of the recovery key that grants a case to officers; return the case's state.

    Raises KeysRefused, posting.LetterRefused, posting.TooManyLetters, Malformed, Altered (a rule of the protocol does
    not hold).
    """
    work = recovery.work
    chain, reader = await _used(work, announced, "cases")
    letter = protocol_letters.parse_letter(posted)
    posting.ACCESS(access, "access")
    case = await cases.by_id(work.tx, letter["context"]["case"])
    if case is None or await cases.access(work.tx, case.id, reader) is None:
        raise KeysRefused
    thread = await posting.followed(work.tx, case.id, letter, reader, chain, work.today)
    posting.check_granted(thread, letter, access)
    if letter["context"]["grant"] is None:
        raise Altered("hand.grant")
    await posting.store(work.tx, letter, access)
    if bell:
        await routes.flag_news(work.tx, tokens.route_row(work.installation.route_key, bell))
    await recovery.append_to_ledger(reader, Verb.HAND_OVER, case.id)
    return case.state


async def give_unit_key(recovery: Recovery, announced: Announced, officer_id: str, unit_key: str) -> None:
    """Let an active officer hold the unit's key. Raises KeysRefused, Malformed."""
    chain, reader = await _used(recovery.work, announced, "unit")
    await custodians.give_unit_key(recovery.work, chain, officer_id, unit_key, replaces=True)
    await recovery.append_to_ledger(reader, Verb.SHARE_UNIT_KEY)
