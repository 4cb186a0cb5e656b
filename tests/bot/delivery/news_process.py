"""A sender of news on one fake platform, beside the dispatcher whose credentials it goes by."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from typing import ClassVar

from sqlalchemy import select

from bot.channels.channel import ChannelError
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.news_sender import NewsSender
from bot.delivery.rate_limiter import Limits
from content.library import Library
from handlers.capabilities import Capabilities
from handlers.context import Installation
from handlers.message import Parcel
from storage import schema
from storage.confidential import routes
from storage.confidential.addresses import seal_address
from storage.confidential.routes import Route
from storage.database import Database
from tests.bot.delivery.stage import Gate
from tests.cast import Clock
from tests.handlers.conversation import INSTALLATION

LAST_DAY = date(2027, 5, 22)
ALL_ON = replace(INSTALLATION, channel_capabilities={name: Capabilities() for name in ("telegram", "webchat")})


class Platform:
    """A channel that records who was written to; `faults` are raised for an address, one for each attempt."""

    name = "telegram"

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.reached: list[str] = []
        self.parcels: list[Parcel] = []
        self.faults: dict[str, list[Exception]] = {}
        self.gate: Gate | None = None
        self.on_attempt: Callable[[], object] = list

    async def send(self, parcel: Parcel) -> str:
        self.tried.append(parcel.address)
        self.on_attempt()
        if self.gate is not None:
            await self.gate.wait()
        if faults := self.faults.get(parcel.address):
            raise faults.pop(0)
        self.reached.append(parcel.address)
        self.parcels.append(parcel)
        return "ref"

    def refuse(self, addresses: Iterable[str], error: ChannelError, times: int = 1) -> None:
        for address in addresses:
            self.faults[address] = [error] * times


class Process:
    """One process: a dispatcher with one platform, and the sender of news beside it.

    conftest.py closes all that are `opened`, as processes that end.
    """

    opened: ClassVar[list["Process"]] = []

    def __init__(
        self,
        database: Database,
        library: Library,
        clock: Clock,
        installation: Installation = ALL_ON,
        limits: Limits | None = None,
    ) -> None:
        self.database, self.clock, self.installation = database, clock, installation
        self.platform = Platform()
        self.slept = 0.0  # seconds by which the monotonic clock is ahead
        self.sleep_gate: Gate | None = None  # not set: a sleep does not end
        given = {} if limits is None else {"telegram": limits}
        self.dispatcher = Dispatcher(
            database, {"telegram": self.platform}, given, clock, sleep=self._sleep, monotonic=self._monotonic
        )
        self.sender = NewsSender(database, library, installation, clock, self.dispatcher.senders)
        self.opened.append(self)

    async def _sleep(self, seconds: float) -> None:
        if self.sleep_gate is not None:
            await self.sleep_gate.wait()
        self.slept += seconds

    def _monotonic(self) -> float:
        return self.clock().timestamp() + self.slept

    async def flag(self, *addresses: str, channel: str = "telegram", row: str = "") -> None:
        """A letter came for these addresses; each has one route, unless another row is named."""
        async with self.database.write() as tx:
            for address in addresses:
                name = row or f"route of {address}"
                place = {"channel": channel, "address": address, "language": "es"}
                if await tx.scalar(select(schema.routes.c.row).where(schema.routes.c.row == name)) is None:
                    sealed = seal_address(self.installation.route_key, place, name)
                    await routes.add_route(tx, Route(name, sealed), LAST_DAY)
                await routes.flag_news(tx, name)

    async def announce(self) -> int:
        """What happens at the quarter of an hour."""
        self.sender.due.set()
        async with self.dispatcher.keeping_credentials():
            return await self.sender.drain()

    async def waiting(self) -> set[str]:
        """The rows of the routes whose news wait."""
        async with self.database.read() as tx:
            return {*await tx.scalars(select(schema.routes.c.row).where(schema.routes.c.news > 0))}
