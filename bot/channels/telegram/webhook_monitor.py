"""Monitor whether Telegram still reaches our webhook: an address that Telegram accepted may stop working unnoticed.

One process checks every few minutes and records channels that receive nothing, as `/health/ready`, `/metrics` and
the console show them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from bot.channels.channel import ChannelError
from bot.channels.telegram.channel import PendingUpdates, Telegram
from bot.channels.telegram.contact import ContactRecorder
from storage import advisory_locks
from storage.advisory_locks import Lock
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable

CHECK_INTERVAL = 120.0  # seconds
HINT = "Telegram does not reach PUBLIC_URL; look at its name, certificate and proxy, and whether a web process runs"

log = structlog.get_logger()


def is_failing(before: PendingUpdates, now: PendingUpdates) -> bool:
    """Whether Telegram tried to deliver updates between two checks and none was delivered.

    One failure alone means nothing: Telegram retries what was not accepted, and reports its last failure for good.
    """
    has_tried = now.last_error_at is not None and now.last_error_at != before.last_error_at
    return has_tried and now.count >= before.count > 0


def has_recovered(before: PendingUpdates, now: PendingUpdates) -> bool:
    """Whether an update was delivered between two checks, or none is pending."""
    return now.count == 0 or now.count < before.count


async def watch(
    database: Database, telegram: Telegram, clock: Callable[[], datetime], contact: ContactRecorder
) -> None:
    """Check until cancelled, in one process at a time (under an advisory lock)."""
    while True:
        async with advisory_locks.acquire(database, Lock.WEBHOOK_MONITORING) as lost:
            before = None
            while not lost.is_set():
                before = await check(database, telegram, clock, before, contact)
                with suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_INTERVAL):
                        await lost.wait()


async def check(
    database: Database,
    telegram: Telegram,
    clock: Callable[[], datetime],
    before: PendingUpdates | None,
    contact: ContactRecorder | None = None,
) -> PendingUpdates | None:
    """Compare the webhook's state with that of the last check, record a change, and return the present state.

    A contact is confirmed when no update is pending, or fewer than before.
    """
    try:
        now = await telegram.pending_updates()
        if before is not None:
            await _record(database, telegram.name, before, now, clock())
        if contact is not None and (now.count == 0 or (before is not None and has_recovered(before, now))):
            await contact.confirm()
    except (ChannelError, DatabaseUnavailable) as error:  # the state is unknown; the next check may succeed
        log.info("telegram_webhook_check_failed", channel=telegram.name, fault=str(error))
        return before
    return now


async def _record(
    database: Database, channel: str, before: PendingUpdates, now: PendingUpdates, moment: datetime
) -> None:
    async with database.write() as tx:
        was_failing = channel in await channel_facts.not_receiving(tx)
        if is_failing(before, now):
            await channel_facts.store(tx, channel, channel_facts.NOT_RECEIVING, now.last_error, moment)
        elif was_failing and has_recovered(before, now):
            await channel_facts.clear(tx, channel, channel_facts.NOT_RECEIVING)
            log.info("channel_receiving_recovered", channel=channel)
    if is_failing(before, now) and not was_failing:
        log.warning("channel_receiving_failed", channel=channel, fault=now.last_error, pending=now.count, hint=HINT)
