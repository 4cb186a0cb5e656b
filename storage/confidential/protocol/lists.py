"""The unit's signed list of readers: valid by itself for an asker, valid as the next link for server and officers."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, TypedDict

from storage.confidential.protocol import fields, signatures
from storage.confidential.protocol.canonical import decode, digest, encode, prefixed, read
from storage.confidential.protocol.errors import Altered, Expired, Malformed, WrongClock
from storage.confidential.protocol.readers import READER, Reader, check_proofs, in_groups, is_active

LONGEST: Final = timedelta(days=45)  # that a list is in force
TOLERANCE: Final = timedelta(days=1)  # between two clocks


class KeyList(TypedDict):
    """The list itself; `prev` is the hash of the former one, empty for serial 1."""

    v: int
    suite: int
    unit: str
    serial: int
    prev: str
    day: str
    until: str
    custodians: Sequence[str]
    readers: Sequence[Reader]


class SignedList(TypedDict):
    """A list with the unit's signature, as it is stored and served."""

    list: KeyList
    signature: str


class Pin(TypedDict):
    """What is remembered of the newest list that was seen."""

    serial: int
    hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The newest verified list, and the hashes of all that are known to lead to it, by serial."""

    newest: KeyList
    hashes: Mapping[int, str]
    by_id: Mapping[str, Reader] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {one["join"]["id"]: one for one in self.newest["readers"]})

    @property
    def serial(self) -> int:
        return self.newest["serial"]

    def is_active(self, reader: str, serial: int | None = None) -> bool:
        """Whether the list names the reader as active, now or in an earlier list."""
        return reader in self.by_id and is_active(self.by_id[reader], self.serial if serial is None else serial)

    def is_officer(self, reader: str) -> bool:
        return reader in self.by_id and self.by_id[reader]["join"]["role"] == "officer"


LIST: Final = fields.record(
    v=fields.exactly(2),
    suite=fields.exactly(1),
    unit=fields.point,
    serial=fields.number(1, fields.SERIALS),
    prev=fields.either("", fields.hashed),
    day=fields.day,
    until=fields.day,
    custodians=fields.array(fields.name, 0, 20),
    readers=fields.array(READER, 0, 200, lambda reader: reader["join"]["id"]),
)
SIGNED_LIST: Final = fields.record(list=LIST, signature=fields.signature)


# ---------------------------------------------------------------- pins


def unit_pin(unit: str) -> str:
    """What poster, link and page keep of the unit's key: 22 characters, 132 bits."""
    return encode(_unit_digest(unit))[:22]


def unit_fingerprint(unit: str) -> str:
    """The unit's key as people compare it."""
    return in_groups(_unit_digest(unit).hex())


def _unit_digest(unit: str) -> bytes:
    fields.point(unit, "unit")
    return hashlib.sha256(prefixed("unit") + decode(unit)).digest()


def list_hash(keys: KeyList) -> str:
    """What the next list names as `prev`."""
    return digest("list", keys)


def pin_of(keys: KeyList) -> Pin:
    return {"serial": keys["serial"], "hash": list_hash(keys)}


# ---------------------------------------------------------------- reading and checking


def read_list(text: str) -> SignedList:
    """Parse a stored list. Raises Malformed."""
    return parse_list(read(text))


def parse_list(value: object) -> SignedList:
    """Check the format of a list. Raises Malformed."""
    SIGNED_LIST(value, "list")
    signed: SignedList = value  # type: ignore[assignment]  # what SIGNED_LIST checked
    keys = signed["list"]
    if (keys["serial"] == 1) != (keys["prev"] == ""):
        raise Malformed("list.list.prev")
    return signed


def sign_list(key: signatures.PrivateKey, keys: KeyList) -> SignedList:
    return {"list": keys, "signature": signatures.sign(key, "list", keys)}


