"""Import lists of closures: every invalid row is reported with its number, and an import is all or nothing."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from content.exchange.changeset import DAY
from handlers.administration.imports import RowError
from storage.database import Transaction
from storage.people import closures, servants
from storage.people.closures import Closure

COLUMNS = ("code", "day", "name")
MAX_NAME = 200
"""Characters, as the column of the table."""


@dataclass(frozen=True, slots=True)
class ClosureRow:
    """A closure as a file or the database has it; `code` is the institution's, empty for the UEIPCI and all."""

    code: str
    closure: Closure
    row: int = 0  # in the file, as a spreadsheet numbers it

    def __str__(self) -> str:
        return f"{self.closure.day} ({self.code or 'the UEIPCI and all institutions'}) {self.closure.name}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows of a file beside what is stored; `renamed` pairs a row with the name that is stored.

    `also_stored` are closures from today on, of institutions that the file names, that are not in the file. An import
    adds what is `not_stored` and renames; a removal takes away what is `stored`.
    """

    not_stored: tuple[ClosureRow, ...]
    renamed: tuple[tuple[ClosureRow, str], ...]
    unchanged: tuple[ClosureRow, ...]
    also_stored: tuple[ClosureRow, ...]

    @property
    def stored(self) -> tuple[ClosureRow, ...]:
        """The rows whose day is stored for their institution, under any name, in the order of the file."""
        found = (*self.unchanged, *(row for row, _ in self.renamed))
        return tuple(sorted(found, key=lambda row: row.row))


async def institution_ids(tx: Transaction) -> dict[str, int]:
    """The id of each institution by its code."""
    return {institution.code: institution.id for institution in await servants.all_institutions(tx)}


def read_closures(table: Sequence[Sequence[str]], ids: Mapping[str, int]) -> tuple[list[ClosureRow], list[RowError]]:
    """Parse a table with the columns code, day, name in its first row; return valid rows and all errors.

    Blank rows are skipped, other columns are ignored.
    """
    header = [cell.strip().lower() for cell in table[0]] if table else []
    errors = [
        RowError(1, f"column {name}: {_times(header.count(name))}; expected the header {','.join(COLUMNS)}")
        for name in COLUMNS
        if header.count(name) != 1
    ]
    if errors:
        return [], errors
    rows: list[ClosureRow] = []
    first_seen: dict[tuple[str, str], int] = {}
    for number, cells in enumerate(table[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        code, day, name = (cells[index].strip() if index < len(cells) else "" for index in map(header.index, COLUMNS))
        code = code.upper()
        faults = list(_faults(code, day, name, ids))
        if any(cell.strip() for cell in cells[len(header) :]):
            faults.append("more cells than columns; put a name that contains the separator in quotes")
        if _is_iso_day(day) and (first := first_seen.setdefault((code, day), number)) != number:
            faults.append(f"the same institution and day as row {first}")
        errors += [RowError(number, fault) for fault in faults]
        if not faults:
            rows.append(ClosureRow(code, Closure(ids.get(code), date.fromisoformat(day), name), number))
    return rows, errors


def _times(count: int) -> str:
    return f"appears {count} times" if count else "is missing"


def _faults(code: str, day: str, name: str, ids: Mapping[str, int]) -> Iterator[str]:
    if code and not ids:
        yield f"code: no institution is stored yet; import the institutions first (seen: {code[:60]!r})"
    elif code and code not in ids:
        (nearest,) = difflib.get_close_matches(code, sorted(ids), n=1, cutoff=0)
        yield f"code: no such institution; the nearest known code is {nearest!r} (seen: {code[:60]!r})"
    if not _is_iso_day(day):
        yield f"day: expected a date such as 2026-12-24 (seen: {day[:60]!r})"
    if not name:
        yield "name: is empty; write what people call the day"
    elif len(name) > MAX_NAME:
        yield f"name: at most {MAX_NAME} characters (seen: {len(name)})"
    elif not name.isprintable():
        yield f"name: contains a line break or a control character (seen: {name[:60]!r})"


def _is_iso_day(text: str) -> bool:
    try:
        return DAY.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


async def compare(tx: Transaction, rows: Sequence[ClosureRow], ids: Mapping[str, int], today: date) -> Comparison:
    """Compare the rows of a file with what is stored."""
    codes: dict[int | None, str] = {None: "", **{number: code for code, number in ids.items()}}
    stored = {one.closed_day: one for one in await closures.all_closures(tx)}
    known = [(row, stored.pop(row.closure.closed_day, None)) for row in rows]
    named = {row.closure.institution_id for row in rows}
    return Comparison(
        not_stored=tuple(row for row, before in known if before is None),
        renamed=tuple((row, before.name) for row, before in known if before and before.name != row.closure.name),
        unchanged=tuple(row for row, before in known if before == row.closure),
        also_stored=tuple(
            ClosureRow(codes[one.institution_id], one)
            for one in stored.values()
            if one.institution_id in named and one.day >= today
        ),
    )
