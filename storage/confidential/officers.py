"""Officers of the unit: their invites, wrapped keys and notebooks.

invited --sign up--> pending --named in a signed list--> active --ended in a signed list--> left or suspended
invited --sign up--> active     (liaisons and authors read no queries; the first officer signs the first list)
active --invited again--> invited     (liaisons and authors, who have no keys to lose)

No state leads out of left and suspended: a new invite to the same address makes another officer, with another id.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypedDict

from sqlalchemy import Row, delete, insert, select, update

from storage import schema
from storage.confidential import factors
from storage.confidential.notebooks import StoredNotebook, stored_notebook
from storage.confidential.protocol import fields
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.errors import Malformed
from storage.confidential.protocol.readers import Join, Proof
from storage.database import Transaction

INVITE_DAYS = 7


class Role(StrEnum):
    """What an officer may do."""

    OFFICER = "officer"  # reads and answers queries
    LIAISON = "liaison"  # sees the statistics of an institution
    AUTHOR = "author"  # writes the course
    ADMIN = "admin"  # an officer who also administers the installation


READER_ROLES = (Role.OFFICER, Role.ADMIN)
"""Roles that may be granted access to queries."""


class OfficerState(StrEnum):
    """State of an officer; see the diagram above."""

    INVITED = "invited"  # has a link, no keys yet
    PENDING = "pending"  # has keys that the unit has not signed
    ACTIVE = "active"
    SUSPENDED = "suspended"
    LEFT = "left"


GONE = (OfficerState.SUSPENDED, OfficerState.LEFT)
CAN_SIGN_IN = (OfficerState.PENDING, OfficerState.ACTIVE)


class OfficerExists(Exception):
    """An officer with this mail address has keys already."""


class InviteRefused(Exception):
    """The invite is unknown, redeemed or expired."""


class Joining(TypedDict):
    """A reader's join statement with the proofs given so far, the reader's own among them."""

    join: Join
    proofs: list[Proof]


@dataclass(frozen=True, slots=True)
class Officer:
    """One officer, without secrets."""

    id: str
    email: str
    name: str
    role: Role
    state: OfficerState
    institution_id: int | None
    joining: Joining | None  # of a reader, from sign-up on
    holds_unit_key: bool

    @property
    def reads_cases(self) -> bool:
        return self.role in READER_ROLES and self.state is OfficerState.ACTIVE

    @property
    def signs_keys(self) -> bool:
        return self.reads_cases and self.holds_unit_key


@dataclass(frozen=True, slots=True)
class ReaderKeys:
    """What the browser of a new reader sends; nothing in it can be used without the passphrase or the code."""

    joining: Joining
    bundle: Box  # wrapped with the passphrase
    recovery_bundle: Box  # the same, wrapped with the recovery code
    notebook: Box  # version 1
    unit_key: str | None = None  # the unit's, sealed to the own reading key; from the first officer only


@dataclass(frozen=True, slots=True)
class Credentials:
    """What sign-in is verified with, and what the browser then unlocks; readers only have bundle and notebook."""

    officer: Officer
    salt: str
    auth_hash: str
    bundle: Box | None
    unit_key: str | None
    notebook: StoredNotebook | None


def _random(size: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def normalize_email(email: str) -> str:
    """The canonical spelling of a mail address."""
    return email.strip().lower()


COLUMNS = (  # of a row that is read as an Officer
    schema.officers.c.id,
    schema.officers.c.email,
    schema.officers.c.name,
    schema.officers.c.role,
    schema.officers.c.state,
    schema.officers.c.institution_id,
    schema.officers.c.joining,
    schema.officers.c.unit_key.is_not(None).label("holds_unit_key"),
)


def _stored(text: str | None) -> Any:
    """A stored JSON value; None where there is none."""
    return None if text is None else json.loads(text)


def from_row(row: Row[tuple[object, ...]]) -> Officer:
    """The officer of a row with COLUMNS."""
    return Officer(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        state=OfficerState(row.state),
        institution_id=row.institution_id,
        joining=_stored(row.joining),
        holds_unit_key=bool(row.holds_unit_key),
    )


# ---------------------------------------------------------------- invites and sign-up


async def invite(
    tx: Transaction,
    email: str,
    name: str,
    role: str,
    institution_id: int | None,
    now: datetime,
) -> str:
    """Invite an officer and return the one-time token; a newer invite to the same address replaces the older one.

    Who has an account without keys is invited again, and signs in no more until then. Raises ValueError (no such role,
    no address, no name) and OfficerExists.
    """
    email, name, role = normalize_email(email), " ".join(name.split()), Role(role)
    if not name or "@" not in email.strip("@") or len(email) > 200 or len(name) > 120:
        raise ValueError("an officer needs a mail address and a name")
    try:
        fields.name(name, "name")
    except Malformed as fault:
        raise ValueError("the name is too long or has characters that cannot be shown") from fault
    known = next((one for one in await by_email(tx, email) if one.state not in GONE), None)
    facts = {"name": name, "role": role.value, "institution_id": institution_id, "state": OfficerState.INVITED.value}
    if known is None:
        officer_id = _random(16)
        await tx.execute(insert(schema.officers).values(id=officer_id, email=email, **facts))
    elif known.state is OfficerState.INVITED or known.role not in READER_ROLES:
        officer_id = known.id
        await tx.execute(update(schema.officers).where(schema.officers.c.id == officer_id).values(**facts))
        await tx.execute(delete(schema.invites).where(schema.invites.c.officer_id == officer_id))
        await sign_out(tx, [officer_id])
    else:
        raise OfficerExists(known.id)
    token = _random(24)
    await tx.execute(
        insert(schema.invites).values(
            token_hash=_hash(token),
            officer_id=officer_id,
            expires_at=now + timedelta(days=INVITE_DAYS),
        )
    )
    return token


async def by_invite(tx: Transaction, token: str, now: datetime) -> Officer:
    """The officer to whom an invite was sent; it is not redeemed. Raises InviteRefused."""
    statement = (
        select(*COLUMNS)
        .join(schema.invites, schema.invites.c.officer_id == schema.officers.c.id)
        .where(
            schema.invites.c.token_hash == _hash(token),
            schema.invites.c.expires_at > now,
        )
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None or row.state != OfficerState.INVITED:
        raise InviteRefused
    return from_row(row)


async def sign_up(
    tx: Transaction,
    token: str,
    salt: str,
    auth_hash: str,
    state: OfficerState,
    now: datetime,
    keys: ReaderKeys | None = None,
) -> str:
    """Redeem an invite, store credentials and a reader's keys; return the officer's id. Raises InviteRefused."""
    invites, table = schema.invites, schema.officers
    redeemed = delete(invites).where(invites.c.token_hash == _hash(token), invites.c.expires_at > now)
    officer_id = (await tx.execute(redeemed.returning(invites.c.officer_id))).scalar_one_or_none()
    values = {"state": state.value, "salt": salt, "auth_hash": auth_hash, **(_key_columns(keys) if keys else {})}
    changed = update(table).where(table.c.id == officer_id, table.c.state == OfficerState.INVITED.value)
    if (await tx.execute(changed.values(values).returning(table.c.id))).scalar_one_or_none() is None:
        raise InviteRefused
    return str(officer_id)


def _key_columns(keys: ReaderKeys) -> dict[str, object]:
    return {
        "joining": canonical(keys.joining),
        "bundle": canonical(keys.bundle),
        "recovery_bundle": canonical(keys.recovery_bundle),
        "unit_key": keys.unit_key,
        "notebook": canonical(keys.notebook),
        "notebook_version": 1,
    }


async def replace_joining(tx: Transaction, officer_id: str, joining: Joining) -> None:
    """Replace the join statement of a pending officer, with another proof."""
    table = schema.officers
    changed = update(table).where(table.c.id == officer_id, table.c.state == OfficerState.PENDING.value)
    await tx.execute(changed.values(joining=canonical(joining)))


async def activate(tx: Transaction, officer_ids: Collection[str]) -> None:
    """Activate pending officers whose keys the unit has signed."""
    await tx.execute(
        update(schema.officers)
        .where(
            schema.officers.c.id.in_(officer_ids),
            schema.officers.c.state == OfficerState.PENDING.value,
        )
        .values(state=OfficerState.ACTIVE.value)
    )


async def leave(tx: Transaction, officer_ids: Collection[str], state: OfficerState = OfficerState.LEFT) -> None:
    """Record that officers have left the unit or are suspended, and sign them out everywhere.

    Their second factors go too.
    """
    table = schema.officers
    await tx.execute(update(table).where(table.c.id.in_(officer_ids)).values(state=state.value))
    await sign_out(tx, officer_ids)
    await factors.remove_all(tx, officer_ids)


# ---------------------------------------------------------------- officers


async def by_id(tx: Transaction, officer_id: str) -> Officer | None:
    row = (await tx.execute(select(*COLUMNS).where(schema.officers.c.id == officer_id))).one_or_none()
    return None if row is None else from_row(row)


async def by_email(tx: Transaction, email: str) -> list[Officer]:
    """Who has or had this mail address: at most one of them is not gone."""
    rows = await tx.execute(select(*COLUMNS).where(schema.officers.c.email == normalize_email(email)))
    return [from_row(row) for row in rows]


async def all_officers(tx: Transaction) -> list[Officer]:
    """All officers, by name."""
    rows = await tx.execute(select(*COLUMNS).order_by(schema.officers.c.name, schema.officers.c.id))
    return [from_row(row) for row in rows]


async def credentials(tx: Transaction, email: str) -> Credentials | None:
    """The credentials for a mail address; None: no officer with it can sign in."""
    table = schema.officers
    extra = (table.c.salt, table.c.auth_hash, table.c.bundle, table.c.unit_key, table.c.notebook)
    statement = select(*COLUMNS, *extra, table.c.notebook_version).where(
        table.c.email == normalize_email(email), table.c.state.in_(CAN_SIGN_IN)
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    return Credentials(
        officer=from_row(row),
        salt=row.salt,
        auth_hash=row.auth_hash,
        bundle=_stored(row.bundle),
        unit_key=row.unit_key,
        notebook=stored_notebook(row),
    )


async def sign_out(tx: Transaction, officer_ids: Collection[str]) -> None:
    """Sign officers out on all devices."""
    await tx.execute(delete(schema.sessions).where(schema.sessions.c.officer_id.in_(officer_ids)))


async def delete_expired(tx: Transaction, now: datetime) -> None:
    """Delete expired sessions and invites, and the moments at which codes of second factors were used."""
    await tx.execute(delete(schema.sessions).where(schema.sessions.c.expires_at < now))
    await tx.execute(delete(schema.invites).where(schema.invites.c.expires_at < now))
    await factors.forget_moments(tx, now)
