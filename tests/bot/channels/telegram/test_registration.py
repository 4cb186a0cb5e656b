"""Which process polls: the one that holds the lock, for as long as it holds it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from bot.channels.telegram import receiver
from bot.channels.telegram.registration import TelegramRuntime
from bot.config import Settings
from storage import advisory_locks
from storage.advisory_locks import Lock
from storage.database import Database

PATIENCE = 20.0  # seconds until something counts as blocked


class Locks:
    """The lock of polling, which the test gives and takes."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.taken = asyncio.Semaphore(0)

    @asynccontextmanager
    async def acquire(self, _: Database, lock: Lock) -> AsyncIterator[asyncio.Event]:
        assert lock is Lock.POLLING
        await self.taken.acquire()
        self.lost = asyncio.Event()
        yield self.lost


class Polls:
    """In the place of polling: says that it began, and how it ended."""

    def __init__(self) -> None:
        self.began, self.ended = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.fault: Exception | None = None

    async def __call__(self, *_: object) -> None:
        self.began.release()
        if self.fault:
            raise self.fault
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.release()


@pytest.fixture
def locks(monkeypatch: pytest.MonkeyPatch) -> Locks:
    locks = Locks()
    monkeypatch.setattr(advisory_locks, "acquire", locks.acquire)
    return locks


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    polls = Polls()
    monkeypatch.setattr(receiver, "poll", polls)
    return polls


@pytest.fixture
def runtime() -> TelegramRuntime:
    """A bot that polls; what it would poll with is never used."""
    settings = Settings.model_construct(telegram_bot_token=SecretStr("a token"), telegram_mode="polling")
    services: Any = SimpleNamespace(settings=settings, database=None, inbox=None, clock=None)
    channel: Any = None
    return TelegramRuntime(channel, services)


async def test_polling_goes_on_until_the_lock_is_lost_and_again_with_the_next(
    runtime: TelegramRuntime, locks: Locks, polls: Polls
) -> None:
    async with asyncio.timeout(PATIENCE):
        task = asyncio.create_task(runtime.receive())
        for _ in range(2):
            locks.taken.release()
            await polls.began.acquire()
            assert polls.ended.locked(), "it polls"
            locks.lost.set()
            await polls.ended.acquire()
        assert polls.began.locked(), "without the lock it does not poll"
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_fault_of_polling_ends_the_receiver_instead_of_being_hidden(
    runtime: TelegramRuntime, locks: Locks, polls: Polls
) -> None:
    polls.fault = RuntimeError("polling is broken")
    locks.taken.release()
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(RuntimeError, match="polling is broken"):
            await runtime.receive()
