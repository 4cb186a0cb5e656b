"""Chat addresses that wait to be notified: encrypted, of one length, and bound to their row."""

import os

import pytest

from storage.confidential.addresses import open_address, seal_address
from storage.confidential.protocol.canonical import decode, encode
from storage.confidential.protocol.errors import Altered

KEY = os.urandom(32)
ANA = {"channel": "telegram", "address": "7001", "language": "es"}


def test_an_address_opens_with_the_key_for_its_row() -> None:
    assert open_address(KEY, seal_address(KEY, ANA, "row"), "row") == ANA


def test_what_is_stored_shows_neither_the_address_nor_its_length() -> None:
    sealed = [seal_address(KEY, {**ANA, "address": "7" * length}, "row") for length in (1, 60, 200)]
    assert len({len(one) for one in sealed}) == 1
    assert seal_address(KEY, ANA, "row") != seal_address(KEY, ANA, "row")


@pytest.mark.attack
def test_another_key_another_row_or_an_altered_text_opens_nothing() -> None:
    sealed = seal_address(KEY, ANA, "row")
    raw = decode(sealed)
    flipped = encode(raw[:-1] + bytes([raw[-1] ^ 1]))
    for key, text, row in (
        (os.urandom(32), sealed, "row"),
        (KEY, sealed, "other row"),
        (KEY, flipped, "row"),
        (KEY, sealed[:-4], "row"),
        (KEY, "", "row"),
        (KEY, "no base64url!", "row"),
    ):
        with pytest.raises(Altered):
            open_address(key, text, row)