def check_list(signed: SignedList, pin: str) -> KeyList:
    """Check all that a list says about itself: unit, signature, keys, serials, proofs, days. Raises Altered."""
    keys = signed["list"]
    if unit_pin(keys["unit"]) != pin:
        raise Altered("unit")
    signatures.verify(keys["unit"], signed["signature"], "list", keys, "list.signature")
    _check_keys(keys)
    for reader in keys["readers"]:
        since, ended = reader["since"], reader["ended"]
        if since > keys["serial"] or (ended and not since < ended <= keys["serial"]):
            raise Altered("list.since")
    for reader in keys["readers"]:
        check_proofs(reader, keys["readers"])
    recovery = [one for one in keys["readers"] if one["join"]["role"] == "recovery" and not one["ended"]]
    if len(recovery) > 1:
        raise Altered("list.recovery")
    if not timedelta() <= _date(keys["until"]) - _date(keys["day"]) <= LONGEST:
        raise Altered("list.until")
    return keys


def _check_keys(keys: KeyList) -> None:
    joins = [reader["join"] for reader in keys["readers"]]
    if any(join["unit"] != keys["unit"] for join in joins):
        raise Altered("list.unit")
    points = [keys["unit"], *(join[use] for join in joins for use in ("reading", "signing"))]
    if len(set(points)) != len(points):
        raise Altered("list.keys")


def check_in_force(keys: KeyList, today: date) -> None:
    """Compare the list's days with the device's. Raises WrongClock or Expired."""
    if today < _date(keys["day"]) - TOLERANCE:
        raise WrongClock("list.day")
    if today > _date(keys["until"]):
        raise Expired("list.until")


def check_alone(signed: SignedList, pin: str, today: date) -> Chain:
    """What an asker accepts, who knows no earlier list. Raises Altered, WrongClock or Expired."""
    keys = check_list(signed, pin)
    check_in_force(keys, today)
    return Chain(keys, {keys["serial"]: list_hash(keys)})


def check_first(signed: SignedList, pin: str) -> Chain:
    """The first list of a unit. Raises Altered."""
    keys = check_list(signed, pin)
    if keys["serial"] != 1:
        raise Altered("list.serial")
    return Chain(keys, {1: list_hash(keys)})


def check_next(chain: Chain, signed: SignedList) -> Chain:
    """The chain with its next list. Raises Altered."""
    former, keys = chain.newest, check_list(signed, unit_pin(chain.newest["unit"]))
    serial = keys["serial"]
    if serial != former["serial"] + 1:
        raise Altered("list.serial")
    if keys["prev"] != list_hash(former):
        raise Altered("list.prev")
    if keys["day"] < former["day"]:
        raise Altered("list.day")
    entries = {reader["join"]["id"]: reader for reader in keys["readers"]}
    for reader in former["readers"]:
        now = entries.pop(reader["join"]["id"], None)
        if now != reader and (reader["ended"] or now != {**reader, "ended": serial}):
            raise Altered("list.readers")
    if any(reader["since"] != serial for reader in entries.values()):
        raise Altered("list.since")
    return Chain(keys, {**chain.hashes, serial: list_hash(keys)})


def walk(pin: Pin, signed: Iterable[SignedList], unit: str) -> Chain:
    """The chain from a remembered list, which comes first, to the newest. Raises Altered."""
    lists = iter(signed)
    first = next(lists, None)
    if first is None or pin_of(first["list"]) != pin:
        raise Altered("list.pin")
    chain = Chain(check_list(first, unit), {pin["serial"]: pin["hash"]})
    for one in lists:
        chain = check_next(chain, one)
    return chain


def check_floor(keys: KeyList, floor: Pin) -> None:
    """Check that a list is not older than one that was seen before. Raises Altered."""
    if keys["serial"] < floor["serial"] or (keys["serial"] == floor["serial"] and list_hash(keys) != floor["hash"]):
        raise Altered("list.floor")


def _date(day: str) -> date:
    return date.fromisoformat(day)
