"""Keys and identifiers drawn from a seed, so that an episode can be played again."""

import random

from cryptography.hazmat.primitives.asymmetric import ec

from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.fields import CURVE
from storage.confidential.protocol.signatures import PrivateKey
from tests.fakes.unit import Keyholder


def drawn_id(rng: random.Random) -> str:
    return encode(rng.randbytes(16))


def drawn_key(rng: random.Random) -> PrivateKey:
    return ec.derive_private_key(rng.getrandbits(250) + 1, CURVE)


def officer(rng: random.Random, name: str) -> Keyholder:
    return Keyholder(name, "officer", drawn_id(rng), drawn_key(rng), drawn_key(rng))


def recovery(rng: random.Random) -> Keyholder:
    return Keyholder("Respaldo", "recovery", drawn_id(rng), drawn_key(rng), drawn_key(rng))
