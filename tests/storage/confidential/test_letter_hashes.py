"""Hashes of stored letters: each row is parsed once, and no other row is taken for it."""

from typing import Any
from unittest.mock import patch

import pytest

from storage.confidential import letter_hashes
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.letters import letter_hash, read_letter
from tests.vectors.story import ANSWER, ASK


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows that are parsed, from an empty memory on."""
    rows: list[str] = []

    def parse(text: str) -> Any:
        rows.append(text)
        return read_letter(text)

    letter_hashes._known.clear()
    monkeypatch.setattr(letter_hashes, "read_letter", parse)
    return rows


def test_a_row_is_parsed_once(parsed: list[str]) -> None:
    for row in (ASK, ANSWER, ASK, ANSWER):
        assert letter_hashes.of_row(row) == letter_hash(read_letter(row))
    assert parsed == [ASK, ANSWER]


@pytest.mark.attack
def test_a_row_that_was_altered_has_its_own_hash(parsed: list[str]) -> None:
    before = letter_hashes.of_row(ASK)
    letter = read_letter(ASK)
    letter["context"]["day"] = "2026-11-21"
    assert letter_hashes.of_row(canonical(letter)) != before
    assert letter_hashes.of_row(ASK + " ") == letter_hashes.of_row("nonsense") == ""
    assert letter_hashes.of_row(ASK) == before


def test_of_many_rows_the_last_used_are_remembered(parsed: list[str]) -> None:
    with patch.object(letter_hashes, "KEPT", 2):
        for row in (ASK, ANSWER, ASK, "another", ASK, ANSWER):
            letter_hashes.of_row(row)
    assert parsed == [ASK, ANSWER, "another", ANSWER]
