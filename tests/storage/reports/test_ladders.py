"""Weeks, months and quarters of closings, and the share of one person in a block."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from storage.learning.lanes import Lane
from storage.reports import ladders
from storage.reports.ladders import LADDERS, Row

DAYS = st.dates(date(2020, 1, 10), date(2035, 12, 31))


@given(DAYS)
def test_months_and_quarters_are_made_of_whole_weeks(day: date) -> None:
    monday = ladders.monday(day)
    for label in (ladders.week, ladders.month, ladders.quarter):
        assert {label(monday + timedelta(days=number)) for number in range(7)} == {label(day)}
        first = ladders.first_monday(day, label)
        assert first <= monday
        assert label(first) == label(day) != label(first - timedelta(days=1))


def test_a_week_belongs_to_the_month_of_its_monday() -> None:
    assert ladders.month(date(2026, 12, 6)) == (2026, 11)
    assert ladders.month(date(2026, 12, 7)) == (2026, 12)
    assert ladders.quarter(date(2027, 1, 3)) == (2026, 4)


@given(st.lists(st.integers(1, 40), min_size=5, max_size=60))
def test_the_fair_share_is_the_largest_that_is_at_most_a_fifth(counts: list[int]) -> None:
    def is_fair(share: int) -> bool:
        return 5 * share <= sum(min(count, share) for count in counts)

    share = ladders.fair_share(counts)
    assert share == 1 or is_fair(share)
    assert share >= max(counts) or not is_fair(share + 1)


def test_the_parts_of_a_key_are_read_as_they_were_written() -> None:
    row = Row(1, 2, 3, "a-topic", "a-scenario", "a-rule", "a", is_right=True, is_sure=False)
    known = {"institution": "3", "sphere": "state", "topic": "a-topic", "scenario": "a-scenario", "rule": "a-rule"}
    seen = set()
    for lane in (Lane.REACH, Lane.PLACE, Lane.TOPIC, Lane.MAP):
        for number, rung in enumerate(LADDERS[lane].rungs):
            parts = ladders.parts(lane, number, ladders.key(rung, row, "state"))
            assert parts == {name: known[name] for name in rung}
            seen |= set(parts)
    assert seen == set(known)


def test_of_the_sure_answers_the_wrong_ones_are_counted() -> None:
    """The map shows where people are sure and wrong."""
    given = [("a", True, True), ("a", True, True), ("b", False, True), ("c", False, False), ("b", False, False)]
    rows = [
        Row(number, number, 3, "t", "s", "r", option, is_right=is_right, is_sure=is_sure)
        for number, (option, is_right, is_sure) in enumerate(given)
    ]
    counted = {"total": 5, "a": 2, "b": 2, "c": 1, "d": 0, "sure": 3, "sure_wrong": 1}
    assert LADDERS[Lane.MAP].measures(rows) == counted
