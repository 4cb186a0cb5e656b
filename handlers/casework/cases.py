"""The officers' side of confidential cases: accept invites, sign lists of readers, list, open and answer cases.

Invites, signed lists, openings and answers are recorded in the ledger.
"""

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
    """The keys or the signed list are inconsistent with what is stored; nothing was changed."""


class NoSuchCase(Exception):
    """The case does not exist, or this officer has no key for it; callers cannot distinguish the two."""


class LetterRefused(Exception):
    """The answer cannot be stored.

    `reason` is "letter" (malformed, wrongly bound or signed), "seq" (another letter came first) or "state" (the case
    accepts no answer).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class OfficerContext:
    """One action of an officer, in one transaction, at one moment."""

    tx: Transaction  # opened, committed or rolled back by the caller
    officer: Officer
    timezone: ZoneInfo  # of the office
    audit_key: bytes  # authenticates the entries of the ledger
    now: datetime  # UTC

    @property
    def local(self) -> datetime:
        """`now` in the office's time zone."""
        return self.now.astimezone(self.timezone)

    @property
    def today(self) -> date:
        """The calendar day in the office's time zone."""
        return self.local.date()

    async def append_to_ledger(self, verb: Verb, case_id: str = "") -> None:
        """Append an entry to the ledger."""
        await ledger.append(self.tx, self.audit_key, self.officer.id, verb, case_id, self.local)


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
    access: tuple[cases.Access, ...]
    letters: tuple[str, ...]
    keys: KeyList


# ---------------------------------------------------------------- invites and lists of readers


async def accept_invite(
    context: OfficerContext, token: str, keys: Keys, signed: tuple[str, str] | None
) -> officers.OfficerState:
    """Redeem an invite and register the officer's keys; return the officer's state.

    The first reader brings the first signed list and is active; later readers are pending until the unit signs a list
    that names them. Raises KeysRefused, InviteRefused.
    """
    _check_public_keys(keys)
    in_force = await officers.newest_key_list(context.tx)
    state = officers.OfficerState.ACTIVE
    if context.officer.role in READER_ROLES and in_force is None:
        await _add_first_list(context, keys, signed)
    elif signed is not None or keys.unit_bundle is not None:
        raise KeysRefused
    elif context.officer.role in READER_ROLES:
        state = officers.OfficerState.PENDING
    await officers.sign_up(context.tx, token, keys, state, context.now)
    await context.append_to_ledger(Verb.SIGN_UP)
    if signed is not None:
        await context.append_to_ledger(Verb.SIGN_KEYS)
    return state


def _check_public_keys(keys: Keys) -> None:
    """Raises KeysRefused if a key is no point of the curve."""
    try:
        wire_format.public_key(keys.reading_key, "reading_key")
        wire_format.public_key(keys.signing_key, "signing_key")
    except Malformed as fault:
        raise KeysRefused from fault


async def _add_first_list(context: OfficerContext, keys: Keys, signed: tuple[str, str] | None) -> None:
    """The list that the first reader signs names exactly this reader and the recovery key. Raises KeysRefused."""
    if signed is None or keys.unit_bundle is None:
        raise KeysRefused
    readers = _verified(signed)
    own = Reader(context.officer.id, context.officer.name, "officer", keys.reading_key, keys.signing_key)
    others = [reader for reader in readers.readers if reader != own]
    if readers.serial != 1 or len(readers.readers) != 2 or [reader.id for reader in others] != [sealing.RECOVERY]:
        raise KeysRefused
    if not await officers.add_key_list(context.tx, KeyList(1, *signed)):
        raise KeysRefused


async def sign_keys(context: OfficerContext, body: str, signature: str) -> None:
    """Put a new list of readers in force; officers whom it names for the first time become active.

    It must follow the one in force: next serial, same unit, all readers of the old list, and as new readers only
    officers with exactly the keys that they registered. Raises KeysRefused.
    """
    in_force = await officers.newest_key_list(context.tx)
    if in_force is None or not context.officer.signs_keys:
        raise KeysRefused
    before, after = _verified((in_force.body, in_force.signature)), _verified((body, signature))
    if after.serial != before.serial + 1 or after.unit != before.unit:
        raise KeysRefused
    if not set(before.readers) <= set(after.readers):
        raise KeysRefused
    registered = {_as_reader(officer) for officer in await officers.all_officers(context.tx) if _may_be_listed(officer)}
    added = set(after.readers) - set(before.readers)
    if not added or not added <= registered:
        raise KeysRefused
    if not await officers.add_key_list(context.tx, KeyList(after.serial, body, signature)):
        raise KeysRefused
    await officers.activate(context.tx, [reader.id for reader in added])
    await context.append_to_ledger(Verb.SIGN_KEYS)


