"""CSV: export and import round-trip, and errors are located by row and column as in a spreadsheet."""

import csv
import io

import pytest
from hypothesis import given, settings

from content.course.scenario import Scenario
from content.exchange import csv_table
from content.exchange.changeset import UnreadableFile, compare, validate
from content.library import Library
from tests.content.exchange.authors import banks, error_lines, nothing_changes, parsed_scenarios, plain, text, tiny

HEADERS = [column.header for column in csv_table.COLUMNS]


def sheet(*scenarios: Scenario) -> list[list[str]]:
    return csv_table.rows(scenarios or (plain(),))


def put(rows: list[list[str]], row: int, key: str, cell: str) -> None:
    """Set a cell; `row` counts from 1, as in a spreadsheet."""
    rows[row - 1][[column.key for column in csv_table.COLUMNS].index(key)] = cell


@given(banks())
@settings(deadline=None)
def test_a_table_round_trips(bank: list[Scenario]) -> None:
    assert parsed_scenarios(csv_table.parse_table(csv_table.rows(bank))) == bank
    assert nothing_changes(tiny(bank), csv_table.from_csv(csv_table.to_csv(bank)))


def test_importing_the_exported_course_changes_nothing(library: Library) -> None:
    assert nothing_changes(library, csv_table.from_csv(csv_table.to_csv(tuple(library.scenarios.values()))))


@given(banks(max_size=2))
@settings(deadline=None)
def test_no_cell_is_a_formula(bank: list[Scenario]) -> None:
    cells = [
        cell for row in csv.reader(io.StringIO(csv_table.to_csv(bank).decode("utf-8-sig"), newline="")) for cell in row
    ]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]


def test_column_names_are_stable() -> None:
    assert HEADERS[:8] == [
        *("identificador", "competencia", "variante", "roles", "estado", "situación, es", "situación, en"),
        "opción correcta",
    ]
    assert HEADERS[8:13] == [
        *("opción A, texto, es", "opción A, texto, en", "opción A, por qué, es", "opción A, por qué, en"),
        "opción A, artículos",
    ]
    assert HEADERS[-5:] == ["qué hacer, es", "qué hacer, en", "autoría", "revisión", "revisado el"]
    assert csv_table.COLUMNS[15].key == "option_b_why_es"


@pytest.mark.parametrize(("place", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (702, "AAA")])
def test_column_letters_are_those_of_spreadsheets(place: int, name: str) -> None:
    assert csv_table.column_letters(place) == name


@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_other_delimiters_are_accepted(delimiter: str) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(sheet())
    assert nothing_changes(tiny([plain()]), csv_table.from_csv(out.getvalue().encode()))


def test_columns_may_be_reordered_and_named_by_key_and_rows_may_be_blank() -> None:
    rows = [[column.key.upper() for column in csv_table.COLUMNS], *sheet()[1:]]
    reversed_rows = [row[::-1] for row in rows]
    assert nothing_changes(tiny([plain()]), csv_table.parse_table([*reversed_rows, ["", "  "], []]))


def test_spaces_around_ids_and_days_change_nothing() -> None:
    padded = ["id", "competency", "variant", "state", "reviewed_on"]
    places = [number for number, column in enumerate(csv_table.COLUMNS) if column.key in padded]
    rows = [[f"  {cell} " if at in places else cell for at, cell in enumerate(row)] for row in sheet()[1:]]
    assert nothing_changes(tiny([plain()]), csv_table.parse_table([sheet()[0], *rows]))


def test_the_columns_of_the_fourth_option_are_optional() -> None:
    rows = [[cell for cell, head in zip(row, HEADERS, strict=True) if "opción D" not in head] for row in sheet()]
    assert len(rows[0]) == len(HEADERS) - 5
    assert nothing_changes(tiny([plain()]), csv_table.parse_table(rows))


