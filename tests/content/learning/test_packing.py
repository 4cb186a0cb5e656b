"""The format of packed values: what cannot be read is refused with the remedy, and days outside it are clamped."""

import contextlib
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content import validation
from content.id_hash import hash_of
from content.learning import memories, packing, sent
from content.learning.arrays import np
from content.learning.memories import MemoryFormatError, Review, after_answers, replay, rules
from content.learning.packing import calendar_day, stored_day
from content.learning.selection import Learner, Prompted, choose, replay_sent
from tests.content.learning.course import COMPETENCIES, EXAMPLES, LIBRARY, TODAY, texts_of

HISTORY = [
    Review(TODAY - timedelta(days=number), rule, texts_of(rule)[0], number % 2 == 0)
    for number, rule in enumerate(COMPETENCIES[:3])
]
PACKED = replay([HISTORY])[0]
SENT = replay_sent([Prompted(TODAY, COMPETENCIES[0], texts_of(COMPETENCIES[0])[0], None)])


def test_a_hash_does_not_depend_on_the_process() -> None:
    """Stored rows depend on it: another function, or byte order, would forget all memories."""
    assert hash_of("regalo-no-pedido").to_bytes(4, "little").hex() == "e4710e57"


def test_a_course_with_two_ids_of_one_hash_is_refused() -> None:
    """Two competencies, or two scenarios; one of each may have the same."""
    alike = ("regla-14595", "regla-71208")
    topic = next(iter(LIBRARY.topics.values()))
    rules = tuple(topic.competencies[0].model_copy(update={"id": id}) for id in alike)
    topics = {f"topics/{topic.id}.toml": topic.model_copy(update={"competencies": rules})}
    found = validation.citations_and_names(LIBRARY.articles, topics, {}, {})
    assert [problem.field for problem in found] == ["id"]
    assert all(id in found[0].message for id in alike)
    assert validation.same_hashes({alike[0]: "a.toml"}) == []


@pytest.mark.parametrize("length", [1, 4, 100, len(PACKED) - 4, len(PACKED) - 1, len(PACKED) + 1, len(PACKED) + 4])
def test_a_value_of_another_length_is_refused(length: int) -> None:
    value = (PACKED + b"\0" * 4)[:length]
    with pytest.raises(MemoryFormatError, match="integra memories rebuild") as raised:
        after_answers([PACKED, value], [HISTORY[0]] * 2)
    assert raised.value.position == 1


def test_another_version_is_refused() -> None:
    value = bytes([memories.VERSION + 1]) + PACKED[1:]
    with pytest.raises(MemoryFormatError, match="format"):
        rules(value, LIBRARY, TODAY)
    with pytest.raises(MemoryFormatError, match="format"):
        choose(LIBRARY, [Learner(1, PACKED, bytes([sent.VERSION + 1]) + SENT[1:])], TODAY)


def test_records_out_of_order_are_refused() -> None:
    size = memories.rule_dtype().itemsize
    start = memories.header_dtype().itemsize
    swapped = PACKED[:start] + PACKED[start + size : start + 2 * size] + PACKED[start : start + size]
    with pytest.raises(MemoryFormatError, match="out of order"):
        rules(swapped + PACKED[start + 2 * size :], LIBRARY, TODAY)


Number = float | tuple[float, ...]
IMPOSSIBLE: dict[
    str, tuple[Number, ...]
] = {  # of the first rule, or of the header: a field, and a number that no answer makes
    "known": (-0.1, 1.1),
    "stability": (-2.4, 8.1),  # logarithms of 0.09 and 3300 days; the bounds are 0.1 and 3000
    "day": (0,),
    "wrongs": (4,),
    "weights": ((-0.1, 0.6, 0.5), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)),
    "z_sum": (-0.1, 3.1),
}


@pytest.mark.parametrize(("field", "number"), [(name, one) for name, numbers in IMPOSSIBLE.items() for one in numbers])
def test_an_impossible_number_is_refused(field: str, number: Number) -> None:
    with pytest.raises(MemoryFormatError, match="is impossible") as raised:
        after_answers([PACKED, changed(field, number), PACKED], [HISTORY[0]] * 3)
    assert raised.value.position == 1


@pytest.mark.parametrize("field", ["day", "times"])
def test_a_sent_prompt_of_no_day_or_never_sent_is_refused(field: str) -> None:
    value = bytearray(SENT)
    np.frombuffer(value, sent.text_dtype(), count=1, offset=sent.header_dtype().itemsize)[field] = 0
    with pytest.raises(MemoryFormatError, match="is impossible"):
        choose(LIBRARY, [Learner(1, PACKED, bytes(value))], TODAY)


POSSIBLE: dict[str, tuple[Number, ...]] = {
    "known": (0, 1),
    "stability": (np.log(0.1), np.log(3000)),
    "day": (1,),
    "wrongs": (0, 3),
    "weights": ((1, 0, 0), (0, 0.5, 0.5)),
    "z_sum": (0, 3),
}


@pytest.mark.parametrize(("field", "number"), [(name, one) for name, numbers in POSSIBLE.items() for one in numbers])
def test_the_least_and_the_largest_possible_number_is_read(field: str, number: Number) -> None:
    assert rules(changed(field, number), LIBRARY, TODAY).keys() == set(COMPETENCIES[:3])


def changed(field: str, number: Number) -> bytes:
    """The memory with one number of its header or its first rule changed."""
    start, dtype = 0, memories.header_dtype()
    if field not in (dtype.names or ()):
        start, dtype = dtype.itemsize, memories.rule_dtype()
    value = bytearray(PACKED)
    np.frombuffer(value, dtype, count=1, offset=start)[field] = number
    return bytes(value)


def test_the_position_of_a_bad_value_is_that_among_all_learners() -> None:
    learners = [Learner(number, b"", b"") for number in range(2500)]
    learners[2200] = Learner(2200, b"\1" * 8, b"")
    with pytest.raises(MemoryFormatError) as raised:
        choose(LIBRARY, learners, TODAY)
    assert raised.value.position == 2200


@EXAMPLES
@given(st.integers(0, len(PACKED) - 1), st.integers(0, 255))
def test_a_damaged_memory_is_refused_or_still_usable(place: int, value: int) -> None:
    """No number in it makes the arithmetic fail."""
    damaged = PACKED[:place] + bytes([value]) + PACKED[place + 1 :]
    try:
        after = after_answers([damaged], [HISTORY[1]])[0]
        assert all(0 <= rule.recall <= 1 for rule in rules(after, LIBRARY, TODAY).values())
        assert choose(LIBRARY, [Learner(1, damaged, SENT)], TODAY)[0] is not None
    except MemoryFormatError:
        pass


@EXAMPLES
@given(st.integers(0, len(SENT) - 1), st.integers(0, 255))
def test_damaged_sent_prompts_are_refused_or_still_usable(place: int, value: int) -> None:
    damaged = SENT[:place] + bytes([value]) + SENT[place + 1 :]
    with contextlib.suppress(MemoryFormatError):
        assert choose(LIBRARY, [Learner(1, PACKED, damaged)], TODAY)[0] is not None


@EXAMPLES
@given(st.dates())
def test_days_are_kept_or_clamped(day: date) -> None:
    kept = calendar_day(stored_day(day))
    assert kept == min(max(day, date(2000, 1, 1)), packing.calendar_day(packing.LAST_DAY))
