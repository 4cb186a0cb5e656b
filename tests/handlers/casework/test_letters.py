"""Submissions, replies, due days and notices of news, without the chat."""

import os
from collections.abc import Callable, Set
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content import library as shipped
from content.workdays import Calendar
from handlers.casework import letters
from handlers.casework.cases import queued_case
from handlers.casework.letters import SubmissionRefused
from handlers.context import Installation, WorkContext
from handlers.outgoing import Recipient
from storage.confidential import cases, officers, sealing, wire_format
from storage.database import Database, Transaction
from storage.people import closures, servants
from storage.people.closures import Closure
from tests.fakes.letterbox import NOW, TODAY
from tests.fakes.unit import Asker, Keyholder, Unit, new_id

INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"), "http://127.0.0.1", os.urandom(32), min_group=10, draw_key=bytes(32)
)
LIBRARY = shipped.load()
DAYS = st.dates(date(2026, 11, 1), date(2027, 2, 15))


def _work(tx: Transaction, now: datetime = NOW) -> WorkContext:
    return WorkContext(tx, LIBRARY, INSTALLATION, now)


async def add_link(tx: Transaction, address: str = "ana", now: datetime = NOW) -> str:
    token = wire_format.encode(os.urandom(24))
    hashed = sealing.token_hash(INSTALLATION.route_key, token)
    recipient = {"channel": "telegram", "address": address, "language": "es"}
    sealed = sealing.seal_address(INSTALLATION.route_key, recipient, "link|" + hashed)
    await cases.add_link(tx, hashed, sealed, now.replace(minute=0) + timedelta(hours=48))
    return token


async def submit(tx: Transaction, unit: Unit, asker: Asker, address: str = "ana", **changes: Any) -> date:
    submission = asker.posting(unit, await add_link(tx, address), **changes)
    return await letters.accept(_work(tx), letters.parse_submission(submission))


# ---------------------------------------------------------------- due days


FREE = "2026-11-16 2026-12-25 2027-01-01 2027-02-01 2027-03-15"  # rest days of the law, written by hand
DUE_DAYS = [  # day of the letter, decision, closures of all institutions, due day
    ("2026-11-23", None, "", "2026-11-26"),
    ("2026-11-26", None, "", "2026-12-01"),
    ("2026-11-28", None, "", "2026-12-02"),  # a Saturday
    ("2026-11-23", None, "2026-11-25", "2026-11-27"),
    ("2026-11-23", "2026-11-24", "", "2026-11-24"),
    ("2026-11-23", "2026-11-23", "", "2026-11-23"),
    ("2026-11-23", "2026-12-24", "", "2026-11-26"),
    ("2026-11-23", "2026-11-01", "", "2026-11-26"),  # the decision was made already
    ("2026-12-24", None, "", "2026-12-30"),  # over 25 December
    ("2026-12-23", None, "2026-12-24 2026-12-31", "2026-12-30"),
    ("2026-12-23", None, "2026-12-24 2026-12-30 2026-12-31", "2027-01-04"),  # and over 1 January
    ("2026-11-13", None, "", "2026-11-19"),  # over the third Monday of November
    ("2027-01-29", None, "", "2027-02-04"),  # over the first Monday of February
    ("2027-01-29", "2027-02-01", "", "2027-02-01"),  # a decision may be made on a rest day
]


@pytest.mark.parametrize(("day", "decision", "closed", "due"), DUE_DAYS)
async def test_the_due_day_is_within_three_working_days_and_is_the_day_that_is_promised(
    database: Database, day: str, decision: str | None, closed: str, due: str
) -> None:
    asker = Asker(date.fromisoformat(day))
    now = datetime.combine(asker.day, time(12), INSTALLATION.timezone)
    unit = Unit.with_recovery_key()
    async with database.write() as tx:
        await unit.publish(tx)
        await closures.store(tx, [Closure(None, date.fromisoformat(one), "x") for one in closed.split()])
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        leon = await servants.institution_by_code(tx, "LEON")
        assert leon is not None  # closures of an institution do not count: the server does not know the asker's
        await closures.store(tx, [Closure(leon.id, asker.day + timedelta(days=number), "x") for number in range(9)])
        submission = asker.posting(unit, await add_link(tx, now=now), **({"decision_on": decision} if decision else {}))
        promised = await letters.accept(_work(tx, now), letters.parse_submission(submission))
        case = await cases.by_id(tx, asker.case)
        shown = await letters.thread(tx, asker.locator)
    assert case is not None
    in_console = queued_case(case, asker.day).due_on
    assert [promised, case.due_on, in_console] == [date.fromisoformat(due)] * 3
    assert shown["due_on"] == due


