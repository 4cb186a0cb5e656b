"""The askers' side of the letterbox: accept a new case or a reply, return a thread, find who is to be notified of news.

Letters are ciphertext throughout; of the asker's chat only the encrypted address is handled, to notify them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from content.workdays import Calendar
from handlers.context import WorkContext
from handlers.outgoing import Recipient
from storage.confidential import cases, officers, sealing, wire_format
from storage.database import Transaction
from storage.people import closures

RESPONSE_WORKING_DAYS = 3
"""An officer answers within three working days (ISO 37002, 8.1), or by the day of the asker's decision if earlier."""

MIN_READERS = 2


class SubmissionRefused(Exception):
    """A letter was refused and nothing was stored; `reason` is the code that the page receives.

    token: unknown, redeemed or expired. keys: not the list in force, or not sealed to exactly its readers.
    case: a case with this id exists. seq: another letter was stored first. closed: the case accepts no more letters.
    day: the browser's date differs from ours by more than a day. thread: no case has this locator.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Submission:
    """A new case as the asker's browser sends it, with its format checked."""

    token: str
    case: str
    day: date
    serial: int
    decision_on: date | None
    locator_hash: str
    asker_key: str
    asker_bundle: str
    access: tuple[cases.Access, ...]
    letter: sealing.Envelope


def parse_submission(value: object) -> Submission:
    """Parse a new case. Raises wire_format.Malformed, which names the field."""
    names = "token case day serial decision_on locator_hash asker_key asker_bundle access letter"
    record = wire_format.fields(value, names, "posting")
    wire_format.coded(record["token"], "token", size=24)
    wire_format.public_key(record["asker_key"], "asker_key")
    locator_hash = wire_format.string(record["locator_hash"], "locator_hash", longest=64)
    if len(locator_hash) != 64 or not set(locator_hash) <= set("0123456789abcdef"):
        raise wire_format.Malformed("locator_hash")
    decision = record["decision_on"]
    return Submission(
        token=record["token"],
        case=wire_format.identifier(record["case"], "case"),
        day=wire_format.calendar_day(record["day"], "day"),
        serial=wire_format.number(record["serial"], "serial", most=2**31 - 1),
        decision_on=None if decision == "" else wire_format.calendar_day(decision, "decision_on"),
        locator_hash=locator_hash,
        asker_key=record["asker_key"],
        asker_bundle=wire_format.bundle(record["asker_bundle"], "asker_bundle"),
        access=_parse_access(record["access"]),
        letter=_parse_first_letter(record),
    )


def _parse_access(value: object) -> tuple[cases.Access, ...]:
    if not isinstance(value, list) or len(value) > 201:
        raise wire_format.Malformed("access")
    rows = [wire_format.fields(row, "reader sealed", "access") for row in value]
    access = tuple(
        cases.Access(
            1, wire_format.string(row["reader"], "access", longest=22), wire_format.sealed_key(row["sealed"], "access")
        )
        for row in rows
    )
    if len({grant.reader for grant in access}) != len(access):
        raise wire_format.Malformed("access")
    return access


def _parse_first_letter(record: Mapping[str, Any]) -> sealing.Envelope:
    letter = sealing.parse_envelope(record["letter"])
    if (letter.case, letter.epoch, letter.seq, letter.author) != (record["case"], 1, 1, "asker"):
        raise wire_format.Malformed("letter.context")
    if letter.day.isoformat() != record["day"]:
        raise wire_format.Malformed("letter.context.day")
    return letter


# ---------------------------------------------------------------- readers


async def current_readers(tx: Transaction) -> tuple[officers.KeyList, sealing.ReaderList] | None:
    """The list of readers in force, as signed text and as content; None: the letterbox is closed.

    It is closed if there is no list, if its signature does not verify, or if it names fewer than two readers.
    """
    keys = await officers.newest_key_list(tx)
    if keys is None:
        return None
    try:
        listed = sealing.verify_key_list(keys.body, keys.signature)
    except (wire_format.Malformed, sealing.Altered):
        return None
    if listed.serial != keys.serial or len(listed.readers) < MIN_READERS:
        return None
    return keys, listed


# ---------------------------------------------------------------- incoming letters


def due_day(day: date, decision_on: date | None, calendar: Calendar) -> date:
    """The day by which an officer answers a letter of `day`: the third working day of the UEIPCI after it.

    An earlier `decision_on` takes its place, unless it is before `day`. Closures of a single institution do not count:
    the server does not know the asker's.
    """
    due = calendar.workdays_after(day, RESPONSE_WORKING_DAYS)
    return min(due, decision_on) if decision_on and decision_on >= day else due


async def _stored_due_day(tx: Transaction, day: date, decision_on: date | None = None) -> date:
    return due_day(day, decision_on, Calendar(await closures.between(tx, day)))


