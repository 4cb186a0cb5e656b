"""Auth keys, which browsers derive from words and recovery codes: stored and compared as slow hashes only."""

import asyncio
import os

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from bot.console.queueing import SlowQueue
from storage.confidential.protocol.canonical import encode

MEMORY_KIB = 19456  # of Argon2id; with two iterations about 50 ms per hash
SLOTS = 2  # concurrent hashes: guessing passphrases cannot exhaust the memory
MOST_WAITING = 24  # so that the last of a line waits less than a second (bench/signin_flood.py)

_queue = SlowQueue(SLOTS, MOST_WAITING)


async def slow_hash(auth: str) -> str:
    """Return the hash under which an auth key is stored, for who has shown an invite, words or a code. Raises Busy."""

    def derive() -> str:
        kdf = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=MEMORY_KIB)
        return kdf.derive_phc_encoded(auth.encode())

    async with _queue.turn(is_known=True):
        return await asyncio.to_thread(derive)


async def matches(auth: str, stored: str | None, *, is_known: bool = False) -> bool:
    """Whether this is the hash of the auth key; None, of an unknown account, takes the same path and time.

    `is_known` is of a device that has signed in to the account before: it goes first. Raises Busy.
    """
    expected = await _hash_of_no_key() if stored is None else stored

    def verify() -> bool:
        try:
            Argon2id.verify_phc_encoded(auth.encode(), expected)
        except InvalidKey:
            return False
        return True

    async with _queue.turn(is_known=is_known):
        return await asyncio.to_thread(verify)


_hashes_of_no_key: list[str] = []


async def _hash_of_no_key() -> str:
    """Return a hash that no auth key matches, made once: verifying against it takes as long as against a real one."""
    if not _hashes_of_no_key:
        _hashes_of_no_key.append(await slow_hash(encode(os.urandom(32))))
    return _hashes_of_no_key[0]


def waiting() -> tuple[int, int]:
    """How many comparisons wait, of known devices and of others."""
    return _queue.waiting
