"""The unit's signed lists of readers: a chain in rows, which this module stores and does not believe."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage import schema
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.lists import SignedList
from storage.database import Transaction, dialect_insert

_ALL = select(schema.key_lists).order_by(schema.key_lists.c.serial)


@dataclass(frozen=True, slots=True)
class StoredList:
    """One row: anybody who can write to the table may have written it."""

    serial: int
    body: str


async def newest(tx: Transaction) -> StoredList | None:
    """The row with the highest serial; None: there is no list yet."""
    table = schema.key_lists
    row = (await tx.execute(select(table).order_by(table.c.serial.desc()).limit(1))).one_or_none()
    return None if row is None else StoredList(row.serial, row.body)


async def all_lists(tx: Transaction) -> list[StoredList]:
    """All rows by serial; none is ever deleted: an officer who is back after months walks the whole chain."""
    return [StoredList(row.serial, row.body) for row in await tx.execute(_ALL)]


def all_by_connection(connection: Connection) -> list[StoredList]:
    """The same, where nothing else of the database is used."""
    return [StoredList(row.serial, row.body) for row in connection.execute(_ALL)]


async def add(tx: Transaction, signed: SignedList) -> bool:
    """Store the next list; False when one with this serial was stored concurrently."""
    statement = dialect_insert(tx, schema.key_lists).on_conflict_do_nothing().returning(schema.key_lists.c.serial)
    values = {"serial": signed["list"]["serial"], "body": canonical(signed)}
    return (await tx.execute(statement, values)).first() is not None
