"""What stands encrypted on the server for one person: the asker's and the officer's keys, and how words open them."""

import hashlib
import os
import re
import unicodedata
from typing import Any, Final, Literal, TypedDict, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.confidential.protocol import fields, signatures
from storage.confidential.protocol.canonical import bound, canonical, decode, digest, encode, read_bytes
from storage.confidential.protocol.errors import Altered
from storage.confidential.protocol.lists import Pin

ROUNDS: Final = 600_000  # of PBKDF2
VERSIONS: Final = 10_000_000  # of one box that is rewritten
_ASKER_SALT: Final = b"integra/2/asker"


class Box(TypedDict):
    """The result of AES-256-GCM."""

    iv: str
    body: str


class Seen(TypedDict):
    """The newest letter that was seen."""

    seq: int
    hash: str


class AskerBox(TypedDict):
    """The asker's private keys and what they remember; `unit` is the unit's key, `first` the hash of letter 1."""

    v: int
    case: str
    reading: str
    signing: str
    unit: str
    list: Pin
    first: str
    seen: Seen
    version: int


class OfficerBox(TypedDict):
    """An officer's private keys and the key of their notebook; it never changes."""

    v: int
    id: str
    reading: str
    signing: str
    notebook: str
    unit: str


VERSION: Final = fields.number(1, VERSIONS)
ASKER_BOX: Final = fields.record(
    v=fields.exactly(2),
    case=fields.identifier,
    reading=fields.private_key,
    signing=fields.private_key,
    unit=fields.point,
    list=fields.PIN,
    first=fields.hashed,
    seen=fields.record(seq=fields.number(1, fields.LETTERS), hash=fields.hashed),
    version=VERSION,
)
OFFICER_BOX: Final = fields.record(
    v=fields.exactly(2),
    id=fields.identifier,
    reading=fields.private_key,
    signing=fields.private_key,
    notebook=fields.coded(32),
    unit=fields.point,
)


# ---------------------------------------------------------------- words


def normalise(words: str) -> str:
    """Words as typed, without accents, capitals and anything between them but one space."""
    plain = "".join(
        one for one in unicodedata.normalize("NFKD", words) if not unicodedata.category(one).startswith("M")
    )
    return " ".join(part for part in re.split(r"[^a-z]+", plain.lower()) if part)


def stretch(words: str, salt: bytes, rounds: int = ROUNDS) -> bytes:
    """PBKDF2 of words; fewer rounds in tests only."""
    return hashlib.pbkdf2_hmac("sha256", normalise(words).encode(), salt, rounds)


def derive(secret: bytes, name: str) -> bytes:
    """HKDF of a stretched secret: names are locator, asker-wrap, auth, wrap, recovery, custodian, custody."""
    return HKDF(hashes.SHA256(), 32, None, f"integra/2/{name}".encode()).derive(secret)


def asker_secret(words: str, rounds: int = ROUNDS) -> bytes:
    """What the eight words are stretched to."""
    return stretch(words, _ASKER_SALT, rounds)


# ---------------------------------------------------------------- boxes


def encrypt(key: bytes, plain: bytes, aad: bytes, iv: bytes | None = None) -> Box:
    """AES-256-GCM under a random iv; `iv` is given in tests only."""
    iv = os.urandom(12) if iv is None else iv
    return {"iv": encode(iv), "body": encode(AESGCM(key).encrypt(iv, plain, aad))}


def decrypt(key: bytes, box: Box, aad: bytes, what: str) -> bytes:
    """Raises Malformed(what) or Altered(what)."""
    fields.BOX(box, what)
    try:
        return AESGCM(key).decrypt(decode(box["iv"]), decode(box["body"]), aad)
    except InvalidTag:
        raise Altered(what) from None


def box_hash(box: Box) -> str:
    """The name of one version of a box."""
    return digest("box", box)


def _open(key: bytes, box: Box, aad: bytes, what: str, check: fields.Check) -> Any:
    value = read_bytes(decrypt(key, box, aad, what))
    check(value, what)
    return value


def _seal(key: bytes, value: Any, aad: bytes, what: str, check: fields.Check, iv: bytes | None) -> Box:
    check(value, what)
    return encrypt(key, canonical(value).encode(), aad, iv)


def wrap_asker(key: bytes, asker: AskerBox, iv: bytes | None = None) -> Box:
    """The asker's box, under the words' wrapping key."""
    return _seal(key, asker, _asker_aad(asker["case"], asker["version"]), "asker", ASKER_BOX, iv)


def unwrap_asker(key: bytes, box: Box, case: str, version: int) -> AskerBox:
    """Raises Malformed or Altered."""
    asker = cast(AskerBox, _open(key, box, _asker_aad(case, version), "asker", ASKER_BOX))
    if (asker["case"], asker["version"]) != (case, version):
        raise Altered("asker")
    return asker


def _asker_aad(case: str, version: int) -> bytes:
    return bound("asker", {"case": case, "version": version})


def sign_bundle(signing: signatures.PrivateKey, case: str, version: int, box: Box) -> str:
    """The asker's yes to a new version of the box; the server stores none without it."""
    return signatures.sign(signing, "bundle", {"case": case, "version": version, "hash": box_hash(box)})


def verify_bundle(asker_signing: str, signature: str, case: str, version: int, box: Box) -> None:
    """Raises Altered."""
    value = {"case": case, "version": version, "hash": box_hash(box)}
    signatures.verify(asker_signing, signature, "bundle", value, "bundle.signature")


def wrap_officer(key: bytes, officer: OfficerBox, wrap: Literal["words", "code"], iv: bytes | None = None) -> Box:
    """An officer's box, under the words' or the recovery code's key."""
    return _seal(key, officer, bound("bundle", {"id": officer["id"], "wrap": wrap}), "officer", OFFICER_BOX, iv)


def unwrap_officer(key: bytes, box: Box, officer_id: str, wrap: Literal["words", "code"]) -> OfficerBox:
    """Raises Malformed or Altered."""
    aad = bound("bundle", {"id": officer_id, "wrap": wrap})
    officer = cast(OfficerBox, _open(key, box, aad, "officer", OFFICER_BOX))
    if officer["id"] != officer_id:
        raise Altered("officer")
    return officer
