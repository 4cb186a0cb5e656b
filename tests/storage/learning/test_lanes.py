"""The draw of lanes: its shares, that it is keyed, and which answers measure retention."""

from collections import Counter
from datetime import date, timedelta

import pytest

from storage.database import Database
from storage.learning import lanes, record
from storage.learning.lanes import Lane
from tests.storage.learning.test_record import add_prompt, add_servant, answer_to

TODAY = date(2026, 11, 23)
KEY = b"k" * 32


def test_half_of_the_answers_are_of_places_and_a_quarter_each_of_topics_and_scenarios() -> None:
    counts = Counter(lanes.draw(KEY, number) for number in range(20_000))
    assert counts.keys() == {Lane.PLACE, Lane.TOPIC, Lane.MAP}
    assert [round(counts[lane] / 20_000, 2) for lane in counts] == [
        pytest.approx(0.5 if lane is Lane.PLACE else 0.25, abs=0.015) for lane in counts
    ]


def test_without_the_key_the_lane_is_not_known() -> None:
    same = sum(lanes.draw(KEY, number) == lanes.draw(b"x" * 32, number) for number in range(10_000))
    assert same / 10_000 == pytest.approx(0.5**2 + 2 * 0.25**2, abs=0.02)


@pytest.mark.parametrize(
    ("days", "is_seen", "is_retention"), [(29, False, False), (30, False, True), (90, False, True), (90, True, False)]
)
async def test_the_first_answer_to_an_unseen_text_after_thirty_days_measures_retention(
    database: Database, days: int, is_seen: bool, is_retention: bool
) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        beto, _ = await add_servant(tx, "SALUD")
        before = await add_prompt(tx, ana, TODAY - timedelta(days=days), "s1")
        await record.add_answers(tx, [answer_to(before, place)])
        if is_seen:
            await add_prompt(tx, ana, TODAY - timedelta(days=200), "s2")  # and not answered
        again = await add_prompt(tx, ana, TODAY, "s2")
        others = await add_prompt(tx, beto, TODAY, "s2")
        mine, theirs = await lanes.with_lanes(tx, KEY, [answer_to(again, place), answer_to(others, place)])
        assert mine.lane == (Lane.RETENTION if is_retention else lanes.draw(KEY, again.id))
        assert theirs.lane == lanes.draw(KEY, others.id), "who never answered the rule retains nothing"


async def test_the_first_answer_to_a_rule_is_no_retention(database: Database) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        await add_prompt(tx, ana, TODAY - timedelta(days=60), "s1")
        prompt = await add_prompt(tx, ana, TODAY, "s2")
        (given,) = await lanes.with_lanes(tx, KEY, [answer_to(prompt, place)])
        assert given.lane == lanes.draw(KEY, prompt.id)
