"""The stored blocks of a period as tables: one row a block, never one a person."""

from collections.abc import Mapping
from datetime import date, timedelta

from handlers.administration import rates
from storage.database import Transaction
from storage.learning.lanes import Lane
from storage.reports import figures, ladders
from storage.reports.figures import Block
from storage.reports.ladders import RIGHT, TOTAL

Cells = list[list[str]]
PERIOD = ("from", "to", "is_fictional")
GROUP = ("institution", "sphere", "topic", "scenario", "rule")
COUNTS = (TOTAL, RIGHT, "a", "b", "c", "d", "sure", "sure_wrong")


async def answers_table(tx: Transaction, first: date, last: date) -> Cells:
    """The blocks of answers wholly within a period, with their counts as they are stored: clamped and rounded."""
    rows = [
        [*_place(block, codes), *(str(block.counts.get(name, "")) for name in COUNTS)]
        for block, codes in await _blocks(tx, first, last)
        if block.lane is not Lane.REACH
    ]
    return [[*PERIOD, *GROUP, *COUNTS], *rows]


async def participation_table(tx: Transaction, first: date, last: date) -> Cells:
    """The blocks of people wholly within a period: who answered, in percent, of how many to the nearest five."""
    rows = []
    for block, codes in await _blocks(tx, first, last):
        figure = figures.figure(RIGHT, [block])
        if block.lane is Lane.REACH and figure is not None:
            people = rates.people(figure.total)
            shown = f"<{rates.FEW_PEOPLE}" if people.is_few else str(people.about)
            rows.append([*_place(block, codes)[:5], shown, str(rates.rate(figure).percent)])
    return [[*PERIOD, *GROUP[:2], "people", "participation"], *rows]


async def _blocks(tx: Transaction, first: date, last: date) -> list[tuple[Block, Mapping[str, str]]]:
    """The blocks, each with the codes of all institutions by id."""
    codes = {str(one.id): one.code for one in await figures.enrolments(tx)}
    return [(block, codes) for block in await figures.blocks_within(tx, first, last)]


def _place(block: Block, codes: Mapping[str, str]) -> list[str]:
    """When and where: the weeks of a block, and what its answers share."""
    parts = ladders.parts(block.lane, block.rung, block.key)
    if "institution" in parts:
        parts["institution"] = codes.get(parts["institution"], "")
    period = [block.since.isoformat(), (block.week + timedelta(days=6)).isoformat(), str(block.is_fictional).lower()]
    return [*period, *(parts.get(name, "") for name in GROUP)]
