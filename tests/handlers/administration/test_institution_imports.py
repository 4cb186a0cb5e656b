"""Reading lists of institutions: what a row may say, and that all errors are found at once."""

import pytest

from handlers.administration import institution_imports
from handlers.administration.table_rows import MAX_NAME

HEADER = ["code", "name", "sphere"]
FIRST = ["SALUD", "Secretaría de Salud", "state"]

ROWS = {
    "of the State": (FIRST, ("SALUD", "Secretaría de Salud", "state")),
    "with spaces": ([" SAN-FELIPE ", " San Felipe", "municipal "], ("SAN-FELIPE", "San Felipe", "municipal")),
    "with the longest name": (["X", "ñ" * MAX_NAME, "state"], ("X", "ñ" * MAX_NAME, "state")),
    "with an empty cell more": (["X", "x", "state", " "], ("X", "x", "state")),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_is_read(name: str) -> None:
    cells, expected = ROWS[name]
    (entry,), errors = institution_imports.read_institutions([HEADER, cells])
    assert ((entry.code, entry.name, entry.sphere), entry.fictional, errors) == (expected, False, [])


def test_columns_may_be_in_any_order_and_others_are_ignored() -> None:
    table = [[" Sphere", "fictional", "NAME", "code"], ["state", "true", "Secretaría de Salud", "SALUD"]]
    (entry,), errors = institution_imports.read_institutions(table)
    assert (entry.code, entry.name, entry.sphere, entry.fictional, errors) == (*FIRST, False, [])


FAULTS = {
    "a code in small letters": (["leon", "x", "state"], "code: expected capital letters and digits"),
    "a code with an accent": (["LEÓN", "x", "state"], "joined by hyphens (seen: 'LEÓN')"),
    "no code": (["", "x", "state"], "code: expected capital letters"),
    "too long a code": (["X" * 25, "x", "state"], "code: at most 24 characters (seen: 'XXX"),
    "a sphere of neither kind": (["X", "x", "federal"], "sphere: expected state or municipal (seen: 'federal')"),
    "a row that ends early": (["X", "x"], "sphere: expected state or municipal (seen: '')"),
    "no name": (["X", " ", "state"], "name: is empty; write what people call the institution"),
    "too long a name": (["X", "x" * 201, "state"], "name: at most 200 characters (seen: 201)"),
    "a zero byte in the name": (["X", "a\0b", "state"], "name: contains a line break or a control character"),
    "a separator in the name": (["X", "Agua", "state", "Luz"], "more cells than columns; put a name"),
    "a code that stands there already": (["SALUD", "y", "municipal"], "the same code as row 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_row_is_reported_with_its_number(name: str) -> None:
    cells, message = FAULTS[name]
    entries, errors = institution_imports.read_institutions([HEADER, FIRST, [], cells])
    assert len(entries) == 1
    (error,) = map(str, errors)
    assert error.startswith("row 4: ")
    assert message in error


def test_all_errors_of_all_rows_are_reported_at_once() -> None:
    entries, errors = institution_imports.read_institutions([HEADER, ["x", "", "s"], FIRST, ["Y", "", "state"]])
    assert [entry.code for entry in entries] == ["SALUD"]
    assert sorted((error.row, error.message.partition(":")[0]) for error in errors) == [
        (2, "code"),
        (2, "name"),
        (2, "sphere"),
        (4, "name"),
    ]


def test_wrong_columns_are_all_that_is_reported() -> None:
    entries, errors = institution_imports.read_institutions([["code", "nombre", "code"], ["x", "", ""]])
    assert entries == []
    assert [str(error) for error in errors] == [
        "row 1: column code: appears 2 times; expected the header code,name,sphere",
        "row 1: column name: is missing; expected the header code,name,sphere",
        "row 1: column sphere: is missing; expected the header code,name,sphere",
    ]
