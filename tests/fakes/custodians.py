"""Custodians in Python, with real, distinct keys and codes: what their browsers make, open and sign."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import insert

from storage import schema
from storage.confidential import custody as stored
from storage.confidential.protocol import boxes, custody
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical, encode
from storage.confidential.protocol.custody import Custodian, KeptKeys, SignedCustody, SignedRehearsal, SignedUse
from storage.confidential.protocol.signatures import PrivateKey, export_key, import_key, point_of, sign
from storage.database import Transaction
from tests.fakes.correspondence import new_key


@dataclass(frozen=True, eq=False)
class CustodianKeys:
    """A custodian with a key of their own, and the secret of the code on their paper."""

    name: str
    id: str = field(default_factory=lambda: encode(os.urandom(16)))
    reading: PrivateKey = field(default_factory=new_key)
    code: bytes = field(default_factory=lambda: os.urandom(32))

    def statement(self, unit: str) -> Custodian:
        return {"v": 2, "unit": unit, "id": self.id, "name": self.name, "reading": point_of(self.reading)}

    def box(self, unit: str) -> Box:
        """The private key as the server keeps it."""
        return custody.wrap_custodian(boxes.derive(self.code, "custodian"), self.statement(unit), self.reading)

    async def register(self, tx: Transaction, unit: str) -> None:
        """Store this custodian as if they had used their link; once."""
        if self.id not in [one.id for one in await stored.all_custodians(tx)]:
            made = {"statement": canonical(self.statement(unit)), "box": canonical(self.box(unit))}
            await tx.execute(insert(schema.custodians).values(id=self.id, name=self.name, **made))


def three() -> list[CustodianKeys]:
    """The custodians of a unit; no officer is among them."""
    return [CustodianKeys(name) for name in ("Notaría 7", "Órgano interno", "Archivo del Estado")]


def open_with(signed: SignedCustody, present: Sequence[CustodianKeys]) -> KeptKeys:
    """What these custodians open together. Raises ProtocolError."""
    return custody.open_custody(signed["custody"], {one.id: one.reading for one in present})


def rehearsal(signed: SignedCustody, present: Sequence[CustodianKeys], day: date, **changes: Any) -> SignedRehearsal:
    """What the browser posts once the first two of these have opened the keys; `changes` are of the statement."""
    kept, of = open_with(signed, present[:2]), signed["custody"]
    said: Any = {
        "v": 2,
        "unit": of["unit"],
        "recovery": of["recovery"],
        "custodians": sorted(one.id for one in present),
        "day": day.isoformat(),
        **changes,
    }
    return {"rehearsal": said, "signature": sign(import_key(kept["signing"]), "rehearsal", said)}


_secrets: dict[str, str] = {}  # by nonce


def secret_of(used: SignedUse) -> str:
    """What the tab that made this use keeps to itself."""
    return _secrets[used["use"]["nonce"]]


def use(signed: SignedCustody, present: Sequence[CustodianKeys], purpose: str, day: date) -> SignedUse:
    """What the browser posts before two custodians use the keys."""
    secret = os.urandom(32)
    nonce = encode(hashlib.sha256(secret).digest()[:16])
    _secrets[nonce] = encode(secret)
    kept, of = open_with(signed, present), signed["custody"]
    said: Any = {
        "v": 2,
        "unit": of["unit"],
        "recovery": of["recovery"],
        "custodians": sorted(one.id for one in present),
        "purpose": purpose,
        "day": day.isoformat(),
        "nonce": nonce,
    }
    return {"use": said, "signature": sign(import_key(kept["signing"]), "use", said)}


def kept_keys(recovery_id: str, reading: PrivateKey, signing: PrivateKey, unit_key: PrivateKey) -> KeptKeys:
    """The three private keys that a custody holds."""
    return {
        "v": 2,
        "id": recovery_id,
        "unit": point_of(unit_key),
        "reading": export_key(reading),
        "signing": export_key(signing),
        "unit_key": export_key(unit_key),
    }
