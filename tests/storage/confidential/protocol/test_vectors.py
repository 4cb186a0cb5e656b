"""The Python implementation of the protocol against the vectors that both implementations read."""

from collections import Counter
from typing import Any

import pytest

from storage.confidential.protocol.errors import ProtocolError
from tests.storage.confidential.protocol.checks import CHECKS
from tests.vectors.make_protocol import FILE, made
from tests.vectors.reading import vectors

VECTORS = vectors()


def verdict(vector: dict[str, Any]) -> dict[str, Any]:
    """What the check gives, or the error that it raises, in the words of the vectors."""
    try:
        return {"out": CHECKS[vector["check"]](*vector["args"])}
    except ProtocolError as error:
        return {"error": {"kind": error.kind, "reason": error.reason}}


@pytest.mark.parametrize("check", sorted(CHECKS))
def test_a_check_gives_what_the_vectors_say(check: str) -> None:
    of_check = [vector for vector in VECTORS if vector["check"] == check]
    assert of_check, "no vector"
    wrong = [
        (vector["name"], expected, given)
        for vector in of_check
        if (expected := {name: vector[name] for name in ("out", "error") if name in vector})
        != (given := verdict(vector))
    ]
    assert wrong == []


def test_each_vector_has_a_name_of_its_own() -> None:
    names = Counter((vector["check"], vector["name"]) for vector in VECTORS)
    assert [name for name, count in names.items() if count > 1] == []


def test_the_file_is_what_the_script_writes() -> None:
    """Keys, ivs and ephemeral keys are fixed, so the file can be made again byte by byte."""
    assert FILE.read_text(encoding="utf-8") == made()
