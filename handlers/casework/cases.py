"""The officers' side of confidential cases: list, open, answer and hand over; each of these goes into the ledger."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from handlers.casework import posting, trust
from handlers.casework.office import OfficerContext
from handlers.casework.posting import LetterRefused
from storage.confidential import cases, routes
from storage.confidential.cases import Case
from storage.confidential.ledger import Verb
from storage.confidential.protocol import fields, tokens
from storage.confidential.protocol import letters as protocol_letters
from storage.confidential.protocol.errors import Altered
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.notebooks import Head
from storage.confidential.protocol.threads import Thread

_STATES: Final = {
    "answer": cases.CaseState.ANSWERED,
    "question": cases.CaseState.ASKED_BACK,
    "close": cases.CaseState.CLOSED,
}
"""Where a letter of this kind moves its case; other kinds leave the case where it is."""
_HAND: Final = "hand"
"""The kind of a letter that hands a case over; the only kind that a closed case takes."""


class NoSuchCase(Exception):
    """The case does not exist, or this officer has no key for it; callers cannot distinguish the two."""


@dataclass(frozen=True, slots=True)
class QueuedCase:
    """A case as the queue shows it, without any content."""

    id: str
    folio: str
    state: str
    day: date
    due_on: date
    age: int  # days since the case was received
    is_overdue: bool
    is_open: bool  # it waits for an officer


@dataclass(frozen=True, slots=True)
class OpenedCase:
    """What an officer's browser needs to open a case; all content is encrypted."""

    case: Case
    access: Access
    letters: tuple[Letter, ...]


# ---------------------------------------------------------------- the queue


def folio(case_id: str) -> str:
    """The short name of a case: eight hexadecimal digits of its id's hash, easy to dictate."""
    digits = hashlib.sha256(case_id.encode()).hexdigest()[:8].upper()
    return f"{digits[:4]}-{digits[4:]}"


def queued_case(case: Case, today: date) -> QueuedCase:
    """A case with its age and whether it is overdue; the due day itself is not overdue."""
    is_open = case.state in (cases.CaseState.RECEIVED, cases.CaseState.OPEN)
    return QueuedCase(
        id=case.id,
        folio=folio(case.id),
        state=case.state.value,
        day=case.day,
        due_on=case.due_on,
        age=max((today - case.day).days, 0),
        is_overdue=is_open and case.due_on < today,
        is_open=is_open,
    )


async def queue(context: OfficerContext, *, closed: bool = False) -> list[QueuedCase]:
    """The open cases (`closed`: the closed ones) that this officer has a key for.

    Those that wait for an officer come first, by due day. An officer who is excluded from a case does not see that it
    exists.
    """
    found = await cases.queue(context.tx, context.officer.id, closed=closed)
    queued = [queued_case(case, context.today) for case in found]
    return sorted(queued, key=lambda case: (not case.is_open, case.due_on, case.folio))


# ---------------------------------------------------------------- opening and answering


async def case_summary(context: OfficerContext, case_id: str) -> QueuedCase:
    """The metadata of a case that this officer may open. Raises NoSuchCase."""
    case, _ = await _readable(context, case_id)
    return queued_case(case, context.today)


async def open_case(context: OfficerContext, case_id: str) -> OpenedCase:
    """Return the sealed letters of a case and record the access in the ledger.

    Raises NoSuchCase, Malformed (a stored row is no letter).
    """
    case, access = await _readable(context, case_id)
    if case.state is cases.CaseState.RECEIVED:
        await cases.set_state(context.tx, case_id, cases.CaseState.OPEN)
        case, access = await _readable(context, case_id)
    await context.append_to_ledger(Verb.OPEN, case_id)
    return OpenedCase(case, access, tuple(await cases.letters(context.tx, case_id)))


