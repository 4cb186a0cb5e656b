"""Reading lists of closures: what a row may say, and that all errors are found at once."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.administration import closure_imports
from handlers.administration.table_rows import MAX_NAME
from storage.people.closures import Closure

HEADER = ["code", "day", "name"]
IDS = {"LEON": 1, "SALUD": 2, "SALAMANCA": 3}

ROWS: dict[str, tuple[list[str], Closure]] = {
    "of an institution": (
        ["LEON", "2026-05-05", "Batalla de Puebla"],
        Closure(1, date(2026, 5, 5), "Batalla de Puebla"),
    ),
    "of all": (["", "2026-12-24", "Nochebuena"], Closure(None, date(2026, 12, 24), "Nochebuena")),
    "with spaces and small letters": ([" leon ", " 2026-05-05 ", " x "], Closure(1, date(2026, 5, 5), "x")),
    "of a day long past": (["LEON", "1999-01-04", "x"], Closure(1, date(1999, 1, 4), "x")),
    "of a rest day": (["", "2026-12-25", "Navidad"], Closure(None, date(2026, 12, 25), "Navidad")),
    "as Spanish spreadsheets write days": (["", "24/12/2026", "x"], Closure(None, date(2026, 12, 24), "x")),
    "with a day that is the same in either order": (["", "5/05/2026", "x"], Closure(None, date(2026, 5, 5), "x")),
    "with a fixed space in the name": (
        ["", "2026-12-24", "5\xa0de mayo"],
        Closure(None, date(2026, 12, 24), "5\xa0de mayo"),
    ),
    "with the longest name": (["", "2026-12-24", "ñ" * MAX_NAME], Closure(None, date(2026, 12, 24), "ñ" * MAX_NAME)),
    "with an empty cell more": (["", "2026-12-24", "x", " "], Closure(None, date(2026, 12, 24), "x")),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_is_read(name: str) -> None:
    cells, closure = ROWS[name]
    (row,), errors = closure_imports.read_closures([HEADER, cells], IDS)
    assert (row.closure, row.row, errors) == (closure, 2, [])


def test_columns_may_be_in_any_order_and_others_are_ignored() -> None:
    table = [["Name", "municipio", " DAY", "code"], ["x", "León", "2026-05-05", "LEON"]]
    (row,), errors = closure_imports.read_closures(table, IDS)
    assert (row.closure, errors) == (Closure(1, date(2026, 5, 5), "x"), [])


FAULTS = {
    "an unknown code": (["LEONN", "2026-05-05", "x"], "code: no such institution; the nearest known code is 'LEON'"),
    "another unknown code": (["Salamnca", "2026-05-05", "x"], "nearest known code is 'SALAMANCA' (seen: 'SALAMNCA')"),
    "a code like none": (["???", "2026-05-05", "x"], "code: no such institution"),
    "a day in words": (["", "24 dic 2026", "x"], "expected a date such as 2026-12-24 or 24/12/2026 (seen: '24 dic"),
    "a day of either order": (
        ["", "05/06/2026", "x"],
        "day: may be 2026-06-05 or 2026-05-06; write it so, or save the list as XLSX (seen: '05/06/2026')",
    ),
    "a month before the day": (["", "12/24/2026", "x"], "day: expected a date such as 2026-12-24 or 24/12/2026"),
    "a year of two digits": (["", "24/12/26", "x"], "day: expected a date"),
    "a day that does not exist, with slashes": (["", "31/02/2026", "x"], "day: expected a date"),
    "a day that stands there already, in other signs": (
        ["salud", "5/5/2026", "y"],
        "the same institution and day as row 2",
    ),
    "a day without hyphens": (["", "20261224", "x"], "day: expected a date"),
    "a week's day": (["", "2026-W52-4", "x"], "day: expected a date"),
    "a day that does not exist": (["", "2026-02-30", "x"], "day: expected a date"),
    "no day": (["", "", "x"], "day: expected a date such as 2026-12-24 or 24/12/2026 (seen: '')"),
    "no name": (["", "2026-12-24", " "], "name: is empty"),
    "a row that ends early": (["", "2026-12-24"], "name: is empty"),
    "too long a name": (["", "2026-12-24", "x" * 201], "name: at most 200 characters (seen: 201)"),
    "a line break in the name": (["", "2026-12-24", "a\nb"], "name: contains a line break"),
    "a zero byte in the name": (["", "2026-12-24", "a\0b"], "name: contains a line break or a control character"),
    "a separator in the name": (["", "2026-12-24", "Puebla", " 5 de mayo"], "more cells than columns; put a name"),
    "a row that stands there already": (["salud", "2026-05-05", "y"], "the same institution and day as row 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_row_is_reported_with_its_number(name: str) -> None:
    cells, message = FAULTS[name]
    rows, errors = closure_imports.read_closures([HEADER, ["SALUD", "2026-05-05", "x"], [], cells], IDS)
    assert len(rows) == 1
    (error,) = map(str, errors)
    assert error.startswith("row 4: ")
    assert message in error


DAYS = st.dates(date(1900, 1, 1), date(2200, 1, 1))


@given(st.lists(DAYS, min_size=1, max_size=12, unique=True))
def test_days_with_slashes_are_read_as_meant_or_refused(days: list[date]) -> None:
    table = [HEADER, *(["", f"{day:%d/%m/%Y}", "x"] for day in days)]
    rows, errors = closure_imports.read_closures(table, IDS)
    if any(day.day > 12 for day in days):
        assert ([row.closure.day for row in rows], errors) == (days, [])
    else:
        assert [row.closure.day for row in rows] == [day for day in days if day.day == day.month]
        assert len(errors) == len(days) - len(rows)


@given(st.lists(DAYS, min_size=1, max_size=12, unique=True))
def test_days_written_month_first_are_never_read_as_others(days: list[date]) -> None:
    table = [HEADER, *(["", f"{day:%m/%d/%Y}", "x"] for day in days)]
    rows, errors = closure_imports.read_closures(table, IDS)
    assert {row.closure.day for row in rows} <= set(days)
    assert len(rows) + len(errors) == len(days)


def test_the_order_of_one_day_is_that_of_the_whole_list() -> None:
    table = [HEADER, ["", "05/06/2026", "x"], ["LEON", "2026-06-05", "x"], ["", "13/01/2026", "x"]]
    rows, errors = closure_imports.read_closures(table, IDS)
    assert [str(row.closure.day) for row in rows] == ["2026-06-05", "2026-06-05", "2026-01-13"]
    assert errors == []
    _, (error,) = closure_imports.read_closures([*table, ["", "12/24/2026", "x"]], IDS)
    assert str(error).startswith("row 5: day: expected a date such as 2026-12-24 or 24/12/2026")


def test_all_errors_of_all_rows_are_reported_at_once() -> None:
    table = [HEADER, ["X", "soon", ""], ["LEON", "2026-05-05", "x"], ["LEON", "2026-05-05", "x"], *[["", "", "x"]] * 2]
    rows, errors = closure_imports.read_closures(table, IDS)
    assert [row.row for row in rows] == [3]
    assert [error.row for error in errors] == [2, 2, 2, 4, 5, 6]
    first_words = [error.message.partition(":")[0] for error in errors]
    assert first_words == ["code", "day", "name", "the same institution and day as row 3", "day", "day"]


def test_without_institutions_a_code_is_answered_with_what_to_do() -> None:
    _, (error,) = closure_imports.read_closures([HEADER, ["LEON", "2026-05-05", "x"]], {})
    assert str(error).startswith("row 2: code: no institution is stored yet; import the institutions first")


@pytest.mark.parametrize(
    ("table", "messages"),
    [
        ([], ["column code: is missing", "column day: is missing", "column name: is missing"]),
        ([["code", "name"], ["X", "x"]], ["column day: is missing; expected the header code,day,name"]),
        ([[*HEADER, "Day"], ["", "2026-12-24", "x", "2026-12-25"]], ["column day: appears 2 times"]),
    ],
)
def test_wrong_columns_are_all_that_is_reported(table: list[list[str]], messages: list[str]) -> None:
    rows, errors = closure_imports.read_closures(table, IDS)
    assert rows == []
    assert [error.row for error in errors] == [1] * len(messages)
    for error, message in zip(errors, messages, strict=True):
        assert error.message.startswith(message)


def test_a_table_with_a_header_only_has_no_rows_and_no_errors() -> None:
    assert closure_imports.read_closures([HEADER], IDS) == ([], [])
