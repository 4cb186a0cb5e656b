"""The askers' side of the letterbox: accept a new case or a further letter, return a thread.

Letters are ciphertext throughout; of the asker's chat only the encrypted address is kept, to notify them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from content.workdays import Calendar
from handlers.casework import posting, trust
from handlers.casework.posting import LetterRefused
from handlers.context import WorkContext
from storage.confidential import cases, routes
from storage.confidential.cases import Case, CaseState
from storage.confidential.protocol import boxes, fields, threads, tokens
from storage.confidential.protocol import letters as protocol_letters
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical, decode, read
from storage.confidential.protocol.errors import Malformed
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.threads import Thread
from storage.database import Transaction
from storage.people import closures

RESPONSE_WORKING_DAYS = 3
"""An officer answers within three working days (ISO 37002, 8.1), or by the day of the asker's decision if earlier."""

KIB = 1024
_STATES: Final = {"close": CaseState.CLOSED, "reply": CaseState.OPEN, "resume": CaseState.OPEN}
_DATE: Final = fields.either("", fields.day)


@dataclass(frozen=True, slots=True)
class Submission:
    """A new case as the asker's browser sends it, with its format checked."""

    token: bytes
    letter: Letter
    access: Sequence[Access]
    locator_hash: str
    box: Box
    signature: str
    decision_on: date | None


def locator_hash(value: object, where: str) -> None:
    """A SHA-256 in hexadecimal digits. Raises Malformed."""
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise Malformed(where)


_SUBMISSION: Final = fields.record(
    token=fields.coded(24),
    letter=protocol_letters.LETTER,
    access=posting.ACCESS,
    locator_hash=locator_hash,
    box=fields.BOX,
    signature=fields.signature,
    decision_on=_DATE,
)
_LOCATOR: Final = fields.coded(32)
_BOX_FIELDS: Final = {
    "locator": _LOCATOR,
    "box": fields.BOX,
    "version": boxes.VERSION,
    "signature": fields.signature,
}
_REPLY: Final = fields.record(letter=protocol_letters.LETTER, access=posting.ACCESS, **_BOX_FIELDS)
_SEEN: Final = fields.record(**_BOX_FIELDS)
_THREAD: Final = fields.record(locator=_LOCATOR)


def parse_submission(value: Any) -> Submission:
    """Parse a new case. Raises Malformed, which names the field."""
    _SUBMISSION(value, "posting")
    return Submission(
        token=decode(value["token"]),
        letter=protocol_letters.parse_letter(value["letter"]),
        access=value["access"],
        locator_hash=value["locator_hash"],
        box=value["box"],
        signature=value["signature"],
        decision_on=date.fromisoformat(value["decision_on"]) if value["decision_on"] else None,
    )


# ---------------------------------------------------------------- new cases


def due_day(day: date, decision_on: date | None, calendar: Calendar) -> date:
    """The day by which an officer answers a letter of `day`: the third working day of the UEIPCI after it.

    An earlier `decision_on` takes its place, unless it is before `day`. Closures of a single institution do not count:
    the server does not know the asker's.
    """
    due = calendar.workdays_after(day, RESPONSE_WORKING_DAYS)
    return min(due, decision_on) if decision_on and decision_on >= day else due


async def _stored_due_day(tx: Transaction, day: str, decision_on: date | None = None) -> date:
    written = date.fromisoformat(day)
    return due_day(written, decision_on, Calendar(await closures.between(tx, written)))


async def accept(work: WorkContext, submission: Submission) -> date:
    """Redeem the link and store the case; return the day by which it is answered.

    Raises LetterRefused, trust.Closed, Altered (a rule of the protocol does not hold).
    """
    tx, letter = work.tx, submission.letter
    known = await trust.in_force(tx, work.installation.unit, work.today)
    thread = posting.extended(threads.Thread(), letter, fields.ASKER, known.chain, work.today)
    posting.check_granted(thread, letter, submission.access)
    boxes.verify_bundle(thread.asker_signing, submission.signature, thread.case, 1, submission.box)
    if not await routes.redeem_link(tx, tokens.entry_row(work.installation.route_key, submission.token), work.now):
        raise LetterRefused("token")
    due_on = await _stored_due_day(tx, letter["context"]["day"], submission.decision_on)
    try:
        await cases.add(tx, _new_case(submission, due_on), submission.locator_hash, submission.access, letter)
    except cases.CaseExists as fault:
        raise LetterRefused("case") from fault
    return due_on


