"""Readability of Spanish texts: sentences, syllables, and the Fernández-Huerta reading ease index."""

import re
from itertools import pairwise

STRONG = "aeoáéíóú"  # an accented i or u is a syllable of its own
WEAK = "iuü"
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=[\"'“‘«(\[¿¡]*[A-ZÁÉÍÓÚÜÑ0-9])|\n\s*\n")
SPANISH_WORD = re.compile(r"[a-záéíóúüñ]+", re.IGNORECASE)
VOWELS = re.compile(f"[{STRONG}{WEAK}]+")


def sentences(text: str) -> list[str]:
    """Split a text after `.`, `!`, `?` or `…` when a capital or a digit follows, and at empty lines.

    Colons and semicolons do not split, so that a long list counts as one long sentence.
    """
    return [part.strip() for part in SENTENCE_END.split(text) if part.strip()]


def syllables(word: str) -> int:
    """Number of syllables of a Spanish word, by the vowel groups of the orthography; 0 without a vowel.

    a, e and o are strong, i and u weak, and an accent makes a weak vowel strong. A group of vowels has as many
    syllables as strong vowels; without any it has one, plus one for each doubled weak vowel. The u of que, qui, gue
    and gui is silent, h does not separate a group, y is a vowel unless a vowel follows.
    Source: Ortografía de la lengua española (RAE and ASALE, 2010), on diphthongs, triphthongs and hiatus, which counts
    adjacent weak vowels, and "guion", as diphthongs however they are pronounced.
    """
    plain = re.sub(r"qu(?=[eiéí])", "q", word.lower())
    plain = re.sub(r"gu(?=[eiéí])", "g", plain).replace("h", "")
    plain = re.sub(r"y(?![aeiouáéíóúü])", "i", plain)
    return sum(_group_syllables(group) for group in VOWELS.findall(plain))


def _group_syllables(vowels: str) -> int:
    strong = sum(vowel in STRONG for vowel in vowels)
    return strong or 1 + sum(left == right for left, right in pairwise(vowels))


def ease(text: str) -> float:
    """Fernández-Huerta reading ease of a Spanish text, about 0 (very hard) to 100; from 60 on plain to adults.

    206.84 - 60 P - 1.02 F with P syllables per word and F words per sentence; numbers in digits are not counted.
    Source: José Fernández Huerta, "Medidas sencillas de lecturabilidad", Consigna 214 (1959), pages 29-32. It is often
    printed with sentences per hundred words for F, by which long sentences would be easy; G. Law, "Error in the
    Fernandez Huerta Readability Formula" (2011), shows that words per sentence are meant.
    Raises ValueError for a text without words.
    """
    words = SPANISH_WORD.findall(text)
    if not words:
        raise ValueError("a text without words has no reading ease")
    return 206.84 - 60 * sum(map(syllables, words)) / len(words) - 1.02 * len(words) / max(1, len(sentences(text)))
