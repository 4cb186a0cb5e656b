"""`integra unit`: which unit an installation believes is told by a person, and what the check says about it."""

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from content.library import Library
from storage.confidential.protocol import lists
from storage.confidential.protocol.fields import local_day
from storage.confidential.unit_trust import UnitTrust
from storage.database import open_database
from tests.bot.cli.test_cli import error_line, fill
from tests.fakes.succession import invented, succeed
from tests.fakes.unit import Unit
from tests.terminal import Integra

TODAY = local_day(datetime.now(UTC))


@pytest.fixture
def unit(tmp_path: Path, integra: Integra, library: Library) -> Unit:
    """A unit whose first officer has signed up; no machine has adopted it."""
    assert integra("migrate").code == 0
    fill(tmp_path, library)
    made = Unit.with_recovery_key()
    made.first_list(TODAY)
    store(tmp_path, made)
    return made


def store(folder: Path, unit: Unit) -> None:
    async def write() -> None:
        database = open_database(f"sqlite+aiosqlite:///{folder}/integra.db")
        async with database.write() as tx:
            await unit.publish(tx)
        await database.close()

    asyncio.run(write())


def fingerprint(unit: Unit) -> str:
    return lists.unit_fingerprint(unit.point)


def test_a_unit_is_adopted_by_the_digits_that_its_officer_reads_out(unit: Unit, integra: Integra) -> None:
    assert "closed: no unit is adopted" in integra("check").out
    assert integra("unit", "fingerprint").code == 1

    adopted = integra("unit", "adopt", *fingerprint(unit).upper().split())
    assert (adopted.code, fingerprint(unit) in adopted.out) == (0, True), adopted.err
    assert "closed" not in integra("check").out
    poster = integra("unit", "fingerprint").out
    assert fingerprint(unit) in poster
    assert f"/c#u={unit.pin}" in poster
    assert integra("unit", "adopt", fingerprint(unit)).code == 0, "again changes nothing"


def test_digits_that_are_not_those_of_the_lists_adopt_nothing(unit: Unit, integra: Integra, tmp_path: Path) -> None:
    typed = fingerprint(Unit.with_recovery_key())
    assert f"another unit has signed the lists in this database ({fingerprint(unit)})" in error_line(
        integra("unit", "adopt", typed)
    )
    assert "24 digits 0-9 and a-f" in error_line(integra("unit", "adopt", typed[:-1]))
    assert UnitTrust(tmp_path / "secrets").unit() == ""


def test_another_unit_is_never_adopted_over_the_first(unit: Unit, integra: Integra, tmp_path: Path) -> None:
    first = Unit.with_recovery_key()
    UnitTrust(tmp_path / "secrets").adopt(first.point, lists.pin_of(first.first_list()["list"]))
    line = error_line(integra("unit", "adopt", fingerprint(unit)))
    assert f"has adopted another unit ({fingerprint(first)})" in line
    assert UnitTrust(tmp_path / "secrets").unit() == first.point
    assert "closed: the lists of readers in the database are not those of the adopted unit" in integra("check").out


def test_an_older_state_of_the_rows_is_not_adopted(unit: Unit, integra: Integra, tmp_path: Path) -> None:
    newer = Unit(unit.readers, unit.signing, list(unit.lists))
    UnitTrust(tmp_path / "secrets").raise_floor(lists.pin_of(newer.next_list(day=TODAY)["list"]))
    assert "remembers a newer list, to which the lists in this database do not lead" in error_line(
        integra("unit", "adopt", fingerprint(unit))
    )
    assert UnitTrust(tmp_path / "secrets").unit() == ""


def test_before_any_officer_there_is_nothing_to_adopt(integra: Integra) -> None:
    assert "no officer has signed a list yet" in error_line(integra("unit", "adopt", "1" * 24))


def test_a_damaged_file_is_named_with_its_remedy(unit: Unit, integra: Integra, tmp_path: Path) -> None:
    integra("unit", "adopt", fingerprint(unit))
    (tmp_path / "secrets" / "unit.pub").write_text("nonsense")
    for command in (("unit", "fingerprint"), ("unit", "adopt", fingerprint(unit))):
        assert "'unit.pub' in secrets/ is damaged; restore it from a backup" in error_line(integra(*command))
    assert "'unit.pub' in secrets/ is damaged" in integra("check").out


