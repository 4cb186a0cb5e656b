"""What one channel's sender knows of refusals by unknown codes: which kinds pause, and where one is tried at a time.

The streaks are in the database (storage/queue/refusal_streaks.py), as workers of other processes count failures that
are reported later. Each claim reads them; where none is open nothing here costs a statement.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta

import structlog

from storage.database import Database, DatabaseUnavailable
from storage.queue import refusal_streaks, tuning
from storage.queue.outbox import Delivery, DeliveryKind
from storage.queue.refusal_streaks import Counted, Streak

log = structlog.get_logger()


class KindPauses:
    """The open streaks of one channel."""

    def __init__(self, channel: str, database: Database, worker_id: str, clock: Callable[[], datetime]) -> None:
        self._channel = channel
        self._database = database
        self._worker_id = worker_id
        self._clock = clock
        self._open: dict[DeliveryKind, Streak] = {}
        self._turns = {kind: asyncio.Lock() for kind in DeliveryKind}
        self._probes: dict[DeliveryKind, list[datetime]] = {}
        self._looked_at: datetime | None = None

    def update(self, streaks: Sequence[Streak]) -> None:
        """Take over what a claim has read: the open streaks of all channels."""
        self._open = {streak.kind: streak for streak in streaks if streak.channel == self._channel}

    def turn(self, kind: DeliveryKind) -> AbstractAsyncContextManager[object]:
        """Let one delivery of a kind be tried at a time while a streak is open: the next may be the third refusal."""
        streak = self._open.get(kind)
        return nullcontext() if streak is None or streak.is_late else self._turns[kind]

    def held_until(self, kind: DeliveryKind) -> datetime | None:
        """Until when no delivery of a kind may be tried; None: it may be tried now."""
        streak, now = self._open.get(kind), self._clock()
        if streak is None:
            return None
        if (until := streak.pause_end(now)) is not None:
            return until
        if not (streak.is_late and streak.has_paused):
            return None
        wait = timedelta(seconds=tuning.PROBE_WAIT)
        probes = [at for at in self._probes.get(kind, []) if now - wait < at <= now]
        if len(probes) >= tuning.LATE_PROBES:
            return probes[0] + wait
        self._probes[kind] = [*probes, now]
        return None

    def is_paused_by(self, code: str) -> bool:
        """Whether a kind pauses now that was refused by this very code: all that is sent may be refused by it."""
        now = self._clock()
        return any(streak.code == code and streak.pause_end(now) is not None for streak in self._open.values())

    async def refuse(self, delivery: Delivery, code: str) -> None:
        """Record a refusal by an unknown code. Raises DatabaseUnavailable."""
        now = self._clock()
        async with self._database.write() as tx:
            counted = await refusal_streaks.refuse(
                tx, self._worker_id, delivery.id, self._channel, delivery.kind, code, now
            )
        if counted is not None:
            self._open[delivery.kind] = counted.streak
            log_pause(counted)

    async def accepted(self, kind: DeliveryKind) -> None:
        """End the streak of a kind of which the platform has accepted one; a late streak ends when one has arrived."""
        streak = self._open.get(kind)
        if streak is None or streak.is_late:
            return
        try:
            await self._close(kind)
        except DatabaseUnavailable as error:  # the next one that is accepted ends it
            log.warning("streak_not_closed", channel=self._channel, kind=kind.value, fault=str(error))

    async def close_arrived(self) -> bool:
        """End late streaks of whose kind one has arrived, if it is time to look; return whether one ended.

        Raises DatabaseUnavailable.
        """
        now, late = self._clock(), [streak for streak in self._open.values() if streak.is_late]
        if not late or not self._may_look(now):
            return False
        self._looked_at = now
        async with self._database.quick_read() as tx:
            arrived = [streak.kind for streak in late if await refusal_streaks.has_arrived(tx, streak)]
        for kind in arrived:
            await self._close(kind)
        return bool(arrived)

    def _may_look(self, now: datetime) -> bool:
        wait = timedelta(seconds=tuning.PROBE_WAIT)
        return self._looked_at is None or not self._looked_at <= now < self._looked_at + wait

    async def _close(self, kind: DeliveryKind) -> None:
        self._open.pop(kind, None)
        async with self._database.write() as tx:
            streak = await refusal_streaks.close(tx, self._channel, kind, self._clock())
        if streak is not None and streak.has_paused:
            log.info("kind_resumed", channel=self._channel, kind=kind.value)


def log_pause(counted: Counted) -> None:
    """Log that a kind pauses from now on, if this refusal made it pause."""
    streak = counted.streak
    if counted.begins_pause and streak.paused_until is not None:
        until = streak.paused_until.isoformat()
        log.error("kind_paused", channel=streak.channel, kind=streak.kind.value, code=streak.code, until=until)
