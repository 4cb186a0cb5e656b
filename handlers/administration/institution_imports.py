"""Import lists of institutions: every invalid row is reported with its number, and an import is all or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from content.course.institutions import InstitutionEntry
from storage.database import Transaction
from storage.people import servants

COLUMNS = ("code", "name", "sphere")


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be imported; rows are numbered as a spreadsheet numbers them."""

    row: int
    message: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.message}"


def read_institutions(
    rows: Sequence[Mapping[str, str]], first_row: int = 2
) -> tuple[list[InstitutionEntry], list[RowError]]:
    """Parse rows with the columns code, name, sphere (state or municipal); return valid entries and all errors.

    `first_row` is the number of the first row, 2 below a header.
    """
    entries: list[InstitutionEntry] = []
    errors: list[RowError] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, first_row):
        try:
            entry = InstitutionEntry.model_validate({name: (row.get(name) or "").strip() for name in COLUMNS})
        except ValidationError as fault:
            errors += [
                RowError(number, f"{error['loc'][0]}: {error['msg']} (seen: {str(error['input'])[:60]!r})")
                for error in fault.errors(include_url=False)
            ]
            continue
        if entry.code in seen:
            errors.append(RowError(number, f"code: duplicate of row {seen[entry.code]} (seen: {entry.code!r})"))
        seen.setdefault(entry.code, number)
        entries.append(entry)
    return entries, errors


async def not_stored(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> list[InstitutionEntry]:
    """The entries whose code is not stored yet."""
    known = {institution.code for institution in await servants.all_institutions(tx)}
    return [entry for entry in wanted if entry.code not in known]


async def add_institutions(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> None:
    """Add all entries; if anything is raised, the caller's transaction adds none."""
    for entry in wanted:
        await servants.add_institution(tx, entry.code, entry.name, entry.sphere, is_fictional=entry.fictional)
