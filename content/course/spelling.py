"""Spell typed text by its sound, so that what people type and what authors write compare equal."""

import re
import unicodedata
from itertools import groupby

_APOSTROPHES = re.compile("['\N{RIGHT SINGLE QUOTATION MARK}\N{ACUTE ACCENT}]")
_PAIRS = (  # in this order: capital letters stand for sounds that later pairs must not change
    *(("ch", "C"), ("que", "Ke"), ("qui", "Ki"), ("q", "k"), ("gue", "Ge"), ("gui", "Gi")),
    *(("ge", "je"), ("gi", "ji"), ("ce", "se"), ("ci", "si"), ("c", "k"), ("ll", "i")),
    *(("nb", "mb"), ("np", "mp")),
)
_LETTERS = str.maketrans({"z": "s", "v": "b", "y": "i", "h": "", "K": "k", "G": "g", "C": "ch"})
_REPEATED = re.compile(r"([a-z])\1+")
_BOUNDARY = re.compile(r"[^a-z0-9 _/*-]+")
_OTHER = re.compile(r"[^a-z0-9\n]+")


def clauses(text: str, language: str) -> list[list[str]]:
    """The words of each part of a text between punctuation marks or emoji, spelled by their sound.

    Capitals, accents, apostrophes, repeated letters and repeated words make no difference, and, if the language is
    Spanish, letters that sound alike in it: `¡Yaaa no kiero!` and `ya no quiero` give the same words.
    """
    spelled = _APOSTROPHES.sub("", text)
    if not spelled.isascii():
        decomposed = unicodedata.normalize("NFKD", spelled)
        spelled = "".join(sign for sign in decomposed if not unicodedata.combining(sign))
    spelled = spelled.casefold()
    if language == "es":
        for pair, sounds in _PAIRS:
            spelled = spelled.replace(pair, sounds)
        spelled = spelled.translate(_LETTERS)
    parts = _OTHER.sub(" ", _BOUNDARY.sub("\n", _REPEATED.sub(r"\1", spelled))).split("\n")
    return [[word for word, _ in groupby(part.split())] for part in parts if part.split()]


def sound(text: str, language: str) -> tuple[str, ...]:
    """All words of a text, spelled by their sound."""
    return tuple(word for words in clauses(text, language) for word in words)
