"""Which credentials this process sends on: of all processes one at a time holds the lock of each."""

import time
from collections.abc import Callable, Collection
from datetime import datetime

import structlog

from storage.advisory_locks import Lock, LockSession
from storage.database import Database, DatabaseUnavailable
from storage.queue import rate_limits, tuning
from storage.queue.rate_limits import RateLimitStatus

NOTIFICATION = "integra_credentials"

log = structlog.get_logger()


def since_boot() -> float:
    """Seconds since the machine started, those in which it was suspended included where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Credentials:
    """Takes each credential that no other process holds, and loses it when the database no longer hears from us.

    `on_taken` is called with the rate limit of each that was taken, `on_lost` when all are lost. Until `refresh` has
    run, none is held.
    """

    def __init__(
        self,
        database: Database,
        channels: Collection[str],
        worker_id: str,
        clock: Callable[[], datetime],
        on_taken: Callable[[RateLimitStatus], None],
        on_lost: Callable[[], None],
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        self._database = database
        self._channels = frozenset(channels)
        self._worker_id = worker_id
        self._clock = clock
        self._on_taken = on_taken
        self._on_lost = on_lost
        self._monotonic = monotonic
        self._locks = LockSession(database, Lock.SENDING, tuning.HOLDER_SILENCE, self._lose)
        self._held: frozenset[str] = frozenset()
        self._held_until = 0.0  # by the monotonic clock, unless the database hears from us again

    def holds(self, channel: str) -> bool:
        """Whether this process may send on a channel's credential now."""
        return channel in self._held and (self._database.is_sqlite or self._monotonic() < self._held_until)

    async def refresh(self) -> None:
        """Show that we are alive, and take the credentials that are free. Raises DatabaseUnavailable."""
        began = self._monotonic()
        locked = await self._locks.try_acquire(self._channels)
        self._held_until = began + tuning.HOLDER_SILENCE
        fault: DatabaseUnavailable | None = None
        for channel in sorted(locked - self._held):
            try:
                await self._take_over(channel)
            except DatabaseUnavailable as error:  # the others are taken nevertheless, and this one is left to others
                await self._locks.unlock(channel)
                fault = error
        if fault is not None:
            raise fault

    def give_up(self, channel: str) -> None:
        """Another process has taken a credential over that we believed to hold; the next `refresh` tries for it."""
        self._held -= {channel}

    async def _take_over(self, channel: str) -> None:
        async with self._database.write() as tx:
            status = await rate_limits.take_over(tx, channel, self._worker_id, self._clock())
        if channel in self._locks.held:  # unless the connection was lost meanwhile
            self._held |= {channel}
            self._on_taken(status)
            if not self._database.is_sqlite:  # there is no other process there
                log.info("credential_taken", channel=channel, worker=self._worker_id)

    def _lose(self) -> None:
        """The connection broke, or a sign of life failed: another process may hold them from now on."""
        if self._held:
            log.warning("credentials_lost", channels=sorted(self._held))
            self._held = frozenset()
            self._on_lost()

    async def hand_over(self) -> None:
        """Give all up, as this process stops, and notify the others, so that one of them takes over at once."""
        self._held = frozenset()
        await self._locks.release(NOTIFICATION)
