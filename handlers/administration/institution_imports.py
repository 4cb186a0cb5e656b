"""Import lists of institutions: every invalid row is reported with its number, and an import is all or nothing."""

from collections.abc import Sequence

from pydantic import ValidationError

from content.course.institutions import InstitutionEntry
from handlers.administration import table_rows
from handlers.administration.table_rows import Parsed, Row, RowError
from storage.database import Transaction
from storage.people import servants

COLUMNS = ("code", "name", "sphere")
PLAIN_MESSAGES = {
    "string_pattern_mismatch": "expected capital letters and digits without accents, joined by hyphens",
    "string_too_long": "at most 24 characters",
    "literal_error": "expected state or municipal",
}
"""Plainer messages for pydantic's errors, by error type."""


def read_institutions(table: Sequence[Sequence[str]]) -> tuple[list[InstitutionEntry], list[RowError]]:
    """Parse a table with the columns code, name, sphere in its first row; return valid entries and all errors."""
    rows, errors = table_rows.below_header(table, COLUMNS)
    return table_rows.parse(rows, _parse, unique="code") if not errors else ([], errors)


def _parse(row: Row) -> Parsed[InstitutionEntry]:
    entry, faults = None, [*table_rows.name_faults(row.cells["name"], "institution")]
    try:
        entry = InstitutionEntry.model_validate(row.cells)
    except ValidationError as fault:
        faults += [
            f"{error['loc'][0]}: {PLAIN_MESSAGES.get(error['type'], error['msg'])} (seen: {str(error['input'])[:60]!r})"
            for error in fault.errors(include_url=False)
            if error["loc"][0] != "name"
        ]
    return Parsed(entry, faults, key=row.cells["code"] or None)


async def not_stored(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> list[InstitutionEntry]:
    """The entries whose code is not stored yet."""
    known = {institution.code for institution in await servants.all_institutions(tx)}
    return [entry for entry in wanted if entry.code not in known]


async def add_institutions(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> None:
    """Add all entries; if anything is raised, the caller's transaction adds none."""
    for entry in wanted:
        await servants.add_institution(tx, entry.code, entry.name, entry.sphere, is_fictional=entry.fictional)
