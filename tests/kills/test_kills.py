"""Kill -9 at any moment: real processes die while people use them; nothing is lost or recorded twice."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot.delivery.channel_sender import ON_THE_WAY
from content.library import Library
from storage import schema
from storage.database import Database, open_database
from storage.people import servants
from tests.cast import INSTITUTIONS
from tests.fakes.counter import TELEGRAM, WHATSAPP
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person
from tests.kills import simulation
from tests.kills.forkserver import Nursery

KILLS = 15
MESSAGES, DEATHS = 1_000, 12  # in the town
AT_ONCE = 4  # people in the middle of something whenever a process dies
LONGEST_LIFE = 0.6  # seconds from ready to dead, at most
PATIENCE = 240  # seconds until we call a reply lost


@pytest.mark.long
async def test_whoever_enrols_and_answers_among_deaths_is_recorded_once(sqlite_url: str, tmp_path: Path) -> None:
    await _institutions(sqlite_url)
    async with FakeTelegram() as fake, asyncio.timeout(PATIENCE):
        crowd = _Crowd(fake)
        people = [asyncio.create_task(crowd.come_and_go()) for _ in range(AT_ONCE)]
        nursery = await Nursery.open(_settings(fake, sqlite_url, tmp_path))
        for _ in range(KILLS):
            pid = await _bear(nursery, fake)
            await asyncio.sleep(random.uniform(0, LONGEST_LIFE))  # the random moment, not a wait for anything
            assert await nursery.end(pid, signal.SIGKILL) == -signal.SIGKILL
        crowd.is_closed = True
        pid = await _bear(nursery, fake)
        await asyncio.gather(*people)
        assert await nursery.end(pid, signal.SIGTERM) == 0
        await nursery.close()
        told = [_feedback(fake.person(number)) for number in crowd.numbers]
    await _each_once(sqlite_url, len(crowd.numbers))
    assert all(told), "somebody never read why"
    twice = sum(told) - len(told)
    assert twice <= KILLS * AT_ONCE, "more was said twice than could be in flight"
    print(f"{KILLS} kills survived, {len(crowd.numbers)} people, {twice} feedbacks said twice")


@pytest.mark.long
async def test_deaths_lose_no_message_and_say_twice_only_what_nobody_had_noted(
    database: Database, database_url: str, library: Library, tmp_path: Path
) -> None:
    found = await simulation.run(database_url, tmp_path, library, MESSAGES, DEATHS)
    doubled = {channel: found.doubled(channel) for channel in (TELEGRAM, WHATSAPP)}
    print(f"{found.kills} kills, {found.messages} messages: lost {found.missing}, doubled {doubled}; {found.summary()}")
    assert found.missing == 0, "lost"
    assert found.unanswered + found.answered_twice == 0, "an answer was lost or kept twice"
    assert found.unexplained == 0, "said twice, and nobody had died with it"
    assert doubled[WHATSAPP] == 0, "a receipt had proved it"
    assert all(count <= ON_THE_WAY for count in found.most_doubts.values()), "more than one a connection"


class _Crowd:
    """People who come, enrol, answer, and make room for the next."""

    def __init__(self, fake: FakeTelegram) -> None:
        self._fake = fake
        self.numbers: list[int] = []
        self.is_closed = False

    async def come_and_go(self) -> None:
        while not self.is_closed:
            number = 200_000 + len(self.numbers)
            self.numbers.append(number)
            person = self._fake.person(number)
            person.start("LEON")
            for label in ("Acepto", "9:00", "A"):
                await self._until(lambda label=label, person=person: _has(person, label))  # type: ignore[misc]
                person.press(label)
            await self._until(lambda person=person: _feedback(person) > 0)  # type: ignore[misc]

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._fake.changed()


def _has(person: Person, label: str) -> bool:
    return any(button["text"] == label for note in person.notes for row in note.rows for button in row)


def _feedback(person: Person) -> int:
    return sum("¿Con qué seguridad respondiste?" in note.text for note in person.read())


def _settings(fake: FakeTelegram, url: str, folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "HTTP_PORT": "0",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": fake.url,
        "TELEGRAM_RATE": "1000",
    }


async def _bear(nursery: Nursery, fake: FakeTelegram) -> int:
    """Start a process and wait until it asks Telegram for updates."""
    before = _polls(fake)
    pid = await nursery.bear("run")
    while _polls(fake) == before:
        await fake.changed()
    return pid


def _polls(fake: FakeTelegram) -> int:
    return sum(method == "getUpdates" for method, _ in fake.calls)


async def _institutions(url: str) -> None:
    database = open_database(url)
    async with database.write() as tx:
        for code, name, sphere in INSTITUTIONS:
            await servants.add_institution(tx, code, name, sphere)
    await database.close()


async def _each_once(url: str, people: int) -> None:
    database = open_database(url)
    async with database.read() as tx:
        counted = Counter(
            {
                table.name: await tx.scalar(select(func.count()).select_from(table))
                for table in (schema.servants, schema.addresses, schema.prompts, schema.answers)
            }
        )
        waiting = await tx.scalar(select(func.count()).where(schema.updates.c.state != "done"))
    await database.close()
    assert set(counted.values()) == {people}, counted
    assert waiting == 0
