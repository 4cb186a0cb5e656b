"""A typed letter answers the prompt that the person saw, or they are asked; nothing is recorded in doubt."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.capabilities import Capabilities
from handlers.learning.answer import ANSWERABLE
from handlers.learning.typed_answer import Sighting, newest_seen
from handlers.message import UpdateKind
from storage import schema
from storage.channels import contact
from storage.learning import record
from storage.queue import receipts
from storage.queue.outbox import DeliveryState
from storage.queue.receipts import DeliveryStatus
from storage.queue.retention import DELIVERY_RETENTION
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk, choices, text_of

MONDAY, TUESDAY = "2026-11-23", "2026-11-24"


async def two_days(talk: Talk) -> tuple[int, int]:
    """Enrol Ana on Monday at 9:00 and ask her on Tuesday at 9:00; return the ids of both prompts."""
    await talk.enrol(ANA)
    monday = await talk.prompt(ANA)
    await talk.arrive(ANA)
    talk.clock.move(days=1)
    await talk.tick()
    await talk.arrive(ANA)
    await talk.unread(ANA)
    talk.clock.move(minutes=1)
    return monday, await talk.prompt(ANA)


def at(talk: Talk, **before: float) -> int:
    """A moment so long before now, as platforms report it."""
    return int((talk.clock() - timedelta(**before)).timestamp())


async def recorded(talk: Talk) -> list[tuple[int, str, str]]:
    """Prompt, option and day of each of Ana's answers."""
    return [(one.prompt_id, one.option, one.day.isoformat()) for one in await talk.answers(ANA)]


async def ref_of(talk: Talk, prompt_id: int) -> str:
    """The platform's identifier of the message that shows a prompt."""
    async with talk.database.read() as tx:
        shown = schema.deliveries.select().where(schema.deliveries.c.prompt_id == prompt_id)
        return str((await tx.execute(shown)).mappings().one()["platform_ref"])


# ---------------------------------------------------------------- late letters


async def test_a_letter_of_monday_evening_fetched_on_tuesday_is_mondays_answer(talk: Talk) -> None:
    monday, _ = await two_days(talk)
    await talk.type(ANA, "B", at=at(talk, hours=13))
    assert await recorded(talk) == [(monday, "b", MONDAY)]
    (given_answer,) = await talk.answers(ANA)
    assert given_answer.answered_at == talk.clock() - timedelta(hours=13)


async def test_a_letter_typed_below_tuesdays_prompt_is_tuesdays_answer(talk: Talk) -> None:
    _, tuesday = await two_days(talk)
    await talk.type(ANA, "B", at=at(talk, seconds=20))
    assert await recorded(talk) == [(tuesday, "b", TUESDAY)]


async def test_a_letter_that_waited_with_us_over_midnight_counts_on_the_day_of_its_receipt(talk: Talk) -> None:
    monday, _ = await two_days(talk)
    await talk.type(ANA, "c", received_at=float(at(talk, hours=13)))
    assert await recorded(talk) == [(monday, "c", MONDAY)]


async def test_before_tuesdays_prompt_a_letter_still_answers_mondays(talk: Talk) -> None:
    await talk.enrol(ANA)
    monday = await talk.prompt(ANA)
    await talk.arrive(ANA)
    talk.clock.move(hours=23)
    await talk.type(ANA, "a")
    assert await recorded(talk) == [(monday, "a", TUESDAY)]


async def test_a_platforms_clock_that_is_ahead_counts_as_the_moment_of_receipt(talk: Talk) -> None:
    _, tuesday = await two_days(talk)
    await talk.type(ANA, "a", at=at(talk, days=-400))
    assert await recorded(talk) == [(tuesday, "a", TUESDAY)]


async def test_a_platforms_clock_that_is_years_behind_dates_no_answer_before_its_prompt(talk: Talk) -> None:
    monday, _ = await two_days(talk)
    await talk.press(ANA, f"answer:{monday}:b", at=1_000_000_000)
    assert await recorded(talk) == [(monday, "b", MONDAY)]
    await talk.type(ANA, "c", at=1_000_000_000)  # below no prompt that we know of
    assert len(await recorded(talk)) == 1


# ---------------------------------------------------------------- quotations


