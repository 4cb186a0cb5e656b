"""Bringing lists into the house: every bad row is told with its number, and nothing is half done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from content.course.institutions import InstitutionEntry
from storage.database import Transaction
from storage.people import servants

COLUMNS = ("code", "name", "sphere")


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that cannot be taken; rows are numbered as a spreadsheet shows them."""

    row: int
    says: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.says}"


def read_institutions(
    rows: Sequence[Mapping[str, str]], first_row: int = 2
) -> tuple[list[InstitutionEntry], list[Bad]]:
    """Rows with the columns code, name, sphere (state or municipal); every mistake is told."""
    found: list[InstitutionEntry] = []
    bad: list[Bad] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, first_row):
        try:
            one = InstitutionEntry.model_validate({name: (row.get(name) or "").strip() for name in COLUMNS})
        except ValidationError as fault:
            bad += [
                Bad(number, f"{error['loc'][0]}: {error['msg']} (seen: {str(error['input'])[:60]!r})")
                for error in fault.errors(include_url=False)
            ]
            continue
        if one.code in seen:
            bad.append(Bad(number, f"code: stands in row {seen[one.code]} too (seen: {one.code!r})"))
        seen.setdefault(one.code, number)
        found.append(one)
    return found, bad


async def unknown(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> list[InstitutionEntry]:
    """Those whose code is not known yet."""
    known = {one.code for one in await servants.all_institutions(tx)}
    return [one for one in wanted if one.code not in known]


async def add_institutions(tx: Transaction, wanted: Sequence[InstitutionEntry]) -> None:
    """Add them all, or (when anything is raised) none."""
    for one in wanted:
        await servants.add_institution(tx, one.code, one.name, one.sphere, is_fictional=one.fictional)
