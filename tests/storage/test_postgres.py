"""PostgreSQL that takes the connection and then says nothing any more: nobody waits for it for ever."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from storage import postgres
from storage.database import Database, DatabaseUnavailable, _engine, open_database, parse_url

SHORT = 0.2  # seconds that a statement may take here
PATIENCE = 10.0  # seconds until we call it for ever


class Bridge:
    """A way to the server over TCP, which may be closed without anybody being told."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Bridge":
        self._listener = await asyncio.start_server(self._cross, "127.0.0.1")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        host, port = self._listener.sockets[0].getsockname()
        return f"postgresql+asyncpg://test@{host}:{port}/template_integra"

    def close(self) -> None:
        self._is_open.clear()

    def open(self) -> None:
        self._is_open.set()

    async def _cross(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._server / ".s.PGSQL.5432")
        for ends in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(*ends))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while heard := await reader.read(65536):
                    await self._is_open.wait()
                    writer.write(heard)
                    await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def bridge(postgres_socket: Path) -> AsyncIterator[Bridge]:
    async with Bridge(postgres_socket) as one:
        yield one


@pytest.fixture
async def impatient(bridge: Bridge) -> AsyncIterator[Database]:
    """A database whose statements may take a moment only, but for long ones."""
    url = parse_url(bridge.url)
    database = Database(
        _engine(url, postgres.connect_args(SHORT)), without_timeout=_engine(url, postgres.connect_args(None))
    )
    yield database
    await database.close()


async def _asks(database: Database, what: str = "select 1") -> Any:
    async with asyncio.timeout(PATIENCE), database.read() as tx:
        return await tx.scalar(text(what))


async def test_a_server_that_falls_silent_is_away_and_comes_back(impatient: Database, bridge: Bridge) -> None:
    assert await _asks(impatient) == 1
    bridge.close()
    with pytest.raises(DatabaseUnavailable):
        await _asks(impatient)
    bridge.open()
    assert await _asks(impatient) == 1


async def test_a_server_that_falls_silent_in_a_transaction_is_away(impatient: Database, bridge: Bridge) -> None:
    async def talk() -> None:
        async with asyncio.timeout(PATIENCE), impatient.write() as tx:
            await tx.execute(text("select 1"))
            bridge.close()
            await tx.execute(text("select 1"))

    with pytest.raises(DatabaseUnavailable):
        await talk()


async def test_a_statement_that_takes_too_long_is_given_up_and_a_long_one_is_not(impatient: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _asks(impatient, "select pg_sleep(60)")
    async with impatient.write(is_long=True) as tx:
        assert await tx.scalar(text(f"select 1 from pg_sleep({2 * SHORT})")) == 1
    async with impatient.connection() as connection:  # a step of the schema
        assert await connection.scalar(text(f"select 1 from pg_sleep({2 * SHORT})")) == 1


async def test_whoever_gets_no_connection_finds_the_database_away(bridge: Bridge) -> None:
    engine = _engine(parse_url(bridge.url), postgres.connect_args(), pool_size=1, max_overflow=0, pool_timeout=0.05)
    database = Database(engine)
    async with database.read() as tx:
        await tx.execute(text("select 1"))
        with pytest.raises(DatabaseUnavailable, match="no free connection"):
            await _asks(database)
    assert await _asks(database) == 1
    await database.close()


async def test_every_connection_looks_whether_the_other_machine_is_there(bridge: Bridge) -> None:
    database = open_database(bridge.url)
    async with database.read() as tx, postgres.dedicated_connection(database.engine) as own:
        raw = await tx.get_raw_connection()
        for connection in (raw.driver_connection, own):
            assert connection is not None
            assert connection._config.command_timeout == postgres.COMMAND_SECONDS
            assert await connection.fetchval("show idle_in_transaction_session_timeout") == "1min"
            end = connection._transport.get_extra_info("socket")
            assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            for name, value in postgres.SOCKET_OPTIONS:
                if hasattr(socket, name):
                    assert end.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
    await database.close()
