"""`integra tick`: far moments are refused, or rehearsed on a copy that leaves nothing behind."""

import asyncio
import fcntl
import os
import re
import signal
import termios
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from content.library import Library
from storage.database import Database, open_database
from storage.people import servants
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.schema import metadata
from tests import keys
from tests.bot.cli.processes import Command, integra
from tests.bot.cli.server import new_database
from tests.cast import MONDAY_NINE, working_mornings
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.terminal import CommandResult

SECRET = "Me toca evaluar la cotización de mi prima."
YEAR_AHEAD = next(working_mornings(days_from_now=365))
LIMIT = re.compile(r"--at: \S+ is more than 7 days from this server's clock \(\d{4}-\d\d-\d\dT\d\d:\d\dZ\); ")


def days_from_now(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


class Installation:
    """A database in use with its keys, and an empty folder for temporary files."""

    def __init__(self, database: Database, url: str, folder: Path) -> None:
        self.database, self.url, self.folder = database, url, folder
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        keys.write(folder)

    def command(self, *arguments: str, **settings: str) -> Command:
        given = {"DATABASE_URL": self.url, "TMPDIR": str(self.temporary)} | settings
        return Command(self.folder, "tick", *arguments, **given)

    async def tick(self, *arguments: str, **settings: str) -> CommandResult:
        return await asyncio.to_thread(self.command(*arguments, **settings).result)

    async def fill(self, library: Library) -> None:
        """Three servants on Telegram and one on the web chat, a reply that waits, and a prompt that is late."""
        async with self.database.write() as tx:
            await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
            place = await servants.institution_by_code(tx, "LEON")
            assert place is not None
            for channel, address in [("telegram", "1"), ("telegram", "2"), ("telegram", "3"), ("webchat", "anybody")]:
                await servants.enrol(
                    tx,
                    channel,
                    address,
                    institution_id=place.id,
                    language="es",
                    hour=9,
                    notice_version=library.phrases.template("es", "notice.version"),
                    now=MONDAY_NINE,
                    today=MONDAY_NINE.date(),
                )
            body = f'{{"text": "{SECRET}"}}'
            late = MONDAY_NINE + timedelta(hours=10)
            await outbox.add(
                tx,
                [
                    NewDelivery("r", "telegram", "1", DeliveryKind.REPLY, body, MONDAY_NINE),
                    NewDelivery("p", "telegram", "2", DeliveryKind.PROMPT, body, MONDAY_NINE, late),
                ],
            )

    async def dump(self) -> dict[str, list[Any]]:
        """All rows of all tables."""
        database = open_database(self.url)
        async with database.read() as tx:
            rows = {table.name: sorted(map(repr, await tx.execute(select(table)))) for table in metadata.sorted_tables}
        await database.close()
        return rows

    def files(self) -> dict[str, bytes]:
        """All files of the installation, with what they hold; those of an open SQLite file count by their names."""
        found = {str(path.relative_to(self.folder)): path for path in self.folder.rglob("*") if path.is_file()}
        return {name: b"" if name.startswith("integra.db-") else path.read_bytes() for name, path in found.items()}


class HeldKey:
    """A key whose reader waits in the middle of its work, until the block ends."""

    def __init__(self, path: Path) -> None:
        self._path, self._content = path, path.read_bytes()
        self._writer: int | None = None

    def __enter__(self) -> "HeldKey":
        self._path.unlink()
        os.mkfifo(self._path, 0o600)
        return self

    def wait_for_reader(self, command: Command) -> None:
        """Return once the command has read a part of the key, and waits for the rest."""
        while self._writer is None:
            assert command.process.poll() is None
            with suppress(OSError):  # a pipe that has no reader yet
                self._writer = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            os.sched_yield()
        os.write(self._writer, self._content[:16])
        while fcntl.ioctl(self._writer, termios.FIONREAD, bytes(4)) != bytes(4):
            assert command.process.poll() is None
            os.sched_yield()

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            with suppress(BrokenPipeError):  # a signal may have ended the reader
                os.write(self._writer, self._content[16:])
            os.close(self._writer)


@pytest.fixture
async def installation(database: Database, database_url: str, tmp_path: Path, library: Library) -> Installation:
    made = Installation(database, database_url, tmp_path)
    await made.fill(library)
    return made


async def test_a_year_ahead_is_rehearsed_without_a_trace(installation: Installation) -> None:
    rows, files = await installation.dump(), installation.files()
    async with FakeTelegram() as fake:
        telegram = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": fake.url}
        result = await installation.tick("--rehearse", "--at", YEAR_AHEAD, **telegram)
        assert fake.calls == []
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[1:] == [
        "4 prompts would be planned.",
        "Would be sent: telegram: 3 prompts, 1 reply; webchat: 1 prompt.",
        "Would be dropped as late: telegram: 1 prompt.",
        "Would be closed: the week, with 0 blocks of people and 0 of answers.",
        "Nothing was sent or stored; the copy is removed.",
    ]
    assert await installation.dump() == rows
    assert installation.files() == files
    assert list(installation.temporary.iterdir()) == []


async def test_what_a_channel_that_is_off_would_get_is_said_to_wait(installation: Installation) -> None:
    result = await installation.tick("--rehearse", "--at", YEAR_AHEAD)
    assert "Would be sent: webchat: 1 prompt.\n" in result.out
    assert "Would wait, as the channel is off: telegram: 3 prompts, 1 reply.\n" in result.out
    assert SECRET not in result.out + result.err


async def test_a_rehearsal_without_keys_creates_none(database: Database, database_url: str, tmp_path: Path) -> None:
    result = await asyncio.to_thread(
        integra, tmp_path, "tick", "--rehearse", "--at", YEAR_AHEAD, DATABASE_URL=database_url
    )
    assert (result.code, result.err) == (0, "")
    assert not (tmp_path / "secrets").exists()


async def test_a_file_at_rest_gets_no_files_beside_it(sqlite_url: str, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    result = await asyncio.to_thread(integra, tmp_path, "tick", "--rehearse", DATABASE_URL=sqlite_url)
    assert (result.code, result.err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_server_of_another_version_is_not_rehearsed(postgres_socket: Path, tmp_path: Path) -> None:
    async def age(url: str) -> None:
        database = open_database(url)
        async with database.write() as tx:
            await tx.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        await database.close()

    with new_database(postgres_socket, template="empty_integra") as url:
        asyncio.run(age(url))
        result = integra(tmp_path, "tick", "--rehearse", DATABASE_URL=url)
    assert (result.code, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert line.startswith("DATABASE_URL: the database has schema 0001, this version needs ")
    assert "`integra migrate`" in line


async def test_six_days_ahead_are_done(installation: Installation) -> None:
    async with FakeTelegram() as fake:
        telegram = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": fake.url}
        near = next(working_mornings(days_from_now=1))
        result = await installation.tick("--at", near, **telegram)
        sent = [name for name, _ in fake.calls if name == "sendMessage"]
    assert result.out.startswith("4 prompts planned; deliveries: "), result.err
    assert len(sent) >= 3
    assert (await installation.tick("--at", days_from_now(6.9))).code == 0


@pytest.mark.parametrize("days", [8, -8])
async def test_far_moments_are_refused_without_a_rehearsal(installation: Installation, days: int) -> None:
    rows = await installation.dump()
    result = await installation.tick("--at", days_from_now(days))
    assert (result.code, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert LIMIT.match(line)
    assert line.endswith("with --rehearse it is tried on a copy, and nothing is sent")
    assert await installation.dump() == rows


@pytest.mark.parametrize(
    ("database_url", "number"),
    [("sqlite", signal.SIGINT), ("postgres", signal.SIGINT), ("postgres", signal.SIGTERM), ("sqlite", signal.SIGHUP)],
    indirect=["database_url"],
)
async def test_a_rehearsal_that_is_ended_removes_its_copy(installation: Installation, number: signal.Signals) -> None:
    rows = await installation.dump()
    with HeldKey(installation.folder / "secrets" / "inbox") as key:
        command = installation.command("--rehearse", "--at", YEAR_AHEAD)
        key.wait_for_reader(command)
        assert list(installation.temporary.rglob("copy.db")), "the copy is made before the keys are read"
        command.process.send_signal(number)
    result = await asyncio.to_thread(command.result)
    assert result.code != 0
    assert "Traceback" not in result.err
    assert list(installation.temporary.iterdir()) == []
    assert await installation.dump() == rows


async def test_an_error_removes_the_copy_too(installation: Installation) -> None:
    (installation.folder / "secrets" / "inbox").write_bytes(b"short")
    result = await installation.tick("--rehearse", "--at", YEAR_AHEAD)
    (line,) = result.err.splitlines()
    assert line.startswith("DATA_DIR: 'inbox' in secrets/ is damaged")
    assert list(installation.temporary.iterdir()) == []
