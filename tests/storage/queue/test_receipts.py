"""Receipts: the highest reported status counts, on both databases."""

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
from storage.queue.receipts import DeliveryStatus, UpdatedDelivery
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
    await outbox.add(tx, [NewDelivery(key, channel, "MX.1001", kind, "reported", NOW, deadline)])
    number = await tx.scalar(select(deliveries.c.id).where(deliveries.c.key == key))
    assert number is not None
    return int(number)


async def bring_to(tx: Transaction, number: int, state: DeliveryState, ref: str = "", fault: str = "") -> None:
    """Claim the delivery, and then end it or (waiting) postpone it."""
    await delivery_worker.claim(tx, "worker", ["whatsapp", "telegram"], NOW, 50)
    if state is DeliveryState.WAITING:
        await delivery_worker.postpone(tx, number, NOW + MINUTE, fault)
    elif state is not DeliveryState.CLAIMED:
        await delivery_worker.finish(tx, number, state, NOW, ref=ref, fault=fault)


async def row(tx: Transaction, number: int) -> dict[str, Any]:
    return dict((await tx.execute(select(deliveries).where(deliveries.c.id == number))).mappings().one())


async def report(
    tx: Transaction, status: str, number: int = 0, ref: str = REF, now: datetime = LATER
) -> UpdatedDelivery | None:
    return await receipts.record_status(tx, "whatsapp", number, ref, DeliveryStatus(status), now)


# ---------------------------------------------------------------- any order


RANK = {status: place for place, status in enumerate(("sent", "failed", "delivered", "read"))}


def test_the_ranks_are_those_of_the_statuses() -> None:
    assert list(RANK) == list(DeliveryStatus)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reported=st.lists(st.tuples(st.sampled_from(DeliveryStatus), st.booleans()), min_size=1, max_size=10),
    before=st.sampled_from([DeliveryState.SENT, DeliveryState.DOUBTED, DeliveryState.CLAIMED]),
)
async def test_in_any_order_and_with_repetitions_the_highest_status_counts(
    database: Database, reported: Sequence[tuple[str, bool]], before: DeliveryState
) -> None:
    """Each status with our id or without it; the first has it, where nothing else identifies the delivery."""
    await clear_tables(database)
    async with database.write() as tx:
        number = await add(tx)
        await bring_to(tx, number, before, REF if before is DeliveryState.SENT else "")
        highest, news = -1, []
        for place, (status, has_number) in enumerate(reported):
            known = await report(tx, status, number if has_number or place == 0 else 0)
            assert (known is not None) == (RANK[status] > highest)
            news.append(known)
            highest = max(highest, RANK[status])
        found = await row(tx, number)
        assert RANK[found["platform_status"]] == highest
        assert found["state"] == ("failed" if found["platform_status"] == "failed" else "sent")
        assert (found["platform_ref"], found["body"], found["lease_until"], found["worker"]) == (REF, None, None, None)
        assert found["ended_at"] == (LATER if before is DeliveryState.CLAIMED else NOW)
        assert news[0] == UpdatedDelivery(number, "whatsapp", "MX.1001", DeliveryKind.PROMPT, NOW + timedelta(hours=10))
        for status, _ in reported:
            assert await report(tx, status, number) is None
        assert await row(tx, number) == found


# ---------------------------------------------------------------- what a receipt proves


PROVEN = {
    "doubted: the response never came": DeliveryState.DOUBTED,
    "claimed: the receipt is faster than the response": DeliveryState.CLAIMED,
    "waiting: it would be retried": DeliveryState.WAITING,
    "dropped, but had been sent": DeliveryState.DROPPED,
    "refused, but had been sent": DeliveryState.REFUSED,
}


@pytest.mark.parametrize("name", PROVEN)
async def test_a_receipt_with_our_id_proves_that_a_delivery_was_sent(database: Database, name: str) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await bring_to(tx, number, PROVEN[name], fault="timeout")
        assert await report(tx, "sent", number) is not None
        found = await row(tx, number)
        assert (found["state"], found["platform_ref"], found["body"]) == ("sent", REF, None)
        assert await delivery_worker.claim(tx, "worker", ["whatsapp"], NOW + 60 * MINUTE, 50) == [], (
            "it is not sent again"
        )


