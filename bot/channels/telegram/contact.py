"""Confirm in the database that Telegram reaches us: it does not report when a button was pressed."""

from collections.abc import Callable
from datetime import datetime, timedelta

from storage.channels import contact
from storage.database import Database

INTERVAL = timedelta(minutes=1)


class ContactRecorder:
    """Records contacts of a channel, at most one a minute."""

    def __init__(self, database: Database, channel: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._channel = channel
        self._clock = clock
        self._recorded_at: datetime | None = None

    async def confirm(self) -> None:
        """Record that Telegram can reach us now. Raises DatabaseUnavailable."""
        now = self._clock()
        if self._recorded_at is not None and timedelta(0) <= now - self._recorded_at < INTERVAL:
            return
        async with self._database.write() as tx:
            await contact.confirm(tx, self._channel, now)
        self._recorded_at = now
