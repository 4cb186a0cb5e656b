"""Custody: the recovery key and the unit's key, which any two of three custodians open together, and none alone.

Each custodian makes a key of their own, so that no other person ever holds what opens it. A random secret encrypts the
two keys; for each pair of custodians it is sealed to one what is sealed to the other.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations
from typing import Any, Final, TypedDict, cast

from storage.confidential.protocol import boxes, fields, keys, signatures
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import bound, canonical, decode, encode, read_bytes
from storage.confidential.protocol.errors import Altered, Refused
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.readers import Reader, in_groups
from storage.confidential.protocol.signatures import PrivateKey, import_key, point_of

CUSTODIANS: Final = 3
SECRET: Final = 32  # bytes
_SHARE: Final = (65 + 16) * 2 + SECRET  # bytes: sealed twice
_TOLERANCE: Final = 1  # day between two clocks


class Custodian(TypedDict):
    """Who keeps a part; `reading` is a public key."""

    v: int
    unit: str
    id: str
    name: str
    reading: str


class Share(TypedDict):
    """The secret for one pair of custodians, sealed to the first what is sealed to the second."""

    pair: Sequence[str]
    sealed: str


class Custody(TypedDict):
    """The keys of one recovery reader and of the unit, and who opens them; `recovery` is the reader's id."""

    v: int
    unit: str
    recovery: str
    custodians: Sequence[Custodian]
    shares: Sequence[Share]
    keys: Box


class SignedCustody(TypedDict):
    """A custody with the unit's signature."""

    custody: Custody
    signature: str


class KeptKeys(TypedDict):
    """What a custody holds: three private keys; `id` is the recovery reader's."""

    v: int
    id: str
    unit: str
    reading: str
    signing: str
    unit_key: str


class Rehearsal(TypedDict):
    """That these custodians have opened the custody with their codes."""

    v: int
    unit: str
    recovery: str
    custodians: Sequence[str]
    day: str


class SignedRehearsal(TypedDict):
    """A rehearsal with the recovery reader's signature."""

    rehearsal: Rehearsal
    signature: str


class Use(TypedDict):
    """That these custodians use the recovery key: `purpose` is "cases" or "unit"."""

    v: int
    unit: str
    recovery: str
    custodians: Sequence[str]
    purpose: str
    day: str
    nonce: str


class SignedUse(TypedDict):
    """A use with the recovery reader's signature."""

    use: Use
    signature: str


CUSTODIAN: Final = fields.record(
    v=fields.exactly(2), unit=fields.point, id=fields.identifier, name=fields.name, reading=fields.point
)
_KEPT: Final = fields.record(
    v=fields.exactly(2),
    id=fields.identifier,
    unit=fields.point,
    reading=fields.private_key,
    signing=fields.private_key,
    unit_key=fields.private_key,
)
_CUSTODIAN_KEY: Final = fields.record(
    v=fields.exactly(2), id=fields.identifier, unit=fields.point, reading=fields.private_key
)
_PRESENT: Final = fields.array(fields.identifier, 2, CUSTODIANS, fields.itself)
_SHARE_FIELDS: Final = fields.record(
    pair=fields.array(fields.identifier, 2, 2, fields.itself), sealed=fields.coded(_SHARE)
)
SIGNED_CUSTODY: Final = fields.record(
    custody=fields.record(
        v=fields.exactly(2),
        unit=fields.point,
        recovery=fields.identifier,
        custodians=fields.array(CUSTODIAN, CUSTODIANS, CUSTODIANS, lambda one: one["id"]),
        shares=fields.array(_SHARE_FIELDS, CUSTODIANS, CUSTODIANS, lambda one: one["pair"]),
        keys=fields.BOX,
    ),
    signature=fields.signature,
)
SIGNED_REHEARSAL: Final = fields.record(
    rehearsal=fields.record(
        v=fields.exactly(2), unit=fields.point, recovery=fields.identifier, custodians=_PRESENT, day=fields.day
    ),
    signature=fields.signature,
)
SIGNED_USE: Final = fields.record(
    use=fields.record(
        v=fields.exactly(2),
        unit=fields.point,
        recovery=fields.identifier,
        custodians=_PRESENT,
        purpose=fields.one_of("cases", "unit"),
        day=fields.day,
        nonce=fields.identifier,
    ),
    signature=fields.signature,
)


