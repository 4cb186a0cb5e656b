"""A dispatcher with fake channels, on a clock that only the test moves."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy import select

from bot.delivery.dispatcher import Dispatcher
from bot.delivery.rate_limiter import Limits
from handlers import outgoing
from handlers.message import Action, Parcel
from storage.database import Database
from storage.queue import outbox
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.schema import deliveries
from tests.cast import Clock

SLOW = {"telegram": Limits(0.25, RecipientRateLimit(3, 60))}
FAST = {"telegram": Limits(25, RecipientRateLimit(3, 60))}


class Gate(asyncio.Event):
    """An event that tasks wait for; `reached` is set when the first does."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> bool:  # type: ignore[override]
        self.reached.set()
        return await super().wait()


class FakeChannel:
    """Records what it sent; `faults` are raised first, one per attempt, by the parcel's text."""

    def __init__(self, name: str = "telegram") -> None:
        self.name = name
        self.sent: list[str] = []
        self.received: list[tuple[str, str]] = []  # the address and the text of each that was sent
        self.on_attempt: Callable[[], object] = list  # called at each attempt
        self.tried: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.begun, self.refused, self.sent_three = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def send(self, parcel: Parcel) -> str:
        self.tried.append(parcel.text)
        self.on_attempt()
        self.begun.set()
        if parcel.text in self.gates:
            await self.gates[parcel.text].wait()
        if self.faults.get(parcel.text):
            self.refused.set()
            raise self.faults[parcel.text].pop(0)
        self.sent.append(parcel.text)
        self.received.append((parcel.address, parcel.text))
        if len(self.sent) == 3:
            self.sent_three.set()
        return f"ref {parcel.text}"


class Stage:
    """A dispatcher with fake channels, on a clock that only the test moves.

    `sleeps` are the waits that it asked for, `left` the seconds after which each attempt on Telegram began. conftest.py
    closes all that are `opened`, as processes that end.
    """

    opened: ClassVar[list["Stage"]] = []

    def __init__(
        self,
        database: Database,
        clock: Clock,
        limits: Mapping[str, Limits] | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.telegram, self.webchat = FakeChannel(), FakeChannel("webchat")
        self.sleeps: list[float] = []
        self.left: list[float] = []
        self.telegram.on_attempt = lambda: self.left.append(self._slept)
        self.sleep_gate = asyncio.Event()  # not set: a sleep does not end
        self.sleep_gate.set()
        channels = {channel.name: channel for channel in (self.telegram, self.webchat)}
        self.dispatcher = Dispatcher(
            database,
            channels,
            limits or {},
            clock,
            sleep=self.sleep,
            monotonic=self.monotonic,
        )
        self._slept = 0.0
        self.opened.append(self)

    async def lose_credentials(self) -> None:
        """Let other processes take over, as when the database no longer hears from this one."""
        await self.dispatcher.close()

    def now(self) -> datetime:
        return self.clock() + timedelta(seconds=self._slept)

    def monotonic(self) -> float:
        return self.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        """Sleep without waiting: only the monotonic clock moves, as soon as the test opens the gate."""
        self.sleeps.append(seconds)
        until = self._slept + seconds
        await self.sleep_gate.wait()
        self._slept = max(self._slept, until)

    async def add(
        self,
        text: str,
        address: str = "ana",
        kind: DeliveryKind = DeliveryKind.REPLY,
        channel: str = "telegram",
        deadline: float | None = None,
        action: Action = Action.SEND,
    ) -> None:
        ends = None if deadline is None else self.clock() + timedelta(seconds=deadline)
        body = outgoing.pack(Parcel(address, action, text))
        async with self.database.write() as tx:
            await outbox.add(tx, [NewDelivery(text, channel, address, kind, body, self.clock(), ends)])

    async def states(self) -> dict[str, str]:
        async with self.database.read() as tx:
            return {row.key: row.state for row in await tx.execute(select(deliveries.c.key, deliveries.c.state))}

    async def row(self, key: str) -> dict[str, object]:
        async with self.database.read() as tx:
            return dict((await tx.execute(select(deliveries).where(deliveries.c.key == key))).mappings().one())
