"""Who is a member of which institution when a week is closed, and who of them is established."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import exists, func, select

from storage.database import Transaction
from storage.reports.ladders import Row
from storage.schema import addresses, institutions, servants

ESTABLISHED = timedelta(days=28)  # in this institution: accounts made for a purpose wait that long


@dataclass(frozen=True, slots=True)
class Member:
    """One person. Fictional people have no address and need none."""

    institution_id: int
    is_asked: bool  # enrolled and not on leave
    is_established: bool
    is_fictional: bool


@dataclass(frozen=True, slots=True)
class Members:
    """All people and institutions, by id."""

    people: Mapping[int, Member]
    spheres: Mapping[int, str]
    fictional_institutions: Collection[int]

    def reach_rows(self, answered: Collection[int]) -> list[Row]:
        """A row for each person who is asked, with whether they answered."""
        return list(self._reach_rows(answered))

    def _reach_rows(self, answered: Collection[int]) -> Iterator[Row]:
        for servant_id, member in sorted(self.people.items()):
            if member.is_asked:
                yield Row(
                    servant_id,
                    servant_id,
                    member.institution_id,
                    topic_id="",
                    scenario_id="",
                    competency_id="",
                    option="",
                    is_right=servant_id in answered,
                    is_sure=False,
                )

    def sphere(self, row: Row) -> str:
        """The sphere of the institution to which a row belongs."""
        return self.spheres[row.institution_id]

    def is_fictional(self, row: Row) -> bool:
        """Whether a row is of an invented person, whose answers are public."""
        member = self.people.get(row.servant_id)
        return member is not None and member.is_fictional

    def may_count(self, row: Row) -> bool:
        """No real person counts in a fictional institution, where the rows of all others are public."""
        return self.is_fictional(row) == (row.institution_id in self.fictional_institutions)

    def is_established(self, row: Row) -> bool:
        """Whether the row's person is an established member of the institution to which it belongs."""
        member = self.people.get(row.servant_id)
        return member is not None and member.is_established and member.institution_id == row.institution_id


async def read(tx: Transaction, today: date, as_of: date, trial_channels: Collection[str]) -> Members:
    """All people at a closing; `as_of`: the day until which a membership is counted."""
    columns = servants.c
    has_address = exists().where(addresses.c.servant_id == columns.id, addresses.c.channel.not_in(trial_channels))
    statement = select(
        columns.id,
        columns.institution_id,
        columns.state,
        columns.paused_until,
        func.coalesce(columns.member_since, columns.enrolled_on).label("since"),
        columns.is_fictional,
        has_address.label("has_address"),
    )
    people = {}
    for row in await tx.execute(statement):
        is_on_leave = row.state == "paused" and (row.paused_until is None or row.paused_until > today)
        people[row.id] = Member(
            row.institution_id,
            is_asked=row.state != "left" and not is_on_leave,
            is_established=row.state != "left"
            and as_of - row.since >= ESTABLISHED
            and (row.has_address or row.is_fictional),
            is_fictional=row.is_fictional,
        )
    places = (await tx.execute(select(institutions.c.id, institutions.c.sphere, institutions.c.is_fictional))).all()
    return Members(
        people,
        {place.id: place.sphere for place in places},
        frozenset(place.id for place in places if place.is_fictional),
    )
