"""A conversation with the product below its channels: updates go in at the router, replies come out of the outbox."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import String, cast, func, select

from content.library import Library
from handlers import outgoing, router
from handlers.context import Installation, WorkContext
from handlers.message import Action, Parcel, Update, UpdateKind
from storage import schema
from storage.database import Database
from storage.learning import record
from storage.learning.record import Answer
from storage.people import servants
from storage.people.servants import Servant
from storage.queue import outbox
from storage.queue.outbox import DeliveryState
from tests.cast import INSTITUTIONS, Clock, SampleServant
from tests.opened_deliveries import opened
from tests.planning import plan

INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", b"k" * 32, min_group=10, draw_key=bytes(32)
)
CHANNEL = "telegram"


@dataclass
class Talk:
    """The router, the users of the cast, and their deliveries."""

    database: Database
    library: Library
    clock: Clock
    installation: Installation = INSTALLATION
    _number: int = 0
    _read: set[str] = field(default_factory=set)  # keys of deliveries already returned: SQLite may reuse an id

    async def open(self) -> None:
        async with self.database.write() as tx:
            for code, name, sphere in INSTITUTIONS:
                await servants.add_institution(tx, code, name, sphere)

    # ------------------------------------------------------------ what users do

    async def press(self, who: SampleServant, choice: str, **fields: Any) -> list[Parcel]:
        return await self.send_update(who, UpdateKind.CHOICE, choice=choice, **({"ref": "55", "press": "p"} | fields))

    async def type(self, who: SampleServant, text: str, **fields: Any) -> list[Parcel]:
        """Type a text below everything that has been sent so far."""
        await self.arrive(who)
        return await self.send_update(who, UpdateKind.TEXT, text=text, **fields)

    async def arrive(self, who: SampleServant) -> None:
        """Let the platform accept all messages to a user; the message identifiers are the ids of the deliveries."""
        rows = schema.deliveries
        sent = {"state": DeliveryState.SENT, "ended_at": self.clock(), "platform_ref": cast(rows.c.id, String)}
        async with self.database.write() as tx:
            waiting = outbox.is_to(tx, CHANNEL, who.address) & (rows.c.state == DeliveryState.WAITING)
            await tx.execute(rows.update().where(waiting).values(sent))

    async def command(self, who: SampleServant, command: str, text: str = "", language: str = "") -> list[Parcel]:
        return await self.send_update(who, UpdateKind.COMMAND, command=command, text=text, language=language)

    async def send_update(self, who: SampleServant, kind: UpdateKind, **fields: Any) -> list[Parcel]:
        """Handle one update of a user; return the messages to them since the last look."""
        self._number += 1
        update = Update(CHANNEL, str(self._number), who.address, kind, **fields)
        async with self.database.write() as tx:
            await router.receive(WorkContext(tx, self.library, self.installation, self.clock()), update)
        return await self.unread(who)

    async def unread(self, who: SampleServant) -> list[Parcel]:
        """The messages to a user since the last look, without acknowledgements."""
        async with self.database.read() as tx:
            found = [row for row in await opened(tx) if row["key"] not in self._read and row["body"] is not None]
        found = [row for row in found if row["address"] == who.address]
        self._read |= {row["key"] for row in found}
        parcels = [outgoing.unpack(who.address, row["key"], row["body"]) for row in found]
        return [parcel for parcel in parcels if parcel.action is not Action.ACKNOWLEDGE]

    async def enrol(self, who: SampleServant, hour: int = 9, language: str = "es") -> list[Parcel]:
        """Press the last button of the enrolment; return the replies to it."""
        version = self.library.phrases.template("es", "notice.version")
        return await self.press(who, f"enroll:hour:{language}:{version}:{hour}:{who.institution}")

    async def tick(self) -> int:
        """Plan the prompts that are due now; return how many."""
        return await plan(self.database, self.library, INSTALLATION, self.clock())

    # ------------------------------------------------------------ what is stored

    async def servant(self, who: SampleServant) -> Servant | None:
        async with self.database.read() as tx:
            return await servants.by_address(tx, CHANNEL, who.address)

    async def answers(self, who: SampleServant) -> list[Answer]:
        known = await self.servant(who)
        assert known is not None
        async with self.database.read() as tx:
            return await record.answers_of(tx, known.id)

    async def prompt(self, who: SampleServant) -> int:
        """The id of today's prompt."""
        known = await self.servant(who)
        assert known is not None
        day = self.clock().astimezone(INSTALLATION.timezone).date()
        async with self.database.read() as tx:
            found = await record.prompt_of_day(tx, known.id, day)
        assert found is not None
        return found.id

    async def count(self, table: str) -> int:
        async with self.database.read() as tx:
            return await tx.scalar(select(func.count()).select_from(schema.metadata.tables[table])) or 0

    def phrase(self, key: str, language: str = "es", **values: object) -> str:
        return self.library.phrases.plain(language, key, values)

    @property
    def now(self) -> datetime:
        return self.clock()


def text_of(parcels: list[Parcel]) -> str:
    """The texts of all parcels in one, without emphasis marks."""
    return "\n".join(parcel.text for parcel in parcels).translate(
        {ord(mark): None for mark in "\ue000\ue001\ue002\ue003"}
    )


def choices(parcels: list[Parcel]) -> list[str]:
    """The payloads of the buttons below the last message."""
    return [button.choice for row in parcels[-1].rows for button in row]
