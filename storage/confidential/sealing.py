"""Envelopes, key lists and seals of confidential queries (suite 1), in the format that browsers produce.

Browsers seal and open (bot/static/sealing/sealing.js is the counterpart of this file); the server checks formats and
signatures. It decrypts nothing but the chat address of an open case, which is encrypted with its route key.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.confidential import wire_format

SUITE: Final = 1
STEP: Final = 1024  # bytes: bodies are padded to a multiple
FIRST_LETTER: Final = 2048  # bytes: the least size of the first one
LARGEST_LETTER: Final = 32 * 1024  # bytes of padded text
ASKER: Final = "asker"
RECOVERY: Final = "recovery"


class Altered(Exception):
    """A signature, a seal or a bound context does not verify: none of the content may be shown."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One sealed letter; `text` is its canonical form, which is what is stored and hashed."""

    case: str
    epoch: int
    seq: int
    author: str  # asker | officer
    day: date
    previous: str  # hash of the letter before, empty for the first one
    iv: str
    body: str
    signer: str  # an officer's id; empty for the asker
    signature: str
    text: str

    @property
    def hash(self) -> str:
        """What the next letter names as `previous`."""
        return wire_format.encode(hashlib.sha256(self.text.encode()).digest())

    @property
    def padded_size(self) -> int:
        return len(wire_format.decode(self.body)) - wire_format.TAG

    @property
    def context(self) -> dict[str, Any]:
        return letter_context(self.case, self.epoch, self.seq, self.author, self.day, self.previous)


@dataclass(frozen=True, slots=True)
class Reader:
    """A holder of a key to which cases are sealed."""

    id: str
    name: str
    role: str  # officer | recovery
    reading: str  # public key
    signing: str  # public key; empty for the recovery key


@dataclass(frozen=True, slots=True)
class ReaderList:
    """The unit's signed list of readers."""

    serial: int
    day: date
    unit: str  # the unit's public signing key
    readers: tuple[Reader, ...]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(reader.id for reader in self.readers)

    def signing_key(self, officer_id: str) -> str:
        """The officer's public signing key, empty when the list does not name them."""
        return next((reader.signing for reader in self.readers if reader.id == officer_id), "")


# ---------------------------------------------------------------- letters


def letter_context(case: str, epoch: int, seq: int, author: str, day: date, previous: str) -> dict[str, Any]:
    """Everything that the text of a letter is bound to."""
    return {
        "v": 1,
        "suite": SUITE,
        "case": case,
        "epoch": epoch,
        "seq": seq,
        "author": author,
        "day": day.isoformat(),
        "previous": previous,
    }


def parse_envelope(value: object) -> Envelope:
    """Check the format of a letter sent by a browser. Raises Malformed; the signature is not checked here."""
    letter = wire_format.fields(value, "context iv body signer signature", "letter")
    context = wire_format.fields(
        letter["context"],
        "v suite case epoch seq author day previous",
        "letter.context",
    )
    if (
        wire_format.number(context["v"], "letter.context.v") != 1
        or wire_format.number(context["suite"], "letter.context.suite") != SUITE
    ):
        raise wire_format.Malformed("letter.context.suite")
    if context["author"] not in ("asker", "officer"):
        raise wire_format.Malformed("letter.context.author")
    seq = wire_format.number(context["seq"], "letter.context.seq")
    _check_body(letter, first=seq == 1)
    _check_signer(letter, context["author"])
    wire_format.coded(context["previous"], "letter.context.previous", size=32 if seq > 1 else 0)
    return Envelope(
        case=wire_format.identifier(context["case"], "letter.context.case"),
        epoch=wire_format.number(context["epoch"], "letter.context.epoch"),
        seq=seq,
        author=context["author"],
        day=wire_format.calendar_day(context["day"], "letter.context.day"),
        previous=context["previous"],
        iv=letter["iv"],
        body=letter["body"],
        signer=letter["signer"],
        signature=letter["signature"],
        text=wire_format.canonical(letter),
    )


def _check_body(letter: Mapping[str, Any], *, first: bool) -> None:
    wire_format.coded(letter["iv"], "letter.iv", size=12)
    padded = len(wire_format.coded(letter["body"], "letter.body")) - wire_format.TAG
    if padded % STEP or not (FIRST_LETTER if first else STEP) <= padded <= LARGEST_LETTER:
        raise wire_format.Malformed("letter.body")