def is_free(day: date, closed: Set[date]) -> bool:
    return day.isoweekday() > 5 or day.isoformat() in FREE or day in closed


@given(DAYS, st.none() | DAYS, st.sets(DAYS, max_size=40), st.sets(st.tuples(DAYS, st.integers(1, 3)), max_size=9))
def test_exactly_three_working_days_lie_between_a_letter_and_its_due_day(
    day: date, decision: date | None, closed: set[date], of_institutions: set[tuple[date, int]]
) -> None:
    calendar = Calendar({(one, None) for one in closed} | of_institutions)
    due = letters.due_day(day, None, calendar)
    after = [day + timedelta(days=number) for number in range(1, (due - day).days + 1)]
    assert sum(not is_free(one, closed) for one in after) == 3
    assert not is_free(due, closed)
    with_decision = letters.due_day(day, decision, calendar)
    assert with_decision == (decision if decision and day <= decision < due else due)


@given(DAYS, st.none() | DAYS, st.sets(DAYS, max_size=40), DAYS)
def test_a_closure_more_never_moves_a_due_day_earlier(
    day: date, decision: date | None, closed: set[date], extra: date
) -> None:
    before, after = (Calendar({(one, None) for one in days}) for days in (closed, closed | {extra}))
    assert letters.due_day(day, decision, after) >= letters.due_day(day, decision, before)


async def test_a_promised_day_stays_when_a_closure_is_added_later(database: Database) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        due_on = await submit(tx, unit, asker)
        await closures.store(tx, [Closure(None, due_on, "x")])
        case = await cases.by_id(tx, asker.case)
        assert case is not None
        assert case.due_on == due_on
        assert await submit(tx, unit, Asker(TODAY), address="beto") == due_on + timedelta(days=1)


# ---------------------------------------------------------------- a new case


async def test_a_case_is_stored_with_a_day_and_no_finer_time(database: Database) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        due_on = await submit(tx, unit, asker, decision_on="2026-11-24")
        case = await cases.by_locator(tx, asker.locator_hash)
    assert due_on == date(2026, 11, 24)
    assert case is not None
    assert (case.id, case.day, case.state, case.due_on) == (asker.case, TODAY, cases.CaseState.RECEIVED, due_on)
    assert (case.epoch, case.size_step, case.origin) == (1, 2, "form")


async def test_exactly_the_listed_readers_can_open_a_case(database: Database) -> None:
    unit, asker, dora = Unit([Keyholder("Carmen"), Keyholder("Efraín")]), Asker(TODAY), Keyholder("Dora")
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker)
        for reader in unit.readers:
            (row,) = await cases.access(tx, asker.case, reader.id)
            assert reader.open(row.sealed, asker.case) == asker.case_key
            with pytest.raises(sealing.Altered):
                sealing.open_access(row.sealed, dora.reading, asker.case, 1, reader.id)


@pytest.mark.parametrize("count", [0, 1])
async def test_fewer_than_two_readers_close_the_letterbox(database: Database, count: int) -> None:
    unit = Unit([Keyholder("Carmen")][:count])
    async with database.write() as tx:
        assert await letters.current_readers(tx) is None
        await unit.publish(tx)
        assert await letters.current_readers(tx) is None
        with pytest.raises(SubmissionRefused, match="keys"):
            await submit(tx, unit, Asker(TODAY))


async def test_a_list_that_does_not_verify_closes_the_letterbox(database: Database) -> None:
    unit, stranger = Unit.with_recovery_key(), Unit.with_recovery_key()
    unit.signing, signing = stranger.signing, unit.signing
    keys = unit.key_list(unit=Keyholder("x").record["signing"])  # signed by a key that it does not name
    unit.signing = signing
    async with database.write() as tx:
        await officers.add_key_list(tx, keys)
        assert await letters.current_readers(tx) is None


