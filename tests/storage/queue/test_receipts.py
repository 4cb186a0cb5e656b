from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from storage.database import Database, Transaction
from storage.queue import backlog, outbox, receipts
from storage.queue.outbox import DeliveryKind, DeliveryState, NewDelivery
from storage.queue.receipts import FATES, Told
from storage.schema import deliveries
from tests import delivery_worker
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import clear_tables

MINUTE = timedelta(minutes=1)
LATER = NOW + 10 * MINUTE
REF, OTHER_REF = "wamid.OUT1", "wamid.OUT2"


async def add(
    tx: Transaction, key: str = "p", kind: DeliveryKind = DeliveryKind.PROMPT, channel: str = "whatsapp"
) -> int:
    deadline = NOW + timedelta(hours=10)
    await outbox.add(tx, [NewDelivery(key, channel, "MX.1001", kind, "words", NOW, deadline)])
    number = await tx.scalar(select(deliveries.c.id).where(deliveries.c.key == key))
    assert number is not None
    return int(number)


async def leave(tx: Transaction, number: int, state: DeliveryState, ref: str = "", fault: str = "") -> None:
    """The delivery is claimed, and then over or (waiting) postponed."""
    await delivery_worker.claim(tx, "worker", ["whatsapp", "telegram"], NOW, 50)
    if state is DeliveryState.WAITING:
        await delivery_worker.postpone(tx, number, NOW + MINUTE, fault)
    elif state is not DeliveryState.CLAIMED:
        await delivery_worker.finish(tx, number, state, NOW, ref=ref, fault=fault)


async def row(tx: Transaction, number: int) -> dict[str, Any]:
    return dict((await tx.execute(select(deliveries).where(deliveries.c.id == number))).mappings().one())


async def tell(tx: Transaction, fate: str, number: int = 0, ref: str = REF, now: datetime = LATER) -> Told | None:
    return await receipts.note(tx, "whatsapp", number, ref, fate, now)


# ---------------------------------------------------------------- any order


RANK = {fate: place for place, fate in enumerate(("sent", "failed", "delivered", "read"))}


def test_the_ranks_are_those_of_the_platform() -> None:
    assert tuple(RANK) == FATES


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.tuples(st.sampled_from(FATES), st.booleans()), min_size=1, max_size=10),
    before=st.sampled_from([DeliveryState.SENT, DeliveryState.DOUBTED, DeliveryState.CLAIMED]),
)
async def test_in_any_order_and_however_often_the_highest_fate_stands(
    database: Database, words: Sequence[tuple[str, bool]], before: DeliveryState
) -> None:
    """Each word with our number or without it; the first has it where nothing else tells whose it is."""
    await clear_tables(database)
    async with database.write() as tx:
        number = await add(tx)
        await leave(tx, number, before, REF if before is DeliveryState.SENT else "")
        highest, news = -1, []
        for place, (fate, has_number) in enumerate(words):
            known = await tell(tx, fate, number if has_number or place == 0 else 0)
            assert (known is not None) == (RANK[fate] > highest)
            news.append(known)
            highest = max(highest, RANK[fate])
        found = await row(tx, number)
        assert RANK[found["fate"]] == highest
        assert found["state"] == ("failed" if found["fate"] == "failed" else "sent")
        assert (found["platform_ref"], found["body"], found["lease_until"], found["worker"]) == (REF, None, None, None)
        assert found["ended_at"] == (LATER if before is DeliveryState.CLAIMED else NOW)
        assert news[0] == Told(number, "whatsapp", "MX.1001", DeliveryKind.PROMPT, NOW + timedelta(hours=10))
        for fate, _ in words:
            assert await tell(tx, fate, number) is None
        assert await row(tx, number) == found


# ---------------------------------------------------------------- what is proven


PROVEN = {
    "doubted: its answer never came": DeliveryState.DOUBTED,
    "claimed: the word is quicker than the answer": DeliveryState.CLAIMED,
    "waiting: it would be tried again": DeliveryState.WAITING,
    "dropped, and had left all the same": DeliveryState.DROPPED,
    "refused, and had left all the same": DeliveryState.REFUSED,
}


