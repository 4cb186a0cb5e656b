"""`integra import institutions`: the shipped list, a file, wrong rows; a dry run by default."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from handlers.administration import institution_imports
from storage.database import Transaction, open_database
from storage.people import servants
from tests.terminal import Integra, command_line

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
        [" row 7", " the same code as row 2"],
    ]
    assert last == "Nothing was written."
    assert stored(tmp_path) == []


def test_a_list_that_spanish_excel_saved_is_added(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(ROWS.replace(",", ";"), encoding="utf-8-sig", newline="\r\n")
    assert integra("import", "institutions", "list.csv", "--apply").out.endswith(" 2 added.\n")
    with xlsxwriter.Workbook(tmp_path / "list.xlsx") as workbook:
        sheet = workbook.add_worksheet("Hoja1")
        sheet.write_row(0, 0, ["name", "code", "sphere"])
        sheet.write_row(1, 0, ["Municipio 7", 7, "municipal"])  # a code that the spreadsheet stores as a number
    assert integra("import", "institutions", "list.xlsx", "--apply").out.endswith(" 1 added.\n")
    assert stored(tmp_path) == [
        ("7", "Municipio 7", "municipal"),
        ("LEON", "Municipio de León", "municipal"),
        ("SSG", "Secretaría de Salud", "state"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", b"", "row 1: column code: is missing; expected the header code,name,sphere"),
        ("list.csv", b"code,nombre,sphere\n", "row 1: column name: is missing; expected the header code,name,sphere"),
        ("list.csv", "code,name,sphere\nLEON,León,municipal\n".encode("latin-1"), "not in UTF-8; save it again"),
        ("list.csv", b'code,name,sphere\nLEON,"Le', "line 2: not readable as CSV"),
        ("list.xlsx", b"code,name,sphere\n", "not readable as a spreadsheet"),
        ("list.csv", None, "cannot be read (No such file or directory)"),
        ("list.xlsx", None, "cannot be read (No such file or directory)"),
    ],
)
def test_an_unreadable_file_is_reported_before_the_database_is_touched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with command_line(tmp_path, monkeypatch, capsys, DATA_DIR="data") as integra:
        result = integra("import", "institutions", name)
    assert result.code == 1
    assert result.err.startswith(f"{name}: {message}")
    assert {line.partition(": ")[0] for line in result.err.splitlines()} <= {name, "Nothing was written."}
    assert {path.name for path in tmp_path.iterdir()} <= {name}


@pytest.mark.parametrize("options", [[], ["--apply"]])
def test_what_is_compared_and_what_is_written_are_one_transaction(
    integra: Integra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    (tmp_path / "list.csv").write_text(ROWS, encoding="utf-8")
    seen: list[Transaction] = []
    for name in ("not_stored", "add_institutions"):
        monkeypatch.setattr(institution_imports, name, partial(_noting, seen, getattr(institution_imports, name)))
    assert integra("import", "institutions", "list.csv", *options).code == 0
    assert len(seen) == 1 + len(options)
    assert all(tx is seen[0] for tx in seen)


async def _noting(
    seen: list[Transaction], function: Callable[..., Awaitable[Any]], tx: Transaction, *given: Any
) -> Any:
    seen.append(tx)
    return await function(tx, *given)


def test_a_list_may_name_who_answers_for_the_personal_data(integra: Integra, tmp_path: Path) -> None:
    def answering() -> dict[str, str | None]:
        async def read() -> dict[str, str | None]:
            database = open_database(f"sqlite+aiosqlite:///{tmp_path}/integra.db")
            async with database.read() as tx:
                found = {one.code: one.responsible for one in await servants.all_institutions(tx)}
            await database.close()
            return found

        return asyncio.run(read())

    (tmp_path / "list.csv").write_text(ROWS, encoding="utf-8")
    integra("import", "institutions", "list.csv", "--apply")
    named = ROWS.replace("sphere", "sphere,responsible").replace("municipal", "municipal,Contraloría de León")
    (tmp_path / "named.csv").write_text(named.replace("state", "state,"), encoding="utf-8")
    shown = integra("import", "institutions", "named.csv").out
    assert shown.endswith("Who answers for the personal data would change in: LEON.\n")
    assert answering() == {"LEON": None, "SSG": None}
    assert "changed in: LEON." in integra("import", "institutions", "named.csv", "--apply").out
    assert answering() == {"LEON": "Contraloría de León", "SSG": None}
    assert integra("import", "institutions", "list.csv", "--apply").out.count("\n") == 1
    assert answering()["LEON"] == "Contraloría de León", "a list without the column changes nothing"
    (tmp_path / "wrong.csv").write_text(named.replace("Contraloría", "x" * 200), encoding="utf-8")
    wrong = integra("import", "institutions", "wrong.csv", "--apply")
    assert wrong.code == 1
    assert "row 2: responsible: at most 200 characters" in wrong.err
