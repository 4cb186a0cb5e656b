"""Send notices of news of confidential queries, the one thing said that passes the outbox by.

A row of the outbox has an address and a moment: joined with the days on which queries were answered, it would tell who
asked. So at its time the process that holds a channel's credential reads which addresses have news, and sends from
memory, in the channel's pace. Only what the platform has accepted is recorded, where no row names anyone: a crash may
notify twice, never not at all. What is not sent now waits for the next time.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum

import structlog

from bot.channels.channel import (
    Blocked,
    ChannelError,
    RecipientThrottled,
    Refused,
    TemplateStopped,
    UnknownRefusal,
    Unreachable,
)
from bot.delivery.channel_sender import ChannelSender
from content.library import Library
from handlers.casework import news
from handlers.casework.news import Notice
from handlers.context import Installation, WorkContext
from storage.confidential import routes
from storage.confidential.routes import PendingNews
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import refusal_streaks, tuning

log = structlog.get_logger()


class NoticeOutcome(Enum):
    """What becomes of the news that a notice announces."""

    ANNOUNCED = "announced"  # the platform accepted it: they are cleared
    GIVEN_UP = "given up"  # this recipient will never take it: they are cleared
    NOT_REACHED = "not reached"  # this recipient does not take it now: they wait for tomorrow
    REFUSED = "refused"  # we do not know why, or whether it arrived: they wait for tomorrow
    UNREACHABLE = "unreachable"  # the platform is away: they wait for the next time
    DEFERRED = "deferred"  # this recipient or template has to wait: they wait for the next time
    HELD = "held"  # nothing more is sent on this channel now: they wait, and so do those behind them


CLEARED = (NoticeOutcome.ANNOUNCED, NoticeOutcome.GIVEN_UP)
FAILED = (NoticeOutcome.NOT_REACHED, NoticeOutcome.REFUSED)
CONCERNING_ALL = (NoticeOutcome.REFUSED, NoticeOutcome.UNREACHABLE)
"""Several of these in a row are not about one recipient: the rest waits for the next time."""


class NewsSender:
    """Sends all notices on the channels whose credentials this process holds, each time that `due` is set."""

    def __init__(
        self,
        database: Database,
        library: Library,
        installation: Installation,
        clock: Callable[[], datetime],
        senders: Sequence[ChannelSender],
    ) -> None:
        self._database = database
        self._library = library
        self._installation = installation
        self._clock = clock
        self._senders = senders
        self.due = asyncio.Event()

    async def run(self, is_ready: asyncio.Event) -> None:
        """Send whenever it is due, until cancelled; `is_ready` once it is known which credentials this process holds.

        While the database is unavailable nothing is sent: all news wait for the next time.
        """
        await is_ready.wait()
        while True:
            await self.due.wait()
            try:
                await self.drain()
            except DatabaseUnavailable as error:
                log.warning("news_database_unavailable", fault=str(error))

    async def drain(self) -> int:
        """Send all notices, if it is due; return how many were sent. Raises DatabaseUnavailable."""
        if not self.due.is_set():
            return 0
        self.due.clear()
        async with self._database.read() as tx:
            pending = await news.pending(self._work(tx))
            stopped = (await refusal_streaks.obstacles(tx)).stopped
        await self._record_unsendable(pending)
        by_sender = [
            (sender, [notice for notice in pending.notices if notice.recipient.channel == sender.channel.name])
            for sender in self._senders
            if sender.channel.name not in stopped and not self._is_shown(sender.channel.name)
        ]
        async with asyncio.TaskGroup() as tasks:
            sending = [tasks.create_task(self._send_all(sender, notices)) for sender, notices in by_sender]
        return sum(task.result() for task in sending)

    def _work(self, tx: Transaction) -> WorkContext:
        return WorkContext(tx, self._library, self._installation, self._clock())

    async def _record_unsendable(self, pending: news.PendingNotices) -> None:
        """Count the day for news that no notice can announce, so that their addresses are not kept for ever.

        Their addresses cannot be decrypted, their channel is off, or a page of its own shows them when it is opened.
        """
        on = self._installation.channel_capabilities
        off = [one for notice in pending.notices if notice.recipient.channel not in on for one in notice.news]
        shown = [one for notice in pending.notices if self._is_shown(notice.recipient.channel) for one in notice.news]
        if not (pending.lost or off or shown):
            return
        async with self._database.write() as tx:
            today = self._work(tx).today
            await routes.record_failure(tx, [*pending.lost, *off], today)
            await routes.record_failure(tx, shown, today, allowed=routes.DAYS_KEPT)

    def _is_shown(self, channel: str) -> bool:
        return self._installation.capabilities(channel).shows_news

    # ------------------------------------------------------------ one channel

    async def _send_all(self, sender: ChannelSender, notices: Sequence[Notice]) -> int:
        """Send one after the other, in their random order, until the channel sends no more now."""
        sent = in_a_row = 0
        for notice in notices:
            outcome = await self._send_to_end(sender, notice)
            sent += outcome is NoticeOutcome.ANNOUNCED
            in_a_row = in_a_row + 1 if outcome in CONCERNING_ALL else 0
            if outcome is NoticeOutcome.HELD or in_a_row >= tuning.REFUSALS_TO_PAUSE:
                break  # the next ones would fare no better
        return sent

    async def _send_to_end(self, sender: ChannelSender, notice: Notice) -> NoticeOutcome:
        """Send and record one; a stop of the process waits for it, as it would be sent twice otherwise."""
        attempt = asyncio.create_task(self._send_and_record(sender, notice))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            await asyncio.wait([attempt], timeout=tuning.SHUTDOWN_GRACE)
            raise

    async def _send_and_record(self, sender: ChannelSender, notice: Notice) -> NoticeOutcome:
        outcome = await self._send(sender, notice)
        try:
            await self._record(outcome, notice.news)
        except DatabaseUnavailable as error:
            log.warning("news_result_not_recorded", channel=sender.channel.name, fault=str(error))
            return NoticeOutcome.HELD
        return outcome

    async def _send(self, sender: ChannelSender, notice: Notice) -> NoticeOutcome:
        try:
            parcel = news.rendered(self._library, self._installation, notice.recipient)
            was_sent = await sender.send_unrecorded(parcel)
        except ChannelError as error:
            outcome = _outcome_of(error)
            log.warning("news_not_sent", channel=sender.channel.name, outcome=outcome.value, fault=str(error))
            return outcome
        except DatabaseUnavailable as error:
            log.warning("news_not_sent", channel=sender.channel.name, outcome="held", fault=str(error))
            return NoticeOutcome.HELD
        except Exception as error:  # one bad notice never stops the rest
            log.error("news_failed", channel=sender.channel.name, fault=type(error).__name__)
            return NoticeOutcome.REFUSED
        return NoticeOutcome.ANNOUNCED if was_sent else NoticeOutcome.HELD

    async def _record(self, outcome: NoticeOutcome, pending: Sequence[PendingNews]) -> None:
        if outcome in CLEARED:
            async with self._database.write() as tx:
                await routes.clear_news(tx, pending)
        elif outcome in FAILED:
            async with self._database.write() as tx:
                await routes.record_failure(tx, pending, self._work(tx).today)


def _outcome_of(error: ChannelError) -> NoticeOutcome:
    match error:
        case Blocked():
            return NoticeOutcome.GIVEN_UP
        case Unreachable():  # in doubt: it may have arrived, and must not arrive each time
            return NoticeOutcome.REFUSED if error.in_doubt else NoticeOutcome.UNREACHABLE
        case RecipientThrottled():
            is_short = error.retry_after < tuning.NEWS_INTERVAL
            return NoticeOutcome.DEFERRED if is_short else NoticeOutcome.NOT_REACHED
        case TemplateStopped():
            return NoticeOutcome.DEFERRED
        case UnknownRefusal():
            return NoticeOutcome.REFUSED
        case Refused():
            return NoticeOutcome.GIVEN_UP
    return NoticeOutcome.NOT_REACHED
