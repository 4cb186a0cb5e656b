"""A writer of rows exchanges what waits in the outbox: nothing is sent to another person, and nothing else stops."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from storage.database import Database
from storage.envelopes import ALTERED
from storage.queue import backlog
from storage.queue.backlog import Backlog
from storage.queue.outbox import DeliveryKind
from storage.schema import deliveries
from tests.bot.delivery.stage import Stage
from tests.cast import Clock

pytestmark = pytest.mark.attack

FOR_ANA, FOR_BETO, UNTOUCHED = ("ana", "for ana"), ("beto", "for beto"), ("carmen", "for carmen")
EXCHANGED = ["body", "address", "key", "body address", "body key", "address key"]
COLUMNS = ("body", "address", "key")
HIS = {"his address": {"address": "thief"}, "another kind": {"kind": "prompt"}, "in the clear": {"body": '["send"]'}}


@pytest.fixture
async def stage(database: Database, clock: Clock) -> AsyncIterator[Stage]:
    stage = Stage(database, clock)
    yield stage
    await stage.dispatcher.close()


async def add_all(stage: Stage, kind: DeliveryKind) -> list[dict[str, Any]]:
    """A delivery to each of three people; the rows of the first two."""
    for address, text in (FOR_ANA, FOR_BETO, UNTOUCHED):
        await stage.add(text, address, kind)
    async with stage.database.read() as tx:
        rows = (await tx.execute(select(deliveries).order_by(deliveries.c.id).limit(2))).mappings()
        return [dict(row) for row in rows]


async def write(stage: Stage, number: int, **values: object) -> None:
    async with stage.database.write() as tx:
        await tx.execute(update(deliveries).where(deliveries.c.id == number).values(**values))


async def exchange(stage: Stage, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    await write(stage, rows[0]["id"], key="neither")  # keys are unique
    for row, other in ((rows[1], rows[0]), (rows[0], rows[1])):
        await write(stage, row["id"], **{name: (other if name in columns else row)[name] for name in COLUMNS})


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.NOTICE])
@pytest.mark.parametrize("columns", EXCHANGED)
async def test_what_was_exchanged_between_two_people_is_sent_to_neither(
    stage: Stage, columns: str, kind: DeliveryKind
) -> None:
    await exchange(stage, await add_all(stage, kind), columns.split())
    with capture_logs() as logs:
        await stage.dispatcher.drain()
    assert stage.telegram.received == [UNTOUCHED], "or it was sent to the wrong person, or kept the third from theirs"
    assert [entry["event"] for entry in logs].count("delivery_altered") == 2
    await assert_refused(stage, 2)


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.NOTICE])
async def test_whole_rows_may_change_places(stage: Stage, kind: DeliveryKind) -> None:
    """A control: what belongs together is sent wherever it lies."""
    await exchange(stage, await add_all(stage, kind), COLUMNS)
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.received) == [FOR_ANA, FOR_BETO, UNTOUCHED]


@pytest.mark.parametrize("name", HIS)
async def test_no_message_can_be_turned_to_the_writer_nor_written_by_him(stage: Stage, name: str) -> None:
    first, _ = await add_all(stage, DeliveryKind.REPLY)
    await write(stage, first["id"], **HIS[name])
    await stage.dispatcher.drain()
    assert sorted(stage.telegram.received) == [FOR_BETO, UNTOUCHED]
    await assert_refused(stage, 1)


async def assert_refused(stage: Stage, count: int) -> None:
    """They ended with a fault of their own, and the monitor counts them as lost."""
    async with stage.database.read() as tx:
        ended = select(deliveries.c.id).where(deliveries.c.state == "refused", deliveries.c.fault == ALTERED)
        assert len((await tx.execute(ended)).all()) == count
        lost = await backlog.backlogs(tx, stage.clock(), stage.clock().replace(hour=0))
    assert lost == {"telegram": Backlog(lost=count)}
