"""Designs that give people away, on the answers of the invented year: the attacker must find something in each."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from storage.reports import ladders
from tests.attack.drill import Drill
from tests.attack.invented_year import START, WEEK
from tests.attack.subtraction import Cell, System, system

LEAST = 10
DAY = timedelta(days=1)
Answers = Sequence[Row[Any]]


def _grouped(answers: Answers, cells: Iterable[Hashable]) -> dict[Cell, list[int]]:
    rows: dict[Cell, list[int]] = defaultdict(list)
    for answer, cell in zip(answers, cells, strict=True):
        rows[cell].append(answer.prompt_id)
    return rows


def _large(cells: Iterable[Cell], rows: Mapping[Cell, Sequence[int]], person: Mapping[int, int]) -> bool:
    """Whether enough people are in these cells together for today's rule."""
    return len({person[row] for cell in cells for row in rows[cell]}) >= LEAST


def free_dates(drill: Drill) -> System:
    """The page of before: any days, exact counts, and whatever group of ten people answered in them is shown."""
    answers = [answer for answer in drill.answers if answer.day < START + 8 * WEEK]
    rows = _grouped(answers, [(answer.institution_id, answer.day) for answer in answers])
    figures = []
    for place in {answer.institution_id for answer in answers}:
        for last in (START + number * DAY for number in range(56)):
            days = [last - number * DAY for number in range(28)]
            cells = [(place, day) for day in days if (place, day) in rows]
            if cells and _large(cells, rows, drill.person_of_answer):
                figures.append(cells)
    return system(figures, rows, drill.person_of_answer)


def second_view(drill: Drill) -> System:
    """Place by week, and the same answers once more by topic and month, each of ten people."""
    placed = _placed(drill)
    rows = _grouped(placed, [answer.block for answer in placed])
    rows |= _grouped(placed, [(one.institution_id, one.topic_id, ladders.month(one.day)) for one in placed])
    figures = [[cell] for cell in rows if _large([cell], rows, drill.person_of_answer)]
    return system(figures, rows, drill.person_of_answer)


def a_third(drill: Drill) -> System:
    """A third of each block of the lane place too, since the block is of ten people."""
    placed = _placed(drill)
    whole, third = (
        _grouped(placed, [(answer.block, answer.prompt_id % 3 == 0) for answer in placed]),
        {(answer.block, True) for answer in placed if answer.prompt_id % 3 == 0},
    )
    of_block: dict[int, set[Cell]] = defaultdict(set)
    for answer in placed:
        of_block[answer.block].add((answer.block, answer.prompt_id % 3 == 0))
    return system([*of_block.values(), *([cell] for cell in third)], whole, drill.person_of_answer)


def _placed(drill: Drill) -> Answers:
    return [answer for answer in drill.answers if answer.lane == "place" and answer.block]


def a_move(drill: Drill) -> System:
    """A page that counts all answers of the present members, before and after one of them moved."""
    place = drill.year.places["B"]
    answers = [answer for answer in drill.answers if answer.institution_id == place and answer.day < START + 8 * WEEK]
    rows = _grouped(answers, [answer.servant_id for answer in answers])
    before = sorted(rows, key=str)
    return system([before, before[1:]], rows, drill.person_of_answer)


def two_versions(rows: Mapping[Cell, Sequence[int]], person: Mapping[int, int]) -> System:
    """Every block of a closing, and of the same closing done again after a restore."""
    return system([[cell] for cell in rows], rows, person)
