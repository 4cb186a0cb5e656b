"""Sealed letters of those who ask: taking in a new case, showing a thread, taking in a reply, ringing for news.

Everything here works on ciphertext, and nothing of the asker's chat is touched.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from handlers.context import Installation
from handlers.outgoing import Listener
from storage.confidential import cases, officers, sealing, wire_format
from storage.database import Transaction

WORKING_DAYS = 3
"""A person answers within three working days (ISO 37002, 8.1); the day of a decision beats that."""

LEAST_READERS = 2


class SubmissionRefused(Exception):
    """A letter was not taken, and nothing was recorded; `reason` is what the page is told.

    token: unknown, spent or too old. keys: not the list in force, or not sealed to exactly its readers.
    case: there is one with this id. seq: another letter was faster. closed: the case takes no more letters.
    day: the page's calendar is not ours. thread: no case answers to these words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Posting:
    """A new case as the asker's browser sends it, its shape checked."""

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


def parse_posting(value: object) -> Posting:
    """Raises shapes.Malformed, which names the field."""
    names = "token case day serial decision_on locator_hash asker_key asker_bundle access letter"
    record = wire_format.fields(value, names, "posting")
    wire_format.coded(record["token"], "token", size=24)
    wire_format.public_key(record["asker_key"], "asker_key")
    locator_hash = wire_format.string(record["locator_hash"], "locator_hash", longest=64)
    if len(locator_hash) != 64 or not set(locator_hash) <= set("0123456789abcdef"):
        raise wire_format.Malformed("locator_hash")
    decision = record["decision_on"]
    return Posting(
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
    rows = [wire_format.fields(one, "reader sealed", "access") for one in value]
    access = tuple(
        cases.Access(
            1, wire_format.string(row["reader"], "access", longest=22), wire_format.sealed_key(row["sealed"], "access")
        )
        for row in rows
    )
    if len({one.reader for one in access}) != len(access):
        raise wire_format.Malformed("access")
    return access


def _parse_first_letter(record: Mapping[str, Any]) -> sealing.Envelope:
    letter = sealing.parse_envelope(record["letter"])
    if (letter.case, letter.epoch, letter.seq, letter.author) != (record["case"], 1, 1, "asker"):
        raise wire_format.Malformed("letter.context")
    if letter.day.isoformat() != record["day"]:
        raise wire_format.Malformed("letter.context.day")
    return letter


# ---------------------------------------------------------------- who may read


async def readers(tx: Transaction) -> tuple[officers.KeyList, sealing.ReaderList] | None:
    """The list in force, signed text and content; None: the letterbox is closed.

    It is closed when there is no list, when the list does not verify, and when it names fewer than two readers.
    """
    keys = await officers.newest_key_list(tx)
    if keys is None:
        return None
    try:
        listed = sealing.verify_key_list(keys.body, keys.signature)
    except (wire_format.Malformed, sealing.Altered):
        return None
    if listed.serial != keys.serial or len(listed.readers) < LEAST_READERS:
        return None
    return keys, listed


# ---------------------------------------------------------------- letters in


def due_day(day: date, decision_on: date | None, days_off: Collection[date]) -> date:
    """The day by which a person answers."""
    left, due = WORKING_DAYS, day
    while left:
        due += timedelta(days=1)
        if due.weekday() < 5 and due not in days_off:
            left -= 1
    return min(due, decision_on) if decision_on and decision_on >= day else due


async def _due_day(tx: Transaction, day: date, decision_on: date | None = None) -> date:
    return due_day(day, decision_on, await cases.days_off(tx, day))


async def accept(tx: Transaction, installation: Installation, posting: Posting, now: datetime) -> date:
    """Spend the link and keep the case; gives the day by which it is answered. Raises Refused."""
    _check_day(posting.day, installation, now)
    token_hash = sealing.token_hash(installation.route_key, posting.token)
    link = await cases.redeem_link(tx, token_hash, now)
    if link is None:
        raise SubmissionRefused("token")
    current = await readers(tx)
    if current is None or posting.serial != current[1].serial:
        raise SubmissionRefused("keys")
    if {one.reader for one in posting.access} != current[1].ids | {sealing.ASKER}:
        raise SubmissionRefused("keys")
    due_on = await _due_day(tx, posting.day, posting.decision_on)
    try:
        await cases.add(tx, _new_case(posting, due_on), posting.locator_hash, posting.access, _letter(posting.letter))
    except cases.CaseExists as fault:
        raise SubmissionRefused("case") from fault
    address = sealing.open_address(installation.route_key, link, "link|" + token_hash)
    # Sealed anew and bound to the case: the two rows share no bytes.
    sealed = sealing.seal_address(installation.route_key, address, "case|" + posting.case)
    await cases.add_route(tx, cases.Route(posting.case, sealed))
    return due_on


def _check_day(day: date, installation: Installation, now: datetime) -> None:
    """A letter is of today; midnight may pass while it travels."""
    if abs((now.astimezone(installation.timezone).date() - day).days) > 1:
        raise SubmissionRefused("day")


def _new_case(posting: Posting, due_on: date) -> cases.Case:
    return cases.Case(
        id=posting.case,
        day=posting.day,
        state=cases.CaseState.RECEIVED,
        epoch=1,
        due_on=due_on,
        size_step=posting.letter.padded_size // sealing.STEP,
        origin="form",
        asker_key=posting.asker_key,
        asker_bundle=posting.asker_bundle,
    )


def _letter(envelope: sealing.Envelope) -> cases.Letter:
    return cases.Letter(envelope.seq, envelope.epoch, envelope.text)


async def reply(tx: Transaction, installation: Installation, locator: str, value: object, now: datetime) -> None:
    """Keep a further letter of the asker's; it is the unit's turn again. Raises Refused and shapes.Malformed."""
    letter = sealing.parse_envelope(value)
    case = await cases.by_locator(tx, sealing.locator_hash(locator))
    if case is None:
        raise SubmissionRefused("thread")
    if letter.author != "asker" or letter.case != case.id:
        raise wire_format.Malformed("letter.context")
    _check_day(letter.day, installation, now)
    if case.state is cases.CaseState.CLOSED:
        raise SubmissionRefused("closed")
    await add_next(tx, case, letter)
    if case.state in (cases.CaseState.ANSWERED, cases.CaseState.ASKED_BACK):
        await cases.set_state(tx, case.id, cases.CaseState.OPEN, due_on=await _due_day(tx, letter.day))


async def add_next(tx: Transaction, case: cases.Case, letter: sealing.Envelope) -> None:
    """Keep a letter that follows the last one of its case, in the case's epoch. Raises Refused."""
    letters = await cases.letters(tx, case.id)
    last = sealing.read_envelope(letters[-1].envelope)
    if (letter.seq, letter.epoch, letter.previous) != (last.seq + 1, case.epoch, last.hash):
        raise SubmissionRefused("seq")
    try:
        await cases.add_letter(tx, case.id, _letter(letter))
    except cases.OutOfOrder as fault:
        raise SubmissionRefused("seq") from fault


# ---------------------------------------------------------------- the asker reads


async def thread(tx: Transaction, locator: str) -> dict[str, Any]:
    """All that the asker's browser needs to open their case.

    Raises Refused, shapes.Malformed (no locator), and sealing.Altered (what is stored is no letter or list).
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
        "access": [{"epoch": one.epoch, "sealed": one.sealed} for one in access],
        "letters": [sealing.stored_json(one.envelope) for one in letters],
        "keys": {"body": keys.body, "signature": keys.signature} if keys else None,
    }


# ---------------------------------------------------------------- the doorbell


async def ring(tx: Transaction, installation: Installation, now: datetime) -> list[Listener]:
    """Whom to tell that there is news, each once and in random order; links that nobody used are forgotten.

    The news count as told: what the caller says belongs into the same transaction.
    """
    await cases.delete_expired_links(tx, now)
    bells = set()
    for route in await cases.claim_news(tx):
        try:
            address = sealing.open_address(installation.route_key, route.sealed_address, "case|" + route.case_id)
            bells.add(Listener(address["channel"], address["address"], address["language"]))
        except (sealing.Altered, KeyError):
            continue  # the route key was changed, or somebody was at the row: there is nobody to tell
    ordered = sorted(bells, key=lambda bell: (bell.channel, bell.address))
    secrets.SystemRandom().shuffle(ordered)
    return ordered