def _check_signer(letter: Mapping[str, Any], author: str) -> None:
    if author == "officer":
        wire_format.identifier(letter["signer"], "letter.signer")
        wire_format.coded(letter["signature"], "letter.signature", size=64)
    elif letter["signer"] != "" or letter["signature"] != "":
        raise wire_format.Malformed("letter.signer")


def read_envelope(text: str) -> Envelope:
    """Parse a stored letter. Raises Altered when it is not in its canonical form."""
    try:
        envelope = parse_envelope(json.loads(text))
    except ValueError as fault:
        raise Altered("letter") from fault
    if envelope.text != text:
        raise Altered("letter")
    return envelope


def stored_json(text: str) -> Any:
    """Parse a stored text as JSON. Raises Altered."""
    try:
        return json.loads(text)
    except ValueError as fault:
        raise Altered("stored") from fault


def verify_letter(envelope: Envelope, signing_key: str) -> None:
    """Check an officer's signature. Raises Altered."""
    bound = f"integra/v1/letter|{wire_format.canonical(envelope.context)}|{envelope.iv}|{envelope.body}"
    verify(signing_key, envelope.signature, bound)


def pad(content: Mapping[str, str], *, first: bool) -> bytes:
    """The content preceded by its length and followed by zeros. Raises Malformed when it is too long."""
    raw = wire_format.canonical(dict(content)).encode()
    size = max(-(-(4 + len(raw)) // STEP) * STEP, FIRST_LETTER if first else STEP)
    if size > LARGEST_LETTER:
        raise wire_format.Malformed("text")
    return (len(raw).to_bytes(4, "big") + raw).ljust(size, b"\0")


def unpad(padded: bytes) -> dict[str, str]:
    """The content without its padding. Raises Altered."""
    length = int.from_bytes(padded[:4], "big")
    if len(padded) % STEP or 4 + length > len(padded) or any(padded[4 + length :]):
        raise Altered("padding")
    try:
        content = json.loads(padded[4 : 4 + length])
    except ValueError as fault:
        raise Altered("content") from fault
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise Altered("content")
    return content


def seal_letter(
    case_key: bytes,
    context: Mapping[str, Any],
    content: Mapping[str, str],
    *,
    signer: str = "",
    signing_key: ec.EllipticCurvePrivateKey | None = None,
) -> dict[str, Any]:
    """Seal one letter; an officer's is signed as well."""
    iv, bound = os.urandom(12), f"integra/v1/letter|{wire_format.canonical(dict(context))}"
    body = AESGCM(case_key).encrypt(iv, pad(content, first=context["seq"] == 1), bound.encode())
    letter = {
        "context": dict(context),
        "iv": wire_format.encode(iv),
        "body": wire_format.encode(body),
        "signer": signer,
        "signature": "",
    }
    if signing_key is not None:
        letter["signature"] = sign(signing_key, f"{bound}|{letter['iv']}|{letter['body']}")
    return letter


def open_letter(case_key: bytes, envelope: Envelope) -> dict[str, str]:
    """The content of a letter. Raises Altered."""
    bound = f"integra/v1/letter|{wire_format.canonical(envelope.context)}"
    try:
        padded = AESGCM(case_key).decrypt(
            wire_format.decode(envelope.iv), wire_format.decode(envelope.body), bound.encode()
        )
    except InvalidTag as fault:
        raise Altered("letter") from fault
    return unpad(padded)


# ---------------------------------------------------------------- signatures and the list of readers


def sign(key: ec.EllipticCurvePrivateKey, text: str) -> str:
    """ECDSA P-256 with SHA-256 over the text, as the concatenation of r and s."""
    r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return wire_format.encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def verify(key: str, signature: str, text: str) -> None:
    """Check a signature over a text. Raises Altered."""
    try:
        raw = wire_format.coded(signature, "signature", size=64)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        wire_format.public_key(key, "key").verify(der, text.encode(), ec.ECDSA(hashes.SHA256()))
    except (wire_format.Malformed, InvalidSignature, ValueError) as fault:
        raise Altered("signature") from fault


def verify_key_list(body: str, signature: str) -> ReaderList:
    """The list of readers, if its unit signed it.

    Raises Malformed or Altered. To check that it is our unit, compare `unit` with an earlier list.
    """
    try:
        value = json.loads(body)
    except ValueError:
        raise wire_format.Malformed("keys.body") from None
    record = wire_format.fields(value, "v suite serial day unit readers", "keys.body")
    if wire_format.canonical(record) != body or record["v"] != 1 or record["suite"] != SUITE:
        raise wire_format.Malformed("keys.body")
    wire_format.public_key(record["unit"], "keys.unit")
    verify(record["unit"], signature, "integra/v1/keys|" + body)
    if not isinstance(record["readers"], list) or len(record["readers"]) > 200:
        raise wire_format.Malformed("keys.readers")
    readers = tuple(_reader(entry) for entry in record["readers"])
    if len({reader.id for reader in readers}) != len(readers):
        raise wire_format.Malformed("keys.readers")
    serial = wire_format.number(record["serial"], "keys.serial", most=2**31 - 1)
    return ReaderList(serial, wire_format.calendar_day(record["day"], "keys.day"), record["unit"], readers)


def _reader(value: object) -> Reader:
    record = wire_format.fields(value, "id name role reading signing", "keys.readers")
    if record["role"] not in ("officer", "recovery"):
        raise wire_format.Malformed("keys.readers.role")
    wire_format.public_key(record["reading"], "keys.readers.reading")
    if record["role"] == "officer":
        wire_format.identifier(record["id"], "keys.readers.id")
        wire_format.public_key(record["signing"], "keys.readers.signing")
    elif record["id"] != RECOVERY or record["signing"] != "":
        raise wire_format.Malformed("keys.readers.id")
    name = wire_format.string(record["name"], "keys.readers.name", longest=120)
    return Reader(record["id"], name, record["role"], record["reading"], record["signing"])


def fingerprint(unit: str) -> str:
    """The unit's public key in the form in which people compare it: six groups of four."""
    digits = hashlib.sha256(wire_format.decode(unit)).hexdigest()[:24]
    return " ".join(digits[at : at + 4] for at in range(0, 24, 4))


# ---------------------------------------------------------------- HPKE


def suite(aead: hpke.AEAD = hpke.AEAD.AES_256_GCM) -> hpke.Suite:
    """RFC 9180 with P-256 and HKDF-SHA256; suite 1 is AES-256-GCM, others are for checking published test vectors."""
    return hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, aead)


def access_info(case: str, epoch: int, reader: str) -> bytes:
    """The context to which a sealed case key is bound."""
    context = {"v": 1, "suite": SUITE, "case": case, "epoch": epoch, "reader": reader}
    return f"integra/v1/access|{wire_format.canonical(context)}".encode()


def seal_access(case_key: bytes, reading_key: str, case: str, epoch: int, reader: str) -> str:
    """Seal a case key to one reader."""
    key = wire_format.public_key(reading_key, "reading")
    return wire_format.encode(suite().encrypt(case_key, key, info=access_info(case, epoch, reader)))


def open_access(
    sealed: str,
    private_key: ec.EllipticCurvePrivateKey,
    case: str,
    epoch: int,
    reader: str,
) -> bytes:
    """The case key. Raises Altered."""
    try:
        return suite().decrypt(wire_format.decode(sealed), private_key, info=access_info(case, epoch, reader))
    except (InvalidTag, ValueError) as fault:
        raise Altered("access") from fault


# ---------------------------------------------------------------- what the server encrypts with its own key


def seal_address(route_key: bytes, address: Mapping[str, str], bound: str) -> str:
    """Encrypt a chat address, padded so that its length reveals nothing; `bound` names the row that contains it."""
    iv = os.urandom(12)
    plain = wire_format.canonical(dict(address)).encode()
    return wire_format.encode(
        iv + AESGCM(route_key).encrypt(iv, plain.ljust(512), f"integra/v1/route|{bound}".encode())
    )


def open_address(route_key: bytes, sealed: str, bound: str) -> dict[str, str]:
    """Decrypt a chat address. Raises Altered."""
    try:
        raw = wire_format.decode(sealed)
        plain = AESGCM(route_key).decrypt(raw[:12], raw[12:], f"integra/v1/route|{bound}".encode())
        return dict(json.loads(plain))
    except (InvalidTag, ValueError) as fault:
        raise Altered("address") from fault


def token_hash(route_key: bytes, token: str) -> str:
    """The form in which the server stores a one-time token."""
    return hmac.new(route_key, token.encode(), hashlib.sha256).hexdigest()


def locator_hash(locator: str) -> str:
    """The form in which the server stores the locator of the eight words. Raises Malformed."""
    return hashlib.sha256(wire_format.coded(locator, "locator", size=32)).hexdigest()