@pytest.mark.parametrize("name", PROVEN)
async def test_a_word_with_our_number_proves_what_had_no_answer(database: Database, name: str) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await leave(tx, number, PROVEN[name], fault="timeout")
        assert await tell(tx, "sent", number) is not None
        found = await row(tx, number)
        assert (found["state"], found["platform_ref"], found["body"]) == ("sent", REF, None)
        assert await delivery_worker.claim(tx, "worker", ["whatsapp"], NOW + 60 * MINUTE, 50) == [], (
            "it leaves no second time"
        )


async def test_the_answer_that_comes_after_the_word_changes_nothing(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await leave(tx, number, DeliveryState.CLAIMED)
        await tell(tx, "delivered", number)
        before = await row(tx, number)
        await delivery_worker.finish(tx, number, DeliveryState.SENT, LATER, ref=REF)
        await delivery_worker.postpone(tx, number, LATER, "timeout")
        await outbox.give_back(tx, "worker")
        assert await row(tx, number) == before


async def test_without_number_and_reference_nothing_is_known(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await leave(tx, number, DeliveryState.DOUBTED, fault="timeout")
        before = await row(tx, number)
        assert await tell(tx, "delivered") is None
        assert await tell(tx, "delivered", number + 1) is None
        assert await row(tx, number) == before


# ---------------------------------------------------------------- what is never touched


async def test_a_delivery_with_another_reference_is_another_delivery(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await leave(tx, number, DeliveryState.SENT, OTHER_REF)
        before = await row(tx, number)
        for fate in FATES:
            assert await tell(tx, fate, number) is None
        assert await row(tx, number) == before


async def test_the_reference_goes_before_the_number(database: Database) -> None:
    async with database.write() as tx:
        first = await add(tx, "first")
        await leave(tx, first, DeliveryState.SENT, REF)
        second = await add(tx, "second")
        await leave(tx, second, DeliveryState.SENT, OTHER_REF)
        known = await tell(tx, "read", second)
        assert known is not None
        assert known.id == first
        assert (await row(tx, second))["fate"] is None


async def test_a_word_of_one_channel_says_nothing_about_another(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx, channel="telegram")
        await leave(tx, number, DeliveryState.SENT, REF)
        assert await tell(tx, "read", number) is None
        assert (await row(tx, number))["fate"] is None


async def test_a_word_does_not_end_what_was_never_tried(database: Database) -> None:
    async with database.write() as tx:
        first = await add(tx, "the question whether to leave", DeliveryKind.REPLY)
        await leave(tx, first, DeliveryState.SENT, OTHER_REF)
        await outbox.forget(tx, "whatsapp", "MX.1001")
        await add(tx, "good-bye", DeliveryKind.REPLY)
        await tx.execute(update(deliveries).values(id=first))  # as SQLite does by itself
        await tell(tx, "read", first, OTHER_REF)
        claimed = await delivery_worker.claim(tx, "worker", ["whatsapp"], NOW, 50)
        assert [one.key for one in claimed] == ["good-bye"]


async def test_a_long_reference_is_kept_as_far_as_there_is_room(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await leave(tx, number, DeliveryState.DOUBTED, fault="timeout")
        assert await tell(tx, "sent", number, "w" * 160) is not None
        assert await tell(tx, "delivered", 0, "w" * 160) is not None


# ---------------------------------------------------------------- a failure and its undoing


async def test_what_failed_is_over_and_a_delivery_after_all_is_believed(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await leave(tx, number, DeliveryState.SENT, REF)
        steps = []
        for fate in ("failed", "sent", "delivered", "failed", "read"):
            known = await tell(tx, fate, number)
            steps.append((known is not None, (await row(tx, number))["state"]))
        assert steps == [(True, "failed"), (False, "failed"), (True, "sent"), (False, "sent"), (True, "sent")]
        assert await backlog.counts(tx, NOW - timedelta(days=1)) == {("whatsapp", "sent"): 1}
