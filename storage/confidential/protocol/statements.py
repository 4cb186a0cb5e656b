"""Signed statements beside letters: that a case is erased."""

from collections.abc import Sequence
from typing import Final, TypedDict, cast

from storage.confidential.protocol import fields, signatures
from storage.confidential.protocol.canonical import read
from storage.confidential.protocol.errors import Altered
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.threads import Thread


class Erase(TypedDict):
    """That a case is erased; `last` is the hash of the newest letter of lane talk, `by` "asker" or two officers."""

    v: int
    case: str
    last: str
    day: str
    by: str | Sequence[str]


class SignedErase(TypedDict):
    """The statement with the signatures of those who stand in `by`, in that order."""

    erase: Erase
    signatures: Sequence[str]


def _by(value: object, where: str) -> None:
    if value != fields.ASKER:
        fields.array(fields.identifier, 2, 2, fields.itself)(value, where)


ERASE: Final = fields.record(
    erase=fields.record(v=fields.exactly(2), case=fields.identifier, last=fields.hashed, day=fields.day, by=_by),
    signatures=fields.array(fields.signature, 1, 2),
)


def read_erase(text: str) -> SignedErase:
    """Parse a tombstone. Raises Malformed."""
    value = read(text)
    ERASE(value, "erase")
    return cast(SignedErase, value)


def check_erase(signed: SignedErase, thread: Thread, chain: Chain) -> None:
    """Check a tombstone against the case that it ends: by its asker, or by two active officers. Raises Altered."""
    erase = signed["erase"]
    if (erase["case"], erase["last"]) != (thread.case, thread.hashes[-1]) or thread.lane != "talk":
        raise Altered("erase.case")
    points = [thread.asker_signing]
    if erase["by"] != fields.ASKER:
        points = [_officer(one, chain, "erase.by") for one in erase["by"]]
    if len(points) != len(signed["signatures"]):
        raise Altered("erase.signature")
    for point, signature in zip(points, signed["signatures"], strict=True):
        signatures.verify(point, signature, "erase", erase, "erase.signature")


def _officer(officer_id: str, chain: Chain, what: str) -> str:
    if not (chain.is_officer(officer_id) and chain.is_active(officer_id)):
        raise Altered(what)
    return chain.by_id[officer_id]["join"]["signing"]
