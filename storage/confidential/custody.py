"""Custodians, their invitations and wrapped keys, and the custodies that they open: rows that handlers verify."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import structlog
from sqlalchemy import Connection, Row, delete, insert, select, update

from storage import schema
from storage.confidential.officers import Joining
from storage.confidential.protocol import custody, fields, readers
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical, encode, read
from storage.confidential.protocol.custody import Custodian, SignedCustody, SignedRehearsal, SignedUse
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.readers import Join
from storage.database import Transaction, dialect_insert

log = structlog.get_logger()

INVITE_DAYS = 7
_REHEARSALS: Final = fields.array(custody.SIGNED_REHEARSAL, 0, 1000)
_USES: Final = fields.array(custody.SIGNED_USE, 0, 1000)
_JOINING: Final = fields.record(join=readers.JOIN, proofs=fields.array(readers.PROOF, 1, 201))


@dataclass(frozen=True, slots=True)
class StoredCustodian:
    """A custodian who was invited; without a statement they have made no key yet."""

    id: str
    name: str
    statement: Custodian | None
    box: Box | None


@dataclass(frozen=True, slots=True)
class StoredCustody:
    """A recovery key in the keeping of three custodians, with what they signed with it."""

    signed: SignedCustody
    joining: Joining
    rehearsals: Sequence[SignedRehearsal]
    uses: Sequence[SignedUse]

    @property
    def recovery(self) -> str:
        """The id of the recovery reader."""
        return self.signed["custody"]["recovery"]

    @property
    def join(self) -> Join:
        """The recovery reader's join statement."""
        return self.joining["join"]


@dataclass(frozen=True, slots=True)
class Kept:
    """All custodies and all custodians."""

    custodies: Sequence[StoredCustody] = ()
    custodians: Sequence[StoredCustodian] = ()


NOTHING: Final = Kept()


async def everything(tx: Transaction) -> Kept:
    """All that is stored of custodies and custodians."""
    return Kept(await all_custodies(tx), await all_custodians(tx))


def all_by_connection(connection: Connection) -> Kept:
    """The same, where nothing else of the database is used."""
    custodies = [found for row in connection.execute(select(schema.custodies)) if (found := _custody(row))]
    return Kept(custodies, [_custodian(row) for row in connection.execute(select(schema.custodians))])


# ---------------------------------------------------------------- custodians


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def invite(tx: Transaction, name: str, now: datetime) -> tuple[str, str]:
    """Add a custodian; return id and one-time token."""
    custodian_id, token = encode(secrets.token_bytes(16)), encode(secrets.token_bytes(24))
    expires_at = now + timedelta(days=INVITE_DAYS)
    values = {"id": custodian_id, "name": name, "token_hash": _hash(token), "expires_at": expires_at}
    await tx.execute(insert(schema.custodians).values(**values))
    return custodian_id, token


async def by_token(tx: Transaction, token: str, now: datetime) -> StoredCustodian | None:
    """The custodian who was sent this token; None: it is unknown, used or expired."""
    table = schema.custodians
    row = await tx.execute(select(table).where(table.c.token_hash == _hash(token), table.c.expires_at > now))
    found = row.one_or_none()
    return None if found is None else _custodian(found)


async def register(tx: Transaction, custodian_id: str, statement: Custodian, box: Box) -> bool:
    """Store a custodian's keys and end the invitation; False when it was used meanwhile."""
    table = schema.custodians
    changed = update(table).where(
        table.c.id == custodian_id, table.c.statement.is_(None), table.c.token_hash.is_not(None)
    )
    values = {"statement": canonical(statement), "box": canonical(box), "token_hash": None, "expires_at": None}
    return (await tx.execute(changed.values(values).returning(table.c.id))).scalar_one_or_none() is not None


async def remove(tx: Transaction, custodian_id: str) -> None:
    """Forget a custodian."""
    await tx.execute(delete(schema.custodians).where(schema.custodians.c.id == custodian_id))


async def delete_expired(tx: Transaction, now: datetime) -> None:
    """Forget custodians who did not use their link in time; those with keys have none."""
    await tx.execute(delete(schema.custodians).where(schema.custodians.c.expires_at < now))


async def all_custodians(tx: Transaction) -> list[StoredCustodian]:
    """All custodians, by name."""
    table = schema.custodians
    return [_custodian(row) for row in await tx.execute(select(table).order_by(table.c.name, table.c.id))]


def _custodian(row: Row[Any]) -> StoredCustodian:
    """The custodian in a row; what cannot be read counts as no keys yet."""
    statement: Any = None
    box: Any = None
    try:
        if row.statement is not None and row.box is not None:
            statement, box = read(row.statement), read(row.box)
            custody.CUSTODIAN(statement, "custodian")
            fields.BOX(box, "box")
    except ProtocolError as fault:
        log.warning("custodian_ignored", fault=str(fault))
        statement = box = None
    return StoredCustodian(row.id, row.name, statement, box)


# ---------------------------------------------------------------- custodies


async def add(tx: Transaction, signed: SignedCustody, joining: Joining) -> bool:
    """Store a custody; False when one for this recovery reader is stored."""
    values = {
        "recovery": signed["custody"]["recovery"],
        "body": canonical(signed),
        "joining": canonical(joining),
        "rehearsals": "[]",
        "uses": "[]",
    }
    table = schema.custodies
    added = dialect_insert(tx, table).values(values).on_conflict_do_nothing().returning(table.c.recovery)
    return (await tx.execute(added)).scalar_one_or_none() is not None


async def discard(tx: Transaction, recovery: str) -> None:
    """Forget a custody that no list names."""
    await tx.execute(delete(schema.custodies).where(schema.custodies.c.recovery == recovery))


async def all_custodies(tx: Transaction) -> list[StoredCustody]:
    """All custodies that can be read, by the id of their recovery reader."""
    table = schema.custodies
    rows = await tx.execute(select(table).order_by(table.c.recovery))
    return [found for row in rows if (found := _custody(row))]


async def locked(tx: Transaction, recovery: str) -> StoredCustody | None:
    """One custody, which no other transaction changes until this one ends; to be read before it is changed."""
    table = schema.custodies
    row = (await tx.execute(select(table).where(table.c.recovery == recovery).with_for_update())).one_or_none()
    return None if row is None else _custody(row)


async def replace(tx: Transaction, stored: StoredCustody) -> None:
    """Store what was added to a locked custody: proofs, rehearsals, uses."""
    values = {
        "joining": canonical(stored.joining),
        "rehearsals": canonical([*stored.rehearsals]),
        "uses": canonical([*stored.uses]),
    }
    await tx.execute(update(schema.custodies).where(schema.custodies.c.recovery == stored.recovery).values(values))


def _custody(row: Row[Any]) -> StoredCustody | None:
    """The custody in a row; None: anybody who can write to the table may have written what cannot be read."""
    try:
        signed, joining, rehearsals, uses = (read(text) for text in (row.body, row.joining, row.rehearsals, row.uses))
        _JOINING(joining, "joining")
        _REHEARSALS(rehearsals, "rehearsals")
        _USES(uses, "uses")
        return StoredCustody(custody.parse_custody(signed), *cast(Any, (joining, rehearsals, uses)))
    except ProtocolError as fault:
        log.warning("custody_ignored", fault=str(fault))
        return None
