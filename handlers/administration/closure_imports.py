"""Import lists of closures: every invalid row is reported with its number, and an import is all or nothing."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from content.exchange.changeset import DAY
from handlers.administration import table_rows
from handlers.administration.table_rows import Parsed, Row, RowError
from storage.database import Transaction
from storage.people import closures, servants
from storage.people.closures import Closure

COLUMNS = ("code", "day", "name")
MONTHS = 12
DAY_WITH_SLASHES = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")


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

    Days are written 2026-12-24. Days with slashes, as Spanish spreadsheets write them, are read as day/month/year where
    the list shows that it has this order: one of its days is above 12. Elsewhere 05/06/2026 is an error.
    """
    rows, errors = table_rows.below_header(table, COLUMNS)
    if errors:
        return [], errors
    is_day_first = any(_starts_above_12(row.cells["day"]) for row in rows)
    return table_rows.parse(rows, lambda row: _parse(row, ids, is_day_first), unique="institution and day")


def _parse(row: Row, ids: Mapping[str, int], is_day_first: bool) -> Parsed[ClosureRow]:
    code, name = row.cells["code"].upper(), row.cells["name"]
    faults = [*_code_faults(code, ids)]
    day = None
    try:
        day = _parse_day(row.cells["day"], is_day_first)
    except ValueError as fault:
        faults.append(f"day: {fault}")
    faults += table_rows.name_faults(name, "day")
    if day is None:
        return Parsed(None, faults, key=None)
    return Parsed(ClosureRow(code, Closure(ids.get(code), day, name), row.number), faults, key=(code, day))


def _code_faults(code: str, ids: Mapping[str, int]) -> Iterator[str]:
    if code and not ids:
        yield f"code: no institution is stored yet; import the institutions first (seen: {code[:60]!r})"
    elif code and code not in ids:
        (nearest,) = difflib.get_close_matches(code, sorted(ids), n=1, cutoff=0)
        yield f"code: no such institution; the nearest known code is {nearest!r} (seen: {code[:60]!r})"


def _starts_above_12(text: str) -> bool:
    found = DAY_WITH_SLASHES.fullmatch(text)
    return found is not None and int(found[1]) > MONTHS


def _parse_day(text: str, is_day_first: bool) -> date:
    """Raises ValueError: what is expected, and what is there."""
    day = None
    if DAY.fullmatch(text):
        day = _existing_day(*text.split("-"))
    elif found := DAY_WITH_SLASHES.fullmatch(text):
        day, other = _existing_day(*found.group(3, 2, 1)), _existing_day(*found.group(3, 1, 2))
        if day and other and day != other and not is_day_first:
            raise ValueError(f"may be {day} or {other}; write it so, or save the list as XLSX (seen: {text!r})")
    if day is None:
        raise ValueError(f"expected a date such as 2026-12-24 or 24/12/2026 (seen: {text[:60]!r})")
    return day


def _existing_day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


async def compare(tx: Transaction, rows: Sequence[ClosureRow], ids: Mapping[str, int], today: date) -> Comparison:
    """Compare the rows of a file with what is stored."""
    codes = _codes(ids)
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


async def stored_table(tx: Transaction) -> list[Sequence[str]]:
    """All closures by day as `read_closures` reads them, below a header."""
    codes = _codes(await institution_ids(tx))
    stored = await closures.all_closures(tx)
    return [COLUMNS, *((codes[one.institution_id], one.day.isoformat(), one.name) for one in stored)]


def _codes(ids: Mapping[str, int]) -> dict[int | None, str]:
    return {None: "", **{number: code for code, number in ids.items()}}
