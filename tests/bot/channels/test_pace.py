from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.channels.pace import Pace

ROUNDING = 1e-6


def _one_after_another(runs: list[tuple[float, str, int]]) -> list[tuple[float, str]]:
    return [(after if number == 0 else 0.0, address) for after, address, times in runs for number in range(times)]


ARRIVALS = st.lists(
    st.tuples(
        st.floats(0, 0.5) | st.just(0.0),
        st.sampled_from(["ana", "beto", "carmen"]) | st.integers(0, 200).map(str),
        st.integers(1, 8),
    ),
    min_size=1,
    max_size=30,
).map(_one_after_another)
"""How long after the one before a message is wanted, and to whom; several in a row to the same person."""
RATES = st.floats(0.5, 60)


def departures(pace: Pace, arrivals: list[tuple[float, str]]) -> list[tuple[float, float, str]]:
    """For each message: when it was wanted, when it may leave, to whom."""
    now, made = 0.0, []
    for after, address in arrivals:
        now += after
        made.append((now, pace.reserve(now, address), address))
    return made


@given(rate=RATES, arrivals=ARRIVALS)
def test_no_sliding_second_holds_more_than_the_rate_and_one(rate: float, arrivals: list[tuple[float, str]]) -> None:
    leaving = sorted(leaves for _, leaves, _ in departures(Pace(rate), arrivals))
    for start in leaving:
        inside = [one for one in leaving if start <= one < start + 1 - ROUNDING]
        assert len(inside) <= rate + 1


@given(rate=RATES, arrivals=ARRIVALS)
def test_slots_are_even_so_that_no_burst_of_the_credential_is_seen(
    rate: float, arrivals: list[tuple[float, str]]
) -> None:
    leaving = sorted(leaves for _, leaves, _ in departures(Pace(rate), arrivals))
    assert all(after - before >= 1 / rate - ROUNDING for before, after in pairwise(leaving))


@given(rate=RATES, arrivals=ARRIVALS, burst=st.integers(1, 5), refill=st.floats(0.3, 3))
def test_one_person_gets_no_more_than_a_burst_and_what_refills(
    rate: float, arrivals: list[tuple[float, str]], burst: int, refill: float
) -> None:
    made = departures(Pace(rate, burst, refill), arrivals)
    for address in {address for _, _, address in made}:
        leaving = [leaves for _, leaves, to in made if to == address]
        assert leaving == sorted(leaving), "the order of one person is kept"
        for first, start in enumerate(leaving):
            for last in range(first, len(leaving)):
                assert last - first + 1 <= burst + (leaving[last] - start) * refill + ROUNDING


@given(rate=RATES, arrivals=ARRIVALS)
def test_nothing_leaves_before_it_is_wanted(rate: float, arrivals: list[tuple[float, str]]) -> None:
    assert all(leaves >= wanted for wanted, leaves, _ in departures(Pace(rate), arrivals))


@given(rate=RATES, arrivals=ARRIVALS, seconds=st.floats(0, 300), more=ARRIVALS)
def test_after_a_refusal_nothing_leaves_until_the_pause_is_over(
    rate: float, arrivals: list[tuple[float, str]], seconds: float, more: list[tuple[float, str]]
) -> None:
    pace = Pace(rate)
    now = departures(pace, arrivals)[-1][0]
    pace.pause(now, seconds)
    assert abs(pace.held(now) - seconds) < ROUNDING
    assert pace.held(now + seconds + ROUNDING) == 0
    for after, address in more:
        assert pace.reserve(now + after, address) >= now + seconds


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    pace = Pace(10)
    pace.pause(0, 60)
    pace.pause(1, 5)
    assert pace.reserve(10, "ana") == 60


def test_a_first_message_leaves_at_once_and_the_rate_is_used_fully() -> None:
    pace = Pace(25)
    leaving = [pace.reserve(100.0, str(number)) for number in range(101)]
    assert leaving[0] == 100.0
    assert abs(leaving[-1] - 104.0) < ROUNDING


def test_a_person_whose_burst_is_spent_leaves_their_slots_to_others() -> None:
    pace = Pace(10, burst=1)
    assert pace.reserve(0, "ana") == 0
    assert pace.reserve(0, "ana") == 1
    assert abs(pace.reserve(0, "beto") - 0.1) < ROUNDING
    assert abs(pace.reserve(0, "carmen") - 0.2) < ROUNDING


def test_of_people_who_were_quiet_for_long_nothing_is_remembered() -> None:
    pace = Pace(1000)
    for number in range(25_000):
        pace.reserve(number / 100, str(number))
    assert len(pace._buckets) <= 10_001
    assert len(pace._slots) <= 2
