"""Refusals by unknown codes while sending: one refuses its message, several in a row pause their kind for a while."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.channels.channel import Refused, UnknownRefusal
from storage.database import Database
from storage.queue import refusal_streaks, tuning
from storage.queue.outbox import DeliveryKind
from storage.schema import refusal_streaks as streaks
from tests.bot.delivery.stage import Stage
from tests.cast import Clock
from tests.statement_log import statement_listener

PROMPT, NOTICE, REPLY = DeliveryKind.PROMPT, DeliveryKind.NOTICE, DeliveryKind.REPLY
ALWAYS = 1000


@pytest.fixture
def stage(database: Database, clock: Clock) -> Stage:
    return Stage(database, clock)


def refuse(stage: Stage, *texts: str, times: int = ALWAYS, code: str = "code 131037") -> None:
    """Let the platform refuse these texts with a code that no table knows."""
    stage.telegram.faults |= {text: [UnknownRefusal(code) for _ in range(times)] for text in texts}


async def send(stage: Stage, *texts: str, kind: DeliveryKind = PROMPT, deadline: float | None = 36_000) -> None:
    """Send these texts one after the other, each to the person of that name."""
    for text in texts:
        await stage.add(text, f"to {text.split()[0]}", kind, deadline=deadline)
        await stage.dispatcher.drain()


async def pauses(stage: Stage) -> dict[str, float]:
    """Seconds from the beginning to the end of the pause of each kind that pauses now."""
    async with stage.database.read() as tx:
        found = await refusal_streaks.open_streaks(tx)
    return {
        str(streak.kind): (streak.paused_until - streak.paused_at).total_seconds()
        for streak in found
        if streak.paused_until and streak.paused_at and streak.pause_end(stage.clock())
    }


async def test_one_bad_message_is_refused_and_those_behind_it_are_sent(stage: Stage) -> None:
    refuse(stage, "ana")
    await send(stage, "ana", "beto", "caro")
    assert await stage.states() == {"ana": "refused", "beto": "sent", "caro": "sent"}
    assert (await stage.row("ana"))["body"] is None
    stage.clock.move(hours=5)
    await stage.dispatcher.drain()
    assert stage.telegram.tried == ["ana", "beto", "caro"], "it is not tried again"
    assert await pauses(stage) == {}


async def test_bad_messages_among_good_ones_pause_nothing(stage: Stage) -> None:
    refuse(stage, "ana", "caro", "dani", "fede")
    await send(stage, "ana", "beto", "caro", "dani", "eva", "fede")
    assert await pauses(stage) == {}
    assert stage.telegram.sent == ["beto", "eva"]


async def test_three_in_a_row_pause_their_kind_and_all_get_theirs_after_the_mend(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro", times=1)
    await send(stage, "ana", "beto", "caro", "dani")
    assert await pauses(stage) == {"prompt": tuning.FIRST_KIND_PAUSE}
    assert stage.telegram.tried == ["ana", "beto", "caro"]
    assert set((await stage.states()).values()) == {"waiting"}
    stage.clock.move(seconds=tuning.FIRST_KIND_PAUSE - 1)
    await stage.dispatcher.drain()
    assert stage.telegram.sent == []
    stage.clock.move(seconds=1)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["ana", "beto", "caro", "dani"], "the first that is accepted ends it for all"
    stage.clock.move(hours=1)
    await stage.dispatcher.drain()
    assert len(stage.telegram.sent) == 4, "none twice"
    async with stage.database.read() as tx:
        assert (await tx.execute(select(streaks))).all() == []


async def test_three_from_one_person_pause_nothing(stage: Stage) -> None:
    refuse(stage, "ana 1", "ana 2", "ana 3")
    await send(stage, "ana 1", "ana 2", "ana 3")
    assert await pauses(stage) == {}
    assert stage.telegram.tried == ["ana 1", "ana 2", "ana 3"]


async def test_refusals_of_two_kinds_are_counted_apart(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro")
    await send(stage, "ana", "beto")
    await send(stage, "caro", kind=NOTICE)
    assert await pauses(stage) == {}


async def test_pauses_grow_up_to_a_limit_and_try_three_each_time(stage: Stage) -> None:
    people = ["ana", "beto", "caro", "dani", "eva"]
    refuse(stage, *people)
    await send(stage, *people, deadline=7 * 24 * 3600)
    found, tried = [], []
    for _ in range(7):
        (seconds,) = (await pauses(stage)).values()
        found.append(seconds)
        tried.append(len(stage.telegram.tried))
        stage.clock.move(seconds=seconds + tuning.REFUSED_AFTER_OTHERS)
        await stage.dispatcher.drain()
    first = tuning.FIRST_KIND_PAUSE
    assert found == [first, 2 * first, 4 * first, 8 * first, 4 * 3600, 4 * 3600, 4 * 3600]
    assert tried == [3 * number for number in range(1, 8)]


async def test_a_bad_message_that_paused_with_others_is_tried_once_more_and_not_for_ever(stage: Stage) -> None:
    refuse(stage, "ana")
    refuse(stage, "beto", "caro", times=1)
    await send(stage, "ana", "beto", "caro")
    for _ in range(20):
        stage.clock.move(minutes=20)
        await stage.dispatcher.drain()
    assert await stage.states() == {"ana": "refused", "beto": "sent", "caro": "sent"}
    assert stage.telegram.tried.count("ana") <= 3
    assert await pauses(stage) == {}


async def test_three_people_who_alone_are_refused_do_not_pause_all_others_again_and_again(stage: Stage) -> None:
    bad, good = ["ana", "beto", "caro"], [f"good{number}" for number in range(12)]
    refuse(stage, *bad)
    await send(stage, *bad, *good)
    assert (stage.telegram.sent, len(await pauses(stage))) == ([], 1)
    for _ in range(20):
        stage.clock.move(minutes=20)
        await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == sorted(good)
    assert {text: (await stage.states())[text] for text in bad} == dict.fromkeys(bad, "refused")
    assert len(stage.telegram.tried) < 30


async def test_what_is_late_after_the_pause_is_not_sent(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro", times=1)
    await send(stage, "ana", "beto", "caro", deadline=600)
    assert await pauses(stage) == {"prompt": tuning.FIRST_KIND_PAUSE}
    stage.clock.move(hours=1)
    await stage.dispatcher.drain()
    assert stage.telegram.sent == []
    assert [(await stage.row(text))["body"] for text in ("ana", "beto", "caro")] == [None] * 3


async def test_only_the_kind_pauses_that_is_refused(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro")
    await send(stage, "ana", "beto", "caro", kind=NOTICE, deadline=None)
    await send(stage, "dani", kind=PROMPT)
    await send(stage, "eva", kind=REPLY)
    assert await pauses(stage) == {"notice": tuning.FIRST_KIND_PAUSE}
    assert stage.telegram.sent == ["dani", "eva"]


async def test_replies_never_pause(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro")
    await send(stage, "ana", "beto", "caro", "dani", kind=REPLY)
    assert stage.telegram.sent == ["dani"]
    assert await stage.states() == {"ana": "refused", "beto": "refused", "caro": "refused", "dani": "sent"}


async def test_a_reply_is_tried_again_while_a_kind_pauses_by_the_same_code(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro")
    await send(stage, "ana", "beto", "caro")
    refuse(stage, "reply", times=2)
    refuse(stage, "other", times=1, code="code 1")
    await send(stage, "reply", "other", kind=REPLY)
    assert (await stage.row("other"))["state"] == "refused"
    for _ in range(2):
        stage.clock.move(minutes=5)
        await stage.dispatcher.drain()
    assert stage.telegram.sent == ["reply"]


async def test_a_fault_that_the_table_knows_pauses_nothing(stage: Stage) -> None:
    people: Sequence[str] = ["ana", "beto", "caro"]
    stage.telegram.faults |= {text: [Refused("can't parse entities")] for text in people}
    await send(stage, *people)
    assert await pauses(stage) == {}
    assert set((await stage.states()).values()) == {"refused"}


async def test_a_pause_of_a_wrong_clock_holds_up_no_one(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro", times=1)
    stage.clock.move(days=364)
    await send(stage, "ana", "beto", "caro")
    stage.clock.move(days=-364)
    await send(stage, "dani")
    assert sorted(stage.telegram.sent) == ["ana", "beto", "caro", "dani"]


async def test_another_process_that_takes_over_keeps_the_pause(stage: Stage) -> None:
    refuse(stage, "ana", "beto", "caro", times=1)
    await send(stage, "ana", "beto", "caro")
    await stage.lose_credentials()
    other = Stage(stage.database, stage.clock)
    await send(other, "dani")
    assert other.telegram.tried == []
    stage.clock.move(seconds=tuning.FIRST_KIND_PAUSE)
    await other.dispatcher.drain()
    assert sorted(other.telegram.sent) == ["ana", "beto", "caro", "dani"]


async def test_a_successful_message_costs_no_statement_more_while_no_streak_is_open(stage: Stage) -> None:
    statements: list[str] = []
    await send(stage, "ana")
    with statement_listener(stage.database, lambda *arguments: statements.append(str(arguments[2]))):
        await send(stage, "beto")
    about_streaks = [statement for statement in statements if "refusal_streaks" in statement]
    assert all("channel_facts" in statement for statement in about_streaks), "read with the stopped channels"
    assert not [statement for statement in statements if "address_refusals" in statement]


def test_the_first_pause_is_a_quarter_of_an_hour() -> None:
    assert timedelta(seconds=tuning.FIRST_KIND_PAUSE) == timedelta(minutes=15)
