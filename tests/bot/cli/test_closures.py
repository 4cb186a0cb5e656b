"""`integra import closures`, `export closures`: dry run, writing, removing, wrong files; and the days that follow."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from content.exchange import csv_table
from content.library import Library
from storage.database import Database, Transaction, open_database
from storage.people import closures, servants
from tests import keys
from tests.cast import INSTITUTIONS, MONDAY_NINE, working_mornings
from tests.terminal import CommandResult, Integra, command_line

YEAR = 2099  # the command goes by the real clock; these days are ahead of it
LIST = f"""code,day,name
,{YEAR}-12-24,Nochebuena
LEON,{YEAR}-05-05,Batalla de Puebla
leon,{YEAR}-05-06,"Feria, primer día"
"""
ALL = "the UEIPCI and all institutions"
NEW = [
    f"new: {YEAR}-12-24 ({ALL}) Nochebuena",
    f"new: {YEAR}-05-05 (LEON) Batalla de Puebla",
    f"new: {YEAR}-05-06 (LEON) Feria, primer día",
]


class Desk:
    """An administrator's folder with the command, on a database that has the institutions LEON and SALUD."""

    def __init__(self, integra: Integra, url: str, folder: Path) -> None:
        self.integra = integra
        self._url = url
        self._folder = folder
        self.run(self._add_institutions)

    @staticmethod
    async def _add_institutions(tx: Transaction) -> None:
        for code, name, sphere in INSTITUTIONS:
            await servants.add_institution(tx, code, name, sphere)

    def run(self, work: Callable[[Transaction], Awaitable[Any]]) -> Any:
        """Do something in a transaction of another process's database."""

        async def opened() -> Any:
            database = open_database(self._url)
            try:
                async with database.write() as tx:
                    return await work(tx)
            finally:
                await database.close()

        return asyncio.run(opened())

    def stored(self) -> list[str]:
        """The closures that are stored, by day, as day, institution's code and name."""

        async def read(tx: Transaction) -> list[str]:
            codes = {one.id: one.code for one in await servants.all_institutions(tx)}
            rows = await closures.all_closures(tx)
            return [
                f"{one.day} {codes[one.institution_id] if one.institution_id else 'all'} {one.name}" for one in rows
            ]

        found: list[str] = self.run(read)
        return found

    def import_(self, text: str | bytes, *options: str, file: str = "list.csv") -> CommandResult:
        """Write the file and run `integra import closures` with it."""
        (self._folder / file).write_bytes(text.encode() if isinstance(text, str) else text)
        return self.integra("import", "closures", file, *options)

    def lines(self, text: str | bytes, *options: str, file: str = "list.csv") -> list[str]:
        """What a successful import printed."""
        result = self.import_(text, *options, file=file)
        assert (result.code, result.err) == (0, "")
        return result.out.splitlines()

    def tick(self, moment: str) -> str:
        return self.integra("tick", "--at", moment).out.partition(" planned")[0]


@pytest.fixture
def desk(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Desk]:
    keys.write(tmp_path / "data")
    given = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": database_url}
    with command_line(tmp_path, monkeypatch, capsys, **given) as integra:
        yield Desk(integra, database_url, tmp_path)


def test_a_list_is_shown_then_written_and_known_from_then_on(desk: Desk) -> None:
    assert desk.lines(LIST) == [
        *NEW,
        "3 closures read, 0 known already, 0 would be renamed, 3 would be added.",
        "Nothing was written; write it with --apply.",
    ]
    assert desk.stored() == []
    assert desk.lines(LIST, "--apply") == [*NEW, "3 closures read, 0 known already, 0 renamed, 3 added."]
    rows = [
        f"{YEAR}-05-05 LEON Batalla de Puebla",
        f"{YEAR}-05-06 LEON Feria, primer día",
        f"{YEAR}-12-24 all Nochebuena",
    ]
    assert desk.stored() == rows
    assert desk.lines(LIST, "--apply") == ["3 closures read, 3 known already, 0 renamed, 0 added."]
    assert desk.lines(LIST) == ["3 closures read, 3 known already, 0 would be renamed, 0 would be added."]
    assert desk.stored() == rows