def _without_recovery(submission: dict[str, Any]) -> None:
    submission["access"] = [row for row in submission["access"] if row["reader"] != "recovery"]


def _without_asker(submission: dict[str, Any]) -> None:
    submission["access"] = [row for row in submission["access"] if row["reader"] != "asker"]


def _with_a_stranger(submission: dict[str, Any]) -> None:
    submission["access"].append({**submission["access"][0], "reader": new_id()})


def _with_an_old_list(submission: dict[str, Any]) -> None:
    submission["serial"] += 1


def _with_another_token(submission: dict[str, Any]) -> None:
    submission["token"] = wire_format.encode(os.urandom(24))


def _on_another_day(submission: dict[str, Any]) -> None:
    other = Asker(TODAY - timedelta(days=2), case=submission["case"])
    submission.update(day=other.day.isoformat(), letter=other.letter("x"))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without_recovery, "keys"),
        (_without_asker, "keys"),
        (_with_a_stranger, "keys"),
        (_with_an_old_list, "keys"),
        (_with_another_token, "token"),
        (_on_another_day, "day"),
    ],
)
async def test_a_refused_submission_spends_and_stores_nothing(
    database: Database, spoil: Callable[[dict[str, Any]], None], reason: str
) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        token = await add_link(tx)
    submission = asker.posting(unit, token)
    spoil(submission)
    with pytest.raises(SubmissionRefused, match=reason):
        async with database.write() as tx:
            await letters.accept(_work(tx), letters.parse_submission(submission))
    async with database.write() as tx:
        assert await cases.by_id(tx, asker.case) is None
        again = Asker(TODAY)
        await letters.accept(_work(tx), letters.parse_submission(again.posting(unit, token)))


async def test_an_expired_link_is_refused(database: Database) -> None:
    unit, late = Unit.with_recovery_key(), NOW + timedelta(hours=48)
    async with database.write() as tx:
        await unit.publish(tx)
        submission = Asker(TODAY + timedelta(days=2)).posting(unit, await add_link(tx))
        with pytest.raises(SubmissionRefused, match="token"):
            await letters.accept(_work(tx, late), letters.parse_submission(submission))


async def test_a_known_case_is_refused(database: Database) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker)
    with pytest.raises(SubmissionRefused, match="case"):
        async with database.write() as tx:
            await submit(tx, unit, Asker(TODAY, case=asker.case))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", "short"),
        ("case", "x"),
        ("day", "2026-11-24"),  # not the letter's
        ("day", 7),
        ("serial", "1"),
        ("decision_on", "tomorrow"),
        ("decision_on", None),
        ("locator_hash", "f" * 63),
        ("locator_hash", "G" * 64),
        ("asker_key", wire_format.encode(bytes(65))),
        ("asker_bundle", {"iv": "", "body": ""}),
        ("asker_bundle", "text"),
        ("access", {}),
        ("access", [{"reader": "asker", "sealed": "x"}]),
        ("access", [{"reader": "asker", "sealed": wire_format.encode(bytes(113))}] * 2),
        ("letter", {}),
        ("case", "AAECAwQFBgcICQoLDA0ODw"),  # not the letter's
    ],
)
def test_a_malformed_submission_is_refused(field: str, value: object) -> None:
    submission = Asker(TODAY).posting(Unit.with_recovery_key(), wire_format.encode(os.urandom(24)))
    with pytest.raises(wire_format.Malformed):
        letters.parse_submission({**submission, field: value})


def test_a_first_letter_that_is_not_the_first_is_refused() -> None:
    asker = Asker(TODAY)
    asker.letter("first")
    submission = asker.posting(Unit.with_recovery_key(), wire_format.encode(os.urandom(24)))
    with pytest.raises(wire_format.Malformed):
        letters.parse_submission(submission)


# ---------------------------------------------------------------- further letters


async def add_answer(tx: Transaction, unit: Unit, asker: Asker, state: cases.CaseState) -> None:
    case = await cases.by_id(tx, asker.case)
    assert case is not None
    made = asker.letter("Excúsate por escrito.", "officer", unit.officer)
    await cases.set_state(tx, case.id, cases.CaseState.OPEN)
    await letters.append_letter(tx, case, sealing.parse_envelope(made))
    await cases.set_state(tx, case.id, state)


