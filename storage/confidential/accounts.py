"""How an officer gets in: words and recovery code, each checked by a slow hash and opening a box of its own.

Every change names what it replaces, so that of two at once one wins and the other is refused.
"""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select, update

from storage import schema
from storage.confidential import officers
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical
from storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Words:
    """What new words give: `bundle` is of readers only."""

    salt: str
    auth_hash: str
    bundle: Box | None


@dataclass(frozen=True, slots=True)
class Code:
    """What a new recovery code gives."""

    code_hash: str
    recovery_bundle: Box


@dataclass(frozen=True, slots=True)
class Account:
    """What words and code of an officer who can sign in are checked by."""

    id: str
    auth_hash: str
    bundle: Box | None
    code_hash: str | None  # None also of a code that was made before codes could sign in
    recovery_bundle: Box | None


async def by_email(tx: Transaction, email: str) -> Account | None:
    """The account of a mail address; None: no officer with it can sign in."""
    return await _account(tx, schema.officers.c.email == officers.normalize_email(email))


async def by_id(tx: Transaction, officer_id: str) -> Account | None:
    """The account of an officer who can sign in."""
    return await _account(tx, schema.officers.c.id == officer_id)


async def _account(tx: Transaction, condition: ColumnElement[bool]) -> Account | None:
    table = schema.officers
    columns = (table.c.id, table.c.auth_hash, table.c.bundle, table.c.code_hash, table.c.recovery_bundle)
    statement = select(*columns).where(condition, table.c.state.in_(officers.CAN_SIGN_IN))
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    return Account(row.id, row.auth_hash, _box(row.bundle), row.code_hash, _box(row.recovery_bundle))


def _box(text: str | None) -> Box | None:
    return None if text is None else json.loads(text)


async def keep_code(tx: Transaction, officer_id: str, code_hash: str) -> None:
    """Store the hash of the code that a new officer's keys were wrapped with."""
    await tx.execute(update(schema.officers).where(schema.officers.c.id == officer_id).values(code_hash=code_hash))


async def replace_words(tx: Transaction, account: Account, words: Words) -> bool:
    """Replace the words as they were read; False: they are others meanwhile."""
    return await _replace(tx, account, _words(words), schema.officers.c.auth_hash == account.auth_hash)


async def replace_code(tx: Transaction, account: Account, code: Code) -> bool:
    """Replace the recovery code as it was read; False: it, or the words, are others meanwhile."""
    table = schema.officers
    unchanged = (table.c.auth_hash == account.auth_hash, table.c.code_hash.is_not_distinct_from(account.code_hash))
    return await _replace(tx, account, _code(code), *unchanged)


async def replace_both(tx: Transaction, account: Account, words: Words, code: Code) -> bool:
    """Replace words and code at once, for who had the code; False: the code is another meanwhile."""
    unchanged = schema.officers.c.code_hash == account.code_hash
    return await _replace(tx, account, _words(words) | _code(code), unchanged)


async def _replace(tx: Transaction, account: Account, values: dict[str, Any], *unchanged: ColumnElement[bool]) -> bool:
    table = schema.officers
    same = (table.c.id == account.id, table.c.state.in_(officers.CAN_SIGN_IN), *unchanged)
    changed = update(table).where(*same).values(values).returning(table.c.id)
    return (await tx.execute(changed)).scalar_one_or_none() is not None


def _words(words: Words) -> dict[str, Any]:
    bundle = None if words.bundle is None else canonical(words.bundle)
    return {"salt": words.salt, "auth_hash": words.auth_hash, "bundle": bundle}


def _code(code: Code) -> dict[str, Any]:
    return {"code_hash": code.code_hash, "recovery_bundle": canonical(code.recovery_bundle)}


async def is_current(tx: Transaction, officer_id: str, auth_hash: str, code_hash: str | None = None) -> bool:
    """Whether these are the present words of an officer who may sign in; they stay so until the transaction ends.

    With `code_hash`: whether the recovery code is the present one too.
    """
    table = schema.officers
    row = select(table.c.id).where(
        table.c.id == officer_id, table.c.auth_hash == auth_hash, table.c.state.in_(officers.CAN_SIGN_IN)
    )
    if code_hash is not None:
        row = row.where(table.c.code_hash == code_hash)
    return (await tx.execute(row.with_for_update())).scalar_one_or_none() is not None
