"""The officers' side of the sealed lane: who may join and read, the queue, opening and answering; all in the ledger."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from storage.confidential import cases, ledger, officers, sealing, wire_format
from storage.confidential.cases import Case
from storage.confidential.ledger import Verb
from storage.confidential.officers import READER_ROLES, KeyList, Keys, Officer
from storage.confidential.sealing import Altered, Envelope, Reader, ReaderList
from storage.confidential.wire_format import Malformed
from storage.database import Transaction

ONE_DAY = timedelta(days=1)


class KeysRefused(Exception):
    """The keys or the signed list do not fit what is stored; nothing was changed."""


class NoSuchCase(Exception):
    """There is no such case, or none that this officer was given a key of: the two are not told apart."""


class LetterRefused(Exception):
    """The answer cannot be stored; `reason` is "letter" (not what it must be), "seq" or "state"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Desk:
    """One officer at work, in one transaction, at one moment."""

    tx: Transaction
    officer: Officer
    timezone: ZoneInfo
    audit_key: bytes
    now: datetime

    @property
    def local(self) -> datetime:
        """The moment where the unit is."""
        return self.now.astimezone(self.timezone)

    @property
    def today(self) -> date:
        return self.local.date()

    async def note(self, verb: Verb, case_id: str = "") -> None:
        """Write it down in the ledger."""
        await ledger.append(self.tx, self.audit_key, self.officer.id, verb, case_id, self.local)


@dataclass(frozen=True, slots=True)
class QueuedCase:
    """A case as the queue shows it."""

    id: str
    folio: str
    state: str
    day: date
    due_on: date
    age: int  # days since it came
    is_overdue: bool
    is_open: bool  # it is the unit's turn


@dataclass(frozen=True, slots=True)
class Opened:
    """What an officer's browser opens a case with: sealed, all of it."""

    case: Case
    access: tuple[cases.Access, ...]
    letters: tuple[str, ...]
    keys: KeyList


# ---------------------------------------------------------------- joining, and who may read


async def join(desk: Desk, token: str, keys: Keys, signed: tuple[str, str] | None) -> officers.OfficerState:
    """Spend an invite. The first reader signs the first list; later readers wait for the unit's signature.

    Raises KeysRefused, InviteRefused.
    """
    _check_points(keys)
    in_force = await officers.newest_key_list(desk.tx)
    state = officers.OfficerState.ACTIVE
    if desk.officer.role in READER_ROLES and in_force is None:
        await _first_list(desk, keys, signed)
    elif signed is not None or keys.unit_bundle is not None:
        raise KeysRefused
    elif desk.officer.role in READER_ROLES:
        state = officers.OfficerState.PENDING
    await officers.sign_up(desk.tx, token, keys, state, desk.now)
    await desk.note(Verb.SIGN_UP)
    if signed is not None:
        await desk.note(Verb.SIGN_KEYS)
    return state


def _check_points(keys: Keys) -> None:
    try:
        wire_format.public_key(keys.reading_key, "reading_key")
        wire_format.public_key(keys.signing_key, "signing_key")
    except Malformed as fault:
        raise KeysRefused from fault


async def _first_list(desk: Desk, keys: Keys, signed: tuple[str, str] | None) -> None:
    """The list that a first reader signs holds this reader and the recovery key, and nobody else."""
    if signed is None or keys.unit_bundle is None:
        raise KeysRefused
    readers = _verified(signed)
    own = Reader(desk.officer.id, desk.officer.name, "officer", keys.reading_key, keys.signing_key)
    others = [reader for reader in readers.readers if reader != own]
    if readers.serial != 1 or len(readers.readers) != 2 or [one.id for one in others] != [sealing.RECOVERY]:
        raise KeysRefused
    if not await officers.add_key_list(desk.tx, KeyList(1, *signed)):
        raise KeysRefused


async def sign_keys(desk: Desk, body: str, signature: str) -> None:
    """Put a new list of readers in force; whoever it names for the first time becomes active.

    It follows the one in force: next serial, same unit, everybody who was there, and otherwise only officers
    with exactly the keys that they registered. Raises KeysRefused.
    """
    in_force = await officers.newest_key_list(desk.tx)
    if in_force is None or not desk.officer.signs_keys:
        raise KeysRefused
    before, after = _verified((in_force.body, in_force.signature)), _verified((body, signature))
    if after.serial != before.serial + 1 or after.unit != before.unit:
        raise KeysRefused
    if not set(before.readers) <= set(after.readers):
        raise KeysRefused
    registered = {_as_reader(one) for one in await officers.all_officers(desk.tx) if _may_be_named(one)}
    joined = set(after.readers) - set(before.readers)
    if not joined or not joined <= registered:
        raise KeysRefused
    if not await officers.add_key_list(desk.tx, KeyList(after.serial, body, signature)):
        raise KeysRefused
    await officers.activate(desk.tx, [reader.id for reader in joined])
    await desk.note(Verb.SIGN_KEYS)


