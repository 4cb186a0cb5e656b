"""Texts for people promise of the letterbox no more than the threat model says holds."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from content.library import Library

THREATS = Path(__file__).resolve().parent.parent / "docs" / "threat-model.md"

EXCLUSIVE = {
    "es": r"\b(?:solo|solamente|únicamente|nadie|nunca|jamás|ning[uú]n[oa]?|ni)\b",
    "en": r"\b(?:only|solely|nobody|no one|no-one|never|none|neither|nor)\b",
}
READING = {
    "es": r"\b(?:lee[nr]?|leer(?:la|lo|las|los)|abre[ns]?|abrir(?:la|lo|las|los)?|descifra[nr]?)\b",
    "en": r"\b(?:reads?|opens?|opened|decrypts?)\b",
}
NO_PROMISE = frozenset(
    {"letterbox.words_none", "front.chat_about", "webchat.welcome", "webchat.long_hint", "help.long_text"}
)
"""Sentences about mistyped words that open nothing, about opening no account, and about long texts that are dropped."""


def _state(claim: str) -> str:
    rows = dict(re.findall(r"^\| (A\d+) \| [^|]+ \| ([a-z ]+) \|", THREATS.read_text(encoding="utf-8"), re.MULTILINE))
    return str(rows[claim])


def _texts(library: Library, language: str) -> Iterator[tuple[str, str]]:
    """Every phrase and every answer to a typed question, with its key."""
    for key in library.phrases.keys:
        yield key, library.phrases.template(language, key)
    for entry in library.faq.entries.values():
        yield f"faq {entry.id}", entry.answer.in_language(language)


@pytest.mark.parametrize("language", ["es", "en"])
def test_no_text_says_who_alone_can_read_while_changed_rows_are_not_refused(library: Library, language: str) -> None:
    may_promise = _state("A7") == "holds"
    promises = [
        f"{key}: {sentence}"
        for key, text in _texts(library, language)
        for sentence in re.split(r"(?<=[.!?;])\s", text)
        if re.search(EXCLUSIVE[language], sentence, re.IGNORECASE)
        and re.search(READING[language], sentence, re.IGNORECASE)
        and key not in NO_PROMISE
    ]
    assert may_promise or promises == []