def _new_case(submission: Submission, due_on: date) -> Case:
    context = submission.letter["context"]
    padded = len(decode(submission.letter["body"])) - protocol_letters.TAG
    return Case(
        id=context["case"],
        day=date.fromisoformat(context["day"]),
        state=CaseState.RECEIVED,
        due_on=due_on,
        size_step=padded // KIB,
        origin="form",
        asker_box=canonical(submission.box),
        asker_version=1,
    )


# ---------------------------------------------------------------- further letters


async def reply(work: WorkContext, value: Any) -> None:
    """Store a further letter of the asker with the box that remembers it; the case waits for an officer again.

    Raises LetterRefused, posting.TooManyLetters, trust.Closed, Malformed, Altered.
    """
    _REPLY(value, "reply")
    tx, letter = work.tx, protocol_letters.parse_letter(value["letter"])
    case = await _case(tx, value["locator"])
    if case.state is CaseState.CLOSED:
        raise LetterRefused("closed")
    chain = (await trust.verified(tx, work.installation.unit)).chain
    thread = await posting.followed(tx, case.id, letter, fields.ASKER, chain, work.today)
    posting.check_granted(thread, letter, value["access"])
    await _replace_box(tx, case, thread, value)
    await posting.store(tx, letter, value["access"])
    await _move(tx, case, letter)


async def _move(tx: Transaction, case: Case, letter: Letter) -> None:
    state = _STATES[letter["context"]["kind"]]
    if state is CaseState.OPEN and case.state is CaseState.RECEIVED:
        return
    due_on = None if state is CaseState.CLOSED else await _stored_due_day(tx, letter["context"]["day"])
    if case.state is not state:
        await cases.set_state(tx, case.id, state, due_on=due_on)


async def remember(work: WorkContext, value: Any) -> None:
    """Store the asker's box alone, after they read something new. Raises LetterRefused, Malformed, Altered."""
    _SEEN(value, "seen")
    case = await _case(work.tx, value["locator"])
    chain = (await trust.verified(work.tx, work.installation.unit)).chain
    thread = threads.check_thread(await cases.letters(work.tx, case.id), chain)
    await _replace_box(work.tx, case, thread, value)


async def _replace_box(tx: Transaction, case: Case, thread: Thread, value: Any) -> None:
    """Store the next version of the box, which the asker has signed. Raises LetterRefused, Altered."""
    version, box = value["version"], value["box"]
    boxes.verify_bundle(thread.asker_signing, value["signature"], case.id, version, box)
    if not await cases.replace_box(tx, case.id, version, box):
        raise LetterRefused("version")


async def _case(tx: Transaction, locator: str) -> Case:
    case = await cases.by_locator(tx, cases.locator_hash(locator))
    if case is None:
        raise LetterRefused("thread")
    return case


# ---------------------------------------------------------------- reading


def parse_locator(value: Any) -> str:
    """The locator with which a thread is asked for. Raises Malformed."""
    _THREAD(value, "thread")
    return str(value["locator"])


async def thread(work: WorkContext, locator: str) -> dict[str, Any]:
    """All that the asker's browser needs to open their case, as JSON values.

    Raises LetterRefused, Malformed (a stored row is none of the protocol's).
    """
    tx = work.tx
    case = await _case(tx, locator)
    return {
        "case": case.id,
        "state": case.state.value,
        "day": case.day.isoformat(),
        "due_on": case.due_on.isoformat(),
        "letters": await cases.letters(tx, case.id),
        "access": await cases.access(tx, case.id, fields.ASKER),
        "box": read(case.asker_box),
        "version": case.asker_version,
        "list": await _newest_list(work),
    }


async def _newest_list(work: WorkContext) -> Any:
    """The newest list of the adopted unit; None where the lists are not to be trusted."""
    try:
        return (await trust.verified(work.tx, work.installation.unit)).lists[-1]
    except trust.Closed:
        return None
