"""Selection of the daily scenario: due, new and soonest competencies, variants, seasons and topics."""

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
def memory_states(draw: st.DrawFn) -> dict[str, MemoryState]:
    """Memory states of some competencies, each reviewed once in the weeks before."""
    memories = {}
    for competency in draw(st.lists(st.sampled_from(COMPETENCIES), unique=True)):
        first = NOVEMBER - timedelta(days=draw(st.integers(1, 40)))
        memories[competency] = memory_state([Review(first, draw(st.booleans()), draw(st.sampled_from(("", "guess"))))])
    return memories


def simulate(seed: int, days: int, library: Library = LIBRARY, start: date = NOVEMBER) -> list[selection.Selection]:
    """The daily selections of a servant who answers every prompt right."""
    reviews: dict[str, list[Review]] = {}
    last_asked: dict[str, date] = {}
    asked = []
    for day in (start + timedelta(days=number) for number in range(days)):
        memories = {competency: memory_state(history) for competency, history in reviews.items()}
        selected = pick(library, memories, last_asked, day, seed)
        assert selected is not None
        asked.append(selected)
        last_asked[selected.scenario.id] = day
        reviews.setdefault(selected.scenario.competency, []).append(Review(day, True))
    return asked


@given(memory_states(), SEEDS, DAYS)
def test_the_same_inputs_give_the_same_selection(memories: dict[str, MemoryState], seed: int, day: date) -> None:
    assert pick(LIBRARY, memories, {}, day, seed) == pick(LIBRARY, dict(reversed(memories.items())), {}, day, seed)


@given(memory_states(), SEEDS)
def test_the_due_competency_with_the_lowest_retrievability_comes_first(
    memories: dict[str, MemoryState], seed: int
) -> None:
    selected = pick(LIBRARY, memories, {}, NOVEMBER, seed)
    assert selected is not None
    due = {id: state.retrievability(NOVEMBER) for id, state in memories.items() if state.due_on <= NOVEMBER}
    if due:
        assert selected.reason == "due"
        assert due[selected.scenario.competency] == min(due.values())
    else:
        assert selected.reason == ("new" if len(memories) < len(COMPETENCIES) else "soonest")


@given(memory_states(), SEEDS, st.data())
def test_no_variant_is_repeated_while_another_was_never_asked(
    memories: dict[str, MemoryState], seed: int, data: st.DataObject
) -> None:
    last_asked: Mapping[str, date] = dict.fromkeys(
        data.draw(st.sets(st.sampled_from(sorted(LIBRARY.scenarios)))), NOVEMBER - timedelta(days=30)
    )
    selected = pick(LIBRARY, memories, last_asked, NOVEMBER, seed)
    assert selected is not None
    if selected.scenario.id in last_asked:
        assert {one.id for one in LIBRARY.askable[selected.scenario.competency]} <= last_asked.keys()


def test_when_all_variants_were_asked_the_least_recent_is_repeated() -> None:
    competency = COMPETENCIES[0]
    variants = [one.id for one in LIBRARY.askable[competency]]
    last_asked = {one: NOVEMBER - timedelta(days=place + 1) for place, one in enumerate(variants)}
    memories = {competency: memory_state([Review(NOVEMBER - timedelta(days=60), False)])}
    selected = pick(LIBRARY, memories, last_asked, NOVEMBER, 1)
    assert selected is not None
    assert selected.scenario.id == variants[-1]


@given(SEEDS, st.sampled_from([(1, "regalos"), (5, "declaraciones"), (11, "cierre-anual")]))
def test_new_competencies_in_season_come_first(seed: int, season: tuple[int, str]) -> None:
    month, name = season
    selected = pick(LIBRARY, {}, {}, date(2026, month, 10), seed)
    assert selected is not None
    assert name in LIBRARY.competencies[selected.scenario.competency].seasons


def test_out_of_season_new_competencies_alternate_between_topics() -> None:
    asked = []
    memories: dict[str, MemoryState] = {}
    for _ in LIBRARY.topics:
        selected = pick(LIBRARY, memories, {}, date(2026, 7, 6), 5)
        assert selected is not None
        asked.append(LIBRARY.topic_of[selected.scenario.competency].id)
        memories[selected.scenario.competency] = memory_state([Review(date(2026, 7, 6), True)])
    assert sorted(asked) == sorted(LIBRARY.topics)


@given(SEEDS)
def test_without_answers_every_competency_is_asked_before_one_is_repeated(seed: int) -> None:
    last_asked: dict[str, date] = {}
    asked = []
    for day in (NOVEMBER + timedelta(days=number) for number in range(len(COMPETENCIES))):
        selected = pick(LIBRARY, {}, last_asked, day, seed)
        assert selected is not None
        last_asked[selected.scenario.id] = day
        asked.append(selected.scenario.competency)
    assert sorted(asked) == COMPETENCIES


def test_different_seeds_give_different_orders() -> None:
    ana, beto = ([selected.scenario.id for selected in simulate(seed, 10)] for seed in (1, 2))
    assert ana != beto


def test_every_competency_is_asked_within_120_days() -> None:
    met = {selected.scenario.competency for selected in simulate(3, 120)}
    assert met == set(COMPETENCIES)


def test_when_nothing_is_due_or_new_the_soonest_due_competency_is_selected() -> None:
    memories = {competency: memory_state([Review(NOVEMBER, True)]) for competency in COMPETENCIES}
    memories[COMPETENCIES[3]] = memory_state([Review(NOVEMBER, False)])
    selected = pick(LIBRARY, memories, {}, NOVEMBER, 1)
    assert selected is not None
    assert (selected.reason, selected.scenario.competency) == ("soonest", COMPETENCIES[3])


def test_a_course_without_published_scenarios_selects_nothing() -> None:
    drafts = {name: one.model_copy(update={"state": "draft"}) for name, one in LIBRARY.scenarios.items()}
    memories = {COMPETENCIES[0]: memory_state([Review(NOVEMBER - timedelta(days=60), False)])}
    for scenarios in ({}, drafts):
        empty = replace(LIBRARY, scenarios=scenarios)
        assert pick(empty, {}, {}, NOVEMBER, 1) is None
        assert pick(empty, memories, {}, NOVEMBER, 1) is None


def test_memories_of_removed_competencies_are_ignored() -> None:
    old = {"regla-de-antes": memory_state([Review(NOVEMBER - timedelta(days=60), False)])}
    selected = pick(LIBRARY, old, {}, NOVEMBER, 1)
    assert selected is not None
    assert selected.reason == "new"


def test_every_season_of_a_competency_has_months() -> None:
    named = {season for one in LIBRARY.competencies.values() for season in one.seasons}
    assert named <= selection.SEASONS.keys()
    assert memory.MAX_INTERVAL_DAYS < 366, "a yearly season must reach every competency again"
