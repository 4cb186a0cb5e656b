"""Sessions of officers: a row that only holds with a keyed hash, so that writing rows opens none."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from storage import schema
from storage.confidential import officers
from storage.confidential.officers import Officer
from storage.confidential.protocol.canonical import encode
from storage.database import Transaction

SESSION_HOURS = 12
IDLE_MINUTES = 15
TOUCH_SECONDS = 30  # the last use of a session is stored at most this often
LABEL = "integra/2/session"


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in officer; `key` is the hash under which the row is stored."""

    key: str
    officer: Officer
    factor: str  # the second factor that was shown: "totp", "passkey", or "" for none
    seen_at: datetime


def key_of(token: str) -> str:
    """The hash under which a session is stored: read access to the table is not enough to sign in."""
    return hashlib.sha256(token.encode()).hexdigest()


async def begin(tx: Transaction, key: bytes, officer_id: str, factor: str, now: datetime) -> str:
    """Begin a session and return the cookie's value; expired and idle sessions are deleted too.

    `key` is the installation's key of sessions.
    """
    table, token = schema.sessions, encode(secrets.token_bytes(32))
    idle, expires_at = now - timedelta(minutes=IDLE_MINUTES), now + timedelta(hours=SESSION_HOURS)
    await tx.execute(delete(table).where((table.c.expires_at <= now) | (table.c.seen_at <= idle)))
    await tx.execute(
        insert(table).values(
            token_hash=key_of(token),
            officer_id=officer_id,
            factor=factor,
            seen_at=now,
            expires_at=expires_at,
            mac=_mac(key, token, officer_id, factor, expires_at),
        )
    )
    return token


async def by_token(tx: Transaction, key: bytes, token: str, now: datetime) -> Session | None:
    """The session of this cookie; None: there is none, it has been idle or open for too long, or we never began it."""
    table = schema.sessions
    columns = (table.c.factor, table.c.mac, table.c.seen_at, table.c.expires_at)
    statement = (
        select(*officers.COLUMNS, *columns)
        .join(table, table.c.officer_id == schema.officers.c.id)
        .where(
            table.c.token_hash == key_of(token),
            table.c.expires_at > now,
            table.c.seen_at > now - timedelta(minutes=IDLE_MINUTES),
            schema.officers.c.state.in_(officers.CAN_SIGN_IN),
        )
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None or not hmac.compare_digest(row.mac, _mac(key, token, row.id, row.factor, row.expires_at)):
        return None
    return Session(key_of(token), officers.from_row(row), row.factor, row.seen_at)


def _mac(key: bytes, token: str, officer_id: str, factor: str, expires_at: datetime) -> str:
    """What binds a row to its cookie, its officer, the factor that was shown and its end."""
    bound = "\n".join((LABEL, token, officer_id, factor, str(int(expires_at.timestamp()))))
    return hmac.new(key, bound.encode(), hashlib.sha256).hexdigest()


async def touch(tx: Transaction, key: str, now: datetime) -> None:
    """Record that a session was used."""
    await tx.execute(update(schema.sessions).where(schema.sessions.c.token_hash == key).values(seen_at=now))


async def end(tx: Transaction, key: str) -> None:
    """Sign one session out; `officers.sign_out` ends all of an officer."""
    await tx.execute(delete(schema.sessions).where(schema.sessions.c.token_hash == key))
