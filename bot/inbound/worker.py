"""Handle stored platform events, oldest first, each together with its effects in one transaction.

Events with the same ordering key (a person, a message, the account) are handled in order.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from bot.channels.events import AccountEvent, Receipt
from bot.inbound import account_events, receipts
from bot.inbound.inbox import Inbox, ReadableEvent
from content.library import Library
from handlers import router
from handlers.context import Installation, WorkContext
from handlers.message import Update
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import updates

BATCH = 16  # events handled in one transaction
SQLITE_BATCH = 16  # the same on SQLite, where a webhook waits for that transaction before it can store
BATCH_INTERVAL = 0.02  # seconds between two batches that are not full, so that events collect to larger ones
POLL_INTERVAL = 5.0  # seconds between polls when nothing arrives here: another process may have stored something

log = structlog.get_logger()


class UpdateWorker:
    """Handles the stored events of all processes; `wake_dispatcher` is called whenever the outbox may have grown."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        library: Library,
        installation: Installation,
        clock: Callable[[], datetime],
        wake_dispatcher: Callable[[], None],
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._library = library
        self._installation = installation
        self._clock = clock
        self._wake_dispatcher = wake_dispatcher
        self._batch = SQLITE_BATCH if database.is_sqlite else BATCH
        self._next_poll_at = 0.0  # by the loop's clock; shared by all tasks that `run`

    async def run(self) -> None:
        """Handle events until cancelled; while the database is unavailable, retry. Several tasks may run it."""
        while True:
            self._inbox.arrived.clear()  # before the claim: what arrives meanwhile sets it again
            handled = 0
            try:
                handled = await self._handle_batch()
            except DatabaseUnavailable as error:
                log.warning("update_worker_database_unavailable", fault=str(error))
            if not handled:
                await self._wait()
            elif handled < self._batch:
                await asyncio.sleep(BATCH_INTERVAL)
            else:
                self._inbox.arrived.set()  # there may be work for the other tasks as well

    async def _wait(self) -> None:
        """Wait until something arrives here, or for the next poll, which one task does for all."""
        now = asyncio.get_running_loop().time
        while (seconds := self._next_poll_at - now()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._inbox.arrived.wait()
                    return
        self._next_poll_at = now() + POLL_INTERVAL

    async def drain(self) -> int:
        """Handle all waiting events; return how many there were. Raises DatabaseUnavailable."""
        count = 0
        while handled := await self._handle_batch():
            count += handled
        return count

    async def _handle_batch(self) -> int:
        """Handle events of several people in one transaction, as most of an event's cost is the transaction."""
        batch: list[updates.StoredUpdate] = []
        has_deliveries = True
        try:
            async with self._database.write() as tx:
                batch = await updates.claim_batch(tx, self._batch)
                if not batch:
                    return 0
                has_deliveries = await self._handle(tx, [self._inbox.read(row) for row in batch])
                await updates.finish(tx, self._clock(), *(row.id for row in batch))
        except DatabaseUnavailable:
            raise
        except Exception as error:  # one event is bad, and the rollback undid the others as well
            if not batch:
                raise
            if len(batch) == 1:
                await self._fail(batch[0], error)
            else:
                for row in batch:
                    await self._handle_individually(row)
        if has_deliveries:
            self._wake_dispatcher()
        return len(batch)

    async def _handle_individually(self, wanted: updates.StoredUpdate) -> None:
        try:
            async with self._database.write() as tx:
                for row in await updates.claim_batch(tx, 1, only=wanted.id):
                    await self._handle(tx, [self._inbox.read(row)])
                    await updates.finish(tx, self._clock(), row.id)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # top of the loop: one bad event never stops the rest
            await self._fail(wanted, error)

    async def _handle(self, tx: Transaction, events: Sequence[ReadableEvent]) -> bool:
        """Handle events; return whether the outbox may have grown, which most receipts leave as it is."""
        work = WorkContext(tx, self._library, self._installation, self._clock())
        from_people = [event for event in events if isinstance(event, Update)]
        await router.receive_all(work, from_people)
        has_deliveries = bool(from_people)
        for event in events:
            match event:
                case Receipt():
                    has_deliveries |= await receipts.receive(work, event)
                case AccountEvent():
                    await account_events.receive(tx, event, work.now)
        return has_deliveries

    async def _fail(self, failed: updates.StoredUpdate, error: Exception) -> None:
        kind = type(error).__name__
        async with self._database.write() as tx:
            is_set_aside = await updates.fail(tx, self._clock(), failed.id, kind)
        # The innermost frame locates the fault; the message is left out, as it might repeat a person's words.
        log.error(
            "update_failed",
            update=failed.id,
            channel=failed.channel,
            fault=kind,
            aside=is_set_aside,
            at=_location(error),
        )


def _location(error: Exception) -> str:
    """File and line of the frame that raised."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "" if frame is None else f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
