"""Kill -9 while everybody talks: processes die at random moments and are started again; then the platform's count of
what it took is compared with the database.

On SQLite one process; on PostgreSQL two workers and one that takes in the webhooks. One of them is killed when a random
number of messages has been taken, and a random moment later. What was claimed by whoever died, and had been taken by
the platform, may leave once more: nothing else may, and nothing may be missing. On PostgreSQL a receipt is quicker than
the lease: there nothing leaves twice on WhatsApp.
Run: python -m bench.kills [--quick]
"""

import argparse
import asyncio
import random
import signal
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text, update

from bench import seed
from bench.ground import NAMES, POSTGRES, SQLITE, ground
from bench.report import Figure, Row
from bot import app as house
from bot.config import Settings
from handlers import speak
from handlers.message import Act, Parcel
from storage import outbox, schema, servants
from storage.database import Database, open_database
from storage.outbox import Kind, New
from tests.cast import INSTITUTIONS
from tests.fakes.counter import PROMPT, SECRET, TELEGRAM, WHATSAPP, CountingPlatform, Letter
from tests.fakes.telegram import TOKEN
from tests.fakes.whatsapp import ACCESS_TOKEN, APP_SECRET, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, VERIFY_TOKEN
from tests.nursery import Nursery, worker

ROLES = {True: ("all",), False: ("worker", "worker", "web")}  # by whether it is SQLite
RATE = 200  # messages a second and channel, as it is set: some ten of them are under way at any moment
LATEST = 0.03  # seconds from the message that a death waits for to the death, at most
LAST = 0.95  # of all messages: then nobody is killed any more
PATIENCE = 60.0  # seconds, and GRIEF for each death, until we call a message lost
GRIEF = 3.0


@dataclass
class Found:
    """What a run showed. `taken` is how often the platform took each letter, `doubts` how often the one who held it
    had died when it had been taken; `held` is how many deliveries the dead had claimed, all in all."""

    messages: int
    kills: int = 0
    held: int = 0
    doubts: Counter[Letter] = field(default_factory=Counter)
    taken: Counter[Letter] = field(default_factory=Counter)
    lost: int = 0  # sent by the database, and the platform never took it
    left: int = 0  # not over at the end, or over in another way
    unhandled: int = 0  # words that were acknowledged, and not answered

    def doubled(self, channel: str) -> int:
        """Messages that came more than once."""
        return sum(times - 1 for letter, times in self.taken.items() if letter.channel == channel)

    @property
    def unexplained(self) -> int:
        """Of these, those for which no death is the reason."""
        return sum(max(0, times - 1 - self.doubts[letter]) for letter, times in self.taken.items())


