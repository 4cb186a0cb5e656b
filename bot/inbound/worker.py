"""Handles stored updates, oldest first and in order per person, each in one transaction with what it leads to."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import structlog

from bot.channels.events import AccountEvent, Receipt
from bot.inbound import account_events, receipts
from bot.inbound.inbox import Inbox, Readable
from content.library import Library
from handlers import router
from handlers.context import Installation
from handlers.message import Update
from storage.database import Database, DatabaseUnavailable, Transaction
from storage.queue import updates

BATCH = 16  # updates handled in one transaction ...
BATCH_OF_ONE_WRITER = 16  # ... and on SQLite, where the webhook waits for it before it can store
REST = 0.02  # seconds between two batches that are not full, so that they are not too small
LOOK = 5.0  # seconds between looks when nothing arrives here: another process may have stored something

log = structlog.get_logger()


class UpdateWorker:
    """One worker of the inbox; `spoken` is called whenever something may wait in the outbox."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        library: Library,
        installation: Installation,
        clock: Callable[[], datetime],
        spoken: Callable[[], None],
    ) -> None:
        self._database = database
        self._inbox = inbox
        self._library = library
        self._house = installation
        self._clock = clock
        self._spoken = spoken
        self._batch = BATCH_OF_ONE_WRITER if database.is_sqlite else BATCH

    async def run(self) -> None:
        """Until cancelled. A database that is away is waited for."""
        while True:
            self._inbox.arrived.clear()  # before looking: what arrives meanwhile rings again
            handled = 0
            try:
                handled = await self._some()
            except DatabaseUnavailable as fault:
                log.warning("receiver_waits", fault=str(fault))
            if handled and handled < self._batch:
                await asyncio.sleep(REST)
            elif not handled:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._inbox.arrived.wait()

    async def drain(self) -> int:
        """Handle everything that waits; give how many updates that were. Raises DatabaseUnavailable."""
        count = 0
        while handled := await self._some():
            count += handled
        return count

    async def _some(self) -> int:
        """Several people's updates in one transaction: what each costs there is mostly the transaction."""
        taken: list[updates.StoredUpdate] = []
        try:
            async with self._database.write() as tx:
                taken = await updates.claim_batch(tx, self._batch)
                if not taken:
                    return 0
                await self._handle(tx, [self._inbox.open(one) for one in taken])
                await updates.finish(tx, *(one.id for one in taken))
        except DatabaseUnavailable:
            raise
        except Exception as fault:  # one of them is bad; the transaction took the others down with it
            if not taken:
                raise
            if len(taken) == 1:
                await self._fail(taken[0], fault)
            else:
                for one in taken:
                    await self._alone(one)
        self._spoken()
        return len(taken)

    async def _alone(self, wanted: updates.StoredUpdate) -> None:
        try:
            async with self._database.write() as tx:
                for one in await updates.claim_batch(tx, 1, only=wanted.id):
                    await self._handle(tx, [self._inbox.open(one)])
                    await updates.finish(tx, one.id)
        except DatabaseUnavailable:
            raise
        except Exception as fault:  # top of the loop: one bad update never stops the rest
            await self._fail(wanted, fault)

    async def _handle(self, tx: Transaction, arrived: Sequence[Readable]) -> None:
        now = self._clock()
        spoken = [one for one in arrived if isinstance(one, Update)]
        await router.receive_all(tx, self._library, self._house, spoken, now)
        for one in arrived:
            match one:
                case Receipt():
                    await receipts.receive(tx, self._library, self._house, one, now)
                case AccountEvent():
                    await account_events.receive(tx, one, now)

    async def _fail(self, taken: updates.StoredUpdate, fault: Exception) -> None:
        kind = type(fault).__name__
        async with self._database.write() as tx:
            is_aside = await updates.fail(tx, taken.id, kind)
        # The frames tell where; the message is left out, as it might repeat a person's words.
        log.error("update_failed", update=taken.id, channel=taken.channel, fault=kind, aside=is_aside, at=_where(fault))


def _where(fault: Exception) -> str:
    frame = fault.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "" if frame is None else f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}"
