"""LISTEN/NOTIFY between processes on PostgreSQL: wake up when another process has stored something.

Triggers notify once a transaction, at its commit; a rate-limit response (429) is notified explicitly
(see storage/queue/rate_limits.py). SQLite has one process, which wakes itself. Listeners also poll every few seconds: a
notification is lost while the connection is down.
"""

import asyncio
from collections.abc import Callable, Mapping

from storage import postgres
from storage.database import Database

RETRY_SECONDS = 5.0  # between two tries to connect


async def listen(database: Database, callbacks: Mapping[str, Callable[[], None]]) -> None:
    """Run a table's callback whenever rows are inserted (deliveries, updates) or a 429 is recorded (rate_limits).

    Runs until cancelled.
    """
    while True:
        async with postgres.dedicated_connection(database.engine) as connection:
            if connection is not None:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                for table, callback in callbacks.items():
                    listening = connection.add_listener(f"integra_{table}", lambda *_, callback=callback: callback())
                    await postgres.none_if_disconnected(listening)
                    callback()  # for what was stored before we listened
                if not connection.is_closed():
                    await lost.wait()
        await asyncio.sleep(RETRY_SECONDS)
