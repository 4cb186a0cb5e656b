"""Whether Telegram still reaches us by its webhook: an address that it took may die later, and nobody would notice.

One process looks every few minutes, and notes what `/health/ready`, `/metrics` and the console tell of deaf channels.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from bot.channels.channel import ChannelError
from bot.channels.telegram.channel import PendingUpdates, Telegram
from storage import advisory_locks
from storage.advisory_locks import Lock
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable

LOOK = 120.0  # seconds between two looks
HINT = "Telegram does not reach PUBLIC_URL; look at its name, certificate and proxy, and whether a web process runs"

log = structlog.get_logger()


def is_deaf(before: PendingUpdates, now: PendingUpdates) -> bool:
    """Nothing came through between two looks, though Telegram tried.

    One failure alone tells nothing: Telegram repeats what was not taken, and remembers its last failure for good.
    """
    has_tried = now.failed_at is not None and now.failed_at != before.failed_at
    return has_tried and now.waiting >= before.waiting > 0


def is_heard(before: PendingUpdates, now: PendingUpdates) -> bool:
    """Something came through, or nothing waits."""
    return now.waiting == 0 or now.waiting < before.waiting


async def watch(database: Database, telegram: Telegram, clock: Callable[[], datetime]) -> None:
    """Look until cancelled, while no other process does."""
    while True:
        async with advisory_locks.acquire(database, Lock.WEBHOOK_MONITORING) as lost:
            before = None
            while not lost.is_set():
                before = await look(database, telegram, clock, before)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await lost.wait()


async def look(
    database: Database, telegram: Telegram, clock: Callable[[], datetime], before: PendingUpdates | None
) -> PendingUpdates | None:
    """Compare with what was seen before, note what that tells, and give what is seen now."""
    try:
        now = await telegram.backlog()
        if before is not None:
            await _note(database, telegram.name, before, now, clock())
    except (ChannelError, DatabaseUnavailable) as fault:  # nothing is known; next time
        log.info("hearing_waits", channel=telegram.name, fault=str(fault))
        return before
    return now


async def _note(
    database: Database, channel: str, before: PendingUpdates, now: PendingUpdates, moment: datetime
) -> None:
    async with database.write() as tx:
        was_deaf = channel in await channel_facts.not_receiving(tx)
        if is_deaf(before, now):
            await channel_facts.store(tx, channel, channel_facts.NOT_RECEIVING, now.fault, moment)
        elif was_deaf and is_heard(before, now):
            await channel_facts.clear(tx, channel, channel_facts.NOT_RECEIVING)
            log.info("channel_hears", channel=channel)
    if is_deaf(before, now) and not was_deaf:
        log.warning("channel_deaf", channel=channel, fault=now.fault, waiting=now.waiting, hint=HINT)
