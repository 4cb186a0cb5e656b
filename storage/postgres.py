"""Connection settings for PostgreSQL, with timeouts on both sides so that neither waits for ever for a dead peer.

asyncpg is an extra: it is imported when the first connection is configured.
"""

import os
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

CONNECT_SECONDS = 10
COMMAND_SECONDS = 60.0  # timeout of a statement or its cancellation: as long as a lease; `is_long` ones need more
APPLICATION = "integra-"
APPLICATION_NAME = f"{APPLICATION}{os.urandom(4).hex()}"
"""The name of this process's sessions in pg_stat_activity, another one for each process."""
SERVER_SETTINGS = {
    "application_name": APPLICATION_NAME,
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""A machine that vanished, or a process that froze, holds row locks that others wait for: PostgreSQL drops its
connection within a minute, the length of a lease. The default is two hours.
Source: PostgreSQL, client connection defaults.
"""
SOCKET_OPTIONS = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 50_000))
"""The same on our side, also while listening or with data in flight: 50 s without a sign of life. Not every system has
all of these options. Source: Linux, tcp(7).
"""

log = structlog.get_logger()


def connect_args(command_seconds: float | None = COMMAND_SECONDS) -> dict[str, Any]:
    """Arguments of `asyncpg.connect` besides the address; None: statements have no timeout."""
    return {
        "timeout": CONNECT_SECONDS,
        "command_timeout": command_seconds,
        "server_settings": SERVER_SETTINGS,
        "connection_class": _connection_class(),
    }


@cache
def _connection_class() -> type[Any]:
    import asyncpg

    class KeepaliveConnection(asyncpg.Connection):  # type: ignore[misc]
        """A connection that breaks when the server's machine no longer responds."""

        def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
            super().__init__(protocol, transport, *rest)
            sock = transport.get_extra_info("socket")
            if sock.family not in (socket.AF_INET, socket.AF_INET6):
                return
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in SOCKET_OPTIONS:
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    return KeepaliveConnection


@asynccontextmanager
async def dedicated_connection(engine: AsyncEngine) -> AsyncIterator[Any]:
    """An asyncpg connection outside the pool; None when the server is unavailable."""
    import asyncpg

    arguments, options = engine.dialect.create_connect_args(engine.url)
    own = {name: value for name, value in options.items() if not name.startswith("prepared_statement")}
    try:
        connection = await asyncpg.connect(*arguments, **own, **connect_args())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        log.warning("postgres_connection_unavailable", fault=type(fault).__name__)
        connection = None
    try:
        yield connection
    finally:
        if connection is not None:
            connection.terminate()


async def none_if_disconnected(work: Awaitable[Any]) -> Any:
    """The result of a statement; None when the connection was lost meanwhile, which must not end the caller."""
    import asyncpg

    try:
        return await work
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        log.warning("postgres_connection_lost", fault=type(fault).__name__)
        return None
