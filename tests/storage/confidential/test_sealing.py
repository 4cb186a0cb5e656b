"""Sealing of letters, case keys and addresses, and signatures of letters and key lists."""

import os
from datetime import date
from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke
from hypothesis import given
from hypothesis import strategies as st

from storage.confidential import sealing, wire_format
from storage.confidential.sealing import Altered
from storage.confidential.wire_format import Malformed
from tests.fakes.unit import Asker, Unit, encoded_public_key, new_id, new_key

DAY = date(2026, 11, 23)


def letter(**changes: Any) -> dict[str, Any]:
    made = Asker(DAY).letter("¿Puedo firmar?")
    for path, value in changes.items():
        place = made["context"] if path in made["context"] else made
        place[path] = value
    return made


@given(st.binary(max_size=200))
def test_encoded_bytes_are_decoded_again(raw: bytes) -> None:
    assert wire_format.decode(wire_format.encode(raw)) == raw


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "A A", "A+/A", "AAA\n", "ñandú", "____=", "AAAAA"])
def test_a_non_canonical_encoding_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        wire_format.decode(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_nothing_that_is_no_json_is_signed_sealed_or_bound(number: float) -> None:
    """Other programs write these numbers in other words or not at all, so no signature of them could be checked."""
    with pytest.raises(ValueError, match="JSON"):
        wire_format.canonical({"deep": [{"number": number}]})
    with pytest.raises(ValueError, match="JSON"):
        Unit.with_recovery_key().key_list(serial=number)
    context = sealing.letter_context(new_id(), 1, 1, "asker", DAY, "") | {"seq": number}
    with pytest.raises(ValueError, match="JSON"):
        sealing.seal_letter(os.urandom(32), context, {"text": "¿Puedo firmar?"})


def test_a_letter_opens_with_its_key() -> None:
    asker = Asker(DAY)
    envelope = sealing.parse_envelope(asker.letter("¿Puedo firmar? ñ 🙂"))
    assert sealing.open_letter(asker.case_key, envelope) == {"text": "¿Puedo firmar? ñ 🙂"}
    assert sealing.read_envelope(envelope.text) == envelope


def test_the_padded_size_reveals_little_of_the_text() -> None:
    sizes = {sealing.parse_envelope(Asker(DAY).letter("a" * length)).padded_size for length in (1, 700, 1900)}
    assert sizes == {2048}
    asker = Asker(DAY)
    asker.letter("one")
    assert sealing.parse_envelope(asker.letter("two")).padded_size == 1024


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("v", 2),
        ("suite", 2),
        ("case", "short"),
        ("case", "A" * 23),
        ("epoch", 0),
        ("epoch", True),
        ("seq", "1"),
        ("seq", 10**9),
        ("author", "other"),
        ("author", "officer"),
        ("day", "2026-11-31"),
        ("day", "20261123"),
        ("previous", "x" * 43),
        ("previous", None),
        ("iv", wire_format.encode(b"\1" * 11)),
        ("body", wire_format.encode(b"\1" * (1024 + 16))),
        ("body", wire_format.encode(b"\1" * (2048 + 15))),
        ("body", wire_format.encode(b"\1" * (64 * 1024 + 16))),
        ("signer", "AAECAwQFBgcICQoLDA0ODw"),
        ("signature", wire_format.encode(b"\1" * 64)),
    ],
)
def test_a_malformed_letter_is_refused(field: str, value: object) -> None:
    with pytest.raises(Malformed):
        sealing.parse_envelope(letter(**{field: value}))


@pytest.mark.parametrize("value", [None, [], "letter", 7, {}, {"context": {}}])
def test_other_json_values_are_refused_as_letters(value: object) -> None:
    with pytest.raises(Malformed):
        sealing.parse_envelope(value)


