"""Case keys: what commits to one, what encrypts a letter, and how one is sealed to a reader (HPKE, RFC 9180)."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from storage.confidential.protocol import fields
from storage.confidential.protocol.canonical import bound, decode, encode, prefixed, read
from storage.confidential.protocol.errors import Altered, WrongKey
from storage.confidential.protocol.signatures import PrivateKey, export_key, import_key, point_of

SIZE: Final = 32  # bytes of a case key
_SUITE: Final = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class Access(TypedDict):
    """One case key sealed to one reader; `reader` is an id or "asker"."""

    case: str
    lane: str
    epoch: int
    reader: str
    sealed: str


LANE: Final = fields.one_of("talk", "notes")
READER_NAME: Final = fields.either(fields.ASKER, fields.identifier)
EPOCH: Final = fields.number(1, fields.LETTERS)
ACCESS: Final = fields.record(
    case=fields.identifier, lane=LANE, epoch=EPOCH, reader=READER_NAME, sealed=fields.coded(65 + SIZE + 16)
)


def commit(key: bytes, case: str, lane: str, epoch: int) -> str:
    """The hash that binds an epoch to one key; AES-GCM alone accepts several keys for one body."""
    return encode(hashlib.sha256(prefixed("commit") + f"{case}\n{lane}\n{epoch}\n".encode() + key).digest())


def letter_key(key: bytes, context: Mapping[str, object]) -> bytes:
    """The key of one letter: another one for each context, so that no iv is used twice under one key."""
    return HKDF(hashes.SHA256(), 32, None, bound("key", context)).derive(key)


def access_info(case: str, lane: str, epoch: int, reader: str, commitment: str) -> bytes:
    """What a sealed case key is bound to."""
    context = {"case": case, "lane": lane, "epoch": epoch, "reader": reader, "commit": commitment}
    return bound("access", context)


def read_access(text: str) -> Access:
    """Parse a row of access. Raises Malformed."""
    value = read(text)
    ACCESS(value, "access")
    access: Access = value
    return access


def seal_access(key: bytes, reading: str, case: str, lane: str, epoch: int, reader: str) -> Access:
    """Seal a case key to the public reading key of one reader."""
    info = access_info(case, lane, epoch, reader, commit(key, case, lane, epoch))
    sealed = _SUITE.encrypt(key, fields.public_key(reading), info=info)
    return {"case": case, "lane": lane, "epoch": epoch, "reader": reader, "sealed": encode(sealed)}


def open_access(access: Access, reading: PrivateKey, commitment: str) -> bytes:
    """The case key of an epoch, if it is the one that the grant committed to. Raises WrongKey."""
    case, lane, epoch = access["case"], access["lane"], access["epoch"]
    info = access_info(case, lane, epoch, access["reader"], commitment)
    try:
        key = _SUITE.decrypt(decode(access["sealed"]), reading, info=info)
    except (InvalidTag, ValueError):
        raise WrongKey("access.sealed") from None
    if commit(key, case, lane, epoch) != commitment:
        raise WrongKey("access.commit")
    return key


def check_rows(rows: Iterable[Access], case: str, lane: str, epoch: int, readers: Sequence[str]) -> None:
    """Check that a grant comes with one row for each of its readers, the asker included. Raises Altered."""
    expected = [*readers, fields.ASKER] if lane == "talk" else [*readers]
    given = [(row["case"], row["lane"], row["epoch"], row["reader"]) for row in rows]
    if sorted(given) != sorted((case, lane, epoch, reader) for reader in expected):
        raise Altered("access.rows")


def draft_info(case: str, lane: str, seq: int, author: str) -> bytes:
    """What an author's own draft is bound to."""
    return bound("draft", {"case": case, "lane": lane, "seq": seq, "author": author})


def seal_draft(text: bytes, reading: str, info: bytes) -> str:
    """Seal a draft to its author's own reading key."""
    return seal_to(text, reading, info)


def open_draft(sealed: str, reading: PrivateKey, info: bytes) -> bytes:
    """The text of a draft. Raises Altered."""
    return open_sealed(sealed, reading, info, "draft")


# ---------------------------------------------------------------- the unit's key


UNIT_KEY: Final = fields.coded(65 + 60 + 16, 65 + 300 + 16)
"""The unit's private key, sealed to an officer who holds it."""


def seal_unit_key(unit_key: PrivateKey, officer_id: str, reading: str) -> str:
    """Seal the unit's signing key to the reading key of an officer, who holds it from then on."""
    info = bound("unit", {"id": officer_id, "unit": point_of(unit_key)})
    return seal_to(decode(export_key(unit_key)), reading, info)


def open_unit_key(sealed: str, officer_id: str, unit: str, reading: PrivateKey) -> PrivateKey:
    """The unit's signing key. Raises Malformed, Altered, also where it is another unit's."""
    UNIT_KEY(sealed, "unit")
    opened = open_sealed(sealed, reading, bound("unit", {"id": officer_id, "unit": unit}), "unit")
    key = import_key(encode(opened), "unit")
    if point_of(key) != unit:
        raise Altered("unit")
    return key


# ---------------------------------------------------------------- anything


def seal_to(plain: bytes, reading: str, info: bytes) -> str:
    """Seal bytes to a public key (HPKE); they open under the same `info` only."""
    return encode(_SUITE.encrypt(plain, fields.public_key(reading), info=info))


def open_sealed(sealed: str, reading: PrivateKey, info: bytes, what: str) -> bytes:
    """The sealed bytes. Raises Malformed(what), Altered(what)."""
    try:
        return _SUITE.decrypt(decode(sealed, what), reading, info=info)
    except (InvalidTag, ValueError):
        raise Altered(what) from None