def _verified(signed: tuple[str, str]) -> ReaderList:
    try:
        return sealing.verify_key_list(*signed)
    except (Malformed, Altered) as fault:
        raise KeysRefused from fault


def _as_reader(officer: Officer) -> Reader:
    return Reader(officer.id, officer.name, "officer", officer.reading_key, officer.signing_key)


def _may_be_named(officer: Officer) -> bool:
    return officer.role in READER_ROLES and officer.state in (
        officers.OfficerState.PENDING,
        officers.OfficerState.ACTIVE,
    )


# ---------------------------------------------------------------- the queue


def folio(case_id: str) -> str:
    """The short name of a case: eight digits of its id's hash, easy to say on the telephone."""
    digits = hashlib.sha256(case_id.encode()).hexdigest()[:8].upper()
    return f"{digits[:4]}-{digits[4:]}"


def as_waiting(case: Case, today: date) -> QueuedCase:
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


async def queue(desk: Desk) -> list[QueuedCase]:
    """The cases that this officer was given a key of: the unit's turn first, the most urgent on top.

    Whoever was excluded from a case does not see that it exists.
    """
    waiting = [as_waiting(case, desk.today) for case in await cases.queue(desk.tx, desk.officer.id)]
    return sorted(waiting, key=lambda one: (not one.is_open, one.due_on, one.folio))


# ---------------------------------------------------------------- opening and answering


async def look_up(desk: Desk, case_id: str) -> QueuedCase:
    """What the server knows of a case, for somebody who may open it. Raises NoSuchCase."""
    return as_waiting(await _readable(desk, case_id), desk.today)


async def open_case(desk: Desk, case_id: str) -> Opened:
    """Hand over the sealed letters, and write it down. Raises NoSuchCase."""
    case = await _readable(desk, case_id)
    keys = await officers.newest_key_list(desk.tx)
    if keys is None:
        raise NoSuchCase
    if case.state is cases.CaseState.RECEIVED:
        await cases.set_state(desk.tx, case_id, cases.CaseState.OPEN)
        case = await _readable(desk, case_id)
    await desk.note(Verb.OPEN, case_id)
    return Opened(
        case=case,
        access=tuple(await cases.access(desk.tx, case_id, desk.officer.id)),
        letters=tuple(letter.envelope for letter in await cases.letters(desk.tx, case_id)),
        keys=keys,
    )


async def answer(desk: Desk, case_id: str, letter: object) -> cases.CaseState:
    """Store a sealed and signed answer, and have the asker told that there is news.

    Raises NoSuchCase, LetterRefused.
    """
    case = await _readable(desk, case_id)
    envelope = _envelope(letter)
    await _check_place(desk, case, envelope)
    await _check_signer(desk, envelope)
    kept = cases.Letter(envelope.seq, envelope.epoch, envelope.text)
    try:
        if case.state is cases.CaseState.RECEIVED:
            await cases.set_state(desk.tx, case_id, cases.CaseState.OPEN)
        await cases.set_state(desk.tx, case_id, cases.CaseState.ANSWERED)
        await cases.add_letter(desk.tx, case_id, kept)
    except cases.InvalidTransition as fault:
        raise LetterRefused("state") from fault
    except cases.OutOfOrder as fault:
        raise LetterRefused("seq") from fault
    await cases.flag_news(desk.tx, case_id)
    await desk.note(Verb.ANSWER, case_id)
    return cases.CaseState.ANSWERED


async def _readable(desk: Desk, case_id: str) -> Case:
    case = await cases.by_id(desk.tx, case_id)
    if case is None or not desk.officer.reads_cases:
        raise NoSuchCase
    if not await cases.access(desk.tx, case_id, desk.officer.id):
        raise NoSuchCase
    return case


def _envelope(letter: object) -> Envelope:
    try:
        return sealing.parse_envelope(letter)
    except Malformed as fault:
        raise LetterRefused("letter") from fault


async def _check_place(desk: Desk, case: Case, envelope: Envelope) -> None:
    """The answer is bound to this case, this epoch, this day and the letter before it."""
    if envelope.case != case.id or envelope.epoch != case.epoch or envelope.author != "officer":
        raise LetterRefused("letter")
    if abs(envelope.day - desk.today) > ONE_DAY:
        raise LetterRefused("letter")
    before = await cases.letters(desk.tx, case.id)
    if envelope.seq != len(before) + 1:
        raise LetterRefused("seq")
    if envelope.previous != sealing.read_envelope(before[-1].envelope).hash:
        raise LetterRefused("letter")


async def _check_signer(desk: Desk, envelope: Envelope) -> None:
    """The answer carries the signature of the officer who sends it, whom the list in force names."""
    in_force = await officers.newest_key_list(desk.tx)
    if in_force is None or envelope.signer != desk.officer.id:
        raise LetterRefused("letter")
    try:
        listed = sealing.verify_key_list(in_force.body, in_force.signature).signing_key(desk.officer.id)
        if listed != desk.officer.signing_key:
            raise LetterRefused("letter")
        sealing.verify_letter(envelope, listed)
    except (Altered, Malformed) as fault:
        raise LetterRefused("letter") from fault
