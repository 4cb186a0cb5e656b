"""Officers of the unit: their invites, keys and sessions, and the signed list of readers.

invited --sign up--> pending --named in a signed key list--> active --> left
invited --sign up--> active     (liaisons and authors read no queries; the first officer signs the first list)
"""

import base64
import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Row, delete, insert, select, update

from storage import schema
from storage.database import Transaction, dialect_insert

INVITE_DAYS = 7
SESSION_HOURS = 12
IDLE_MINUTES = 15
TOUCH_SECONDS = 30  # the last use of a session is stored at most this often


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
    LEFT = "left"


class OfficerExists(Exception):
    """An officer with this mail address has keys already."""


class InviteRefused(Exception):
    """The invite is unknown, redeemed or expired."""


@dataclass(frozen=True, slots=True)
class Officer:
    """One officer, without secrets."""

    id: str
    email: str
    name: str
    role: Role
    state: OfficerState
    institution_id: int | None
    reading_key: str
    signing_key: str
    holds_unit_key: bool

    @property
    def reads_cases(self) -> bool:
        return self.role in READER_ROLES and self.state is OfficerState.ACTIVE

    @property
    def signs_keys(self) -> bool:
        return self.reads_cases and self.holds_unit_key


@dataclass(frozen=True, slots=True)
class Keys:
    """What an officer's browser sends at sign-up; nothing in it can be used without the passphrase."""

    reading_key: str
    signing_key: str
    salt: str
    auth_hash: str
    bundle: str
    recovery_bundle: str
    unit_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """What sign-in is verified with, and the wrapped keys that the browser then unlocks."""

    officer_id: str
    salt: str
    auth_hash: str
    bundle: str
    unit_bundle: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in officer; `key` is the hash under which the row is stored."""

    key: str
    officer: Officer
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class KeyList:
    """The list of readers as signed by the unit: canonical JSON and signature."""

    serial: int
    body: str
    signature: str


def _random(size: int) -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(size)).rstrip(b"=").decode()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def normalize_email(email: str) -> str:
    """The canonical spelling of a mail address."""
    return email.strip().lower()


_COLUMNS = (
    schema.officers.c.id,
    schema.officers.c.email,
    schema.officers.c.name,
    schema.officers.c.role,
    schema.officers.c.state,
    schema.officers.c.institution_id,
    schema.officers.c.reading_key,
    schema.officers.c.signing_key,
    schema.officers.c.unit_bundle.is_not(None).label("holds_unit_key"),
)


def _officer(row: Row[tuple[object, ...]]) -> Officer:
    return Officer(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        state=OfficerState(row.state),
        institution_id=row.institution_id,
        reading_key=row.reading_key or "",
        signing_key=row.signing_key or "",
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

    Raises ValueError (no such role, no address, no name) and OfficerExists.
    """
    email, name, role = normalize_email(email), " ".join(name.split()), Role(role)
    if not name or "@" not in email.strip("@") or len(email) > 200 or len(name) > 120:
        raise ValueError("an officer needs a mail address and a name")
    known = (await tx.execute(select(*_COLUMNS).where(schema.officers.c.email == email))).one_or_none()
    facts = {"name": name, "role": role.value, "institution_id": institution_id}
    if known is None:
        officer_id = _random(16)
        facts |= {"id": officer_id, "email": email, "state": OfficerState.INVITED.value}
        await tx.execute(insert(schema.officers).values(**facts))
    elif known.state == OfficerState.INVITED:
        officer_id = known.id
        await tx.execute(update(schema.officers).where(schema.officers.c.id == officer_id).values(**facts))
        await tx.execute(delete(schema.invites).where(schema.invites.c.officer_id == officer_id))
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
        select(*_COLUMNS)
        .join(schema.invites, schema.invites.c.officer_id == schema.officers.c.id)
        .where(
            schema.invites.c.token_hash == _hash(token),
            schema.invites.c.expires_at > now,
        )
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None or row.state != OfficerState.INVITED:
        raise InviteRefused
    return _officer(row)


async def sign_up(tx: Transaction, token: str, keys: Keys, state: OfficerState, now: datetime) -> str:
    """Redeem an invite, store the keys, and return the officer's id. Raises InviteRefused."""
    redeemed = (
        await tx.execute(
            delete(schema.invites)
            .where(
                schema.invites.c.token_hash == _hash(token),
                schema.invites.c.expires_at > now,
            )
            .returning(schema.invites.c.officer_id)
        )
    ).scalar_one_or_none()
    if redeemed is None:
        raise InviteRefused
    changed = await tx.execute(
        update(schema.officers)
        .where(
            schema.officers.c.id == redeemed,
            schema.officers.c.state == OfficerState.INVITED.value,
        )
        .values(
            state=state.value,
            reading_key=keys.reading_key,
            signing_key=keys.signing_key,
            salt=keys.salt,
            auth_hash=keys.auth_hash,
            bundle=keys.bundle,
            recovery_bundle=keys.recovery_bundle,
            unit_bundle=keys.unit_bundle,
        )
        .returning(schema.officers.c.id)
    )
    if changed.scalar_one_or_none() is None:
        raise InviteRefused
    return str(redeemed)


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


