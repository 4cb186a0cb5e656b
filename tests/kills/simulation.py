"""A town where everybody talks while processes are killed -9 at random moments and started again; then what the
platform took is compared with the database.

On SQLite one process; on PostgreSQL two workers and one that takes in the webhooks. One of them is killed when a random
number of messages has been taken, and a random moment later. What was claimed by whoever died, and had been taken by
the platform, may leave once more: nothing else may, and nothing may be missing. WhatsApp tells what it took sooner than
the lease is over: there nothing leaves twice.
"""

import asyncio
import random
import signal
import socket
from collections.abc import Awaitable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, select, text, update

from bot import app as wiring
from bot import config
from bot.config import Settings
from content.library import Library
from storage import schema
from storage.database import Database, open_database
from storage.queue import outbox
from tests.fakes.counter import SECRET, WHATSAPP, CountingPlatform, Talker
from tests.fakes.telegram import TOKEN
from tests.fakes.whatsapp import ACCESS_TOKEN, APP_SECRET, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, VERIFY_TOKEN
from tests.kills import audit
from tests.kills.audit import Found
from tests.kills.forkserver import Nursery, worker

ROLES = {True: ("all",), False: ("worker", "worker", "web")}  # by whether it is SQLite
RATE = 1_000  # messages a second and channel, as it is set: whoever dies has taken less than a second of slots ahead
LATEST = 0.03  # seconds from the message that a death waits for to the death, at most
LAST = 0.95  # of all messages: then nobody is killed any more
MINUTE = 1.0  # seconds that pass for the minute after which the leases of the dead are over
PATIENCE = 60.0  # seconds, and GRIEF for each death, until we call a message lost
GRIEF = 3.0


async def run(url: str, folder: Path, library: Library, messages: int, kills: int) -> Found:
    """About so many messages, on a migrated database; `folder` is for the keys."""
    database = open_database(url)
    people = await audit.settle_down(database, library, messages // 4)
    found = Found(sum(len(one.letters()) for one in people), sum(bool(one.choice) for one in people))
    port = _free_port()
    config.load_secrets(folder)  # processes that start together would all make them
    async with asyncio.timeout(PATIENCE + GRIEF * kills), CountingPlatform(f"http://127.0.0.1:{port}") as platform:
        settings = _settings(platform, url, folder, port)
        nursery = await Nursery.open(settings)
        try:
            await _Town(database, platform, nursery, found).live(people, kills)
        finally:
            await nursery.close()
        await _settle(settings, library)
        await audit.count(database, platform, people, found)
    await database.close()
    return found


class _Town:
    """The processes, and what their deaths leave."""

    def __init__(self, database: Database, platform: CountingPlatform, nursery: Nursery, found: Found) -> None:
        self._database = database
        self._platform = platform
        self._nursery = nursery
        self._found = found
        self._living: dict[int, str] = {}

    async def live(self, people: Sequence[Talker], kills: int) -> None:
        for role in ROLES[self._database.is_sqlite]:
            await self._bear(role)
        self._platform.listen(people)
        for mark in sorted(random.choices(range(1, int(self._found.messages * LAST)), k=kills)):
            await self._while_time_passes(self._platform.reached(mark))
            await asyncio.sleep(random.uniform(0, LATEST))  # the random moment, not a wait for anything
            await self._kill()
        await self._while_time_passes(self._platform.reached(self._found.messages))
        await self._while_time_passes(self._platform.acknowledged())
        for pid in list(self._living):
            assert await self._nursery.end(pid, signal.SIGTERM) == 0, "a process did not end in order"
        self._living.clear()
        await self._inherit()

    async def _bear(self, role: str) -> None:
        self._living[await self._nursery.bear("run", "--role", role)] = role

    async def _kill(self) -> None:
        pid = random.choice(list(self._living))
        assert await self._nursery.end(pid, signal.SIGKILL) == -signal.SIGKILL, "it had died before"
        await self._platform.caught_up()
        await self._note(pid)
        role = self._living.pop(pid)
        await self._inherit()
        await self._bear(role)

    async def _note(self, pid: int) -> None:
        """What it held: of this the platform may have said yes without anybody having noted it."""
        is_theirs = (schema.deliveries.c.worker == worker(pid)) & _is_claimed()
        async with self._database.read() as tx:
            held = [audit.letter(row) for row in await tx.execute(select(*audit.COLUMNS).where(is_theirs))]
        self._found.bury(held, self._platform.taken)

    async def _while_time_passes(self, event: Awaitable[None]) -> None:
        """What PostgreSQL noted of somebody only after they had died is inherited too."""
        waiting = asyncio.ensure_future(event)
        while not (await asyncio.wait([waiting], timeout=MINUTE))[0]:
            await self._inherit()
        await waiting

    async def _inherit(self) -> None:
        """The minute passes after which the leases of the dead are over, and their heirs are called.

        What WhatsApp took is told within seconds, long before: that waits for its receipt, however long this run is in
        seconds of its own, in which somebody dies several times each. What somebody is just changing is not touched,
        nor what somebody living has claimed since.
        """
        is_dead = schema.deliveries.c.worker.not_in([worker(pid) for pid in self._living]) & _is_claimed()
        wanted = select(*audit.COLUMNS).where(is_dead).with_for_update(skip_locked=True)
        now = datetime.now(UTC)
        async with self._database.write() as tx:
            rows = (await tx.execute(wanted)).all()
            told = {row.id for row in rows if row.channel == WHATSAPP and self._platform.taken[audit.letter(row)]}
            await tx.execute(_leases({row.id for row in rows} - told, now - outbox.LEASE))
            await tx.execute(_leases(told, now + outbox.LEASE))
            if not self._database.is_sqlite:
                await tx.execute(text("SELECT pg_notify('integra_deliveries', '')"))


def _is_claimed() -> Any:
    return schema.deliveries.c.state == outbox.DeliveryState.CLAIMED.value


def _leases(numbers: Collection[int], end: datetime) -> Executable:
    return update(schema.deliveries).where(schema.deliveries.c.id.in_(numbers)).values(lease_until=end)


def _settings(platform: CountingPlatform, url: str, folder: Path, port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "HTTP_PORT": str(port),
        "PUBLIC_URL": "https://integra.example",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": platform.url,
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "TELEGRAM_RATE": str(RATE),
        "WHATSAPP_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": BUSINESS_ACCOUNT_ID,
        "WHATSAPP_ACCESS_TOKEN": ACCESS_TOKEN,
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
        "WHATSAPP_API_URL": f"{platform.url}/v25.0",
        "WHATSAPP_RATE": str(RATE),
    }


def _free_port() -> int:
    """Every process that listens is to be found in the same place."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _settle(settings: dict[str, str], library: Library) -> None:
    """The last life is in this process: it ends when nothing is left to do."""
    given: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
    async with wiring.build(Settings(**given, _env_file=None), library=library) as app:
        await app.settle()
