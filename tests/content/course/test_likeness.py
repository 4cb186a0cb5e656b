"""Likeness of texts to examples: what words weigh, worked out by hand."""

from math import sqrt

import pytest

from content.course.likeness import Examples, Likeness

OTHERS = [("cuatro", "dos", "seis")]
EVIDENCE = 2.0369 / 2
"""Of a sign that the one example has and the one other text lacks: log((1 + 0.15) / 0.15), halved as seen once."""
TYPED = ("uno", "dos", "siete")
SIGNS = sqrt(7)  # of three words without a stem: the words, their pairs, and the pairs with beginning and end


def is_found(least: float, typed: tuple[str, ...] = TYPED) -> bool:
    """Whether a text is like the one example, where this much is enough."""
    return Likeness([Examples("gift", least, [("uno", "dos", "tres")], [])], OTHERS).find(typed) == ["gift"]


def test_words_count_by_how_much_oftener_examples_have_them() -> None:
    """`uno`, its place at the beginning and the pair `uno dos` speak for it; `dos` is in both and says nothing."""
    likeness = 3 * EVIDENCE / SIGNS
    assert is_found(likeness - 0.001)
    assert not is_found(likeness + 0.001)


def test_a_word_that_only_other_texts_have_counts_against_it() -> None:
    """In `uno dos seis` the words `seis`, `dos seis` and the end with `seis` take away what `uno` gave."""
    assert is_found(-0.001, ("uno", "dos", "seis"))
    assert not is_found(0.001, ("uno", "dos", "seis"))


@pytest.mark.parametrize("typed", [("uno", "dos"), ("uno",), ()])
def test_two_words_are_like_nothing(typed: tuple[str, ...]) -> None:
    assert not is_found(-9, typed)


def test_an_example_is_always_found_and_a_near_miss_never() -> None:
    likeness = Likeness([Examples("gift", 9, [("uno", "dos", "tres")], [("uno", "dos", "nueve")])], OTHERS)
    assert likeness.find(("uno", "dos", "tres")) == ["gift"]
    lenient = Likeness([Examples("gift", -9, [("uno", "dos", "tres")], [("uno", "dos", "nueve")])], OTHERS)
    assert lenient.find(("uno", "dos", "nueve")) == []