def test_a_letter_with_an_extra_or_missing_field_is_refused() -> None:
    with pytest.raises(Malformed):
        sealing.parse_envelope({**letter(), "note": ""})
    with pytest.raises(Malformed):
        sealing.parse_envelope({name: value for name, value in letter().items() if name != "iv"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("case", "AAECAwQFBgcICQoLDA0ODw"),
        ("epoch", 2),
        ("day", "2026-11-24"),
        ("iv", wire_format.encode(b"\1" * 12)),
        ("body", wire_format.encode(b"\1" * (2048 + 16))),
    ],
)
def test_a_letter_is_bound_to_every_field(field: str, value: object) -> None:
    asker = Asker(DAY)
    made = asker.letter("secret")
    (made["context"] if field in made["context"] else made)[field] = value
    with pytest.raises(Altered):
        sealing.open_letter(asker.case_key, sealing.parse_envelope(made))


def test_a_stored_letter_in_non_canonical_form_is_refused() -> None:
    text = sealing.parse_envelope(letter()).text
    for other in (text.replace(":", ": ", 1), text[:-1], "", "null"):
        with pytest.raises(Altered):
            sealing.read_envelope(other)


def test_an_officers_signature_covers_the_whole_letter() -> None:
    asker, officer = Asker(DAY), Unit.with_recovery_key().officer
    asker.letter("¿Puedo firmar?")
    made = asker.letter("Excúsate.", "officer", officer)
    envelope = sealing.parse_envelope(made)
    sealing.verify_letter(envelope, encoded_public_key(officer.signing))
    for field, value in (("day", "2026-11-24"), ("seq", 3), ("iv", wire_format.encode(os.urandom(12)))):
        other = {**made, "context": dict(made["context"])}
        (other["context"] if field in other["context"] else other)[field] = value
        with pytest.raises(Altered):
            sealing.verify_letter(sealing.parse_envelope(other), encoded_public_key(officer.signing))
    with pytest.raises(Altered):
        sealing.verify_letter(envelope, encoded_public_key(new_key()))


@pytest.mark.parametrize("padded", [b"\0" * 1024, b"\0\0\0\2{}" + b"\0" * 1017 + b"x", b"\xff" * 1024, b"\0\0\0\2[]"])
def test_wrong_padding_or_content_is_refused(padded: bytes) -> None:
    with pytest.raises(Altered):
        sealing.unpad(padded)


def test_a_text_beyond_the_largest_letter_is_refused() -> None:
    with pytest.raises(Malformed):
        sealing.pad({"text": "a" * sealing.LARGEST_LETTER}, first=True)


# ---------------------------------------------------------------- the list of readers


def test_the_list_of_readers_signed_by_the_unit_is_accepted() -> None:
    unit = Unit.with_recovery_key()
    keys = unit.key_list()
    listed = sealing.verify_key_list(keys.body, keys.signature)
    assert (listed.serial, listed.unit) == (1, encoded_public_key(unit.signing))
    assert listed.ids == {unit.officer.id, "recovery"}
    assert listed.signing_key(unit.officer.id) == encoded_public_key(unit.officer.signing)
    assert listed.signing_key("unknown") == ""


def test_a_list_signed_with_another_key_is_refused() -> None:
    ours, theirs = Unit.with_recovery_key(), Unit.with_recovery_key()
    with pytest.raises(Altered):
        sealing.verify_key_list(ours.key_list().body, theirs.key_list().signature)


