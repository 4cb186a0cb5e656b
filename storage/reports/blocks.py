"""Closings: once a week what waits is counted into blocks, each of enough people, and never again.

Everything that is shown is a function of sums of blocks, so two figures subtracted give sums of blocks. What decides
about a block: at least `min_group` established people (a member of the institution for 28 days, reachable by a channel
that is not for trying out); no person is more than a fifth of it; counts are clamped to 5 and 95 % of the total and
rounded to multiples of 3 when they are stored, up or down by a keyed draw. Moving, leaving and merging touch no block.
"""

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import false, func, insert, select, update

from storage.database import Transaction, dialect_insert
from storage.learning.lanes import Lane
from storage.reports import ladders, members
from storage.reports.ladders import LADDERS, TOTAL, Row
from storage.reports.members import Members
from storage.schema import answers, block_counts, blocks, closings, prompts

MIN_GROUP_FLOOR = 5
"""No block has fewer people, whatever is configured."""
NEVER_SHOWN = 0  # in the place of a block's id
BASE = 3  # counts are stored as multiples of it
LEAST_SHARE = 0.05  # of the total; the most is 1 less it
CHUNK = 5000  # answers changed by one statement


@dataclass(frozen=True, slots=True)
class ClosingRules:
    """What the installation decides about blocks."""

    min_group: int
    key: bytes  # of the draws
    trial_channels: Collection[str] = ()  # on which anyone can make any number of accounts

    @property
    def least(self) -> int:
        """The least number of established people in a block."""
        return max(self.min_group, MIN_GROUP_FLOOR)


@dataclass(frozen=True, slots=True)
class _Closing:
    """One closing: its number, its day, and the day of the one before (None: the first)."""

    n: int
    day: date
    before: date | None
    rules: ClosingRules

    @property
    def week(self) -> date:
        """The Monday of the last week that is over; after a clock that jumped, of the week before."""
        return ladders.monday(self.day) - ladders.WEEK

    @property
    def as_of(self) -> date:
        """The day at which memberships are judged: a clock that is ahead for a moment makes none longer."""
        return self.day if self.before is None else min(self.day, self.before + ladders.WEEK)

    def is_new(self, label: ladders.Label) -> bool:
        return self.before is None or label(self.before) != label(self.day)


async def close(tx: Transaction, today: date, rules: ClosingRules) -> int | None:
    """Count all that waits, if the week of the last closing is over; the number of the closing, or None.

    All in the caller's transaction. Of processes that close at once one does it, the others find it done.
    """
    closing = await _begin(tx, today, rules)
    if closing is None:
        return None
    answered = await _mark_new(tx, closing)
    people = await members.read(tx, today, closing.as_of, rules.trial_channels)
    if await _was_asked(tx, closing):
        await _count(tx, closing, Lane.REACH, people.reach_rows(answered), people)
    for lane in (Lane.PLACE, Lane.TOPIC, Lane.MAP):
        if closing.is_new(LADDERS[lane].period):
            await _count(tx, closing, lane, await _waiting(tx, lane), people)
    return closing.n


async def is_due(tx: Transaction, today: date) -> bool:
    """Whether the week of the last closing is over."""
    last = await last_closing_day(tx)
    return last is None or ladders.week(last) != ladders.week(today)


async def discard_waiting(tx: Transaction) -> int:
    """Never show what waits, and return how many answers these are: after a backup was restored.

    What waited in it may have been counted before the loss, into blocks that people have seen; counted again, with
    others, the two blocks could be subtracted.
    """
    waiting = answers.c.lane.in_(list(Lane)) & answers.c.block.is_(None)
    return (await tx.execute(update(answers).where(waiting).values(block=NEVER_SHOWN))).rowcount


async def last_closing_day(tx: Transaction) -> date | None:
    """The day of the newest closing; None: there was none."""
    day: date | None = await tx.scalar(select(closings.c.day).order_by(closings.c.n.desc()).limit(1))
    return day