@pytest.mark.parametrize("state", [cases.CaseState.ANSWERED, cases.CaseState.ASKED_BACK])
async def test_a_reply_reopens_the_case_with_a_new_due_day(database: Database, state: cases.CaseState) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker, decision_on="2026-11-23")
        await add_answer(tx, unit, asker, state)
        await letters.reply(_work(tx), asker.locator, asker.letter("Gracias."))
        case = await cases.by_id(tx, asker.case)
        assert case is not None
        assert (case.state, case.due_on) == (cases.CaseState.OPEN, date(2026, 11, 26))
        content = await letters.thread(tx, asker.locator)
    assert [letter["context"]["author"] for letter in content["letters"]] == ["asker", "officer", "asker"]


async def test_a_further_letter_before_the_first_opening_leaves_the_case_received(database: Database) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker)
        await letters.reply(_work(tx), asker.locator, asker.letter("Y otra cosa."))
        case = await cases.by_id(tx, asker.case)
    assert case is not None
    assert case.state is cases.CaseState.RECEIVED


async def test_a_reply_must_follow_the_last_letter(database: Database) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker)
        second = asker.letter("second")
        with pytest.raises(SubmissionRefused, match="seq"):
            await letters.reply(_work(tx), asker.locator, asker.letter("third"))
        await letters.reply(_work(tx), asker.locator, second)
        with pytest.raises(SubmissionRefused, match="seq"):
            await letters.reply(_work(tx), asker.locator, second)
        strayed = Asker(TODAY, case=asker.case, seq=2, previous=wire_format.encode(bytes(32)))
        with pytest.raises(SubmissionRefused, match="seq"):
            await letters.reply(_work(tx), asker.locator, strayed.letter("a chain of its own"))


async def test_an_asker_cannot_write_as_an_officer_or_into_another_case(database: Database) -> None:
    unit, asker, other = Unit.with_recovery_key(), Asker(TODAY), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker)
        await submit(tx, unit, other)
        for made in (asker.letter("x", "officer", unit.officer), other.letter("x")):
            with pytest.raises(wire_format.Malformed):
                await letters.reply(_work(tx), asker.locator, made)


async def test_a_closed_case_takes_no_more_letters(database: Database) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker)
        await cases.set_state(tx, asker.case, cases.CaseState.CLOSED)
        with pytest.raises(SubmissionRefused, match="closed"):
            await letters.reply(_work(tx), asker.locator, asker.letter("x"))


async def test_an_unknown_locator_is_refused(database: Database) -> None:
    async with database.write() as tx:
        with pytest.raises(SubmissionRefused, match="thread"):
            await letters.thread(tx, Asker(TODAY).locator)
        with pytest.raises(SubmissionRefused, match="thread"):
            await letters.reply(_work(tx), Asker(TODAY).locator, Asker(TODAY).letter("x"))


# ---------------------------------------------------------------- notices of news


async def test_news_are_claimed_once_for_each_recipient(database: Database) -> None:
    unit, askers = Unit.with_recovery_key(), [Asker(TODAY) for _ in range(3)]
    async with database.write() as tx:
        await unit.publish(tx)
        for asker, address in zip(askers, ("ana", "ana", "beto"), strict=True):
            await submit(tx, unit, asker, address)
            await cases.flag_news(tx, asker.case)
        recipients = await letters.claim_news(_work(tx))
        assert sorted(recipients, key=lambda recipient: recipient.address) == [
            Recipient("telegram", "ana", "es"),
            Recipient("telegram", "beto", "es"),
        ]
        assert await letters.claim_news(_work(tx)) == []


async def test_a_route_that_does_not_decrypt_has_no_recipient(database: Database) -> None:
    unit, asker = Unit.with_recovery_key(), Asker(TODAY)
    async with database.write() as tx:
        await unit.publish(tx)
        await submit(tx, unit, asker)
        await cases.flag_news(tx, asker.case)
        elsewhere = Installation(
            INSTALLATION.timezone, INSTALLATION.public_url, os.urandom(32), INSTALLATION.min_group, draw_key=bytes(32)
        )
        assert await letters.claim_news(replace(_work(tx), installation=elsewhere)) == []