def test_a_changed_name_is_updated(desk: Desk) -> None:
    desk.lines(LIST, "--apply")
    renamed = LIST.replace("Nochebuena", "Víspera de Navidad")
    change = f"renamed: {YEAR}-12-24 ({ALL}) Víspera de Navidad (before: Nochebuena)"
    assert desk.lines(renamed) == [
        change,
        "3 closures read, 2 known already, 1 would be renamed, 0 would be added.",
        "Nothing was written; write it with --apply.",
    ]
    assert f"{YEAR}-12-24 all Nochebuena" in desk.stored()
    assert desk.lines(renamed, "--apply") == [change, "3 closures read, 2 known already, 1 renamed, 0 added."]
    assert f"{YEAR}-12-24 all Víspera de Navidad" in desk.stored()
    assert len(desk.stored()) == 3


@pytest.mark.parametrize("options", [[], ["--apply"], ["--remove", "--apply"]])
def test_of_a_file_with_wrong_rows_nothing_is_done_and_every_row_is_reported(desk: Desk, options: list[str]) -> None:
    desk.lines(LIST, "--apply")
    before = desk.stored()
    result = desk.import_(f"{LIST}LEONN,{YEAR}-07-01,x\n,1/7/{YEAR},x\nLEON,{YEAR}-05-05,x\n", *options)
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [
        "list.csv: row 5: code: no such institution; the nearest known code is 'LEON' (seen: 'LEONN')",
        f"list.csv: row 6: day: may be {YEAR}-07-01 or {YEAR}-01-07; "
        f"write it so, or save the list as XLSX (seen: '1/7/{YEAR}')",
        "list.csv: row 7: the same institution and day as row 3",
        "Nothing was written.",
    ]
    assert desk.stored() == before


def test_a_mistaken_closure_is_shown_and_removed(desk: Desk) -> None:
    desk.lines(LIST, "--apply")
    corrected = f"code,day,name\nLEON,{YEAR}-05-05,Batalla de Puebla\n"
    assert desk.lines(corrected) == [
        f"stored, and not in this file: {YEAR}-05-06 (LEON) Feria, primer día",
        "An import removes nothing: list what is wrong in a file and use --remove.",
        "1 closures read, 1 known already, 0 would be renamed, 0 would be added.",
    ]
    mistake = (
        f"code,day,name\nLEON,{YEAR}-05-06,whatever it was called\nSALUD,{YEAR}-05-06,x\n,{YEAR}-12-24,Nochebuena\n"
    )
    shown = [
        f"remove: {YEAR}-05-06 (LEON) whatever it was called",
        f"remove: {YEAR}-12-24 ({ALL}) Nochebuena",
        f"not stored: {YEAR}-05-06 (SALUD) x",
    ]
    assert desk.lines(mistake, "--remove") == [
        *shown,
        "3 closures read, 1 not stored, 2 would be removed.",
        "Nothing was written; write it with --apply.",
    ]
    assert len(desk.stored()) == 3
    assert desk.lines(mistake, "--remove", "--apply") == [*shown, "3 closures read, 1 not stored, 2 removed."]
    assert desk.stored() == [f"{YEAR}-05-05 LEON Batalla de Puebla"]


def test_days_that_change_nothing_are_accepted_and_reported(desk: Desk) -> None:
    text = "code,day,name\n,2099-12-25,Navidad\n,2099-05-02,a Saturday\n,2001-01-02,long past\n,2099-05-05,x\n"
    assert desk.lines(text, "--apply")[4:] == [
        "row 2: 2099-12-25 is a weekend or a rest day by law; this changes nothing",
        "row 3: 2099-05-02 is a weekend or a rest day by law; this changes nothing",
        "Days that are over: 1; they change nothing any more.",
        "4 closures read, 0 known already, 0 renamed, 4 added.",
    ]
    assert len(desk.stored()) == 4
    again = desk.lines("code,day,name\n,2099-05-05,x\n")
    assert not [line for line in again if "2001" in line], "days that are over are not shown as missing in a file"


def test_a_workbook_with_typed_dates_is_read(desk: Desk, tmp_path: Path) -> None:
    rows = [["code", "day", "name"], ["", date(2099, 12, 24), "Nochebuena"], ["LEON", "2099-05-05", "Puebla"]]
    with xlsxwriter.Workbook(tmp_path / "made.xlsx", {"default_date_format": "dd/mm/yyyy"}) as workbook:
        sheet = workbook.add_worksheet("Hoja1")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    desk.lines((tmp_path / "made.xlsx").read_bytes(), "--apply", file="list.xlsx")
    assert desk.stored() == ["2099-05-05 LEON Puebla", "2099-12-24 all Nochebuena"]


