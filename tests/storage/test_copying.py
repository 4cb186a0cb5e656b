"""Copies of a database: of one moment, complete, and without a trace in what is copied."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from storage import copying
from storage.database import Database, DatabaseUnavailable, open_database
from storage.people import servants
from storage.queue import outbox, updates
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.queue.updates import NewUpdate
from storage.schema import institutions, metadata
from tests.cast import MONDAY_NINE

INSERT = "INSERT INTO institutions (code, name, sphere) VALUES (?, 'x', 'state')"


def codes(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [row[0] for row in connection.execute("SELECT code FROM institutions ORDER BY code")]


def no_report(done: int, total: int) -> None:
    assert 0 <= done <= total


def writer(file: Path, most: int = 100) -> tuple[Callable[[int, int], None], list[str]]:
    """A report during which another connection stores an institution, at most so often, and what it stored."""
    stored: list[str] = []

    def report(_: int, __: int) -> None:
        if len(stored) < most:
            stored.append(f"C{len(stored):03}")
            with closing(sqlite3.connect(file)) as connection, connection:
                connection.execute(INSERT, (stored[-1],))

    return report, stored


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PAGES", 5)
    monkeypatch.setattr(copying, "ROWS", 2)


def test_a_file_that_is_written_meanwhile_is_copied_as_it_was(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "integra.db"
    with closing(sqlite3.connect(file)) as running:  # a process that has the file open
        running.execute("PRAGMA journal_mode=WAL")
        with running:
            running.execute(INSERT, ("BEFORE",))
        report, stored = writer(file)
        copying.copy_file(file, tmp_path / "copy.db", report)
    assert codes(tmp_path / "copy.db") == ["BEFORE"]
    assert len(stored) > 5, "it was written in between"


def test_a_file_at_rest_is_copied_without_files_beside_it(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "integra.db"
    before = file.read_bytes()
    copying.copy_file(file, tmp_path / "copy.db", no_report)
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "integra.db"]
    assert (tmp_path / "copy.db").stat().st_size == len(before)


def test_a_file_that_a_process_opens_meanwhile_is_copied_again(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "integra.db"
    write, stored = writer(file, most=1)

    def at_the_end(done: int, total: int) -> None:
        if done == total:
            write(done, total)

    copying.copy_file(file, tmp_path / "copy.db", at_the_end)
    assert codes(tmp_path / "copy.db") == stored == ["C000"]


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        copying.copy_file(tmp_path / "no.db", tmp_path / "copy.db", no_report)
    assert not (tmp_path / "no.db").exists()


@pytest.fixture
async def url_of_a_reader(database: Database, database_url: str) -> AsyncIterator[str]:
    """The same database on the server, for a user who may read its tables and nothing else."""
    async with database.write() as tx:
        await tx.exec_driver_sql("CREATE ROLE reader LOGIN")
        await tx.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    yield database_url.replace("//test@", "//reader@")
    async with database.write() as tx:
        await tx.exec_driver_sql("DROP OWNED BY reader")
        await tx.exec_driver_sql("DROP ROLE reader")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_server_is_copied_row_by_row(database: Database, url_of_a_reader: str, tmp_path: Path) -> None:
    async with database.write() as tx:
        for code in ("LEON", "SALUD", "SILAO"):
            await servants.add_institution(tx, code, "Institución ñandú", "municipal")
        place = await tx.scalar(select(institutions.c.id).where(institutions.c.code == "SILAO"))
        await servants.enrol(
            tx,
            "telegram",
            "1",
            institution_id=place,
            language="es",
            hour=9,
            notice_version="1",
            now=MONDAY_NINE,
            today=MONDAY_NINE.date(),
        )
        await outbox.add(tx, [NewDelivery("k", "telegram", "1", DeliveryKind.REPLY, "ñ", MONDAY_NINE)])
        await updates.store(tx, [NewUpdate("telegram", "u", "1", b"\x00\xff")], MONDAY_NINE)
    reports: list[tuple[int, int]] = []
    url = f"sqlite+aiosqlite:///{tmp_path}/copy.db"
    await copying.copy_server(url_of_a_reader, url, lambda done, total: reports.append((done, total)))
    copy = open_database(url)
    async with copy.read() as copied, database.read() as tx:
        for table in metadata.sorted_tables:
            rows = [sorted(map(repr, await one.execute(select(table)))) for one in (copied, tx)]
            assert rows[0] == rows[1], table.name
    await copy.close()
    assert reports[-1][0] == reports[-1][1] > 5
