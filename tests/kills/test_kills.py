"""Real processes are killed with SIGKILL at random moments under load; nothing is lost or recorded twice."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from content.library import Library
from storage import schema
from storage.database import Database, open_database
from storage.people import servants
from storage.queue import tuning
from tests import keys
from tests.cast import INSTITUTIONS
from tests.fakes.counting_platform import TELEGRAM, WHATSAPP
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person
from tests.kills import simulation
from tests.kills.forkserver import ForkServer

KILLS = 15
MESSAGES, SIMULATION_KILLS = 1_000, 12
CONCURRENT_USERS = 4  # in the middle of a conversation whenever a process is killed
MAX_LIFETIME = 0.6  # seconds from ready to killed
TIMEOUT = 240  # seconds after which a reply counts as lost


@pytest.mark.long
async def test_enrolments_and_answers_between_kills_are_recorded_once(sqlite_url: str, tmp_path: Path) -> None:
    await _add_institutions(sqlite_url)
    keys.write(tmp_path)
    async with FakeTelegram() as fake, asyncio.timeout(TIMEOUT):
        users = _Users(fake)
        conversations = [asyncio.create_task(users.converse()) for _ in range(CONCURRENT_USERS)]
        fork_server = await ForkServer.open(_settings(fake, sqlite_url, tmp_path))
        for _ in range(KILLS):
            pid = await _start(fork_server, fake)
            await asyncio.sleep(random.uniform(0, MAX_LIFETIME))  # the random moment, not a wait for anything
            assert await fork_server.stop(pid, signal.SIGKILL) == -signal.SIGKILL
        users.is_closed = True
        pid = await _start(fork_server, fake)
        await asyncio.gather(*conversations)
        assert await fork_server.stop(pid, signal.SIGTERM) == 0
        await fork_server.close()
        feedbacks = [_feedback_count(fake.person(number)) for number in users.numbers]
    await _check_each_recorded_once(sqlite_url, len(users.numbers))
    assert all(feedbacks), "a user never received feedback"
    duplicates = sum(feedbacks) - len(feedbacks)
    assert duplicates <= KILLS * CONCURRENT_USERS, "more duplicates than messages that could be in flight"
    print(f"{KILLS} kills survived, {len(users.numbers)} users, {duplicates} duplicate feedback messages")


@pytest.mark.long
async def test_kills_lose_no_message_and_only_unrecorded_deliveries_are_sent_twice(
    database: Database, database_url: str, library: Library, tmp_path: Path
) -> None:
    keys.write(tmp_path)
    result = await simulation.run(database_url, tmp_path, library, MESSAGES, SIMULATION_KILLS)
    duplicates = {channel: result.duplicates(channel) for channel in (TELEGRAM, WHATSAPP)}
    print(
        f"{result.kills} kills, {result.messages} messages: lost {result.missing}, duplicates {duplicates}; "
        f"{result.summary()}"
    )
    assert result.missing == 0, "lost"
    assert result.unanswered + result.answered_twice == 0, "an answer was lost or stored twice"
    assert result.unexplained_duplicates == 0, "sent twice, although no process was killed while holding it"
    assert duplicates[WHATSAPP] == 0, "sent twice despite a receipt"
    assert all(count <= tuning.MAX_IN_FLIGHT for count in result.most_unrecorded.values()), (
        "more than one per connection"
    )


class _Users:
    """Users who enrol and answer, one after the other; `is_closed`: no more of them start."""

    def __init__(self, fake: FakeTelegram) -> None:
        self._fake = fake
        self.numbers: list[int] = []
        self.is_closed = False

    async def converse(self) -> None:
        while not self.is_closed:
            number = 200_000 + len(self.numbers)
            self.numbers.append(number)
            person = self._fake.person(number)
            person.start("LEON")
            for label in ("Acepto", "9:00", "A"):
                await self._until(lambda label=label, person=person: _has_button(person, label))  # type: ignore[misc]
                person.press(label)
            await self._until(lambda person=person: _feedback_count(person) > 0)  # type: ignore[misc]

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._fake.changed()


def _has_button(person: Person, label: str) -> bool:
    return any(button["text"] == label for message in person.messages for row in message.rows for button in row)


def _feedback_count(person: Person) -> int:
    return sum("¿Con qué seguridad respondiste?" in message.text for message in person.read())


def _settings(fake: FakeTelegram, url: str, folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "HTTP_PORT": "0",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": fake.url,
        "TELEGRAM_RATE": "1000",
    }


async def _start(fork_server: ForkServer, fake: FakeTelegram) -> int:
    """Start a process and wait until it polls Telegram."""
    before = _poll_count(fake)
    pid = await fork_server.start("run")
    while _poll_count(fake) == before:
        await fake.changed()
    return pid


def _poll_count(fake: FakeTelegram) -> int:
    return sum(method == "getUpdates" for method, _ in fake.calls)


async def _add_institutions(url: str) -> None:
    database = open_database(url)
    async with database.write() as tx:
        for code, name, sphere in INSTITUTIONS:
            await servants.add_institution(tx, code, name, sphere)
    await database.close()


async def _check_each_recorded_once(url: str, users: int) -> None:
    database = open_database(url)
    async with database.read() as tx:
        counts = Counter(
            {
                table.name: await tx.scalar(select(func.count()).select_from(table))
                for table in (schema.servants, schema.addresses, schema.prompts, schema.answers)
            }
        )
        waiting = await tx.scalar(select(func.count()).select_from(schema.updates))
    await database.close()
    assert set(counts.values()) == {users}, counts
    assert waiting == 0
