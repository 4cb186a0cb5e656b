"""Tells keys that are not those of a database by the rows that it holds, where it stores no fingerprints."""

from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag

from bot.encryption import SecretBox
from storage.confidential import addresses, ledger
from storage.confidential.protocol.errors import Altered
from storage.key_evidence import Evidence, StoredRow


def proved_wrong(keys: Mapping[str, bytes], evidence: Evidence) -> list[str]:
    """Names of the keys with which none of the rows was written that have to be."""
    return [
        name
        for name, was_written_with in CHECKS.items()
        if name in keys and (rows := evidence.rows.get(name))
        if not any(was_written_with(keys[name], row) for row in rows)
    ]


def _opens_address(key: bytes, row: StoredRow) -> bool:
    try:
        addresses.open_address(key, row.sealed_address, row.bound)
    except Altered:
        return False
    return True


def _opens_update(key: bytes, row: StoredRow) -> bool:
    try:
        SecretBox(key).decrypt(row.body, row.channel)
    except (InvalidTag, ValueError):
        return False
    return True


CHECKS: Mapping[str, Callable[[bytes, StoredRow], bool]] = {
    "route": _opens_address,
    "inbox": _opens_update,
    "audit": ledger.is_hashed_with,
}
"""By the name of a key; with csrf and webhook nothing is written that stays."""
