"""Windows: how many in a span of time, when there may be more, and that no flood fills the memory."""

import json
from datetime import datetime, timedelta

from bot.web.windows import Windows, later
from tests.cast import MONDAY_NINE as NOW


def _at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_window_takes_its_limit_and_then_says_when_there_may_be_more() -> None:
    windows = Windows(2, 60)
    assert [windows.try_take("one", _at(second)) for second in (0, 10, 20, 59)] == [None, None, _at(60), _at(60)]
    assert windows.try_take("other", _at(20)) is None
    assert windows.try_take("one", _at(60)) is None  # at that very moment
    assert windows.full_until("one", _at(61)) is None
    assert windows.try_take("one", _at(62)) is None
    assert windows.full_until("one", _at(63)) == _at(120)


def test_what_is_refused_does_not_count() -> None:
    windows = Windows(1, 60)
    for second in range(60):
        windows.try_take("one", _at(second))
    assert windows.try_take("one", _at(60)) is None


def test_a_clock_that_is_set_back_closes_nothing_for_longer() -> None:
    windows = Windows(1, 60)
    windows.try_take("one", _at(7200))
    assert windows.try_take("one", NOW) is None
    assert windows.try_take("one", _at(1)) == _at(60)


def test_windows_that_are_over_are_forgotten() -> None:
    windows = Windows(1, 60)
    for number in range(100):
        windows.try_take(str(number), _at(number / 10))
    windows.try_take("last", _at(65))
    assert len(windows) == 50  # those of the last minute


def test_a_flood_of_names_is_forgotten_from_its_oldest_on() -> None:
    windows = Windows(1, 60, most_names=10)
    for number in range(1000):
        assert windows.try_take(str(number), NOW) is None  # others are many, and this one is served
    assert len(windows) == 10
    assert windows.try_take("999", NOW) == _at(60)
    assert windows.try_take("0", NOW) is None


def test_the_response_says_when() -> None:
    response = later(_at(90), _at(0.5))
    assert (response.status, response.headers["Retry-After"]) == (429, "90")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.text == json.dumps({"error": "later", "at": _at(90).isoformat()})
    assert later(NOW, NOW).headers["Retry-After"] == "1"


def test_what_did_not_take_place_is_given_back_to_the_window_that_is_open() -> None:
    windows = Windows(2, 60)
    for second in (0, 1):
        windows.try_take("one", _at(second))
    windows.give_back("one", _at(1))
    windows.give_back("never seen", _at(1))
    assert windows.try_take("one", _at(2)) is None
    assert windows.try_take("one", _at(3)) == _at(60)
    windows.try_take("one", _at(60))
    for _ in range(3):
        windows.give_back("one", _at(60))
    assert [windows.try_take("one", _at(61)) for _ in range(3)] == [None, None, _at(120)], "and no more than it took"


def test_what_was_counted_in_a_window_that_is_over_is_not_given_back_to_the_next() -> None:
    windows = Windows(1, 60)
    windows.try_take("one", _at(59))
    windows.try_take("one", _at(120))
    windows.give_back("one", _at(59))
    assert windows.try_take("one", _at(121)) == _at(180)
