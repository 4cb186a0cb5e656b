"""`integra import institutions`: the shipped list, a file, wrong rows; a dry run by default."""

import asyncio
from pathlib import Path

import pytest

from storage.database import open_database
from storage.people import servants
from tests.terminal import Integra

ROWS = "code,name,sphere\nLEON,Municipio de León,municipal\nSSG,Secretaría de Salud,state\n"


def stored(folder: Path) -> list[tuple[str, str, str]]:
    """Code, name and sphere of the institutions, by code."""

    async def read() -> list[tuple[str, str, str]]:
        database = open_database(f"sqlite+aiosqlite:///{folder}/integra.db")
        async with database.read() as tx:
            found = await servants.all_institutions(tx)
        await database.close()
        return sorted((one.code, one.name, one.sphere) for one in found)

    return asyncio.run(read())


def test_a_list_is_shown_then_added_and_known_from_then_on(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(ROWS, encoding="utf-8-sig")
    shown = integra("import", "institutions", "list.csv")
    assert shown.out == "2 institutions read, 0 known already, 2 would be added; write them with --apply.\n"
    assert stored(tmp_path) == []
    assert integra("import", "institutions", "list.csv", "--apply").out.endswith(" 2 added.\n")
    rows = [("LEON", "Municipio de León", "municipal"), ("SSG", "Secretaría de Salud", "state")]
    assert stored(tmp_path) == rows
    again = integra("import", "institutions", "list.csv", "--apply")
    assert again.out == "2 institutions read, 2 known already, 0 added.\n"
    assert stored(tmp_path) == rows


def test_the_shipped_list_has_no_fictional_institution(integra: Integra, tmp_path: Path) -> None:
    assert integra("import", "institutions", "guanajuato", "--apply").out.startswith("68 institutions read")
    codes = [code for code, _, _ in stored(tmp_path)]
    assert "LEON" in codes
    assert "DEMO" not in codes


def test_of_a_file_with_wrong_rows_nothing_is_added_and_every_row_is_reported(integra: Integra, tmp_path: Path) -> None:
    wrong = f"{ROWS}león,x,municipal\nX,,municipal\nY,y,federal\nLEON,again,municipal\n"
    (tmp_path / "list.csv").write_text(wrong, encoding="utf-8")
    result = integra("import", "institutions", "list.csv", "--apply")
    assert (result.code, result.out) == (1, "")
    *errors, last = result.err.splitlines()
    assert [error.split(":")[1:3] for error in errors] == [
        [" row 4", " code"],
        [" row 5", " name"],
        [" row 6", " sphere"],
        [" row 7", " code"],
    ]
    assert last == "Nothing was written."
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"code,nombre,sphere\n", "list.csv: no column name; expected the header code,name,sphere\n"),
        ("code,name,sphere\nLEON,León,municipal\n".encode("latin-1"), "list.csv: cannot be read as CSV in UTF-8"),
        (None, "list.csv: cannot be read as CSV in UTF-8 (FileNotFoundError)\n"),
    ],
)
def test_an_unreadable_file_is_one_line(integra: Integra, tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "list.csv").write_bytes(content)
    result = integra("import", "institutions", "list.csv")
    assert result.code == 1
    assert result.err.startswith(message)
    assert len(result.err.splitlines()) == 1