async def test_a_quoted_question_is_the_one_that_is_answered(talk: Talk) -> None:
    monday, _ = await two_days(talk)
    await talk.type(ANA, "B", quoted=await ref_of(talk, monday))
    assert await recorded(talk) == [(monday, "b", TUESDAY)]


async def test_a_quoted_question_of_another_person_is_not_answered(talk: Talk) -> None:
    await two_days(talk)
    await talk.enrol(BETO)
    await talk.arrive(BETO)
    of_beto = await ref_of(talk, await talk.prompt(BETO))
    replies = await talk.type(ANA, "B", quoted=of_beto)
    assert talk.phrase("answer.which", letter="B", lines="").strip() in text_of(replies)
    assert await recorded(talk) == []


async def test_a_quoted_message_that_is_no_question_is_asked_about(talk: Talk) -> None:
    monday, tuesday = await two_days(talk)
    replies = await talk.type(ANA, "B", quoted="999")
    assert choices(replies) == [f"answer:{tuesday}:b", f"answer:{monday}:b"]
    assert await recorded(talk) == []


# ---------------------------------------------------------------- answered, or unclear: asked


async def test_a_letter_for_an_answered_prompt_changes_nothing_and_asks_about_the_open_one(talk: Talk) -> None:
    monday, tuesday = await two_days(talk)
    await talk.press(ANA, f"answer:{tuesday}:a")
    replies = await talk.type(ANA, "B")
    assert talk.phrase("answer.stands", letter="A") in text_of(replies)
    assert choices(replies) == [f"answer:{monday}:b"]
    assert "Lunes 23: «" in text_of(replies)
    assert await recorded(talk) == [(tuesday, "a", TUESDAY)]
    await talk.press(ANA, f"answer:{monday}:b")
    assert sorted(await recorded(talk)) == [(monday, "b", TUESDAY), (tuesday, "a", TUESDAY)]


async def test_when_all_are_answered_the_reply_names_what_stands(talk: Talk) -> None:
    monday, tuesday = await two_days(talk)
    for prompt_id in (monday, tuesday):
        await talk.press(ANA, f"answer:{prompt_id}:a")
    replies = await talk.type(ANA, "A")
    assert text_of(replies) == talk.phrase("answer.stands", letter="A")
    assert len(await recorded(talk)) == 2


@pytest.mark.parametrize("state", [DeliveryState.CLAIMED, DeliveryState.DOUBTED])
async def test_a_prompt_that_may_have_been_sent_makes_it_unclear(talk: Talk, state: DeliveryState) -> None:
    monday, tuesday = await two_days(talk)
    async with talk.database.write() as tx:
        of_tuesday = schema.deliveries.c.prompt_id == tuesday
        await tx.execute(schema.deliveries.update().where(of_tuesday).values(state=state))
    assert choices(await talk.type(ANA, "B")) == [f"answer:{tuesday}:b", f"answer:{monday}:b"]
    assert await recorded(talk) == []


@pytest.mark.parametrize("state", [DeliveryState.FAILED, DeliveryState.REFUSED, DeliveryState.DROPPED])
async def test_a_prompt_that_never_arrived_is_not_meant(talk: Talk, state: DeliveryState) -> None:
    monday, tuesday = await two_days(talk)
    async with talk.database.write() as tx:
        of_tuesday = schema.deliveries.c.prompt_id == tuesday
        await tx.execute(schema.deliveries.update().where(of_tuesday).values(state=state))
    await talk.type(ANA, "B")
    assert await recorded(talk) == [(monday, "b", TUESDAY)]


# ---------------------------------------------------------------- where the platform reports deliveries


async def report(talk: Talk, prompt_id: int, status: DeliveryStatus, **before: float) -> None:
    moment, ref = talk.clock() - timedelta(**before), await ref_of(talk, prompt_id)
    async with talk.database.write() as tx:
        await receipts.record_status(tx, "telegram", 0, ref, status, talk.clock(), moment)


@pytest.fixture
def reporting(talk: Talk) -> Talk:
    """A conversation on a channel whose platform reports when a message is on the device."""
    capabilities = {"telegram": Capabilities(reports_delivery=True)}
    talk.installation = replace(talk.installation, channel_capabilities=capabilities)
    return talk


