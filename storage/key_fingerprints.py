"""Fingerprints of the generated keys with which this database was written; the keys themselves are never stored.

They stop a process with other keys, which could not read what is stored and would write what others cannot read.
"""

import hashlib
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, delete, inspect, select, text

from storage.database import Transaction, dialect_insert
from storage.schema import key_fingerprints

STATEMENT = select(key_fingerprints.c.name, key_fingerprints.c.fingerprint)


def fingerprint(name: str, key: bytes) -> str:
    """SHA-256 over the key's name and the key. It reveals nothing of a random key of 32 bytes."""
    return hashlib.sha256(b"integra/v1/key|" + name.encode() + b"|" + key).hexdigest()


async def stored(tx: Transaction) -> dict[str, str]:
    """The fingerprint of each key by its name."""
    return _by_name((await tx.execute(STATEMENT)).all())


def stored_if_any(connection: Connection) -> dict[str, str]:
    """The same where the schema may be older than the table."""
    has_table = inspect(connection).has_table(key_fingerprints.name)
    return _by_name(connection.execute(STATEMENT).all()) if has_table else {}


async def add(tx: Transaction, fingerprints: Mapping[str, str]) -> None:
    """Add those that are not stored yet."""
    rows = [{"name": name, "fingerprint": value} for name, value in sorted(fingerprints.items())]
    await tx.execute(dialect_insert(tx, key_fingerprints).on_conflict_do_nothing(), rows)


async def lock(tx: Transaction) -> None:
    """Let no other transaction add or replace any until this one ends, so that one process is the first.

    On SQLite no other one writes anyway.
    """
    if tx.dialect.name == "postgresql":
        await tx.execute(text(f"LOCK TABLE {key_fingerprints.name} IN SHARE ROW EXCLUSIVE MODE"))


async def replace(tx: Transaction, fingerprints: Mapping[str, str]) -> None:
    """Store these in place of all others."""
    await tx.execute(delete(key_fingerprints))
    await add(tx, fingerprints)


def _by_name(rows: Sequence[Row[str, str]]) -> dict[str, str]:
    return {row.name: row.fingerprint for row in rows}