# ---------------------------------------------------------------- officers


async def by_id(tx: Transaction, officer_id: str) -> Officer | None:
    row = (await tx.execute(select(*_COLUMNS).where(schema.officers.c.id == officer_id))).one_or_none()
    return None if row is None else _officer(row)


async def all_officers(tx: Transaction) -> list[Officer]:
    """All officers, by name."""
    rows = await tx.execute(select(*_COLUMNS).order_by(schema.officers.c.name, schema.officers.c.id))
    return [_officer(row) for row in rows]


async def credentials(tx: Transaction, email: str) -> Credentials | None:
    """The credentials for a mail address; None: no officer with it can sign in."""
    table = schema.officers
    row = (
        await tx.execute(
            select(
                table.c.id,
                table.c.salt,
                table.c.auth_hash,
                table.c.bundle,
                table.c.unit_bundle,
            ).where(
                table.c.email == normalize_email(email),
                table.c.state.in_((OfficerState.PENDING.value, OfficerState.ACTIVE.value)),
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return Credentials(row.id, row.salt, row.auth_hash, row.bundle, row.unit_bundle)


# ---------------------------------------------------------------- sessions


def session_key(token: str) -> str:
    """The hash under which a session is stored: read access to the table is not enough to sign in."""
    return _hash(token)


async def open_session(tx: Transaction, officer_id: str, now: datetime) -> str:
    """Begin a session and return the cookie's value; expired and idle sessions are deleted too."""
    token = _random(32)
    idle = now - timedelta(minutes=IDLE_MINUTES)
    await tx.execute(
        delete(schema.sessions).where((schema.sessions.c.expires_at <= now) | (schema.sessions.c.seen_at <= idle))
    )
    await tx.execute(
        insert(schema.sessions).values(
            token_hash=_hash(token),
            officer_id=officer_id,
            seen_at=now,
            expires_at=now + timedelta(hours=SESSION_HOURS),
        )
    )
    return token


async def session(tx: Transaction, token: str, now: datetime) -> Session | None:
    """The session of this cookie; None: there is none, or it has been idle or open for too long."""
    statement = (
        select(*_COLUMNS, schema.sessions.c.seen_at)
        .join(schema.sessions, schema.sessions.c.officer_id == schema.officers.c.id)
        .where(
            schema.sessions.c.token_hash == _hash(token),
            schema.sessions.c.expires_at > now,
            schema.sessions.c.seen_at > now - timedelta(minutes=IDLE_MINUTES),
            schema.officers.c.state.in_((OfficerState.PENDING.value, OfficerState.ACTIVE.value)),
        )
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else Session(_hash(token), _officer(row), row.seen_at)


async def touch(tx: Transaction, key: str, now: datetime) -> None:
    """Record that a session was used."""
    await tx.execute(update(schema.sessions).where(schema.sessions.c.token_hash == key).values(seen_at=now))


async def end_session(tx: Transaction, key: str) -> None:
    await tx.execute(delete(schema.sessions).where(schema.sessions.c.token_hash == key))


async def end_sessions(tx: Transaction, officer_id: str) -> None:
    """Sign an officer out everywhere. No page calls it yet: removing or suspending an officer will."""
    await tx.execute(delete(schema.sessions).where(schema.sessions.c.officer_id == officer_id))


# ---------------------------------------------------------------- key lists


async def newest_key_list(tx: Transaction) -> KeyList | None:
    """The list in force; None before the first officer has signed one."""
    row = (await tx.execute(select(schema.key_lists).order_by(schema.key_lists.c.serial.desc()).limit(1))).one_or_none()
    return None if row is None else KeyList(row.serial, row.body, row.signature)


async def add_key_list(tx: Transaction, keys: KeyList) -> bool:
    """Put a list in force; False when one with this serial was stored concurrently."""
    statement = dialect_insert(tx, schema.key_lists).on_conflict_do_nothing().returning(schema.key_lists.c.serial)
    values = {"serial": keys.serial, "body": keys.body, "signature": keys.signature}
    return (await tx.execute(statement, values)).first() is not None


async def delete_expired(tx: Transaction, now: datetime) -> None:
    """Delete expired sessions and invites."""
    await tx.execute(delete(schema.sessions).where(schema.sessions.c.expires_at < now))
    await tx.execute(delete(schema.invites).where(schema.invites.c.expires_at < now))
