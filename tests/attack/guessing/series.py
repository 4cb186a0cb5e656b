"""What the thief has: a copy of all rows for each day of a month, and what follows from comparing them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from tests.attack.guessing.copies import Copy, Row

ZONE = ZoneInfo("America/Mexico_City")
Person = tuple[str, str]
"""Channel and address of a servant."""


def local_day(moment: datetime) -> date:
    """The day in Guanajuato."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(ZONE).date()


@dataclass(frozen=True)
class Case:
    """A confidential query, as its rows show it; `written_on` are the days of the officers' letters."""

    id: str
    day: date
    written_on: frozenset[date]


class Series:
    """Copies of consecutive days, the oldest first."""

    def __init__(self, copies: Sequence[Copy]) -> None:
        self.copies = copies

    @cached_property
    def by_day(self) -> Mapping[date, Copy]:
        return {copy.day: copy for copy in self.copies}

    @cached_property
    def before(self) -> Mapping[date, Copy]:
        """The copy of the day before each day but the first."""
        return {later.day: earlier for earlier, later in zip(self.copies, self.copies[1:], strict=False)}

    # ------------------------------------------------------------ people

    @cached_property
    def people(self) -> tuple[Person, ...]:
        """The active servants by their addresses."""
        rows = self.copies[-1].rows
        active = {row["id"] for row in rows["servants"] if row["state"] == "active"}
        return tuple((row["channel"], row["address"]) for row in rows["addresses"] if row["servant_id"] in active)

    @cached_property
    def servant_ids(self) -> Mapping[int, Person]:
        """Whose each id is."""
        rows = self.copies[-1].rows["addresses"]
        return {row["servant_id"]: (row["channel"], row["address"]) for row in rows}

    @cached_property
    def names(self) -> Mapping[str, Person]:
        """Whose each text is that names a person: an address or another name of the same account."""
        known: dict[str, Person] = {}
        for row in self.copies[-1].rows["addresses"]:
            person = (row["channel"], row["address"])
            known |= {name: person for name in (row["address"], row["alias"]) if name}
        return known

    # ------------------------------------------------------------ cases

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """All cases of which a copy shows the first day, with the days of the officers' letters."""
        days: dict[str, date] = {}
        written: dict[str, set[date]] = defaultdict(set)
        for copy in self.copies:
            days |= {row["id"]: row["day"] for row in copy.rows["cases"]}
        for row in self.ledger:
            written[row["case_id"]].add(row["day"])
        return tuple(Case(case, day, frozenset(written[case])) for case, day in sorted(days.items()))

    @property
    def ledger(self) -> list[Row]:
        """The answers in the ledger, in its order."""
        rows = (row for row in self.copies[-1].rows["ledger"] if row["verb"] == "answer")
        return sorted(rows, key=lambda row: int(row["seq"]))

    # ------------------------------------------------------------ rows

    def added(self, table: str, day: date, key: str = "id") -> list[Row]:
        """The rows of the day's copy that were not in the copy before, as they stand in it."""
        known = {row[key] for row in self.before[day].rows[table]} if day in self.before else set()
        return [row for row in self.by_day[day].rows[table] if row[key] not in known]

    @cached_property
    def answered(self) -> Mapping[date, Mapping[Person, datetime]]:
        """When each person answered on a day, where they did."""
        found: dict[date, dict[Person, datetime]] = defaultdict(dict)
        for copy in self.copies:
            for row in copy.rows["answers"]:
                if row["servant_id"] in self.servant_ids:
                    at = row["answered_at"]
                    found[local_day(at)][self.servant_ids[row["servant_id"]]] = at
        return found

    def naming(self, row: Row) -> Iterator[Person]:
        """The people whom a row names by an address, an alias or an id."""
        for column, value in row.items():
            if isinstance(value, str) and value in self.names:
                yield self.names[value]
            elif column == "servant_id" and value in self.servant_ids:
                yield self.servant_ids[value]

    @cached_property
    def mentions(self) -> Mapping[date, Mapping[str, Counter[Person]]]:
        """By day and table, in how many new or changed rows each person is named."""
        found: dict[date, dict[str, Counter[Person]]] = {}
        earlier: Mapping[str, list[Row]] = {}
        for copy in self.copies:
            found[copy.day] = {}
            for table, rows in copy.rows.items():
                known = {_frozen(row) for row in earlier.get(table, ())}
                new = [row for row in rows if _frozen(row) not in known]
                found[copy.day][table] = Counter(person for row in new for person in self.naming(row))
            earlier = copy.rows
        return found


def _frozen(row: Row) -> tuple[Any, ...]:
    return tuple(row.values())