def parse_custody(value: object) -> SignedCustody:
    """Raises Malformed."""
    SIGNED_CUSTODY(value, "custody")
    return cast(SignedCustody, value)


def parse_rehearsal(value: object) -> SignedRehearsal:
    """Raises Malformed."""
    SIGNED_REHEARSAL(value, "rehearsal")
    return cast(SignedRehearsal, value)


def parse_use(value: object) -> SignedUse:
    """Raises Malformed."""
    SIGNED_USE(value, "use")
    return cast(SignedUse, value)


# ---------------------------------------------------------------- custodians


def spoken_fingerprint(custodian: Custodian) -> str:
    """Six groups of four digits over the whole statement: the head compares them with what the custodian reads out."""
    return in_groups(hashlib.sha256(bound("custodian", custodian)).hexdigest())


def wrap_custodian(key: bytes, custodian: Custodian, reading: PrivateKey, iv: bytes | None = None) -> Box:
    """A custodian's private key, under the key of their code."""
    kept = {"v": 2, "id": custodian["id"], "unit": custodian["unit"], "reading": signatures.export_key(reading)}
    return boxes.encrypt(key, canonical(kept).encode(), _custodian_aad(custodian), iv)


def unwrap_custodian(key: bytes, box: Box, custodian: Custodian) -> PrivateKey:
    """Raises Malformed, Altered: also where the key is not the one in the statement."""
    kept: Any = read_bytes(boxes.decrypt(key, box, _custodian_aad(custodian), "custodian"))
    _CUSTODIAN_KEY(kept, "custodian")
    reading = import_key(kept["reading"], "custodian.reading")
    expected = custodian["id"], custodian["unit"], custodian["reading"]
    if (kept["id"], kept["unit"], point_of(reading)) != expected:
        raise Altered("custodian")
    return reading


def _custodian_aad(custodian: Custodian) -> bytes:
    return bound("custodian-key", {"id": custodian["id"], "unit": custodian["unit"]})


# ---------------------------------------------------------------- the custody


def seal_custody(kept: KeptKeys, custodians: Sequence[Custodian]) -> SignedCustody:
    """Encrypt the keys for each pair of these three custodians. Raises Malformed."""
    secret, unit, recovery = os.urandom(SECRET), kept["unit"], kept["id"]
    custodians = sorted(custodians, key=lambda one: one["id"])
    custody: Custody = {
        "v": 2,
        "unit": unit,
        "recovery": recovery,
        "custodians": custodians,
        "shares": [_seal_share(secret, unit, recovery, pair) for pair in combinations(custodians, 2)],
        "keys": boxes.encrypt(_keys_key(secret), canonical(kept).encode(), _keys_aad(unit, recovery)),
    }
    signing = import_key(kept["unit_key"], "kept.unit_key")
    return parse_custody({"custody": custody, "signature": signatures.sign(signing, "custody", custody)})


def _seal_share(secret: bytes, unit: str, recovery: str, pair: Sequence[Custodian]) -> Share:
    first, second = pair
    ids = [first["id"], second["id"]]
    info = _share_info(unit, recovery, ids)
    inner = decode(keys.seal_to(secret, second["reading"], info))
    return {"pair": ids, "sealed": keys.seal_to(inner, first["reading"], info)}


def _share_info(unit: str, recovery: str, pair: Sequence[str]) -> bytes:
    return bound("custody", {"unit": unit, "recovery": recovery, "pair": [*pair]})


def _keys_key(secret: bytes) -> bytes:
    return boxes.derive(secret, "custody")


def _keys_aad(unit: str, recovery: str) -> bytes:
    return bound("custody-keys", {"unit": unit, "recovery": recovery})