def test_the_check_warns_before_the_list_expires_and_after(integra: Integra, tmp_path: Path, library: Library) -> None:
    integra("migrate")
    fill(tmp_path, library)
    unit = Unit.with_recovery_key()
    unit.first_list(TODAY - timedelta(days=44))
    store(tmp_path, unit)
    integra("unit", "adopt", fingerprint(unit))
    assert re.search("expires in (1 day|0 days) .*: renew it", integra("check").out), "it may be midnight meanwhile"
    unit.next_list(days=2, day=TODAY - timedelta(days=40))
    store(tmp_path, unit)
    assert "closed: the list of readers has expired" in integra("check").out


def test_later_officers_are_invited_with_the_unit_that_they_join(unit: Unit, integra: Integra, tmp_path: Path) -> None:
    invite = ("officer", "invite", "b@ueipci.mx", "--name", "Beto", "--role")
    assert "not adopted on this machine yet" in error_line(integra(*invite, "officer"))
    assert "&u=" not in integra(*invite, "author").out, "who reads no queries joins no unit"
    integra("unit", "adopt", fingerprint(unit))
    assert integra(*invite, "officer").out.strip().endswith(f"&u={unit.pin}")


# ---------------------------------------------------------------- another key


def verbs(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "integra.db")) as connection:
        return [row[0] for row in connection.execute("SELECT verb FROM ledger ORDER BY seq")]


def test_the_next_key_is_believed_by_the_digits_that_its_holder_reads_out(
    unit: Unit, integra: Integra, tmp_path: Path
) -> None:
    former, trusted = fingerprint(unit), UnitTrust(tmp_path / "secrets")
    assert "no unit is adopted on this machine" in error_line(integra("unit", "succeed", former))
    integra("unit", "adopt", former)
    assert "lead from the adopted unit to no other key" in error_line(integra("unit", "succeed", "1" * 24))
    succeed(unit, day=TODAY)
    store(tmp_path, unit)
    assert former in integra("unit", "fingerprint").out, "nothing changes by itself"

    believed = integra("unit", "succeed", *fingerprint(unit).upper().split())
    assert (believed.code, fingerprint(unit) in believed.out) == (0, True), believed.err
    assert trusted.unit() == unit.point
    assert trusted.floor() == lists.pin_of(unit.newest["list"])
    assert f"/c#u={unit.pin}" in integra("unit", "fingerprint").out
    assert verbs(tmp_path) == ["succeed"]
    assert "already; nothing was changed" in integra("unit", "succeed", fingerprint(unit)).out
    assert verbs(tmp_path) == ["succeed"]


@pytest.mark.attack
def test_no_other_key_takes_the_place_of_the_unit(unit: Unit, integra: Integra, tmp_path: Path) -> None:
    integra("unit", "adopt", fingerprint(unit))
    trusted, former, stranger = UnitTrust(tmp_path / "secrets"), unit.point, invented(unit)
    store(tmp_path, stranger)
    refused = integra("unit", "succeed", fingerprint(stranger))
    assert (refused.code, "to no other key" in refused.err) == (1, True)
    assert "key_list_ignored" in refused.out
    with closing(sqlite3.connect(tmp_path / "integra.db")) as connection, connection:
        connection.execute("DELETE FROM key_lists WHERE serial = 2")
    succeed(unit, day=TODAY)
    store(tmp_path, unit)
    line = error_line(integra("unit", "succeed", fingerprint(stranger)))
    assert f"lead to another key ({fingerprint(unit)}); nothing was changed" in line
    assert "24 digits 0-9 and a-f" in error_line(integra("unit", "succeed", "12"))
    trusted.raise_floor({"serial": 7, "hash": lists.list_hash(unit.newest["list"])})
    assert "to no other key" in error_line(integra("unit", "succeed", fingerprint(unit))), "an older state of the rows"
    assert (trusted.unit(), verbs(tmp_path)) == (former, [])


def test_a_machine_that_comes_later_adopts_the_newest_key(unit: Unit, integra: Integra, tmp_path: Path) -> None:
    former = fingerprint(unit)
    succeed(unit, day=TODAY)
    store(tmp_path, unit)
    assert "another unit has signed the lists" in error_line(integra("unit", "adopt", former))
    assert integra("unit", "adopt", fingerprint(unit)).code == 0
    assert UnitTrust(tmp_path / "secrets").unit() == unit.point
