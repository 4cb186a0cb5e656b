"""The rate limit of each recipient, kept by what this process has sent."""

import pytest

from bot.delivery import recipient_pace
from bot.delivery.recipient_pace import RecipientPace
from storage.database import Database
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import DeliveryKind
from tests.bot.delivery.stage import FAST, Stage
from tests.cast import Clock


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def test_as_many_messages_as_allowed_leave_at_once_and_the_next_when_the_first_is_old_enough(time: Time) -> None:
    pace = RecipientPace(RecipientRateLimit(2, 60), time)
    assert pace.seconds_to_wait("ana") == 0
    pace.record("ana")
    time.now = 20
    assert pace.seconds_to_wait("ana") == 0
    pace.record("ana")
    assert (pace.seconds_to_wait("ana"), pace.seconds_to_wait("beto")) == (40, 0)
    time.now = 60
    assert pace.seconds_to_wait("ana") == 0
    pace.record("ana")
    assert pace.seconds_to_wait("ana") == 20, "the second of them counts"


def test_without_a_limit_nothing_is_remembered(time: Time) -> None:
    pace = RecipientPace(None, time)
    pace.record("ana")
    assert pace.seconds_to_wait("ana") == 0
    assert pace._sent == {}


def test_recipients_without_recent_messages_are_forgotten_when_there_are_many(
    time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipient_pace, "KEPT", 3)
    pace = RecipientPace(RecipientRateLimit(1, 60), time)
    for second, address in enumerate(("ana", "beto", "carmen")):
        time.now = second
        pace.record(address)
    time.now = 61
    pace.record("dora")
    assert pace.seconds_to_wait("carmen") == 1
    assert sorted(pace._sent) == ["carmen", "dora"]


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.PROMPT])
async def test_a_recipient_gets_no_more_messages_than_the_limit_allows(
    database: Database, clock: Clock, kind: DeliveryKind
) -> None:
    """Three a minute: ended replies are counted by the sender, the rows of prompts by the claim."""
    stage = Stage(database, clock, FAST)
    for number in range(5):
        await stage.add(f"a{number}", kind=kind)
    await stage.add("b", "beto", kind=kind)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "b"]
    clock.move(minutes=2)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.sent) == ["a0", "a1", "a2", "a3", "a4", "b"]


async def test_what_a_person_caused_counts_together_with_what_was_planned(database: Database, clock: Clock) -> None:
    stage = Stage(database, clock, FAST)
    for number in range(2):
        await stage.add(f"prompt {number}", kind=DeliveryKind.PROMPT)
        await stage.add(f"reply {number}")
    await stage.dispatcher.drain()
    assert stage.telegram.sent == ["reply 0", "reply 1", "prompt 0"]
