"""Figures: the only way to a number of the course. Each is one measure, summed over blocks that are stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select

from storage.database import Transaction
from storage.learning.lanes import Lane
from storage.reports.ladders import TOTAL
from storage.schema import block_counts, blocks, institutions, servants


@dataclass(frozen=True, slots=True)
class Block:
    """One stored block with its counts, by measure."""

    id: int
    lane: Lane
    rung: int
    key: str
    is_fictional: bool
    since: date
    week: date
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Figure:
    """The sum of a measure over blocks, and the sum of their totals."""

    measure: str
    blocks: tuple[int, ...]
    value: int
    total: int


def figure(measure: str, found: Iterable[Block]) -> Figure | None:
    """The figure of these blocks; None: there are none."""
    chosen = sorted(found, key=lambda block: block.id)
    if not chosen:
        return None
    value, total = (sum(block.counts[name] for block in chosen) for name in (measure, TOTAL))
    return Figure(measure, tuple(block.id for block in chosen), value, total)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An institution and how many people are enrolled there: head counts, not answers."""

    id: int
    code: str
    name: str
    sphere: str
    is_fictional: bool
    enrolled: int


async def blocks_within(tx: Transaction, first: date, last: date) -> list[Block]:
    """The blocks whose weeks lie wholly between two days, the oldest first."""
    is_within = (blocks.c.since >= first) & (
        blocks.c.week.between(first, date.fromordinal(max(last.toordinal() - 6, 1)))
    )
    columns = (blocks.c.id, blocks.c.lane, blocks.c.rung, blocks.c.key, blocks.c.is_fictional)
    statement = (
        select(*columns, blocks.c.since, blocks.c.week, block_counts.c.measure, block_counts.c.value)
        .join(block_counts, block_counts.c.block_id == blocks.c.id)
        .where(is_within)
        .order_by(blocks.c.week, blocks.c.id)
    )
    counts: dict[int, dict[str, int]] = {}
    found: list[Block] = []
    for row in await tx.execute(statement):
        if row.id not in counts:
            counts[row.id] = {}
            found.append(
                Block(row.id, Lane(row.lane), row.rung, row.key, row.is_fictional, row.since, row.week, counts[row.id])
            )
        counts[row.id][row.measure] = row.value
    return found


async def enrolments(tx: Transaction) -> list[Enrolment]:
    """All institutions by name, also those without anyone enrolled; in fictional ones only invented people count."""
    columns = institutions.c
    is_counted = (servants.c.state != "left") & (servants.c.is_fictional == columns.is_fictional)
    statement = (
        select(columns.id, columns.code, columns.name, columns.sphere, columns.is_fictional, func.count(servants.c.id))
        .outerjoin(servants, (servants.c.institution_id == columns.id) & is_counted)
        .group_by(columns.id, columns.code, columns.name, columns.sphere, columns.is_fictional)
        .order_by(columns.name)
    )
    return [Enrolment(*row) for row in await tx.execute(statement)]