async def test_until_tuesdays_prompt_is_reported_on_the_device_it_is_unclear(reporting: Talk) -> None:
    talk = reporting
    monday, tuesday = await two_days(talk)
    await report(talk, monday, DeliveryStatus.DELIVERED, hours=23)
    await report(talk, tuesday, DeliveryStatus.SENT, seconds=59)
    assert choices(await talk.type(ANA, "B")) == [f"answer:{tuesday}:b", f"answer:{monday}:b"]
    assert await recorded(talk) == []


async def test_what_was_typed_after_the_device_had_it_is_tuesdays(reporting: Talk) -> None:
    talk = reporting
    monday, tuesday = await two_days(talk)
    await report(talk, monday, DeliveryStatus.DELIVERED, hours=23)
    await report(talk, tuesday, DeliveryStatus.READ, seconds=30)
    await talk.type(ANA, "B", at=at(talk, seconds=10))
    assert await recorded(talk) == [(tuesday, "b", TUESDAY)]


async def test_what_was_typed_while_the_phone_was_off_line_is_asked_about(reporting: Talk) -> None:
    talk = reporting
    monday, tuesday = await two_days(talk)
    await report(talk, monday, DeliveryStatus.DELIVERED, hours=23)
    await report(talk, tuesday, DeliveryStatus.DELIVERED, seconds=10)
    replies = await talk.type(ANA, "B", at=at(talk, seconds=30))  # accepted a minute ago, on the device later
    assert choices(replies) == [f"answer:{tuesday}:b", f"answer:{monday}:b"]
    assert await recorded(talk) == []


async def test_without_any_report_the_only_prompt_is_meant(reporting: Talk) -> None:
    await reporting.enrol(ANA)
    monday = await reporting.prompt(ANA)
    await reporting.type(ANA, "B")
    assert await recorded(reporting) == [(monday, "b", MONDAY)]


# ---------------------------------------------------------------- presses, days and old keyboards


async def test_a_press_received_on_monday_and_handled_on_tuesday_counts_on_monday(talk: Talk) -> None:
    monday, _ = await two_days(talk)
    await talk.press(ANA, f"answer:{monday}:b", received_at=float(at(talk, hours=13)))
    assert await recorded(talk) == [(monday, "b", MONDAY)]


async def away(talk: Talk, **before: float) -> None:
    """Let the platform reach us so long before now, and then not until now."""
    async with talk.database.write() as tx:
        for moment in (talk.clock() - timedelta(**before), talk.clock()):
            await contact.confirm(tx, "telegram", moment)


async def test_a_press_that_could_not_be_received_over_midnight_counts_on_the_prompts_day(talk: Talk) -> None:
    monday, tuesday = await two_days(talk)
    await away(talk, hours=14)
    await talk.press(ANA, f"answer:{monday}:b")
    await talk.press(ANA, f"answer:{tuesday}:b")
    assert sorted(await recorded(talk)) == [(monday, "b", MONDAY), (tuesday, "b", TUESDAY)]


async def test_no_answer_is_dated_before_the_last_contact(talk: Talk) -> None:
    """Away since Wednesday evening only: a press of Monday's button counts on Wednesday, the nearest possible day."""
    monday, _ = await two_days(talk)
    talk.clock.move(days=2)  # Thursday 9:01
    await away(talk, hours=12)
    await talk.press(ANA, f"answer:{monday}:b")
    assert await recorded(talk) == [(monday, "b", "2026-11-25")]


async def test_three_old_keyboards_pressed_in_one_day_are_one_day(talk: Talk) -> None:
    monday, tuesday = await two_days(talk)
    talk.clock.move(days=1)
    await talk.tick()
    for prompt_id in (monday, tuesday, await talk.prompt(ANA)):
        await talk.press(ANA, f"answer:{prompt_id}:a")
    assert {day for _, _, day in await recorded(talk)} == {"2026-11-25"}


async def test_for_seven_days_a_prompt_can_be_answered(talk: Talk) -> None:
    await talk.enrol(ANA)
    monday = await talk.prompt(ANA)
    talk.clock.move(days=7)
    await talk.press(ANA, f"answer:{monday}:b")
    assert await recorded(talk) == [(monday, "b", "2026-11-30")]


