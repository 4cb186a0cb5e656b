"""A table of who may read which letter, as it is written by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

AT_ONCE, LATER, WROTE, NEVER = "R", "l", "w", "."
CELLS = {AT_ONCE, LATER, WROTE, NEVER}


@dataclass(frozen=True)
class Table:
    """By letter, in the order in which they are written, and person."""

    people: Sequence[str]
    rows: Mapping[str, Mapping[str, str]]

    @classmethod
    def parsed(cls, text: str) -> "Table":
        """Parse a line of names, and for each letter its name, what happens, and a cell for each person."""
        first, *lines = [line for line in text.replace("|", " ").splitlines() if line.strip() and line[0] != "#"]
        people, rows = first.split(), dict[str, dict[str, str]]()
        for line in lines:
            name, *words = line.split()
            cells = words[-len(people) :]
            assert set(cells) <= CELLS, line
            assert name not in rows, line
            rows[name] = dict(zip(people, cells, strict=True))
        return cls(people, rows)

    def case(self, row: str) -> str:
        """The case of a letter is the first character of its name."""
        return row[0]

    def readers(self, row: str) -> set[str]:
        """Who is given the case once this letter is stored."""
        return {person for person, cell in self.rows[row].items() if cell == AT_ONCE}

    def may_read(self, person: str, seen: Sequence[str]) -> set[str]:
        """The letters that a person may read once these have been written."""
        return {row for at, row in enumerate(seen) if self._may(person, row, seen[at:])}

    def may_ever(self, person: str) -> set[str]:
        return {row for row, cells in self.rows.items() if cells[person] != NEVER}

    def _may(self, person: str, row: str, since: Sequence[str]) -> bool:
        cell = self.rows[row][person]
        if cell == LATER:
            return any(self.case(row) == self.case(one) and person in self.readers(one) for one in since)
        return cell != NEVER
