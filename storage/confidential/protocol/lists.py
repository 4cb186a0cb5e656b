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
from storage.confidential.protocol.successions import (
    MOST,
    SUCC,
    SignedSuccession,
    check_successions,
    is_by_unit,
    unit_at,
)

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
    """A list with the unit's signature and all successions that led to this unit, as it is stored and served."""

    list: KeyList
    signature: str
    succ: Sequence[SignedSuccession]


class Pin(TypedDict):
    """What is remembered of the newest list that was seen."""

    serial: int
    hash: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The newest verified list, the hashes of all that are known to lead to it, by serial, and the successions."""

    newest: KeyList
    hashes: Mapping[int, str]
    succ: Sequence[SignedSuccession] = ()
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

    def successions_since(self, pin: str) -> Sequence[SignedSuccession]:
        """The successions after the unit with this pin. Raises Altered where the unit never had that key."""
        units = [*(one["succ"]["old"] for one in self.succ), self.newest["unit"]]
        for at, unit in enumerate(units):
            if unit_pin(unit) == pin:
                return self.succ[at:]
        raise Altered("unit")


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
SIGNED_LIST: Final = fields.record(list=LIST, signature=fields.signature, succ=fields.array(SUCC, 0, MOST))


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


def sign_list(key: signatures.PrivateKey, keys: KeyList, succ: Sequence[SignedSuccession] = ()) -> SignedList:
    return {"list": keys, "signature": signatures.sign(key, "list", keys), "succ": list(succ)}


def check_list(signed: SignedList) -> KeyList:
    """Check all that a list of any unit says about itself. Raises Altered.

    That is: signature, successions, keys, serials, proofs and days.
    """
    keys, succ = signed["list"], signed["succ"]
    signatures.verify(keys["unit"], signed["signature"], "list", keys, "list.signature")
    entries = {reader["join"]["id"]: reader for reader in keys["readers"]}
    check_successions(succ, keys["unit"], keys["serial"], keys["day"], entries)
    _check_keys(keys, succ)
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


def _check_keys(keys: KeyList, succ: Sequence[SignedSuccession]) -> None:
    """Each join names the unit that was in force at its `since`; all keys differ, those of former units too."""
    joins = [reader["join"] for reader in keys["readers"]]
    if any(one["join"]["unit"] != unit_at(succ, keys["unit"], one["since"]) for one in keys["readers"]):
        raise Altered("list.unit")
    points = [keys["unit"], *(one["succ"]["old"] for one in succ)]
    points += [join[use] for join in joins for use in ("reading", "signing")]
    if len(set(points)) != len(points):
        raise Altered("list.keys")


def check_in_force(keys: KeyList, today: date) -> None:
    """Compare the list's days with the device's. Raises WrongClock or Expired."""
    if today < _date(keys["day"]) - TOLERANCE:
        raise WrongClock("list.day")
    if today > _date(keys["until"]):
        raise Expired("list.until")


def check_pinned(signed: SignedList, pin: str, seen: int = 0) -> Chain:
    """What an asker accepts to read with, who knows no earlier list but the unit's pin. Raises Altered.

    The unit of the pin, or one that follows it by the word of each former key: officers' words count only beside the
    list of the former key, which is not here. `seen` is the serial of a list that the pinned unit is known to have
    signed: no succession is older.
    """
    keys = check_list(signed)
    chain = Chain(keys, {keys["serial"]: list_hash(keys)}, signed["succ"])
    for one in chain.successions_since(pin):
        if not is_by_unit(one):
            raise Altered("succ.by")
        if one["succ"]["serial"] < seen:
            raise Altered("succ.serial")
    return chain


def check_alone(signed: SignedList, pin: str, today: date) -> Chain:
    """What an asker accepts to write with. Raises Altered, WrongClock or Expired."""
    chain = check_pinned(signed, pin)
    check_in_force(chain.newest, today)
    return chain


def check_first(signed: SignedList, pin: str) -> Chain:
    """The first list of a unit. Raises Altered."""
    chain = check_pinned(signed, pin)
    if chain.serial != 1:
        raise Altered("list.serial")
    return chain


def check_next(chain: Chain, signed: SignedList) -> Chain:
    """The chain with its next list, which may be the first of the unit's next key. Raises Altered."""
    former, keys = chain.newest, signed["list"]
    _check_unit(chain, signed)
    check_list(signed)
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
    return Chain(keys, {**chain.hashes, serial: list_hash(keys)}, signed["succ"])


def _check_unit(chain: Chain, signed: SignedList) -> None:
    """The same unit by the same successions, or one succession more, from the former list on. Raises Altered."""
    former = chain.newest
    known, given = [[one["succ"] for one in succ] for succ in (chain.succ, signed["succ"])]
    if given == known:
        if signed["list"]["unit"] != former["unit"]:
            raise Altered("unit")
        return
    if given[:-1] != known or given[-1]["old"] != former["unit"]:
        raise Altered("unit")
    if given[-1]["serial"] != former["serial"]:
        raise Altered("succ.serial")
    if given[-1]["day"] < former["day"]:
        raise Altered("succ.day")


def walk_all(signed: Iterable[SignedList], pin: str) -> Chain:
    """The chain from the first list to the newest, whose unit has, or once had, the key of this pin. Raises Altered."""
    chain: Chain | None = None
    for one in signed:
        chain = check_first(one, unit_pin(one["list"]["unit"])) if chain is None else check_next(chain, one)
    if chain is None:
        raise Altered("list.none")
    chain.successions_since(pin)
    return chain


def walk(pin: Pin, signed: Iterable[SignedList], unit: str) -> Chain:
    """The chain from a remembered list, which comes first, to the newest. Raises Altered."""
    lists = iter(signed)
    first = next(lists, None)
    if first is None or pin_of(first["list"]) != pin:
        raise Altered("list.pin")
    if unit_pin(first["list"]["unit"]) != unit:
        raise Altered("unit")
    chain = Chain(check_list(first), {pin["serial"]: pin["hash"]}, first["succ"])
    for one in lists:
        chain = check_next(chain, one)
    return chain


def check_floor(keys: KeyList, floor: Pin) -> None:
    """Check that a list is not older than one that was seen before. Raises Altered."""
    if keys["serial"] < floor["serial"] or (keys["serial"] == floor["serial"] and list_hash(keys) != floor["hash"]):
        raise Altered("list.floor")


def _date(day: str) -> date:
    return date.fromisoformat(day)