def test_all_errors_are_reported_together_with_row_and_column() -> None:
    rows = sheet(plain(), plain(id="dos", variant=2), plain(id="tres", variant=3))
    put(rows, 2, "option_b_why_es", "Porque no.")
    put(rows, 2, "right", "D")
    put(rows, 2, "competency", "baile")
    put(rows, 2, "option_c_articles", "lgra-58, lgra-999")
    put(rows, 3, "roles", "general; astronauta")
    put(rows, 3, "reviewed_on", "22/11/2026")
    put(rows, 3, "situation_en", "")
    put(rows, 4, "variant", "2")
    put(rows, 4, "id", "dos")
    assert sorted(error_lines(tiny([]), csv_table.parse_table(rows))) == [
        "row 2, column B (competencia): no such competency (seen: 'baile')",
        "row 2, column H (opción correcta): expected the letter of an option that has a text (seen: 'D')",
        "row 2, column P (opción B, por qué, es): 20 to 50 words (seen: 2)",
        "row 2, column W (opción C, artículos): not in the law catalogue (seen: 'lgra-999')",
        "row 3, column AG (revisado el): expected a day such as 2026-11-22 (seen: '22/11/2026')",
        "row 3, column D (roles): Input should be 'ventanilla', 'compras', 'obra', 'inspeccion', 'recursos-humanos', "
        "'salud', 'educacion', 'seguridad', 'tesoreria', 'sistemas', 'jefatura' or 'general' (seen: 'astronauta')",
        "row 3, column G (situación, en): is empty",
        "row 4, column A (identificador): also used in row 3 (seen: 'dos')",
        "row 4, column C (variante): also used in row 3 (seen: 'regalos 2')",
    ]


def test_a_partial_fourth_option_is_reported() -> None:
    rows = sheet()
    put(rows, 2, "option_d_text_es", "Otra cosa")
    found_lines = error_lines(tiny([]), csv_table.parse_table(rows))
    assert [line.partition(":")[0].partition("(")[2] for line in found_lines] == [
        *("opción D, artículos)", "opción D, texto, en)", "opción D, por qué, es)", "opción D, por qué, en)")
    ]


def test_a_used_variant_is_refused_but_two_scenarios_can_swap_variants() -> None:
    one, two = plain(), plain(id="dos", variant=2)
    library = tiny([one, two])
    found_lines = error_lines(library, csv_table.parse_table(sheet(plain(id="tres", variant=2))))
    assert found_lines == ["row 2, column C (variante): also used in scenario dos (seen: 'regalos 2')"]
    reversed_rows = csv_table.parse_table(sheet(plain(variant=2), plain(id="dos", variant=1)))
    found, errors = validate(library, reversed_rows)
    assert errors == ()
    assert [fields for _, fields in compare(library, found).changed] == [("variant",), ("variant",)]


def test_options_that_are_too_long_in_total_are_reported_at_the_situation() -> None:
    rows = sheet(plain())
    put(rows, 2, "situation_es", "palabrotototota " * 60)
    (found_lines,) = error_lines(tiny([]), csv_table.parse_table(rows))
    assert found_lines.startswith("row 2, column F (situación, es): with its options: at most 900 characters (seen: ")


def test_header_errors_are_reported_alone() -> None:
    rows = [[*row, ""] for row in sheet()]
    rows[0][0] = "nombre"
    rows[0][3] = "estado"
    rows[1][-1] = "una nota"
    rows.insert(1, [""] * (len(rows[0]) - 1))  # a row that ends before
    assert error_lines(tiny([]), csv_table.parse_table(rows)) == [
        "row 1, column A: no such column (seen: 'nombre')",
        "row 1, column E: also in column D (seen: 'estado')",
        "row 1, column AH: texts below an empty header",
        "row 1: the column 'identificador' is missing",
        "row 1: the column 'roles' is missing",
    ]
    assert len(error_lines(tiny([]), csv_table.parse_table([]))) == len(HEADERS) - 5


def test_new_changed_and_unchanged_are_determined_by_id() -> None:
    changed = plain(id="dos", variant=2, todo=text("Otra cosa."), roles=("compras",))
    parsed = csv_table.parse_table(sheet(plain(), changed, plain(id="tres", variant=3)))
    library = tiny([plain(), plain(id="dos", variant=2), plain(id="cuatro", variant=4)])
    found, errors = validate(library, parsed)
    plan = compare(library, found)
    assert errors == ()
    assert [one.id for one in plan.new] == ["tres"]
    assert [(one.id, fields) for one, fields in plan.changed] == [("dos", ("roles", "todo.es", "todo.en"))]
    assert plan.unchanged == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'identificador,competencia\n"abierto,x\n', "line 2: not readable as CSV"),
        ("identificador,situación".encode("latin-1"), "not in UTF-8"),
        (b"identificador,competencia\n" + b"x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_file_that_is_not_csv_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableFile, match=message):
        csv_table.from_csv(content)
