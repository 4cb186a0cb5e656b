"""The 32-bit hash by which packed records name the ids of rules and scenarios."""

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=2**16)
def hash_of(id: str) -> int:
    """The hash of an id, the same in every process; content/validation.py checks that a course has no two alike."""
    return int.from_bytes(blake2b(id.encode(), digest_size=4).digest(), "little")
