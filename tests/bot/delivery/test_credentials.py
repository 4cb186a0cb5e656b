"""Of all processes one at a time holds a credential; another takes over when it ends, freezes or loses the database."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import Any, TypeVar

import pytest
from sqlalchemy import text

from bot.delivery.credentials import NOTIFICATION, Credentials
from storage import notifications
from storage.advisory_locks import LockSession
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import rate_limits, tuning
from storage.queue.rate_limits import RateLimitStatus
from tests.cast import Clock

T = TypeVar("T")
CHANNELS = ("telegram", "whatsapp")
LONGEST = 20  # seconds after which a test that waits for ever fails
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


class Process:
    """One process of several: which credentials it holds, and whether it was notified that it lost them."""

    def __init__(self, database: Database, clock: Clock, name: str) -> None:
        self.lost = asyncio.Event()
        self.seconds = 0.0
        self.taken: list[str] = []
        self.credentials = Credentials(database, CHANNELS, name, clock, self._take, self.lost.set, lambda: self.seconds)

    def _take(self, status: RateLimitStatus) -> None:
        self.taken.append(status.channel)

    async def try_for(self) -> list[str]:
        """Try for all credentials; those that were taken over."""
        self.taken = []
        await self.credentials.refresh()
        return self.taken

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


async def in_another_process(work: Callable[[], Awaitable[T]]) -> T:
    """Run work as another process does, beside an open transaction of this one."""
    return await asyncio.create_task(_awaited(work), context=Context())


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


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


async def freeze_within_a_claim(database: Database, first: Process, second: Process, seen: list[object]) -> None:
    """Lock the row as a claim of the first does, and let the second try for it until it has taken over.

    `seen` gets what is seen after its first try: what it holds, and how many locks. An assertion here would be lost,
    as the end of the transaction raises.
    """
    async with database.write() as claiming:
        assert await rate_limits.confirm_holder(claiming, "telegram", "first")
        await first.credentials.hand_over()  # the server ended its session
        try:
            await in_another_process(second.try_for)
        except DatabaseUnavailable:
            seen.append("it waited for the row, and no longer")
        locks = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        seen += [second.held, await claiming.scalar(locks)]
        async with asyncio.timeout(LONGEST):
            while second.held != list(CHANNELS):
                with suppress(DatabaseUnavailable):
                    await in_another_process(second.try_for)


@ON_POSTGRESQL
async def test_another_process_takes_over_from_one_that_froze_within_a_claim(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim holds the credential's row; while it is waited for, the other process still gives signs of life."""
    monkeypatch.setattr(tuning, "TAKE_OVER_WAIT", 0.05)
    monkeypatch.setattr(tuning, "CLAIM_SILENCE", 0.5)
    async with processes(database, clock) as (first, second):
        await first.try_for()
        seen: list[object] = []
        with pytest.raises(DatabaseUnavailable):  # its transaction was ended
            await freeze_within_a_claim(database, first, second, seen)
        assert seen == ["it waited for the row, and no longer", ["whatsapp"], 1], "one row concerns no other channel"
        assert second.held == list(CHANNELS)
        assert await second.try_for() == []


@ON_POSTGRESQL
async def test_a_process_that_loses_its_connection_while_it_takes_over_holds_nothing(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_over = rate_limits.take_over

    async def lose_connection(tx: Transaction, *arguments: Any) -> RateLimitStatus:
        await tx.execute(text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"))
        while first.credentials._locks.held:  # until it has noticed
            await tx.execute(text("SELECT 1"))
        return await take_over(tx, *arguments)

    async with processes(database, clock) as (first, second):
        with monkeypatch.context() as patch:
            patch.setattr(rate_limits, "take_over", lose_connection)
            with suppress(DatabaseUnavailable):
                await first.try_for()
        assert first.held == []
        assert await second.try_for() == list(CHANNELS)
        assert await first.try_for() == []
        assert first.held == []


async def test_time_counts_from_the_beginning_of_a_sign_of_life(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server may have heard it at once, however late its answer arrives."""
    async with processes(database, clock) as (first, _):
        await first.try_for()
        try_acquire = LockSession.try_acquire

        async def slow(session: LockSession, names: Collection[str]) -> frozenset[str]:
            held = await try_acquire(session, names)
            first.seconds += 5
            return held

        monkeypatch.setattr(LockSession, "try_acquire", slow)
        await first.try_for()
        first.seconds = tuning.HOLDER_SILENCE
        assert first.held == (list(CHANNELS) if database.is_sqlite else [])


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
    assert tuning.HOLDER_SILENCE >= 3 * tuning.HOLDER_RETRY, "two signs of life may be late"