async def accept(work: WorkContext, submission: Submission) -> date:
    """Redeem the link and store the case; return the day by which it is answered. Raises SubmissionRefused."""
    _check_day(work, submission.day)
    tx, route_key = work.tx, work.installation.route_key
    token_hash = sealing.token_hash(route_key, submission.token)
    link = await cases.redeem_link(tx, token_hash, work.now)
    if link is None:
        raise SubmissionRefused("token")
    current = await current_readers(tx)
    if current is None or submission.serial != current[1].serial:
        raise SubmissionRefused("keys")
    if {grant.reader for grant in submission.access} != current[1].ids | {sealing.ASKER}:
        raise SubmissionRefused("keys")
    due_on = await _stored_due_day(tx, submission.day, submission.decision_on)
    try:
        case, letter = _new_case(submission, due_on), _letter(submission.letter)
        await cases.add(tx, case, submission.locator_hash, submission.access, letter)
    except cases.CaseExists as fault:
        raise SubmissionRefused("case") from fault
    address = sealing.open_address(route_key, link, "link|" + token_hash)
    # Encrypted again and bound to the case, so that the rows of link and route share no bytes.
    sealed = sealing.seal_address(route_key, address, "case|" + submission.case)
    await cases.add_route(tx, cases.Route(submission.case, sealed))
    return due_on


def _check_day(work: WorkContext, day: date) -> None:
    """A letter bears today's date, give or take a day: midnight may pass in transit. Raises SubmissionRefused."""
    if abs((work.today - day).days) > 1:
        raise SubmissionRefused("day")


def _new_case(submission: Submission, due_on: date) -> cases.Case:
    return cases.Case(
        id=submission.case,
        day=submission.day,
        state=cases.CaseState.RECEIVED,
        epoch=1,
        due_on=due_on,
        size_step=submission.letter.padded_size // sealing.STEP,
        origin="form",
        asker_key=submission.asker_key,
        asker_bundle=submission.asker_bundle,
    )


def _letter(envelope: sealing.Envelope) -> cases.Letter:
    return cases.Letter(envelope.seq, envelope.epoch, envelope.text)


async def reply(work: WorkContext, locator: str, value: object) -> None:
    """Store a further letter of the asker; the case waits for an officer again.

    Raises SubmissionRefused, wire_format.Malformed.
    """
    tx, letter = work.tx, sealing.parse_envelope(value)
    case = await cases.by_locator(tx, sealing.locator_hash(locator))
    if case is None:
        raise SubmissionRefused("thread")
    if letter.author != "asker" or letter.case != case.id:
        raise wire_format.Malformed("letter.context")
    _check_day(work, letter.day)
    if case.state is cases.CaseState.CLOSED:
        raise SubmissionRefused("closed")
    await append_letter(tx, case, letter)
    if case.state in (cases.CaseState.ANSWERED, cases.CaseState.ASKED_BACK):
        await cases.set_state(tx, case.id, cases.CaseState.OPEN, due_on=await _stored_due_day(tx, letter.day))


async def append_letter(tx: Transaction, case: cases.Case, letter: sealing.Envelope) -> None:
    """Store a letter that follows the last one of its case, in the case's epoch. Raises SubmissionRefused."""
    letters = await cases.letters(tx, case.id)
    last = sealing.read_envelope(letters[-1].envelope)
    if (letter.seq, letter.epoch, letter.previous) != (last.seq + 1, case.epoch, last.hash):
        raise SubmissionRefused("seq")
    try:
        await cases.add_letter(tx, case.id, _letter(letter))
    except cases.OutOfOrder as fault:
        raise SubmissionRefused("seq") from fault


# ---------------------------------------------------------------- reading


async def thread(tx: Transaction, locator: str) -> dict[str, Any]:
    """All that the asker's browser needs to open their case, as JSON values.

    Raises SubmissionRefused, wire_format.Malformed (not a locator), sealing.Altered (a stored value is no letter or
    no list).
    """
    case = await cases.by_locator(tx, sealing.locator_hash(locator))
    if case is None:
        raise SubmissionRefused("thread")
    keys = await officers.newest_key_list(tx)
    access = await cases.access(tx, case.id, sealing.ASKER)
    letters = await cases.letters(tx, case.id)
    return {
        "case": case.id,
        "state": case.state.value,
        "day": case.day.isoformat(),
        "due_on": case.due_on.isoformat(),
        "epoch": case.epoch,
        "asker_key": case.asker_key,
        "asker_bundle": sealing.stored_json(case.asker_bundle),
        "access": [{"epoch": grant.epoch, "sealed": grant.sealed} for grant in access],
        "letters": [sealing.stored_json(letter.envelope) for letter in letters],
        "keys": {"body": keys.body, "signature": keys.signature} if keys else None,
    }


# ---------------------------------------------------------------- notices of news


async def claim_news(work: WorkContext) -> list[Recipient]:
    """Claim all pending news and return the recipients, each once and in random order; delete expired links.

    Claimed news are not returned again: the caller enqueues the notices in the same transaction.
    """
    await cases.delete_expired_links(work.tx, work.now)
    recipients = set()
    for route in await cases.claim_news(work.tx):
        try:
            address = sealing.open_address(work.installation.route_key, route.sealed_address, "case|" + route.case_id)
            recipients.add(Recipient(address["channel"], address["address"], address["language"]))
        except (sealing.Altered, KeyError):
            continue  # the route key was changed or the row was altered: the address is lost
    ordered = sorted(recipients, key=lambda recipient: (recipient.channel, recipient.address))
    secrets.SystemRandom().shuffle(ordered)
    return ordered
