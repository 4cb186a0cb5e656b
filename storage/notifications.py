"""LISTEN/NOTIFY between processes on PostgreSQL: wake up when another process has stored something.

Triggers notify once a transaction, at its commit; a process that hands over its credentials notifies by itself (see
storage/advisory_locks.py). SQLite has one process, which wakes itself. Listeners also poll every few seconds: a
notification is lost while the connection is down.
"""

import asyncio
from collections.abc import Callable, Mapping

from storage import postgres
from storage.database import Database

RETRY_SECONDS = 5.0  # between two tries to connect


async def listen(database: Database, callbacks: Mapping[str, Callable[[], None]]) -> None:
    """Run a callback at each notification of its name: rows were inserted (deliveries, updates), credentials are free.

    Runs until cancelled.
    """
    while True:
        async with postgres.dedicated_connection(database.engine) as connection:
            if connection is not None:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                for name, callback in callbacks.items():
                    listening = connection.add_listener(f"integra_{name}", lambda *_, callback=callback: callback())
                    await postgres.none_if_disconnected(listening)
                    callback()  # for what was stored before we listened
                if not connection.is_closed():
                    await lost.wait()
        await asyncio.sleep(RETRY_SECONDS)
