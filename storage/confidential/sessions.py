"""Sessions of officers: a row that only holds with a keyed hash, so that writing rows opens none."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from storage import schema
from storage.confidential import officers
from storage.confidential.officers import Officer
from storage.confidential.protocol import tokens
from storage.confidential.protocol.canonical import decode, encode
from storage.confidential.protocol.errors import Malformed
from storage.database import Transaction

SESSION_HOURS = 12
IDLE_MINUTES = 15
TOUCH_SECONDS = 30  # the last use of a session is stored at most this often
TOKEN_BYTES = 32


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
    table, cookie = schema.sessions, secrets.token_bytes(TOKEN_BYTES)
    idle, expires_at = now - timedelta(minutes=IDLE_MINUTES), now + timedelta(hours=SESSION_HOURS)
    await tx.execute(delete(table).where((table.c.expires_at <= now) | (table.c.seen_at <= idle)))
    await tx.execute(
        insert(table).values(
            token_hash=key_of(encode(cookie)),
            officer_id=officer_id,
            factor=factor,
            seen_at=now,
            expires_at=expires_at,
            mac=tokens.session_mac(key, cookie, officer_id, int(expires_at.timestamp()), factor),
        )
    )
    return encode(cookie)


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
    if row is None or not _is_ours(row, key, token):
        return None
    return Session(key_of(token), officers.from_row(row), row.factor, row.seen_at)


def _is_ours(row: Row[Any], key: bytes, token: str) -> bool:
    """Whether the installation began this session, and nothing in its row was changed since."""
    try:
        cookie = decode(token, "token")
    except Malformed:
        return False
    expected = tokens.session_mac(key, cookie, row.id, int(row.expires_at.timestamp()), row.factor)
    return hmac.compare_digest(row.mac.encode(), expected.encode())


async def touch(tx: Transaction, key: str, now: datetime) -> None:
    """Record that a session was used."""
    await tx.execute(update(schema.sessions).where(schema.sessions.c.token_hash == key).values(seen_at=now))


async def end(tx: Transaction, key: str) -> None:
    """Sign one session out; `officers.sign_out` ends all of an officer."""
    await tx.execute(delete(schema.sessions).where(schema.sessions.c.token_hash == key))