def test_a_list_names_at_most_200_readers() -> None:
    unit = Unit.with_recovery_key()
    records = [{**unit.officer.record, "id": new_id()} for _ in range(201)]
    keys = unit.key_list(readers=records[:200])
    assert len(sealing.verify_key_list(keys.body, keys.signature).readers) == 200
    keys = unit.key_list(readers=records)
    with pytest.raises(Malformed):
        sealing.verify_key_list(keys.body, keys.signature)


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"suite": 9},
        {"serial": 0},
        {"serial": "1"},
        {"day": "yesterday"},
        {"readers": {}},
        {"readers": [{"id": "x"}]},
        {"extra": 1},
        {"readers": [Unit.with_recovery_key().officer.record] * 2},
        {"readers": [{**Unit.with_recovery_key().officer.record, "reading": wire_format.encode(b"\4" + bytes(64))}]},
        {"readers": [{**Unit.with_recovery_key().officer.record, "role": "admin"}]},
        {"readers": [{**Unit.with_recovery_key().officer.record, "id": "recovery"}]},
        {"readers": [{**Unit.with_recovery_key().readers[1].record, "id": new_id()}]},
    ],
)
def test_a_malformed_list_is_refused_though_it_is_signed(changes: dict[str, Any]) -> None:
    keys = Unit.with_recovery_key().key_list(**changes)
    with pytest.raises(Malformed):
        sealing.verify_key_list(keys.body, keys.signature)


def test_a_list_in_non_canonical_form_is_refused() -> None:
    keys = Unit.with_recovery_key().key_list()
    for body in (keys.body + " ", keys.body.replace(":", ": ", 1), "{}", "nonsense"):
        with pytest.raises((Malformed, Altered)):
            sealing.verify_key_list(body, keys.signature)


def test_the_fingerprint_is_six_groups_of_four() -> None:
    unit = encoded_public_key(new_key())
    groups = sealing.fingerprint(unit).split(" ")
    assert [len(group) for group in groups] == [4] * 6
    assert sealing.fingerprint(encoded_public_key(new_key())) != sealing.fingerprint(unit)


# ---------------------------------------------------------------- seals


def test_a_case_key_opens_only_for_its_reader_case_and_epoch() -> None:
    key, other, case, case_key = new_key(), new_key(), new_id(), os.urandom(32)
    sealed = sealing.seal_access(case_key, encoded_public_key(key), case, 1, "asker")
    assert sealing.open_access(sealed, key, case, 1, "asker") == case_key
    for wrong in (
        (other, case, 1, "asker"),
        (key, new_id(), 1, "asker"),
        (key, case, 2, "asker"),
        (key, case, 1, "recovery"),
    ):
        with pytest.raises(Altered):
            sealing.open_access(sealed, *wrong)


def test_suite_one_uses_the_documented_algorithms() -> None:
    key = new_key()
    blob = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM).encrypt(b"x", key.public_key())
    assert sealing.suite().decrypt(blob, key) == b"x"
    assert len(blob) == 65 + 1 + 16


def test_a_chat_address_opens_only_in_its_own_row() -> None:
    route_key = os.urandom(32)
    address = {"channel": "telegram", "address": "7001", "language": "es"}
    sealed = sealing.seal_address(route_key, address, "case|one")
    assert sealing.open_address(route_key, sealed, "case|one") == address
    for key, row in ((route_key, "case|two"), (os.urandom(32), "case|one")):
        with pytest.raises(Altered):
            sealing.open_address(key, sealed, row)


def test_the_length_of_a_sealed_address_reveals_nothing() -> None:
    route_key = os.urandom(32)
    sizes = {len(sealing.seal_address(route_key, {"address": "x" * length}, "link")) for length in (1, 40, 160)}
    assert len(sizes) == 1


def test_a_token_is_stored_only_as_a_keyed_hash() -> None:
    token = wire_format.encode(os.urandom(24))
    assert sealing.token_hash(b"a" * 32, token) != sealing.token_hash(b"b" * 32, token)
    assert token not in sealing.token_hash(b"a" * 32, token)


def test_a_locator_is_stored_as_the_hash_of_its_32_bytes() -> None:
    stored = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"  # sha256sum of 32 zero bytes
    assert sealing.locator_hash(wire_format.encode(bytes(32))) == stored


@pytest.mark.parametrize("locator", ["", *(wire_format.encode(bytes(size)) for size in (1, 31, 33, 64)), "A" * 44, "ñ"])
def test_a_locator_of_another_size_or_encoding_is_refused(locator: str) -> None:
    with pytest.raises(Malformed):
        sealing.locator_hash(locator)