@pytest.mark.parametrize("separator_line", ["", "sep=;\r\n", "SEP=;\n"])
def test_a_list_with_semicolons_and_a_byte_order_mark_is_read(desk: Desk, separator_line: str) -> None:
    desk.lines(f"\ufeff{separator_line}code;day;name\n;2099-12-24;Día del Empleado Estatal\n", "--apply")
    assert desk.stored() == ["2099-12-24 all Día del Empleado Estatal"]


def test_a_list_that_spanish_excel_saved_as_csv_utf_8_is_read(desk: Desk) -> None:
    desk.lines("\ufeffcode;day;name\r\n;24/12/2099;Nochebuena\r\nLEON;05/06/2099;Feria, inicio\r\n;;\r\n", "--apply")
    assert desk.stored() == ["2099-06-05 LEON Feria, inicio", "2099-12-24 all Nochebuena"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.csv", "code,day,name\n,2099-12-24,Día".encode("latin-1"), "list.csv: not in UTF-8; save it again"),
        ("list.csv", b'code,day,name\n,2099-12-24,"x', "list.csv: line 2: not readable as CSV"),
        ("list.xlsx", b"code,day,name", "list.xlsx: not readable as a spreadsheet"),
    ],
)
def test_an_unreadable_file_is_one_line(desk: Desk, name: str, content: bytes, message: str) -> None:
    result = desk.import_(content, file=name)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith(message)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_is_not_there_is_one_line(desk: Desk) -> None:
    result = desk.integra("import", "closures", "nowhere.csv")
    assert (result.code, result.err) == (1, "nowhere.csv: cannot be read (No such file or directory)\n")


NAMES = ("Nochebuena, y más", '"Puebla"; 5 de mayo', "=1+1", "'-x", "Año nuevo", "ñ" * 200)


def test_what_is_exported_can_be_removed_and_imported_again(desk: Desk, tmp_path: Path) -> None:
    rows = [["code", "day", "name"], ["LEON", "2001-01-02", "long past"]]
    rows += [[code, f"{YEAR}-07-{day:02}", name] for day, name in enumerate(NAMES, 1) for code in ("", "LEON", "SALUD")]
    desk.lines(csv_table.write_cells(rows), "--apply")
    stored = desk.stored()
    assert len(stored) == 1 + 3 * len(NAMES)
    printed = desk.integra("export", "closures", "--to", "all.csv")
    assert printed == (0, f"{len(stored)} closures written to all.csv.\n", "")
    exported = (tmp_path / "all.csv").read_bytes()
    assert csv_table.read_cells(exported, rows[0]) == rows
    assert desk.integra("export", "closures").out.encode() == exported
    assert desk.lines(exported)[-1].startswith(f"{len(stored)} closures read, {len(stored)} known already, 0 would")
    desk.lines(exported, "--remove", "--apply")
    assert desk.stored() == []
    assert desk.integra("export", "closures").out == "\ufeffcode,day,name\r\n"
    desk.lines(exported, "--apply")
    assert desk.stored() == stored


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_export_overwrites_a_file_with_force_only(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("edits", encoding="utf-8")
    command = ("export", "closures", "--to", "mine.csv")
    refused = desk.integra(*command)
    assert (refused.code, refused.err.partition(";")[0]) == (1, "mine.csv: exists already and may hold edits")
    assert (tmp_path / "mine.csv").read_text(encoding="utf-8") == "edits"
    assert desk.integra(*command, "--force").code == 0
    assert (tmp_path / "mine.csv").read_text(encoding="utf-8-sig") == "code,day,name\n"


def test_no_prompt_is_planned_on_an_imported_closure(desk: Desk, library: Library) -> None:
    async def enrol(tx: Transaction) -> None:
        for place in await servants.all_institutions(tx):
            await servants.enrol(
                tx,
                "webchat",
                place.code,
                institution_id=place.id,
                language="es",
                hour=9,
                notice_version=library.phrases.template("es", "notice.version"),
                now=MONDAY_NINE,
                today=MONDAY_NINE.date(),
            )

    desk.run(enrol)
    mornings = list(islice(working_mornings(), 4))
    all_closed, leon_closed = (morning[:10] for morning in mornings[1:3])
    desk.lines(f"code,day,name\n,{all_closed},x\nLEON,{leon_closed},x\n", "--apply")
    assert [desk.tick(morning) for morning in mornings] == ["2 prompts", "0 prompts", "1 prompt", "2 prompts"]
