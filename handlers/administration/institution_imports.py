"""Import lists of institutions: every invalid row is reported with its number, and an import is all or nothing."""

from collections.abc import Sequence

from pydantic import ValidationError

from content.course.institutions import InstitutionEntry
from handlers.administration import table_rows
from handlers.administration.table_rows import Parsed, Row, RowError
from storage.database import Transaction
from storage.people import servants

COLUMNS = ("code", "name", "sphere")
OPTIONAL = ("responsible",)
PLAIN_MESSAGES = {
    "string_pattern_mismatch": "expected capital letters and digits without accents, joined by hyphens",
    "string_too_long": "at most 24 characters",
    "literal_error": "expected state or municipal",
}
"""Plainer messages for pydantic's errors, by error type."""


def read_institutions(table: Sequence[Sequence[str]]) -> tuple[list[InstitutionEntry], list[RowError]]:
    """Parse a table with the columns code, name, sphere in its first row; return valid entries and all errors.

    A column `responsible` may name who answers for the personal data of an institution's servants.
    """
    rows, errors = table_rows.below_header(table, COLUMNS, OPTIONAL)
    return table_rows.parse(rows, _parse, unique="code") if not errors else ([], errors)


def _parse(row: Row) -> Parsed[InstitutionEntry]:
    entry, faults = None, [*table_rows.name_faults(row.cells["name"], "institution")]
    try:
        entry = InstitutionEntry.model_validate(row.cells)
    except ValidationError as fault:
        faults += [
            f"{error['loc'][0]}: {_message(str(error['loc'][0]), error['type'], error['msg'])} "
            f"(seen: {str(error['input'])[:60]!r})"
            for error in fault.errors(include_url=False)
            if error["loc"][0] != "name"
        ]
    return Parsed(entry, faults, key=row.cells["code"] or None)


def _message(column: str, kind: str, message: str) -> str:
    if column == "responsible":
        return "at most 200 characters in one line, without < and >"
    return PLAIN_MESSAGES.get(kind, message)


async def newly_answered(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> list[InstitutionEntry]:
    """The entries of known institutions that name another `responsible` than is stored; empty cells change nothing."""
    known = {institution.code: institution.responsible for institution in await servants.all_institutions(tx)}
    return [
        entry
        for entry in wanted
        if entry.responsible and entry.code in known and known[entry.code] != entry.responsible
    ]


async def change_responsible(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> None:
    """Store who answers for the personal data of the servants of known institutions."""
    for entry in wanted:
        await servants.set_responsible(tx, entry.code, entry.responsible)


async def not_stored(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> list[InstitutionEntry]:
    """The entries whose code is not stored yet."""
    known = {institution.code for institution in await servants.all_institutions(tx)}
    return [entry for entry in wanted if entry.code not in known]


async def add_institutions(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> None:
    """Add all entries; if anything is raised, the caller's transaction adds none."""
    for entry in wanted:
        await servants.add_institution(
            tx,
            entry.code,
            entry.name,
            entry.sphere,
            is_fictional=entry.fictional,
            responsible=entry.responsible or None,
        )
