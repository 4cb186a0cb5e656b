"""How easily a text is read: its sentences and words, the syllables of Spanish, and the index of Fernández-Huerta."""

import re
from itertools import pairwise

STRONG = "aeoáéíóú"  # an accent on i or u parts it from its neighbours
WEAK = "iuü"
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=[\"'“‘«(\[¿¡]*[A-ZÁÉÍÓÚÜÑ0-9])|\n\s*\n")
SPANISH_WORD = re.compile(r"[a-záéíóúüñ]+", re.IGNORECASE)
VOWELS = re.compile(f"[{STRONG}{WEAK}]+")


def sentences(text: str) -> list[str]:
    """The sentences of a text: cut after `.`, `!`, `?` or `…` where a capital or a figure follows, and at empty lines.

    Colons and semicolons cut nothing, so that a long list counts as the long sentence that it is.
    """
    return [part.strip() for part in SENTENCE_END.split(text) if part.strip()]


def syllables(word: str) -> int:
    """Syllables of one Spanish word, by the groups of vowels of the orthography; 0 without a vowel.

    a, e and o are strong, i and u weak, and an accent makes a weak one strong. A group of vowels has as many syllables
    as strong ones; without any it has one, and one more for each weak vowel that is doubled. The u of que, qui, gue
    and gui is silent, h parts no group, y is a vowel unless another one follows.
    Source: Ortografía de la lengua española (RAE and ASALE, 2010), on diphthongs, triphthongs and hiatus, which takes
    weak vowels side by side and "guion" for diphthongs however they are pronounced.
    """
    plain = re.sub(r"qu(?=[eiéí])", "q", word.lower())
    plain = re.sub(r"gu(?=[eiéí])", "g", plain).replace("h", "")
    plain = re.sub(r"y(?![aeiouáéíóúü])", "i", plain)
    return sum(_in_group(group) for group in VOWELS.findall(plain))


def _in_group(vowels: str) -> int:
    strong = sum(vowel in STRONG for vowel in vowels)
    return strong or 1 + sum(one == other for one, other in pairwise(vowels))


def ease(text: str) -> float:
    """The index of Fernández-Huerta of a Spanish text: about 0 (very hard) to 100; 60 and more is plain to an adult.

    206.84 - 60 P - 1.02 F with P syllables a word and F words a sentence; figures are left out of both.
    Source: José Fernández Huerta, "Medidas sencillas de lecturabilidad", Consigna 214 (1959), pages 29-32. It is often
    printed with sentences per hundred words for F, which would call long sentences easy; G. Law, "Error in the
    Fernandez Huerta Readability Formula" (2011), shows that words a sentence are meant.
    Raises ValueError for a text without words.
    """
    words = SPANISH_WORD.findall(text)
    if not words:
        raise ValueError("a text without words has no reading ease")
    return 206.84 - 60 * sum(map(syllables, words)) / len(words) - 1.02 * len(words) / max(1, len(sentences(text)))
