"""Failures for delivery tests: responses of the platforms to a send, and outages of the database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bot.channels.telegram import client as telegram_client

TELEGRAM, WHATSAPP = "telegram", "whatsapp"


@dataclass(frozen=True)
class PlatformFailure:
    """One way in which a platform fails a send.

    `fault_options` are passed to `fail` of the fake, `wait` is the expected delay of the retry in seconds, `in_doubt`
    whether the message may have been delivered all the same.
    """

    name: str
    fault_options: dict[str, Any] = field(default_factory=dict)
    wait: float = 2
    in_doubt: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the platform delivers the message although it reports or causes a failure."""
        return bool(self.fault_options.get("done"))


PAGE = b"<html>Bad Gateway</html>"
COMMON = [
    PlatformFailure("500", {"status": 500}),
    PlatformFailure("502", {"status": 502, "body": PAGE}),
    PlatformFailure("503", {"status": 503, "body": b""}),
    PlatformFailure("504", {"status": 504, "body": PAGE}, in_doubt=True),
    PlatformFailure("504 after delivery", {"status": 504, "body": PAGE, "done": True}, in_doubt=True),
    PlatformFailure("reset", {"reset": True}, in_doubt=True),
    PlatformFailure("reset after delivery", {"reset": True, "done": True}, in_doubt=True),
    PlatformFailure("hang", {"hang": True}, in_doubt=True),
    PlatformFailure("hang after delivery", {"hang": True, "done": True}, in_doubt=True),
    PlatformFailure("no JSON", {"body": PAGE}, in_doubt=True),
    PlatformFailure("no JSON after delivery", {"body": PAGE, "done": True}, in_doubt=True),
    PlatformFailure("empty body", {"body": b"", "done": True}, in_doubt=True),
    PlatformFailure("unexpected JSON", {"body": b"[1]", "done": True}, in_doubt=True),
]
PLATFORM_FAILURES = {
    TELEGRAM: [
        *COMMON,
        PlatformFailure("429 with retry_after", {"status": 429, "retry_after": 17}, wait=17),
        PlatformFailure("429 without retry_after", {"status": 429}, wait=telegram_client.THROTTLED_SECONDS),
        PlatformFailure("incomplete response", {"body": b'{"ok": true}', "done": True}, in_doubt=True),
    ],
    WHATSAPP: [
        *(failure for failure in COMMON if failure.name != "500"),
        PlatformFailure("500 without details", {"status": 500, "body": b"{}"}),
        PlatformFailure("130429", {"code": 130429}, wait=5),
        PlatformFailure("131056", {"code": 131056}, wait=4),
        PlatformFailure("131000", {"code": 131000}, wait=5),
        PlatformFailure("incomplete response", {"body": b'{"messages": []}', "done": True}, in_doubt=True),
    ],
}


# ---------------------------------------------------------------- database outages

OutageContext = Callable[[], AbstractAsyncContextManager[None]]
TERMINATE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"


@asynccontextmanager
async def sqlite_locked(path: str) -> AsyncIterator[None]:
    """Hold the write lock of a SQLite file."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    while not connection.in_transaction:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # the current writer needs this event loop to finish
            await asyncio.sleep(0)
    try:
        yield
    finally:
        connection.close()


@asynccontextmanager
async def postgres_refusing(socket: Path, name: str) -> AsyncIterator[None]:
    """Terminate all connections of a PostgreSQL database and refuse new ones."""
    connection = await asyncpg.connect(host=str(socket), user="test", database="postgres")
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await connection.execute(TERMINATE, name)
    try:
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()


MAX_OUTAGE_SECONDS = 2.0  # an outage ends then if the work retries without a pause


class Outage:
    """A database outage that starts on `begin` and ends when the observed work has met it."""

    def __init__(self, unavailable: OutageContext) -> None:
        self._unavailable = unavailable
        self._has_begun, self._was_met, self._is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Make the database unavailable; returns when it is."""
        self._task = asyncio.create_task(self._run())
        await self._has_begun.wait()

    async def hold_until_met(self, work: "asyncio.Task[Any]") -> None:
        """Keep the database unavailable until `work` ends or pauses before a retry; then make it available again."""
        met = asyncio.create_task(self._was_met.wait())
        await asyncio.wait({met, work}, timeout=MAX_OUTAGE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        met.cancel()
        self._is_over.set()
        if self._task is not None:
            await self._task

    async def sleep(self) -> None:
        """The `sleep` before a retry: it ends the outage's wait for the work, and returns when the outage is over."""
        if self._has_begun.is_set():
            self._was_met.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        async with self._unavailable():
            self._has_begun.set()
            await self._is_over.wait()
