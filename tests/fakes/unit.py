"""The unit's officers and an asker's browser in Python, with real, distinct keys.

They seal, sign and open with storage.confidential.sealing, as the scripts in the browser do; only `Asker.bundle` is
random bytes instead of a wrapped key, which the server cannot tell apart.
"""

import base64
import hashlib
import os
import secrets
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from storage.confidential import officers, sealing, wire_format
from storage.database import Transaction


def new_id() -> str:
    """A random identifier of a case or an officer."""
    return wire_format.encode(os.urandom(16))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(wire_format.CURVE)


def encoded_public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """The public point of a key as the wire format encodes it."""
    return wire_format.encode(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


@dataclass(frozen=True)
class Keyholder:
    """An officer or the recovery key, with private keys."""

    name: str
    role: str = "officer"
    id: str = field(default_factory=new_id)
    reading: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    signing: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @property
    def record(self) -> dict[str, str]:
        """The entry in the unit's key list."""
        signing = encoded_public_key(self.signing) if self.role == "officer" else ""
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "reading": encoded_public_key(self.reading),
            "signing": signing,
        }

    def open(self, sealed: str, case: str, epoch: int = 1) -> bytes:
        """The case key that was sealed to this reader."""
        return sealing.open_access(sealed, self.reading, case, epoch, self.id)


@dataclass
class Unit:
    """The unit's signing key and the readers in its key list."""

    readers: list[Keyholder]
    serial: int = 1
    signing: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @classmethod
    def with_recovery_key(cls) -> "Unit":
        """A unit with one officer, Carmen, and the recovery key."""
        return cls([Keyholder("Carmen Ríos"), Keyholder("Respaldo", "recovery", sealing.RECOVERY)])

    @property
    def officer(self) -> Keyholder:
        return self.readers[0]

    def key_list(self, **changes: Any) -> officers.KeyList:
        """The signed key list; `changes` replace fields of its content."""
        content = {
            "v": 1,
            "suite": 1,
            "serial": self.serial,
            "day": "2026-11-20",
            "unit": encoded_public_key(self.signing),
            "readers": [reader.record for reader in self.readers],
            **changes,
        }
        body = wire_format.canonical(content)
        return officers.KeyList(content["serial"], body, sealing.sign(self.signing, "integra/v1/keys|" + body))

    async def publish(self, tx: Transaction) -> None:
        await officers.add_key_list(tx, self.key_list())


@dataclass
class Asker:
    """An asker's browser; `previous` is the hash of the last letter it knows, `seq` its number."""

    day: date
    case: str = field(default_factory=new_id)
    case_key: bytes = field(default_factory=lambda: os.urandom(32))
    reading: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    locator: str = field(default_factory=lambda: wire_format.encode(os.urandom(32)))
    previous: str = ""
    seq: int = 0

    @property
    def locator_hash(self) -> str:
        return hashlib.sha256(wire_format.decode(self.locator)).hexdigest()

    @cached_property
    def bundle(self) -> dict[str, str]:
        """Stands for the wrapped key; random, as the server cannot read it."""
        return {"iv": wire_format.encode(os.urandom(12)), "body": wire_format.encode(os.urandom(300))}

    def letter(self, text: str, author: str = "asker", officer: Keyholder | None = None) -> dict[str, Any]:
        """The next letter of the case, sealed; an officer's letter is signed."""
        context = sealing.letter_context(self.case, 1, self.seq + 1, author, self.day, self.previous)
        signer, key = (officer.id, officer.signing) if officer else ("", None)
        letter = sealing.seal_letter(self.case_key, context, {"text": text}, signer=signer, signing_key=key)
        self.seq, self.previous = self.seq + 1, sealing.parse_envelope(letter).hash
        return letter

    def posting(self, unit: Unit, token: str, text: str = "¿Puedo firmar?", **changes: Any) -> dict[str, Any]:
        """The request body for a new case; `changes` replace its fields."""
        readers = [(reader.id, encoded_public_key(reader.reading)) for reader in unit.readers]
        access = [
            {"reader": reader, "sealed": sealing.seal_access(self.case_key, key, self.case, 1, reader)}
            for reader, key in [*readers, (sealing.ASKER, encoded_public_key(self.reading))]
        ]
        return {
            "token": token,
            "case": self.case,
            "day": self.day.isoformat(),
            "serial": unit.serial,
            "decision_on": "",
            "locator_hash": self.locator_hash,
            "asker_key": encoded_public_key(self.reading),
            "asker_bundle": self.bundle,
            "access": access,
            "letter": self.letter(text),
            **changes,
        }


def new_token() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(24)).decode()
