"""`integra officer list` and `remove`, `integra ledger verify`: who may sign in, and whether the audit log is whole."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from storage import schema
from storage.confidential import factors, officers, sessions
from storage.confidential.officers import OfficerState
from storage.confidential.protocol.canonical import canonical
from storage.database import Transaction, open_database
from tests import keys
from tests.bot.cli.test_cli import error_line
from tests.bot.cli.test_unit import TODAY, fingerprint
from tests.cast import MONDAY_NINE
from tests.fakes.unit import Keyholder, Unit
from tests.terminal import Integra

BETO = "beto@ueipci.example"


def migrated(integra: Integra, folder: Path) -> None:
    """An empty database with its keys."""
    assert integra("migrate").code == 0
    keys.write(folder)


def write(folder: Path, change: Callable[[Transaction], Awaitable[None]]) -> None:
    async def run() -> None:
        database = open_database(f"sqlite+aiosqlite:///{folder}/integra.db")
        async with database.write() as tx:
            await change(tx)
        await database.close()

    asyncio.run(run())


async def sign_up_beto(tx: Transaction) -> None:
    token = await officers.invite(tx, BETO, "Beto", "author", None, MONDAY_NINE)
    await officers.sign_up(tx, token, "salt", "hash", OfficerState.ACTIVE, MONDAY_NINE)
    (beto,) = await officers.all_officers(tx)
    await sessions.begin(tx, keys.invented().session, beto.id, "", MONDAY_NINE)


async def states(tx: Transaction) -> list[tuple[str, str]]:
    return [(one.email, one.state.value) for one in await officers.all_officers(tx)]


def test_the_list_names_everybody_with_role_and_state(integra: Integra, tmp_path: Path) -> None:
    migrated(integra, tmp_path)
    assert integra("officer", "list").out == "No officer was invited yet: integra officer invite\n"
    write(tmp_path, sign_up_beto)
    integra("officer", "invite", "carmen@ueipci.example", "--name", "Carmen", "--role", "admin")
    heading, *rows = integra("officer", "list").out.splitlines()
    assert heading.split() == ["Name", "E-mail", "Role", "Institution", "State"]
    assert [row.split() for row in rows] == [
        ["Beto", BETO, "author", "active"],
        ["Carmen", "carmen@ueipci.example", "admin", "invited"],
    ]


def test_who_is_removed_is_signed_out_at_once_and_let_in_no_more(integra: Integra, tmp_path: Path) -> None:
    migrated(integra, tmp_path)
    write(tmp_path, sign_up_beto)
    removed = integra("officer", "remove", BETO.upper())
    assert removed.out == "Beto is signed out and cannot sign in any more.\n"

    async def look(tx: Transaction) -> None:
        assert await states(tx) == [(BETO, "left")]
        assert await tx.scalar(text("SELECT count(*) FROM sessions")) == 0
        assert await officers.credentials(tx, BETO) is None
        assert await tx.scalar(text("SELECT verb FROM ledger")) == "remove"

    write(tmp_path, look)
    assert error_line(integra("officer", "remove", "x@y.example")).startswith("x@y.example: no such officer")


def test_who_lost_the_second_factor_is_signed_out_and_makes_another(integra: Integra, tmp_path: Path) -> None:
    migrated(integra, tmp_path)
    write(tmp_path, sign_up_beto)

    async def add(tx: Transaction) -> None:
        (beto,) = await officers.all_officers(tx)
        await factors.add(tx, beto.id, factors.Kind.TOTP, "sealed", 0, TODAY)

    write(tmp_path, add)
    reset = integra("officer", "reset-factor", BETO.upper())
    assert reset.out == "Beto is signed out and makes another second factor at the next sign-in, which says so.\n"

    async def look(tx: Transaction) -> None:
        assert await states(tx) == [(BETO, "active")]
        for table in ("sessions", "factors"):
            assert await tx.scalar(text(f"SELECT count(*) FROM {table}")) == 0
        assert await tx.scalar(text("SELECT verb FROM ledger")) == "reset-factor"

    write(tmp_path, look)
    unknown = error_line(integra("officer", "reset-factor", "x@y.example"))
    assert unknown.startswith("x@y.example: no officer who can sign in")


def test_an_officer_on_the_list_still_reads_new_queries_until_a_list_ends_them(
    integra: Integra, tmp_path: Path
) -> None:
    migrated(integra, tmp_path)
    unit = Unit([Keyholder("Carmen"), Keyholder("Beto"), Keyholder("Respaldo", "recovery")])
    unit.first_list(TODAY)

    async def join(tx: Transaction) -> None:
        await unit.publish(tx)
        for reader, email in zip(unit.readers, ("carmen@ueipci.example", BETO), strict=False):
            columns = {"id": reader.id, "email": email, "name": reader.name, "role": "officer", "state": "active"}
            await tx.execute(insert(schema.officers).values(columns))

    write(tmp_path, join)
    carmen = "carmen@ueipci.example"
    assert "New queries are still sealed to" in integra("officer", "remove", carmen).out
    integra("unit", "adopt", fingerprint(unit))
    link, warning = integra("officer", "invite", carmen, "--name", "Carmen", "--role", "officer").out.splitlines()
    assert "/console/signup#" in link
    assert "New queries are still sealed to" in warning
    assert "New queries are still sealed to" in integra("officer", "remove", BETO).out
    unit.next_list(ending=[unit.readers[1]], day=TODAY)
    write(tmp_path, unit.publish)
    assert "still sealed" not in integra("officer", "remove", BETO).out


def test_who_was_suspended_is_listed_so_and_is_invited_as_another_officer(integra: Integra, tmp_path: Path) -> None:
    migrated(integra, tmp_path)
    write(tmp_path, sign_up_beto)

    async def suspend(tx: Transaction) -> None:
        (beto,) = await officers.all_officers(tx)
        await officers.leave(tx, [beto.id], OfficerState.SUSPENDED)

    write(tmp_path, suspend)
    integra("officer", "invite", BETO, "--name", "Beto Paz", "--role", "author")
    rows = [line.split() for line in integra("officer", "list").out.splitlines()[1:]]
    assert rows == [["Beto", BETO, "author", "suspended"], ["Beto", "Paz", BETO, "author", "invited"]]
    assert integra("officer", "remove", BETO).out == "Beto Paz is signed out and cannot sign in any more.\n"


@pytest.mark.attack
def test_a_reader_comes_back_under_the_same_name_only(integra: Integra, tmp_path: Path) -> None:
    migrated(integra, tmp_path)
    dora, mail = Keyholder("Dora Luna"), "dora@ueipci.example"
    columns = {"id": dora.id, "email": mail, "name": dora.name, "role": "officer", "state": "left"}

    async def leave(tx: Transaction) -> None:
        joining = canonical(Unit.with_recovery_key().joining(dora))
        await tx.execute(insert(schema.officers).values(columns | {"joining": joining}))

    write(tmp_path, leave)
    refused = integra("officer", "invite", mail, "--name", "Dora Lima", "--role", "officer")
    assert error_line(refused).startswith(f"--name: the reader of {mail} was known as 'Dora Luna'")
    assert "signup#" in integra("officer", "invite", mail, "--name", " Dora  Luna", "--role", "officer").out


def test_a_lost_passphrase_that_opens_no_keys_is_replaced_by_a_new_invitation(integra: Integra, tmp_path: Path) -> None:
    migrated(integra, tmp_path)
    write(tmp_path, sign_up_beto)
    assert "/console/signup#" in integra("officer", "invite", BETO, "--name", "Beto", "--role", "author").out

    async def look(tx: Transaction) -> None:
        assert await states(tx) == [(BETO, "invited")]
        assert await officers.credentials(tx, BETO) is None

    write(tmp_path, look)


# ---------------------------------------------------------------- the audit log


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE ledger SET verb = 'open' WHERE seq = 2", 2),
        ("DELETE FROM ledger WHERE seq = 1", 1),
        ("UPDATE ledger SET seq = 9 WHERE seq = 3", 3),
    ],
)
def test_the_first_row_that_was_changed_is_named(integra: Integra, tmp_path: Path, statement: str, first: int) -> None:
    removed_three(integra, tmp_path)
    assert integra("ledger", "verify").out.startswith("3 rows, none altered.")

    async def alter(tx: Transaction) -> None:
        await tx.execute(text(statement))

    write(tmp_path, alter)
    assert f"row {first} is not what was written" in error_line(integra("ledger", "verify"))


def test_rows_deleted_at_the_end_are_missed_with_the_head_of_an_earlier_run(integra: Integra, tmp_path: Path) -> None:
    removed_three(integra, tmp_path)
    found = re.search(r"--head (\S+)", integra("ledger", "verify").out)
    assert found is not None

    async def shorten(tx: Transaction) -> None:
        await tx.execute(text("DELETE FROM ledger WHERE seq = 3"))

    write(tmp_path, shorten)
    assert integra("ledger", "verify").code == 0, "nothing in what is left shows it"
    assert "row 3 is not what was written, or is missing" in error_line(integra("ledger", "verify", "--head", found[1]))
    assert error_line(integra("ledger", "verify", "--head", "3")).startswith("--head: number and hash")


def removed_three(integra: Integra, folder: Path) -> None:
    """Three rows in the audit log."""
    migrated(integra, folder)
    write(folder, sign_up_beto)
    for _ in range(3):
        assert integra("officer", "remove", BETO).code == 0
