"""Syllables, sentences and reading ease: tables of known words, and properties that hold for every text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.library import Library
from content.quality.readability import ease, sentences, syllables

DIVIDED = """
sol la-ta ár-bol sol-da-do mur-cié-la-go es-drú-ju-la trans-por-te cons-truc-ción psi-co-lo-gí-a
ai-re cau-sa pei-ne deu-da oi-go cie-lo a-gua sua-ve viu-da rui-do ciu-dad cuí-da-te
cons-trui-do je-sui-ta huí-a lin-güís-ti-ca
dí-a pa-ís ba-úl re-ír son-re-ír le-er a-é-re-o po-e-ta te-a-tro zo-o-ló-gi-co ca-í-da o-í-do con-ti-nú-a ve-hí-cu-lo
a-ve-ri-guáis cam-biéis buey U-ru-guay ca-í-ais pa-ra-noi-a
que quie-ro que-rer gue-rra gui-ta-rra guion pin-güi-no ver-güen-za an-ti-guo quí-mi-ca ar-güir e-qui-po si-guien-te
a-ho-ra co-he-te prohi-bir pro-hí-be ahu-mar re-hú-sa de-sahu-ciar al-mo-ha-da bú-ho
y yo ley muy hoy re-yes ma-yo a-yun-ta-mien-to pro-yec-to rey Rey-na ha-ya
chi-i-ta du-un-vi-ra-to an-ti-im-pe-ria-lis-ta
ser-vi-dor ú-ni-ca mu-ni-ci-pio res-pon-sa-bi-li-da-des o-fi-cio ex-cu-sa re-ga-lo in-te-rés co-mi-té prés-ta-mo
gua-na-jua-to con-tra-lo-rí-a li-ci-ta-ción pro-ve-e-dor e-xa-men ins-truc-cio-nes
"""
"""Words divided into syllables by the orthography: "prohi-bir" and "guion", however they are pronounced."""


@pytest.mark.parametrize("divided", DIVIDED.split())
def test_syllables_match_the_orthography(divided: str) -> None:
    assert syllables(divided.replace("-", "")) == divided.count("-") + 1


@pytest.mark.parametrize(("word", "count"), [("caía", 3), ("EXCUSA", 3), ("Óscar", 2), ("DGTI", 1)])
def test_capitals_and_accents_are_counted_alike(word: str, count: int) -> None:
    assert syllables(word) == count


@pytest.mark.parametrize("nothing", ["", "3", "LGR", "h", "…"])
def test_text_without_a_vowel_has_no_syllable(nothing: str) -> None:
    assert syllables(nothing) == 0


LETTERS = st.text("aeiouáéíóúübcdfghlmnñpqrstvyz", max_size=14)


@given(LETTERS)
def test_syllables_are_at_most_the_vowels_and_at_least_one_if_there_is_a_vowel(word: str) -> None:
    vowels = sum(letter in "aeiouáéíóúüy" for letter in word)
    assert 0 <= syllables(word) <= vowels
    assert syllables(word) >= 1 or not any(letter in "aeoáéíóú" for letter in word)


@given(LETTERS, LETTERS)
def test_concatenated_words_have_the_syllables_of_both(one: str, other: str) -> None:
    """The "t" between them separates the vowel groups."""
    assert syllables(one + "t" + other) == syllables(one + "t") + syllables("t" + other)


@given(LETTERS)
def test_an_h_between_letters_adds_no_syllable(word: str) -> None:
    half = len(word) // 2
    if word[:half].endswith(("q", "g", "qu", "gu", "y")) or word[half:].startswith("y"):
        return  # que, gui, ay: other rules
    assert syllables(word[:half] + "h" + word[half:]) == syllables(word)


# ---------------------------------------------------------------- sentences and ease


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Llega una caja. La abres.", ["Llega una caja.", "La abres."]),
        ("¿Qué haces? ¡Ya! Nada…", ["¿Qué haces?", "¡Ya!", "Nada…"]),
        ("Dice: “Firma hoy.” Tú lees.", ["Dice: “Firma hoy.", "Tú lees."]),
        ("Cuesta 3.5 pesos y sigue.", ["Cuesta 3.5 pesos y sigue."]),
        ("Uno; dos: tres", ["Uno; dos: tres"]),
        ("Primero\n\nsegundo", ["Primero", "segundo"]),
        ("Salen tres. 2 vuelven.", ["Salen tres.", "2 vuelven."]),
        ("  ", []),
    ],
)
def test_sentences_are_split_at_their_ends(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@given(st.lists(st.sampled_from(("Ana firma el oficio.", "¿Quién decide?", "Tu jefa llama a las 3.")), min_size=1))
def test_joined_sentences_are_split_again(parts: list[str]) -> None:
    assert sentences(" ".join(parts)) == parts


def test_the_index_follows_its_formula() -> None:
    """Ten words, twenty syllables, two sentences: 206.84 - 60 * 2 - 1.02 * 5."""
    text = "Cada mesa tiene ocho sillas. Cada silla tiene ocho notas."
    assert sum(map(syllables, text.replace(".", "").split())) == 20
    assert ease(text) == pytest.approx(206.84 - 60 * 2.0 - 1.02 * 5)


def test_numbers_are_not_counted_and_a_text_of_numbers_has_no_ease() -> None:
    assert ease("Pagas 300 pesos.") == ease("Pagas pesos.")
    with pytest.raises(ValueError, match="without words"):
        ease("300, 400.")


@given(st.integers(2, 30))
def test_short_sentences_are_easier_than_the_same_words_in_one(count: int) -> None:
    apart = " ".join(["La mesa es roja."] * count)
    together = "La mesa es roja" + " la mesa es roja" * (count - 1) + "."
    assert ease(apart) > ease(together)


def test_plain_words_are_easier_than_learned_ones(library: Library) -> None:
    learned = "Las responsabilidades administrativas derivadas de incumplimientos normativos ameritan consideraciones."
    assert ease(learned) < 0
    assert min(ease(one.situation.es) for one in library.scenarios.values()) > 50