def _verified(signed: tuple[str, str]) -> ReaderList:
    """The content of a signed list (body, signature). Raises KeysRefused."""
    try:
        return sealing.verify_key_list(*signed)
    except (Malformed, Altered) as fault:
        raise KeysRefused from fault


def _as_reader(officer: Officer) -> Reader:
    return Reader(officer.id, officer.name, "officer", officer.reading_key, officer.signing_key)


def _may_be_listed(officer: Officer) -> bool:
    return officer.role in READER_ROLES and officer.state in (
        officers.OfficerState.PENDING,
        officers.OfficerState.ACTIVE,
    )


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


async def queue(context: OfficerContext) -> list[QueuedCase]:
    """The cases that this officer has a key for: those that wait for an officer first, by due day.

    An officer who is excluded from a case does not see that it exists.
    """
    queued = [queued_case(case, context.today) for case in await cases.queue(context.tx, context.officer.id)]
    return sorted(queued, key=lambda case: (not case.is_open, case.due_on, case.folio))


# ---------------------------------------------------------------- opening and answering


async def case_summary(context: OfficerContext, case_id: str) -> QueuedCase:
    """The metadata of a case that this officer may open. Raises NoSuchCase."""
    return queued_case(await _readable(context, case_id), context.today)


async def open_case(context: OfficerContext, case_id: str) -> OpenedCase:
    """Return the sealed letters of a case and record the access in the ledger. Raises NoSuchCase."""
    case = await _readable(context, case_id)
    keys = await officers.newest_key_list(context.tx)
    if keys is None:
        raise NoSuchCase
    if case.state is cases.CaseState.RECEIVED:
        await cases.set_state(context.tx, case_id, cases.CaseState.OPEN)
        case = await _readable(context, case_id)
    await context.append_to_ledger(Verb.OPEN, case_id)
    return OpenedCase(
        case=case,
        access=tuple(await cases.access(context.tx, case_id, context.officer.id)),
        letters=tuple(letter.envelope for letter in await cases.letters(context.tx, case_id)),
        keys=keys,
    )


async def answer(context: OfficerContext, case_id: str, letter: object) -> cases.CaseState:
    """Store a sealed and signed answer, and mark the case as having news for the asker.

    Raises NoSuchCase, LetterRefused.
    """
    case = await _readable(context, case_id)
    envelope = _envelope(letter)
    await _check_binding(context, case, envelope)
    await _check_signer(context, envelope)
    stored = cases.Letter(envelope.seq, envelope.epoch, envelope.text)
    try:
        if case.state is cases.CaseState.RECEIVED:
            await cases.set_state(context.tx, case_id, cases.CaseState.OPEN)
        await cases.set_state(context.tx, case_id, cases.CaseState.ANSWERED)
        await cases.add_letter(context.tx, case_id, stored)
    except cases.InvalidTransition as fault:
        raise LetterRefused("state") from fault
    except cases.OutOfOrder as fault:
        raise LetterRefused("seq") from fault
    await cases.flag_news(context.tx, case_id)
    await context.append_to_ledger(Verb.ANSWER, case_id)
    return cases.CaseState.ANSWERED


async def _readable(context: OfficerContext, case_id: str) -> Case:
    """A case that this officer may open. Raises NoSuchCase."""
    case = await cases.by_id(context.tx, case_id)
    if case is None or not context.officer.reads_cases:
        raise NoSuchCase
    if not await cases.access(context.tx, case_id, context.officer.id):
        raise NoSuchCase
    return case


def _envelope(letter: object) -> Envelope:
    try:
        return sealing.parse_envelope(letter)
    except Malformed as fault:
        raise LetterRefused("letter") from fault


async def _check_binding(context: OfficerContext, case: Case, envelope: Envelope) -> None:
    """The answer is bound to this case, epoch and day, and to the letter before it. Raises LetterRefused."""
    if envelope.case != case.id or envelope.epoch != case.epoch or envelope.author != "officer":
        raise LetterRefused("letter")
    if abs(envelope.day - context.today) > ONE_DAY:
        raise LetterRefused("letter")
    before = await cases.letters(context.tx, case.id)
    if envelope.seq != len(before) + 1:
        raise LetterRefused("seq")
    if envelope.previous != sealing.read_envelope(before[-1].envelope).hash:
        raise LetterRefused("letter")


async def _check_signer(context: OfficerContext, envelope: Envelope) -> None:
    """The answer is signed by the officer who sends it, with the key in the list in force. Raises LetterRefused."""
    in_force = await officers.newest_key_list(context.tx)
    if in_force is None or envelope.signer != context.officer.id:
        raise LetterRefused("letter")
    try:
        listed = sealing.verify_key_list(in_force.body, in_force.signature).signing_key(context.officer.id)
        if listed != context.officer.signing_key:
            raise LetterRefused("letter")
        sealing.verify_letter(envelope, listed)
    except (Altered, Malformed) as fault:
        raise LetterRefused("letter") from fault
