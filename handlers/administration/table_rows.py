"""Rows of the lists that an administrator imports: numbered below a header, every error with its row."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

MAX_NAME = 200
"""Characters of a name, as the columns of the tables have them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be imported; rows are numbered as a spreadsheet numbers them."""

    row: int
    message: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.message}"


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row by column, without spaces around them."""

    number: int  # as a spreadsheet numbers it
    cells: Mapping[str, str]
    has_more_cells: bool  # than the header has columns


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """What a row says: its value, or the faults for which it has none.

    No two rows of a list have the same `key`; None: it cannot be read.
    """

    value: T | None
    faults: Sequence[str]
    key: Hashable | None


def below_header(
    table: Sequence[Sequence[str]], columns: Sequence[str], optional: Sequence[str] = ()
) -> tuple[list[Row], list[RowError]]:
    """The rows below a header that has each of the columns once, in any order; or what is wrong with the header.

    Columns that are `optional` may be missing. Blank rows are skipped, other columns are ignored.
    """
    header = [cell.strip().lower() for cell in table[0]] if table else []
    errors = [
        RowError(1, f"column {name}: {_times(header.count(name))}; expected the header {','.join(columns)}")
        for name in columns
        if header.count(name) != 1
    ]
    errors += [
        RowError(1, f"column {name}: {_times(header.count(name))}") for name in optional if header.count(name) > 1
    ]
    if errors:
        return [], errors
    indexes = {name: header.index(name) for name in (*columns, *optional) if name in header}
    rows = [
        Row(
            number,
            {name: cells[index].strip() if index < len(cells) else "" for name, index in indexes.items()},
            has_more_cells=any(cell.strip() for cell in cells[len(header) :]),
        )
        for number, cells in enumerate(table[1:], 2)
        if any(cell.strip() for cell in cells)
    ]
    return rows, []


def parse(rows: Sequence[Row], parse_row: Callable[[Row], Parsed[T]], unique: str) -> tuple[list[T], list[RowError]]:
    """The values of the valid rows, and all errors; `unique` is what no two rows have in common, in words."""
    values: list[T] = []
    errors: list[RowError] = []
    first_rows: dict[Hashable, int] = {}
    for row in rows:
        parsed = parse_row(row)
        faults = [*parsed.faults]
        if row.has_more_cells:
            faults.append("more cells than columns; put a name that contains the separator in quotes")
        if parsed.key is not None and (first := first_rows.setdefault(parsed.key, row.number)) != row.number:
            faults.append(f"the same {unique} as row {first}")
        errors += [RowError(row.number, fault) for fault in faults]
        if parsed.value is not None and not faults:
            values.append(parsed.value)
    return values, errors


def name_faults(name: str, what: str) -> Iterator[str]:
    """What is wrong with the cell `name`, which holds the name of `what`."""
    if not name:
        yield f"name: is empty; write what people call the {what}"
    elif len(name) > MAX_NAME:
        yield f"name: at most {MAX_NAME} characters (seen: {len(name)})"
    elif not name.replace("\N{NO-BREAK SPACE}", " ").isprintable():
        yield f"name: contains a line break or a control character (seen: {name[:60]!r})"


def _times(count: int) -> str:
    return f"appears {count} times" if count else "is missing"
