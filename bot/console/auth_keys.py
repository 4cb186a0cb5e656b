"""Auth keys, which browsers derive from words and recovery codes: stored and compared as slow hashes only."""

import asyncio
import os

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from storage.confidential.protocol.canonical import encode

MEMORY_KIB = 19456  # of Argon2id; with two iterations about 50 ms per hash

_slots = asyncio.Semaphore(2)  # concurrent hashes: guessing passphrases cannot exhaust the memory


async def slow_hash(auth: str) -> str:
    """Return the hash under which an auth key is stored."""

    def derive() -> str:
        kdf = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=MEMORY_KIB)
        return kdf.derive_phc_encoded(auth.encode())

    async with _slots:
        return await asyncio.to_thread(derive)


async def matches(auth: str, stored: str | None) -> bool:
    """Whether this is the hash of the auth key; None, of an unknown account, takes the same path and time."""
    expected = await _hash_of_no_key() if stored is None else stored

    def verify() -> bool:
        try:
            Argon2id.verify_phc_encoded(auth.encode(), expected)
        except InvalidKey:
            return False
        return True

    async with _slots:
        return await asyncio.to_thread(verify)


_hashes_of_no_key: list[str] = []


async def _hash_of_no_key() -> str:
    """Return a hash that no auth key matches, made once: verifying against it takes as long as against a real one."""
    if not _hashes_of_no_key:
        _hashes_of_no_key.append(await slow_hash(encode(os.urandom(32))))
    return _hashes_of_no_key[0]
