"""PostgreSQL that accepts the connection and then stops responding: nothing waits for it for ever."""

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

SHORT = 0.2  # timeout of statements here, in seconds
PATIENCE = 10.0  # seconds until something counts as hanging


class Proxy:
    """A TCP proxy to the server that can stop forwarding without closing its connections."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1")
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

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._server / ".s.PGSQL.5432")
        for ends in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._forward(*ends))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while heard := await reader.read(65536):
                    await self._is_open.wait()
                    writer.write(heard)
                    await writer.drain()
        finally:
            writer.close()


@pytest.fixture
async def proxy(postgres_socket: Path) -> AsyncIterator[Proxy]:
    async with Proxy(postgres_socket) as one:
        yield one


@pytest.fixture
async def impatient(proxy: Proxy) -> AsyncIterator[Database]:
    """A database with a short timeout for statements, except for long ones."""
    url = parse_url(proxy.url)
    database = Database(
        _engine(url, postgres.connect_args(SHORT)), without_timeout=_engine(url, postgres.connect_args(None))
    )
    yield database
    await database.close()


async def _select(database: Database, what: str = "select 1") -> Any:
    async with asyncio.timeout(PATIENCE), database.read() as tx:
        return await tx.scalar(text(what))


async def test_a_server_that_stops_responding_is_unavailable_meanwhile(impatient: Database, proxy: Proxy) -> None:
    assert await _select(impatient) == 1
    proxy.close()
    with pytest.raises(DatabaseUnavailable):
        await _select(impatient)
    proxy.open()
    assert await _select(impatient) == 1


async def test_a_server_that_hangs_in_a_transaction_is_unavailable(impatient: Database, proxy: Proxy) -> None:
    async def talk() -> None:
        async with asyncio.timeout(PATIENCE), impatient.write() as tx:
            await tx.execute(text("select 1"))
            proxy.close()
            await tx.execute(text("select 1"))

    with pytest.raises(DatabaseUnavailable):
        await talk()


async def test_a_statement_times_out_unless_it_is_declared_as_long(impatient: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _select(impatient, "select pg_sleep(60)")
    async with impatient.write(is_long=True) as tx:
        assert await tx.scalar(text(f"select 1 from pg_sleep({2 * SHORT})")) == 1
    async with impatient.connection() as connection:  # a migration step
        assert await connection.scalar(text(f"select 1 from pg_sleep({2 * SHORT})")) == 1


async def test_an_exhausted_pool_is_unavailable(proxy: Proxy) -> None:
    engine = _engine(parse_url(proxy.url), postgres.connect_args(), pool_size=1, max_overflow=0, pool_timeout=0.05)
    database = Database(engine)
    async with database.read() as tx:
        await tx.execute(text("select 1"))
        with pytest.raises(DatabaseUnavailable, match="no free connection"):
            await _select(database)
    assert await _select(database) == 1
    await database.close()


async def test_every_connection_has_timeouts_and_keepalives(proxy: Proxy) -> None:
    database = open_database(proxy.url)
    async with database.engine.connect() as pooled, postgres.dedicated_connection(database.engine) as own:
        raw = await pooled.get_raw_connection()
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