async def run(url: str, folder: Path, messages: int, kills: int) -> Found:
    """On a migrated database; `folder` is for the keys."""
    database = open_database(url)
    people = await _people(database, messages // 4)
    port = _free_port()
    found = Found(messages)
    async with asyncio.timeout(PATIENCE + GRIEF * kills), CountingPlatform(f"http://127.0.0.1:{port}") as platform:
        settings = _settings(platform, url, folder, port)
        nursery = await Nursery.open(settings)
        try:
            await _Town(database, platform, nursery, found).live(people, kills)
        finally:
            await nursery.close()
        await _settle(settings)
        found.taken = platform.taken
        await _count(database, platform, found)
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

    async def live(self, people: Sequence[tuple[str, str]], kills: int) -> None:
        for role in ROLES[self._database.is_sqlite]:
            await self._bear(role)
        self._platform.listen(people)
        for mark in sorted(random.choices(range(1, int(self._found.messages * LAST)), k=kills)):
            await self._platform.reached(mark)
            await asyncio.sleep(random.uniform(0, LATEST))  # the random moment, not a wait for anything
            await self._kill()
        await self._platform.reached(self._found.messages)
        await self._platform.acknowledged()
        for pid in list(self._living):
            assert await self._nursery.end(pid, signal.SIGTERM) == 0, "a process did not end in order"
        self._living.clear()
        await self._inherit()

    async def _bear(self, role: str) -> None:
        self._living[await self._nursery.bear("run", "--role", role)] = role

    async def _kill(self) -> None:
        pid = random.choice(list(self._living))
        role = self._living.pop(pid)
        assert await self._nursery.end(pid, signal.SIGKILL) == -signal.SIGKILL, "it had died before"
        for _ in range(10):  # what the dead had written to its connections is read
            await asyncio.sleep(0)
        self._found.kills += 1
        await self._note(pid)
        await self._inherit()
        await self._bear(role)

    async def _note(self, pid: int) -> None:
        """What it held: of this the platform may have said yes without anybody having noted it."""
        async with self._database.read() as tx:
            rows = (await tx.execute(_holding().where(schema.deliveries.c.worker == worker(pid)))).all()
        self._found.held += len(rows)
        self._found.doubts.update(letter for _, letter in map(_read, rows) if self._platform.taken[letter])

    async def _inherit(self) -> None:
        """On PostgreSQL: the minute passes after which the leases of the dead are over, and their heirs are called.

        What WhatsApp took is told within seconds, long before: that waits for its receipt.
        """
        if self._database.is_sqlite:
            return
        living = [worker(pid) for pid in self._living]
        async with self._database.write() as tx:
            rows = map(_read, await tx.execute(_holding().where(schema.deliveries.c.worker.not_in(living))))
            over = [number for number, letter in rows if letter.channel == TELEGRAM or not self._platform.taken[letter]]
            past = {"lease_until": datetime.now(UTC) - outbox.LEASE}
            await tx.execute(update(schema.deliveries).where(schema.deliveries.c.id.in_(over)).values(past))
            await tx.execute(text("SELECT pg_notify('integra_deliveries', '')"))


# ---------------------------------------------------------------- before and after


async def _people(database: Database, count: int) -> list[tuple[str, str]]:
    """So many on each channel, whom no scheduler asks anything, each with a prompt in the outbox; in random order."""
    now = datetime.now(UTC)
    people = [(TELEGRAM, str(200_000 + number)) for number in range(count)]
    people += [(WHATSAPP, f"MX.{200_000 + number}") for number in range(count)]
    random.shuffle(people)
    row = {"state": "paused", "language": "es", "hour": 9, "consented_at": now, "enrolled_on": now.date()}
    row["notice_version"] = seed.library().phrases.template("es", "notice.version")
    async with database.write() as tx:
        await servants.add_institution(tx, *INSTITUTIONS[0])
        place = await servants.institution_by_code(tx, INSTITUTIONS[0][0])
        assert place is not None
        numbered = list(enumerate(people, 1))
        known = [{"id": number, "institution_id": place.id} | row for number, _ in numbered]
        await tx.execute(insert(schema.servants), known)
        places = [{"channel": one[0], "address": one[1], "servant_id": n, "heard_at": now} for n, one in numbered]
        await tx.execute(insert(schema.addresses), places)
        await seed.count_on(tx, (schema.servants,))
        await outbox.add(tx, [_prompt(number, *one, now) for number, one in numbered])
    return people


def _prompt(number: int, channel: str, address: str, now: datetime) -> New:
    said = f"{PROMPT} {number}"
    body = speak.pack(Parcel(address, Act.SAY, said))
    return New(said, channel, address, Kind.PROMPT, body, now, now + timedelta(days=1))


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


async def _settle(settings: dict[str, str]) -> None:
    """The last life is in this process: it ends when nothing is left to do."""
    given: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
    async with house.build(Settings(**given, _env_file=None), library=seed.library()) as app:
        await app.settle()


def _holding() -> Any:
    """Id, channel, address and kind of what is claimed."""
    columns = (schema.deliveries.c[name] for name in ("id", "channel", "address", "kind"))
    return select(*columns).where(schema.deliveries.c.state == outbox.State.CLAIMED.value)


def _read(row: Any) -> tuple[int, Letter]:
    return row.id, Letter(row.channel, row.address, row.kind == Kind.PROMPT.value)


async def _count(database: Database, platform: CountingPlatform, found: Found) -> None:
    """Every row of the outbox against what the platform took; every word against its answer."""
    columns = (schema.deliveries.c[name] for name in ("id", "channel", "address", "kind", "state"))
    words = (schema.updates.c.state == "done") & schema.updates.c.address.not_like("receipt:%")
    async with database.read() as tx:
        ends = [(row.state, _read(row)[1]) for row in await tx.execute(select(*columns))]
        handled = await tx.scalar(select(func.count()).select_from(schema.updates).where(words)) or 0
    found.left = found.messages - sum(state == outbox.State.SENT for state, _ in ends)
    found.lost = sum(state == outbox.State.SENT and not platform.taken[letter] for state, letter in ends)
    found.unhandled = platform.words - handled


# ---------------------------------------------------------------- figures


async def rows(quick: bool) -> list[Row]:
    messages, kills = (2_000, 20) if quick else (20_000, 1_000)
    runs: dict[str, Found] = {}
    with ground() as land:
        for kind in (SQLITE, POSTGRES):
            url = await (await land.seeded(kind, seed.nothing)).copy()
            runs[kind] = await run(url, land.data(), messages, kills)
    return [row for kind, found in runs.items() for row in _rows(NAMES[kind], found, is_proven=kind == POSTGRES)]


def _rows(name: str, found: Found, *, is_proven: bool) -> list[Row]:
    what = f"{found.kills:,} kills -9 in {found.messages:,} messages, {name}"
    missing = found.lost + found.left + found.unhandled
    bound = f"the dead held {found.held:,}, of which {found.doubts.total():,} had been taken"
    explained = Row(
        f"{what}: doubled on Telegram",
        Figure([found.doubled(TELEGRAM)], ""),
        peer_name=bound,
        target="only what was taken and not noted",
        is_met=found.unexplained == 0,
    )
    proven = Row(
        f"{what}: doubled on WhatsApp",
        Figure([found.doubled(WHATSAPP)], ""),
        target="0: a receipt proves it" if is_proven else "only what was taken and not noted",
        is_met=found.doubled(WHATSAPP) == 0 if is_proven else found.unexplained == 0,
    )
    return [Row(f"{what}: lost", Figure([missing], ""), target="0", is_met=missing == 0), explained, proven]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    for row in asyncio.run(rows(parser.parse_args().quick)):
        print(row.line())