async def answer(
    context: OfficerContext, case_id: str, posted: Any, *, access: Sequence[Any] = (), bell: str = ""
) -> cases.CaseState:
    """Store an officer's letter, with the keys that it grants, and flag news for the asker; return the case's state.

    The ledger says whether it handed the case over, or gave the author's own key up.

    Raises NoSuchCase, LetterRefused, posting.TooManyLetters, trust.Closed, Malformed, Altered (a rule of the protocol
    does not hold).
    """
    case, _ = await _readable(context, case_id)
    letter = protocol_letters.parse_letter(posted)
    posting.ACCESS(access, "access")
    chain = (await trust.verified(context.tx, context.unit)).chain
    thread = await posting.followed(context.tx, case.id, letter, context.officer.id, chain, context.today)
    posting.check_granted(thread, letter, access)
    verb = _verb(thread, chain, letter)
    state = await _move(context, case, letter)
    await posting.store(context.tx, letter, access)
    await _flag_news(context, bell, state)
    await context.append_to_ledger(verb, case_id)
    return state


def _verb(thread: Thread, chain: Chain, letter: Letter) -> Verb:
    """What the newest letter of a thread does: by whom it grants to, not by its kind. Raises Altered."""
    context = letter["context"]
    if context["grant"] is None:
        if context["kind"] == _HAND:
            raise Altered("hand.grant")
        return Verb.ANSWER
    if context["author"] not in thread.readers:
        return Verb.RECUSE
    changed = set(thread.readers) ^ set(thread.grants[-2].grant["readers"])
    is_handed = any(chain.is_officer(one) and chain.is_active(one) for one in changed)
    return Verb.HAND_OVER if is_handed else Verb.ANSWER


async def heads(context: OfficerContext) -> list[Head]:
    """The newest letter of each case that this officer has a key for."""
    return await cases.heads(context.tx, context.officer.id)


# ---------------------------------------------------------------- why one no longer reads


async def departure(context: OfficerContext, case_id: str) -> Sequence[Letter]:
    """The letters of a case up to the one since which this officer, who was a reader, is none any more.

    No key comes with them, and nothing that was written later. Raises NoSuchCase (also where no such letter by the
    asker or an active officer exists), trust.Closed, Malformed.
    """
    chain = (await trust.verified(context.tx, context.unit)).chain
    found = await cases.letters(context.tx, case_id)
    grants = [at for at, letter in enumerate(found) if letter["context"]["grant"]]
    named = [at for at in grants if context.officer.id in _readers(found[at])]
    if not named or not context.officer.reads_cases:
        raise NoSuchCase
    for at in grants:
        author = found[at]["context"]["author"]
        if at > named[-1] and (author == fields.ASKER or chain.is_active(author)):
            return found[: at + 1]
    raise NoSuchCase


def _readers(letter: Letter) -> Sequence[str]:
    grant = letter["context"]["grant"]
    return grant["readers"] if grant else ()


async def _readable(context: OfficerContext, case_id: str) -> tuple[Case, Access]:
    """A case that this officer has a key for, and that key, sealed. Raises NoSuchCase."""
    case = await cases.by_id(context.tx, case_id)
    access = await cases.access(context.tx, case_id, context.officer.id)
    if case is None or access is None or not context.officer.reads_cases:
        raise NoSuchCase
    return case, access


async def _move(context: OfficerContext, case: Case, letter: Letter) -> cases.CaseState:
    """Move the case by the kind of the letter. Raises LetterRefused."""
    if case.state is cases.CaseState.CLOSED and letter["context"]["kind"] == _HAND:
        return case.state
    opened = cases.CaseState.OPEN if case.state is cases.CaseState.RECEIVED else case.state
    state = _STATES.get(letter["context"]["kind"], opened)
    try:
        if case.state is cases.CaseState.RECEIVED:
            await cases.set_state(context.tx, case.id, opened)
        if state is not cases.CaseState.OPEN:
            await cases.set_state(context.tx, case.id, state)
    except cases.InvalidTransition as fault:
        raise LetterRefused("closed") from fault
    return state


async def _flag_news(context: OfficerContext, bell: str, state: cases.CaseState) -> None:
    """Flag news for the asker's address, which the bell inside the first letter names. Raises Malformed."""
    if not bell:
        return
    row = tokens.route_row(context.route_key, bell)
    await routes.flag_news(context.tx, row)
    if state is cases.CaseState.CLOSED:
        await routes.end_route(context.tx, row)