def check_custody(signed: SignedCustody, unit: str) -> Custody:
    """Check that this unit made a custody for each pair of three custodians. Raises Altered."""
    custody = signed["custody"]
    if custody["unit"] != unit or any(one["unit"] != unit for one in custody["custodians"]):
        raise Altered("custody.unit")
    signatures.verify(unit, signed["signature"], "custody", custody, "custody.signature")
    ids = [one["id"] for one in custody["custodians"]]
    if [[*one["pair"]] for one in custody["shares"]] != [[*pair] for pair in combinations(ids, 2)]:
        raise Altered("custody.shares")
    if len({one["reading"] for one in custody["custodians"]}) != CUSTODIANS:
        raise Altered("custody.keys")
    return custody


def open_custody(custody: Custody, present: Mapping[str, PrivateKey]) -> KeptKeys:
    """The keys, opened by the private keys of two custodians (by id). Raises Refused, Malformed, Altered."""
    pair = sorted(present)
    share = next((one for one in custody["shares"] if [*one["pair"]] == pair), None)
    if share is None:
        raise Refused("custody.pair")
    info = _share_info(custody["unit"], custody["recovery"], pair)
    inner = keys.open_sealed(share["sealed"], present[pair[0]], info, "custody.share")
    secret = keys.open_sealed(encode(inner), present[pair[1]], info, "custody.share")
    aad = _keys_aad(custody["unit"], custody["recovery"])
    kept: Any = read_bytes(boxes.decrypt(_keys_key(secret), custody["keys"], aad, "custody.keys"))
    _KEPT(kept, "custody.keys")
    if (kept["id"], kept["unit"]) != (custody["recovery"], custody["unit"]):
        raise Altered("custody.keys")
    return cast(KeptKeys, kept)


def check_kept(kept: KeptKeys, chain: Chain) -> None:
    """Check that the keys are those of the unit and of its recovery reader. Raises Malformed, Altered."""
    join = _recovery(chain, kept["id"], "custody.recovery")["join"]
    points = [point_of(import_key(kept[name], f"kept.{name}")) for name in ("reading", "signing", "unit_key")]
    if points != [join["reading"], join["signing"], chain.newest["unit"]]:
        raise Altered("custody.keys")


# ---------------------------------------------------------------- rehearsal and use


def recovery_reader(chain: Chain) -> Reader | None:
    """The active recovery reader of the newest list."""
    active = (one for one in chain.by_id.values() if one["join"]["role"] == "recovery" and not one["ended"])
    return next(active, None)


def _recovery(chain: Chain, reader_id: str, what: str) -> Reader:
    """Raises Altered unless this is the active recovery reader."""
    reader = recovery_reader(chain)
    if reader is None or reader["join"]["id"] != reader_id:
        raise Altered(what)
    return reader


def check_rehearsal(signed: SignedRehearsal, custody: Custody, chain: Chain) -> Rehearsal:
    """Check that the active recovery key says which of its custodians have opened it. Raises Altered."""
    rehearsal = signed["rehearsal"]
    _check_statement(rehearsal, signed["signature"], "rehearsal", custody, chain)
    return rehearsal


def check_use(signed: SignedUse, custody: Custody, chain: Chain, today: date) -> Use:
    """Check that the active recovery key says, give or take a day today, that it is used. Raises Altered, Refused."""
    use = signed["use"]
    _check_statement(use, signed["signature"], "use", custody, chain)
    if abs((date.fromisoformat(use["day"]) - today).days) > _TOLERANCE:
        raise Refused("use.day")
    return use


def _check_statement(statement: Rehearsal | Use, signature: str, label: str, custody: Custody, chain: Chain) -> None:
    reader = _recovery(chain, statement["recovery"], f"{label}.recovery")
    if custody["recovery"] != statement["recovery"] or statement["unit"] != chain.newest["unit"]:
        raise Altered(f"{label}.recovery")
    if not {one["id"] for one in custody["custodians"]} >= {*statement["custodians"]}:
        raise Altered(f"{label}.custodians")
    signatures.verify(reader["join"]["signing"], signature, label, statement, f"{label}.signature")
