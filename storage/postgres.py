"""How PostgreSQL is connected to, so that neither side waits for ever for one that is gone.

asyncpg is an extra: it is imported where the first address is given.
"""

import socket
from functools import cache
from typing import Any

CONNECT_SECONDS = 10
COMMAND_SECONDS = 60.0  # for a statement, and for calling it off: what a lease lasts, more than all but long ones take
GIVEN_UP = {
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""A machine that vanished, or a process that froze, holds rows that others wait for: PostgreSQL gives it up within the
minute that a lease lasts. By itself it would wait for two hours. Source: PostgreSQL, client connection defaults.
"""
OURS = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 50_000))
"""The same from our side, also while we listen or something was sent: 50 s without a sign of life. Not every system
has all of them. Source: Linux, tcp(7).
"""


def connect_args(command_seconds: float | None = COMMAND_SECONDS) -> dict[str, Any]:
    """What `asyncpg.connect` is told besides the address; None: a statement may take its time."""
    return {
        "timeout": CONNECT_SECONDS,
        "command_timeout": command_seconds,
        "server_settings": GIVEN_UP,
        "connection_class": _line(),
    }


@cache
def _line() -> type[Any]:
    import asyncpg

    class Line(asyncpg.Connection):  # type: ignore[misc]
        """A connection that breaks when nothing is heard from the server's machine any more."""

        def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
            super().__init__(protocol, transport, *rest)
            line = transport.get_extra_info("socket")
            if line.family not in (socket.AF_INET, socket.AF_INET6):
                return
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in OURS:
                if hasattr(socket, name):
                    line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    return Line
