from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from content import library as shipped
from content.learning import memory, selection
from content.learning.memory import MemoryState, Review, memory_state
from content.learning.selection import pick
from content.library import Library

NOVEMBER = date(2026, 11, 23)
LIBRARY = shipped.load()
COMPETENCIES = sorted(LIBRARY.askable)
SEEDS = st.integers(1, 10_000)
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


@st.composite
def memories(draw: st.DrawFn) -> dict[str, MemoryState]:
    """Some competencies, each answered once or twice in the weeks before."""
    held = {}
    for competency in draw(st.lists(st.sampled_from(COMPETENCIES), unique=True)):
        first = NOVEMBER - timedelta(days=draw(st.integers(1, 40)))
        held[competency] = memory_state([Review(first, draw(st.booleans()), draw(st.sampled_from(("", "guess"))))])
    return held


def life(seed: int, days: int, library: Library = LIBRARY, start: date = NOVEMBER) -> list[selection.Selection]:
    """What a person is asked day after day, answering right every time."""
    reviews: dict[str, list[Review]] = {}
    seen: dict[str, date] = {}
    asked = []
    for day in (start + timedelta(days=number) for number in range(days)):
        held = {competency: memory_state(history) for competency, history in reviews.items()}
        choice = pick(library, held, seen, day, seed)
        assert choice is not None
        asked.append(choice)
        seen[choice.scenario.id] = day
        reviews.setdefault(choice.scenario.competency, []).append(Review(day, True))
    return asked


@given(memories(), SEEDS, DAYS)
def test_the_same_person_on_the_same_day_is_asked_the_same(held: dict[str, MemoryState], seed: int, day: date) -> None:
    assert pick(LIBRARY, held, {}, day, seed) == pick(LIBRARY, dict(reversed(held.items())), {}, day, seed)


@given(memories(), SEEDS)
def test_what_is_due_comes_first_and_the_weakest_of_it(held: dict[str, MemoryState], seed: int) -> None:
    choice = pick(LIBRARY, held, {}, NOVEMBER, seed)
    assert choice is not None
    due = {one: strength.retrievability(NOVEMBER) for one, strength in held.items() if strength.due_on <= NOVEMBER}
    if due:
        assert choice.reason == "due"
        assert due[choice.scenario.competency] == min(due.values())
    else:
        assert choice.reason == ("new" if len(held) < len(COMPETENCIES) else "soonest")


@given(memories(), SEEDS, st.data())
def test_no_scenario_comes_back_while_another_one_of_its_rule_was_never_seen(
    held: dict[str, MemoryState], seed: int, data: st.DataObject
) -> None:
    seen: Mapping[str, date] = dict.fromkeys(
        data.draw(st.sets(st.sampled_from(sorted(LIBRARY.scenarios)))), NOVEMBER - timedelta(days=30)
    )
    choice = pick(LIBRARY, held, seen, NOVEMBER, seed)
    assert choice is not None
    if choice.scenario.id in seen:
        assert {one.id for one in LIBRARY.askable[choice.scenario.competency]} <= seen.keys()


def test_of_scenarios_all_seen_the_one_seen_longest_ago_comes_back() -> None:
    competency = COMPETENCIES[0]
    variants = [one.id for one in LIBRARY.askable[competency]]
    seen = {one: NOVEMBER - timedelta(days=place + 1) for place, one in enumerate(variants)}
    held = {competency: memory_state([Review(NOVEMBER - timedelta(days=60), False)])}
    choice = pick(LIBRARY, held, seen, NOVEMBER, 1)
    assert choice is not None
    assert choice.scenario.id == variants[-1]


@given(SEEDS, st.sampled_from([(1, "regalos"), (5, "declaraciones"), (11, "cierre-anual")]))
def test_what_is_in_season_is_the_first_new_thing(seed: int, season: tuple[int, str]) -> None:
    month, name = season
    choice = pick(LIBRARY, {}, {}, date(2026, month, 10), seed)
    assert choice is not None
    assert name in LIBRARY.competencies[choice.scenario.competency].seasons


def test_out_of_season_the_topics_take_turns() -> None:
    asked = []
    held: dict[str, MemoryState] = {}
    for _ in LIBRARY.topics:
        choice = pick(LIBRARY, held, {}, date(2026, 7, 6), 5)
        assert choice is not None
        asked.append(LIBRARY.topic_of[choice.scenario.competency].id)
        held[choice.scenario.competency] = memory_state([Review(date(2026, 7, 6), True)])
    assert sorted(asked) == sorted(LIBRARY.topics)


@given(SEEDS)
def test_whoever_never_answers_meets_every_rule_before_one_comes_back(seed: int) -> None:
    seen: dict[str, date] = {}
    asked = []
    for day in (NOVEMBER + timedelta(days=number) for number in range(len(COMPETENCIES))):
        choice = pick(LIBRARY, {}, seen, day, seed)
        assert choice is not None
        seen[choice.scenario.id] = day
        asked.append(choice.scenario.competency)
    assert sorted(asked) == COMPETENCIES


def test_two_colleagues_are_not_asked_in_the_same_order() -> None:
    ana, beto = ([choice.scenario.id for choice in life(seed, 10)] for seed in (1, 2))
    assert ana != beto


def test_over_a_season_everyone_meets_every_rule() -> None:
    met = {choice.scenario.competency for choice in life(3, 120)}
    assert met == set(COMPETENCIES)


def test_when_all_is_fresh_whatever_is_due_soonest_is_repeated() -> None:
    held = {competency: memory_state([Review(NOVEMBER, True)]) for competency in COMPETENCIES}
    held[COMPETENCIES[3]] = memory_state([Review(NOVEMBER, False)])
    choice = pick(LIBRARY, held, {}, NOVEMBER, 1)
    assert choice is not None
    assert (choice.reason, choice.scenario.competency) == ("soonest", COMPETENCIES[3])


def test_a_course_without_published_scenarios_asks_nothing() -> None:
    drafts = {name: one.model_copy(update={"state": "draft"}) for name, one in LIBRARY.scenarios.items()}
    held = {COMPETENCIES[0]: memory_state([Review(NOVEMBER - timedelta(days=60), False)])}
    for scenarios in ({}, drafts):
        empty = replace(LIBRARY, scenarios=scenarios)
        assert pick(empty, {}, {}, NOVEMBER, 1) is None
        assert pick(empty, held, {}, NOVEMBER, 1) is None


def test_a_memory_of_a_rule_that_is_no_longer_taught_disturbs_nothing() -> None:
    old = {"regla-de-antes": memory_state([Review(NOVEMBER - timedelta(days=60), False)])}
    choice = pick(LIBRARY, old, {}, NOVEMBER, 1)
    assert choice is not None
    assert choice.reason == "new"


def test_every_season_that_competencies_name_has_its_months() -> None:
    named = {season for one in LIBRARY.competencies.values() for season in one.seasons}
    assert named <= selection.SEASONS.keys()
    assert memory.MAX_INTERVAL_DAYS < 366, "a yearly season meets every memory again"
