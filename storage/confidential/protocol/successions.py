"""Successions: that another key of the unit follows, by the former key or by two officers who were active then."""

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from storage.confidential.protocol import fields, signatures
from storage.confidential.protocol.errors import Altered
from storage.confidential.protocol.readers import Reader, is_active

UNIT: Final = "unit"  # in the place of a signer's id: the former key
MOST: Final = 20  # successions of one unit


class Succession(TypedDict):
    """That `next` is the unit's key after `old`; `serial` is that of the last list which `old` signed."""

    v: int
    old: str
    next: str
    serial: int
    day: str


class Signed(TypedDict):
    """A signature by "unit", or by the officer with this id."""

    by: str
    signature: str


class SignedSuccession(TypedDict):
    """The statement with the former key's signature, or those of two officers."""

    succ: Succession
    signatures: Sequence[Signed]


SUCC: Final = fields.record(
    succ=fields.record(
        v=fields.exactly(2),
        old=fields.point,
        next=fields.point,
        serial=fields.number(1, fields.SERIALS),
        day=fields.day,
    ),
    signatures=fields.array(
        fields.record(by=fields.either(UNIT, fields.identifier), signature=fields.signature),
        1,
        2,
        lambda signed: signed["by"],
    ),
)


def sign_succession(key: signatures.PrivateKey, succ: Succession) -> SignedSuccession:
    """The statement signed with the former key of the unit."""
    return {"succ": succ, "signatures": [{"by": UNIT, "signature": signatures.sign(key, "succ", succ)}]}


def is_by_unit(signed: SignedSuccession) -> bool:
    """Whether the former key itself has signed: the word of officers counts only beside the list that names them."""
    return len(signed["signatures"]) == 1


def unit_at(succ: Sequence[SignedSuccession], unit: str, serial: int) -> str:
    """The key that signed the list with this serial; `unit` signed the newest."""
    return next((one["succ"]["old"] for one in succ if serial <= one["succ"]["serial"]), unit)


def check_successions(
    succ: Sequence[SignedSuccession], unit: str, serial: int, day: str, readers: Mapping[str, Reader]
) -> None:
    """Check all successions that led to the list of this unit, serial and day. Raises Altered.

    Each names the next one's key, earlier lists and days come first, and officers who signed were active then.
    """
    after: Succession = {"v": 2, "old": unit, "next": "", "serial": serial, "day": day}
    for signed in reversed(succ):
        this = signed["succ"]
        if this["next"] != after["old"]:
            raise Altered("succ.next")
        if this["serial"] >= after["serial"]:
            raise Altered("succ.serial")
        if this["day"] > after["day"]:
            raise Altered("succ.day")
        _check_signatures(signed, readers)
        after = this


def _check_signatures(signed: SignedSuccession, readers: Mapping[str, Reader]) -> None:
    succ, given = signed["succ"], signed["signatures"]
    if (UNIT in [one["by"] for one in given]) != is_by_unit(signed):
        raise Altered("succ.by")
    for one in given:
        point = succ["old"] if one["by"] == UNIT else _officer(readers.get(one["by"]), succ["serial"])
        signatures.verify(point, one["signature"], "succ", succ, "succ.signature")


def _officer(reader: Reader | None, serial: int) -> str:
    """The signing key of an officer who was active in the list with this serial. Raises Altered."""
    if reader is None or reader["join"]["role"] != "officer" or not is_active(reader, serial):
        raise Altered("succ.by")
    return reader["join"]["signing"]