async def newest_closing(tx: Transaction) -> int:
    """The number of the newest closing; 0: there was none."""
    return await tx.scalar(select(func.max(closings.c.n))) or 0


async def count_after(tx: Transaction, closing: int) -> tuple[int, int]:
    """How many blocks later closings have added: of people, and of answers."""
    is_of_people = blocks.c.lane == Lane.REACH
    statement = select(is_of_people, func.count()).where(blocks.c.closing > closing).group_by(is_of_people)
    counts = {bool(row[0]): row[1] for row in await tx.execute(statement)}
    return counts.get(True, 0), counts.get(False, 0)


# ---------------------------------------------------------------- one closing


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block stands: its lane, its rung and what its rows share."""

    lane: Lane
    rung: int
    key: str
    is_fictional: bool


async def _begin(tx: Transaction, today: date, rules: ClosingRules) -> _Closing | None:
    """Add a closing; None: the week of the last one is not over, or another process adds it."""
    newest = select(closings.c.n, closings.c.day).order_by(closings.c.n.desc()).limit(1)
    last = (await tx.execute(newest)).first()
    if last is not None and ladders.week(last.day) == ladders.week(today):
        return None
    n = 1 if last is None else last.n + 1
    newest_prompt = select(func.coalesce(func.max(prompts.c.id), 0)).scalar_subquery()
    added = dialect_insert(tx, closings).values(n=n, day=today, last_prompt=newest_prompt).on_conflict_do_nothing()
    if (await tx.execute(added.returning(closings.c.n))).first() is None:
        return None
    return _Closing(n, today, None if last is None else last.day, rules)


async def _mark_new(tx: Transaction, closing: _Closing) -> set[int]:
    """Mark the answers recorded since the last closing as waiting for this one; the ids of the people who gave them."""
    is_new = answers.c.lane.in_(list(Lane)) & answers.c.closing.is_(None) & answers.c.block.is_(None)
    marked = update(answers).where(is_new).values(closing=closing.n).returning(answers.c.servant_id)
    return set((await tx.execute(marked)).scalars())


async def _was_asked(tx: Transaction, closing: _Closing) -> bool:
    """Whether any prompt was planned since the last closing: a week without any says nothing about people."""
    last = select(closings.c.last_prompt).where(closings.c.n == closing.n - 1).scalar_subquery()
    newest = select(closings.c.last_prompt).where(closings.c.n == closing.n).scalar_subquery()
    return bool(await tx.scalar(select(newest > func.coalesce(last, 0))))


async def _waiting(tx: Transaction, lane: Lane) -> list[Row]:
    """All answers of a lane that wait and are marked, in the order of their ids."""
    columns = answers.c
    statement = select(
        columns.prompt_id,
        columns.servant_id,
        columns.institution_id,
        columns.topic_id,
        columns.scenario_id,
        columns.competency_id,
        columns.option,
        columns.is_right,
        func.coalesce(columns.confidence == "sure", false()),
    ).where(columns.lane == lane, columns.closing.is_not(None), columns.block.is_(None))
    return sorted(Row(*row) for row in await tx.execute(statement))


async def _count(tx: Transaction, closing: _Closing, lane: Lane, rows: Sequence[Row], people: Members) -> None:
    """Count the rows of a lane, rung by rung; at the end of a quarter what is left is never shown."""
    ladder = LADDERS[lane]
    is_final = lane is Lane.REACH or closing.is_new(ladders.quarter)
    left = [row for row in rows if people.may_count(row)]
    excluded = [row.id for row in rows if not people.may_count(row)]
    start, last_weeks = await _period_start(tx, closing, lane), await _last_weeks(tx, closing, lane)
    for number, rung in enumerate(ladder.rungs if is_final else ladder.rungs[:1]):
        groups: dict[tuple[str, bool], list[Row]] = defaultdict(list)
        for row in left:
            groups[ladders.key(rung, row, people.sphere(row)), people.is_fictional(row)].append(row)
        left = []
        for group, found in sorted(groups.items()):
            place = _Place(lane, number, *group)
            if len({row.servant_id for row in found if people.is_established(row)}) < closing.rules.least:
                left += found
            else:
                # After the block before it: so that it depends on blocks only, not on which rows are in it.
                last = None if lane is Lane.REACH else last_weeks.get(place)
                since = start if last is None else min(closing.week, max(start, last + ladders.WEEK))
                await _add_block(tx, closing, place, since, found)
    if lane is not Lane.REACH:
        await _assign(tx, excluded + [row.id for row in left if is_final], NEVER_SHOWN)


async def _add_block(tx: Transaction, closing: _Closing, place: _Place, since: date, rows: Sequence[Row]) -> None:
    """Add the block of these rows; those of a person beyond the fair share are never shown."""
    counted, rest = _fairly(rows)
    values = {
        "lane": place.lane,
        "rung": place.rung,
        "key": place.key,
        "is_fictional": place.is_fictional,
        "since": since,
        "week": closing.week,
        "closing": closing.n,
    }
    block_id = await tx.scalar(insert(blocks).values(values).returning(blocks.c.id))
    assert block_id is not None
    measured = LADDERS[place.lane].measures(counted)
    counts = [
        {"block_id": block_id, "measure": measure, "value": _stored(closing, place, measure, value, len(counted))}
        for measure, value in measured.items()
    ]
    await tx.execute(insert(block_counts), counts)
    if place.lane is not Lane.REACH:
        await _assign(tx, [row.id for row in counted], block_id)
        await _assign(tx, [row.id for row in rest], NEVER_SHOWN)


async def _last_weeks(tx: Transaction, closing: _Closing, lane: Lane) -> dict[_Place, date]:
    """The last week of the newest block of each place in a lane, as far as it lies before this closing."""
    columns = (blocks.c.rung, blocks.c.key, blocks.c.is_fictional)
    is_earlier = (blocks.c.lane == lane) & (blocks.c.week < closing.week)
    statement = select(*columns, func.max(blocks.c.week)).where(is_earlier).group_by(*columns)
    return {_Place(lane, row[0], row[1], row[2]): row[3] for row in await tx.execute(statement)}


async def _period_start(tx: Transaction, closing: _Closing, lane: Lane) -> date:
    """The first week that a block may cover: of this closing, or of the quarter that it counts."""
    start = closing.week if closing.before is None else min(ladders.monday(closing.before), closing.week)
    if lane is Lane.REACH:
        return start
    first = await tx.scalar(select(func.min(closings.c.day)).where(closings.c.n < closing.n)) or date.min
    return min(closing.week, max(ladders.first_monday(start, ladders.quarter), ladders.monday(first)))


def _fairly(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that count, and those of a person that are more than a fifth of all."""
    of_person: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        of_person[row.servant_id].append(row)
    share = ladders.fair_share(map(len, of_person.values()))
    counted = [row for own in of_person.values() for row in own[:share]]
    return counted, [row for own in of_person.values() for row in own[share:]]


def _stored(closing: _Closing, place: _Place, measure: str, value: int, total: int) -> int:
    """The count as it is stored: clamped, then rounded to a multiple of the base, up by the chance of the rest."""
    clamped = float(value) if measure == TOTAL else min(max(value, LEAST_SHARE * total), (1 - LEAST_SHARE) * total)
    steps, rest = divmod(clamped, BASE)
    about = [place.lane, place.rung, place.key, place.is_fictional, closing.n, measure]
    digest = hmac.digest(closing.rules.key, b"round|" + json.dumps(about).encode(), hashlib.sha256)
    is_up = int.from_bytes(digest[:8]) / 2**64 < rest / BASE
    return BASE * (int(steps) + is_up)


async def _assign(tx: Transaction, ids: Sequence[int], block_id: int) -> None:
    """Set the block of answers, for good."""
    for start in range(0, len(ids), CHUNK):
        chosen = answers.c.prompt_id.in_(ids[start : start + CHUNK]) & answers.c.block.is_(None)
        await tx.execute(update(answers).where(chosen).values(block=block_id))