async def test_a_response_that_arrives_after_the_receipt_changes_nothing(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await bring_to(tx, number, DeliveryState.CLAIMED)
        await report(tx, "delivered", number)
        before = await row(tx, number)
        await delivery_worker.finish(tx, number, DeliveryState.SENT, LATER, ref=REF)
        await delivery_worker.postpone(tx, number, LATER, "timeout")
        await outbox.release(tx, "worker")
        assert await row(tx, number) == before


async def test_a_receipt_without_a_known_id_or_reference_changes_nothing(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await bring_to(tx, number, DeliveryState.DOUBTED, fault="timeout")
        before = await row(tx, number)
        assert await report(tx, "delivered") is None
        assert await report(tx, "delivered", number + 1) is None
        assert await row(tx, number) == before


# ---------------------------------------------------------------- what is never changed


async def test_a_delivery_with_another_reference_is_not_changed(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await bring_to(tx, number, DeliveryState.SENT, OTHER_REF)
        before = await row(tx, number)
        for status in DeliveryStatus:
            assert await report(tx, status, number) is None
        assert await row(tx, number) == before


async def test_the_reference_takes_precedence_over_the_id(database: Database) -> None:
    async with database.write() as tx:
        first = await add(tx, "first")
        await bring_to(tx, first, DeliveryState.SENT, REF)
        second = await add(tx, "second")
        await bring_to(tx, second, DeliveryState.SENT, OTHER_REF)
        known = await report(tx, "read", second)
        assert known is not None
        assert known.id == first
        assert (await row(tx, second))["platform_status"] is None


async def test_a_receipt_of_one_channel_does_not_change_another(database: Database) -> None:
    """Neither by the reference, which two platforms may give alike, nor by our id, which the platform repeats."""
    async with database.write() as tx:
        for key, state, ref in (("ref", DeliveryState.SENT, REF), ("id", DeliveryState.DOUBTED, "")):
            number = await add(tx, key, channel="telegram")
            await bring_to(tx, number, state, ref)
            before = await row(tx, number)
            for known in (number, 0):
                assert await report(tx, "read", known) is None
            assert await row(tx, number) == before


async def test_a_receipt_does_not_end_a_delivery_that_was_never_attempted(database: Database) -> None:
    async with database.write() as tx:
        first = await add(tx, "the question whether to bring_to", DeliveryKind.NOTICE)
        await bring_to(tx, first, DeliveryState.SENT, OTHER_REF)
        await outbox.delete_all(tx, "whatsapp", "MX.1001")
        await add(tx, "good-bye", DeliveryKind.NOTICE)
        await tx.execute(update(deliveries).values(id=first))  # as SQLite would without AUTOINCREMENT
        await report(tx, "read", first, OTHER_REF)
        claimed = await delivery_worker.claim(tx, "worker", ["whatsapp"], NOW, 50)
        assert [one.key for one in claimed] == ["good-bye"]


async def test_a_reference_of_full_length_is_stored(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await bring_to(tx, number, DeliveryState.DOUBTED, fault="timeout")
        assert await report(tx, "sent", number, "w" * 160) is not None
        assert await report(tx, "delivered", 0, "w" * 160) is not None


# ---------------------------------------------------------------- failures


async def test_a_failure_is_final_unless_a_higher_status_follows(database: Database) -> None:
    async with database.write() as tx:
        number = await add(tx)
        await bring_to(tx, number, DeliveryState.SENT, REF)
        steps = []
        for status in ("failed", "sent", "delivered", "failed", "read"):
            known = await report(tx, status, number)
            steps.append((known is not None, (await row(tx, number))["state"]))
        assert steps == [(True, "failed"), (False, "failed"), (True, "sent"), (False, "sent"), (True, "sent")]
        assert await backlog.counts(tx, NOW - timedelta(days=1)) == {("whatsapp", "sent"): 1}
