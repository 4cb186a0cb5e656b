"""Of all processes one at a time holds a credential; another takes over when it ends, freezes or loses the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from bot.delivery.credentials import NOTIFICATION, Credentials
from storage import notifications
from storage.database import Database
from storage.queue import rate_limits, tuning
from tests.cast import Clock

CHANNELS = ("telegram", "whatsapp")
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


class Process:
    """One process of several: which credentials it holds, and whether it was notified that it lost them."""

    def __init__(self, database: Database, clock: Clock, name: str) -> None:
        self.lost = asyncio.Event()
        self.seconds = 0.0
        self.credentials = Credentials(database, CHANNELS, name, clock, self.lost.set, lambda: self.seconds)

    async def try_for(self) -> list[str]:
        """Try for all credentials; those that were taken over."""
        return [status.channel for status in await self.credentials.refresh()]

    @property
    def held(self) -> list[str]:
        return [channel for channel in CHANNELS if self.credentials.holds(channel)]


@asynccontextmanager
async def processes(database: Database, clock: Clock) -> AsyncIterator[tuple[Process, Process]]:
    both = Process(database, clock, "first"), Process(database, clock, "second")
    try:
        yield both
    finally:
        for process in both:
            await process.credentials.hand_over()


async def end_sessions(database: Database) -> None:
    """End the sessions that hold locks, as PostgreSQL does when their processes are killed or it restarts."""
    async with database.write() as tx:
        await tx.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))


async def test_a_process_holds_nothing_before_its_first_try_and_after_its_last(
    database: Database, clock: Clock
) -> None:
    async with processes(database, clock) as (first, _):
        assert first.held == []
        assert await first.try_for() == list(CHANNELS)
        assert first.held == list(CHANNELS)
        assert await first.try_for() == [], "it holds them already"
        await first.credentials.hand_over()
        assert first.held == []


async def test_a_credential_that_another_process_took_over_is_given_up_and_tried_for_again(
    database: Database, clock: Clock
) -> None:
    async with processes(database, clock) as (first, _):
        await first.try_for()
        first.credentials.give_up("telegram")
        assert first.held == ["whatsapp"]
        assert await first.try_for() == ["telegram"]


@ON_POSTGRESQL
async def test_one_process_holds_all_and_another_takes_over_at_once_when_it_stops(
    database: Database, clock: Clock
) -> None:
    async with processes(database, clock) as (first, second):
        await first.try_for()
        assert await second.try_for() == []
        freed = asyncio.Event()
        listening = asyncio.create_task(
            notifications.listen(database, {NOTIFICATION.removeprefix("integra_"): freed.set})
        )
        await freed.wait()  # for what happened before it listened
        freed.clear()
        await first.credentials.hand_over()
        await freed.wait()
        assert await second.try_for() == list(CHANNELS)
        assert (first.held, second.held) == ([], list(CHANNELS))
        listening.cancel()
        await asyncio.wait([listening])


@ON_POSTGRESQL
async def test_another_process_takes_over_from_one_that_died(database: Database, clock: Clock) -> None:
    async with processes(database, clock) as (first, second):
        await first.try_for()
        await end_sessions(database)
        await first.lost.wait()
        assert first.held == [], "it sends nothing from the moment at which another may"
        assert await second.try_for() == list(CHANNELS)
        assert await first.try_for() == []
        async with database.write() as tx:
            assert not await rate_limits.confirm_holder(tx, "telegram", "first")


@ON_POSTGRESQL
async def test_a_process_that_lost_its_connection_alone_holds_its_credentials_again(
    database: Database, clock: Clock
) -> None:
    async with processes(database, clock) as (first, _):
        await first.try_for()
        await end_sessions(database)
        await first.lost.wait()
        assert await first.try_for() == list(CHANNELS)


@ON_POSTGRESQL
async def test_another_process_takes_over_from_one_that_is_frozen(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "HOLDER_SILENCE", 0.2)
    async with processes(database, clock) as (first, second):
        await first.try_for()  # and gives no further sign of life
        first.seconds = 0.19
        assert first.held == list(CHANNELS)
        first.seconds = 0.2
        assert first.held == [], "it sends nothing when it thaws, before it learns that it lost its session"
        await first.lost.wait()
        assert await second.try_for() == list(CHANNELS)


@ON_POSTGRESQL
async def test_signs_of_life_keep_a_credential(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "HOLDER_SILENCE", 0.5)
    async with processes(database, clock) as (first, second):
        await first.try_for()
        for _ in range(8):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await first.lost.wait()
            assert await first.try_for() == []
        assert await second.try_for() == []


def test_another_process_takes_over_within_ten_seconds_in_any_case() -> None:
    assert tuning.HOLDER_SILENCE + tuning.HOLDER_RETRY < 10
    assert tuning.HOLDER_SILENCE >= 3 * tuning.HOLDER_RETRY, "two tries may fail"
