"""What platforms and databases may do to a sending."""

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
    """What a platform does with one sending; after `wait` seconds it is tried again, if it may be."""

    name: str
    fault_options: dict[str, Any] = field(default_factory=dict)
    wait: float = 2
    in_doubt: bool = False

    @property
    def is_done(self) -> bool:
        return bool(self.fault_options.get("done"))


PAGE = b"<html>Bad Gateway</html>"
COMMON = [
    PlatformFailure("500", {"status": 500}),
    PlatformFailure("502", {"status": 502, "body": PAGE}),
    PlatformFailure("503", {"status": 503, "body": b""}),
    PlatformFailure("504", {"status": 504, "body": PAGE}, in_doubt=True),
    PlatformFailure("504 after the work", {"status": 504, "body": PAGE, "done": True}, in_doubt=True),
    PlatformFailure("reset", {"reset": True}, in_doubt=True),
    PlatformFailure("reset after the work", {"reset": True, "done": True}, in_doubt=True),
    PlatformFailure("hang", {"hang": True}, in_doubt=True),
    PlatformFailure("hang after the work", {"hang": True, "done": True}, in_doubt=True),
    PlatformFailure("no JSON", {"body": PAGE}, in_doubt=True),
    PlatformFailure("no JSON after the work", {"body": PAGE, "done": True}, in_doubt=True),
    PlatformFailure("nothing at all", {"body": b"", "done": True}, in_doubt=True),
    PlatformFailure("JSON of another kind", {"body": b"[1]", "done": True}, in_doubt=True),
]
PLATFORM_FAILURES = {
    TELEGRAM: [
        *COMMON,
        PlatformFailure("429 with a wait", {"status": 429, "retry_after": 17}, wait=17),
        PlatformFailure("429 without a wait", {"status": 429}, wait=telegram_client.THROTTLED_SECONDS),
        PlatformFailure("half an answer", {"body": b'{"ok": true}', "done": True}, in_doubt=True),
    ],
    WHATSAPP: [
        *(one for one in COMMON if one.name != "500"),
        PlatformFailure("500 without words", {"status": 500, "body": b"{}"}),
        PlatformFailure("130429", {"code": 130429}, wait=5),
        PlatformFailure("131056", {"code": 131056}, wait=4),
        PlatformFailure("131000", {"code": 131000}, wait=5),
        PlatformFailure("half an answer", {"body": b'{"messages": []}', "done": True}, in_doubt=True),
    ],
}


# ---------------------------------------------------------------- a database that is away

OutageContext = Callable[[], AbstractAsyncContextManager[None]]
TERMINATE = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1"


@asynccontextmanager
async def sqlite_locked(path: str) -> AsyncIterator[None]:
    """A SQLite file that somebody else writes to."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    while not connection.in_transaction:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # whoever writes now needs our loop to come to an end
            await asyncio.sleep(0)
    try:
        yield
    finally:
        connection.close()


@asynccontextmanager
async def postgres_refusing(socket: Path, name: str) -> AsyncIterator[None]:
    """A PostgreSQL database that takes nobody, and whose connections have died."""
    connection = await asyncpg.connect(host=str(socket), user="test", database="postgres")
    await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    await connection.execute(TERMINATE, name)
    try:
        yield
    finally:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await connection.close()


PATIENCE = 2.0  # seconds that an outage lasts for whoever goes on trying without a pause


class Outage:
    """A database goes away when it is told to, and comes back when somebody's work has met that."""

    def __init__(self, away: OutageContext) -> None:
        self._away = away
        self._has_begun, self._was_met, self._is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._lasting: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self._lasting = asyncio.create_task(self._last())
        await self._has_begun.wait()

    async def hold_until_met(self, work: "asyncio.Task[Any]") -> None:
        """Until the work gives up or waits to try again; or is done, and never met it."""
        met = asyncio.create_task(self._was_met.wait())
        await asyncio.wait({met, work}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        met.cancel()
        self._is_over.set()
        if self._lasting is not None:
            await self._lasting

    async def sleep(self) -> None:
        """Whoever waits to try again waits until it is over."""
        if self._has_begun.is_set():
            self._was_met.set()
        if self._lasting is not None:
            await asyncio.wait({self._lasting})

    async def _last(self) -> None:
        async with self._away():
            self._has_begun.set()
            await self._is_over.wait()