async def test_after_seven_days_a_press_gets_the_explanation_and_counts_for_nothing(talk: Talk) -> None:
    await talk.enrol(ANA)
    monday = await talk.prompt(ANA)
    async with talk.database.read() as tx:
        prompt = await record.prompt(tx, monday)
    assert prompt is not None
    scenario = talk.library.scenarios[prompt.scenario_id]
    await talk.unread(ANA)
    talk.clock.move(days=8)
    text = text_of(await talk.press(ANA, f"answer:{monday}:b"))
    option = scenario.option("b")
    assert option is not None
    assert "ya no se anota" in text
    assert option.why.es in text
    assert scenario.right_letter.upper() in text
    assert await recorded(talk) == []
    assert await talk.count("packed_memories") == 1
    assert talk.phrase("progress.level.none") in text_of(await talk.command(ANA, "avance"))


async def test_after_seven_days_confidence_counts_for_nothing(talk: Talk) -> None:
    await talk.enrol(ANA)
    monday = await talk.prompt(ANA)
    await talk.press(ANA, f"answer:{monday}:b")
    talk.clock.move(days=8)
    replies = await talk.press(ANA, f"sure:{monday}:sure")
    assert text_of(replies) == talk.phrase("answer.confidence_too_late")
    (given_answer,) = await talk.answers(ANA)
    assert given_answer.confidence is None


async def test_an_answer_that_arrives_after_later_ones_is_remembered_in_the_order_given(talk: Talk) -> None:
    """The memory is the same as one rebuilt from all answers, in whatever order they came."""
    monday, tuesday = await two_days(talk)
    await talk.press(ANA, f"answer:{tuesday}:a")
    await talk.press(ANA, f"answer:{monday}:b", received_at=float(at(talk, hours=13)))
    memory = schema.packed_memories
    async with talk.database.read() as tx:
        kept = await tx.scalar(memory.select().with_only_columns(memory.c.memory))
    async with talk.database.write() as tx:
        await tx.execute(memory.update().values(memory=None))
    await talk.command(ANA, "avance")
    async with talk.database.read() as tx:
        assert await tx.scalar(memory.select().with_only_columns(memory.c.memory)) == kept


async def test_the_other_options_are_those_of_the_prompt_just_answered(talk: Talk) -> None:
    monday, _ = await two_days(talk)
    await talk.press(ANA, f"answer:{monday}:b")
    async with talk.database.read() as tx:
        prompt = await record.prompt(tx, monday)
    assert prompt is not None
    option = talk.library.scenarios[prompt.scenario_id].option("a")
    assert option is not None
    assert option.why.es in text_of(await talk.command(ANA, "otras"))


async def test_a_letter_of_a_stranger_is_no_answer(talk: Talk) -> None:
    await two_days(talk)
    await talk.send_update(BETO, UpdateKind.TEXT, text="b")
    assert await talk.count("answers") == 0


def test_what_shows_a_prompt_is_kept_for_as_long_as_its_answer_counts() -> None:
    assert DELIVERY_RETENTION > ANSWERABLE


# ---------------------------------------------------------------- the rule

MOMENTS = st.integers(0, 50).map(lambda minutes: datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=minutes))


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    possible_at = draw(MOMENTS)
    after = draw(st.none() | st.integers(0, 30))
    return Sighting(
        draw(st.integers(1, 4)), possible_at, None if after is None else possible_at + timedelta(minutes=after)
    )


@given(st.lists(sightings(), max_size=6), MOMENTS)
def test_the_prompt_meant_is_the_newest_and_certain_or_the_only_one(all_of_them: list[Sighting], now: datetime) -> None:
    by_then = [one for one in all_of_them if one.possible_at < now]
    meant = newest_seen(by_then, now)
    certain = [one for one in by_then if one.seen_at is not None and one.seen_at < now]
    others = {one.prompt_id for one in by_then} - {meant}
    if meant is None:
        assert not by_then or len({one.prompt_id for one in by_then}) > 1
        return
    assert meant in {one.prompt_id for one in by_then}
    if others:
        seen_at = max(one.seen_at for one in certain if one.seen_at and one.prompt_id == meant)
        assert all(one.seen_at <= seen_at for one in certain if one.seen_at)
        doubtful = [one for one in by_then if one not in certain and one.prompt_id != meant]
        assert all(one.possible_at < seen_at for one in doubtful)
