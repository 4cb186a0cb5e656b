"""Join statements and entries of readers: who a key belongs to, and who vouches for that."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypedDict

from storage.confidential.protocol import fields, signatures
from storage.confidential.protocol.canonical import bound
from storage.confidential.protocol.errors import Altered

PROOFS: Final = 2  # officers who vouch for a reader, where there are as many


class Join(TypedDict):
    """What a reader signs to join; `reading` and `signing` are public keys, `unit` is the unit's."""

    v: int
    unit: str
    id: str
    name: str
    role: Literal["officer", "recovery"]
    reading: str
    signing: str


class Proof(TypedDict):
    """A signature over a join statement by the reader with this id."""

    id: str
    signature: str


class Reader(TypedDict):
    """An entry of the list; `since` and `ended` are serials, `ended` is 0 as long as the reader is active."""

    join: Join
    scope: str
    since: int
    ended: int
    proofs: Sequence[Proof]


JOIN: Final = fields.record(
    v=fields.exactly(2),
    unit=fields.point,
    id=fields.identifier,
    name=fields.name,
    role=fields.one_of("officer", "recovery"),
    reading=fields.point,
    signing=fields.point,
)
PROOF: Final = fields.record(id=fields.identifier, signature=fields.signature)
READER: Final = fields.record(
    join=JOIN,
    scope=fields.text(0, 200),
    since=fields.number(1, fields.SERIALS),
    ended=fields.number(0, fields.SERIALS),
    proofs=fields.array(PROOF, 1, 1 + PROOFS, lambda proof: proof["id"]),
)


def spoken_fingerprint(join: Join) -> str:
    """Six groups of four digits over the whole statement, unit included: read out when the head adds a reader."""
    return in_groups(hashlib.sha256(bound("join", join)).hexdigest())


def in_groups(digits: str) -> str:
    """The first 24 of the digits, in groups of four."""
    return " ".join(digits[at : at + 4] for at in range(0, 24, 4))


def prove(key: signatures.PrivateKey, signer: str, join: Join) -> Proof:
    """A signature over a join statement: the reader's own shows possession of the key, others vouch."""
    return {"id": signer, "signature": signatures.sign(key, "join", join)}


def is_active(reader: Reader, serial: int) -> bool:
    """Whether the reader was active in the list with this serial."""
    return reader["since"] <= serial and (reader["ended"] == 0 or serial < reader["ended"])


def vouchers(reader: Reader, readers: Iterable[Reader]) -> list[Reader]:
    """Officers who could vouch: in the list before the reader was, and still active when it was added."""
    since = reader["since"]
    return [
        one for one in readers if one["join"]["role"] == "officer" and one["since"] < since and is_active(one, since)
    ]


def check_proofs(reader: Reader, readers: Sequence[Reader]) -> None:
    """Check that the reader and two officers (all, where there are fewer) signed its statement. Raises Altered."""
    join, able = reader["join"], {one["join"]["id"]: one for one in vouchers(reader, readers)}
    signers = [proof["id"] for proof in reader["proofs"]]
    others = [one for one in signers if one != join["id"]]
    if join["id"] not in signers or len(others) != min(PROOFS, len(able)) or not able.keys() >= set(others):
        raise Altered("list.proofs")
    for proof in reader["proofs"]:
        signer = able.get(proof["id"], reader)
        signatures.verify(signer["join"]["signing"], proof["signature"], "join", join, "list.proofs")
