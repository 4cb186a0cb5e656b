"""Second factors of officers: what each is checked by, and how far each was used, so that no proof works twice."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Row, delete, insert, select, update

from storage import schema
from storage.confidential import totp
from storage.confidential.protocol.canonical import encode
from storage.database import Transaction

STEPS_OF_A_DAY = 24 * 60 * 60 // totp.STEP


class Kind(StrEnum):
    """What an officer shows besides the words."""

    TOTP = "totp"  # the present code of an authenticator app


@dataclass(frozen=True, slots=True)
class Factor:
    """One second factor of an officer."""

    id: str
    kind: Kind
    secret: str  # of an app: sealed, see totp.py
    used: int  # of an app: the step of the last code that was accepted
    added_on: date


async def of_officer(tx: Transaction, officer_id: str) -> list[Factor]:
    """The officer's factors, oldest first."""
    table = schema.factors
    rows = await tx.execute(
        select(table).where(table.c.officer_id == officer_id).order_by(table.c.added_on, table.c.id)
    )
    return [_factor(row) for row in rows]


async def add(tx: Transaction, officer_id: str, kind: Kind, secret: str, used: int, day: date) -> None:
    """Add a factor whose first proof was accepted."""
    await tx.execute(
        insert(schema.factors).values(
            id=encode(secrets.token_bytes(16)),
            officer_id=officer_id,
            kind=kind.value,
            secret=secret,
            used=used,
            added_on=day,
        )
    )


async def use(tx: Transaction, factor: Factor, used: int) -> bool:
    """Record a proof; False: this one, or a later one, was used already."""
    table = schema.factors
    changed = update(table).where(table.c.id == factor.id, table.c.used < used).values(used=used)
    return (await tx.execute(changed.returning(table.c.id))).scalar_one_or_none() is not None


async def forget_moments(tx: Transaction, now: datetime) -> None:
    """Keep of codes that are too old to be accepted only the day: no copy tells at what hour an officer signed in."""
    table, oldest = schema.factors, totp.step_at(now) - totp.TOLERANCE
    only_day = table.c.used - table.c.used % STEPS_OF_A_DAY
    await tx.execute(update(table).where(table.c.kind == Kind.TOTP.value, table.c.used < oldest).values(used=only_day))


async def remove(tx: Transaction, officer_id: str, factor_id: str) -> bool:
    """Remove one factor; False: the officer has no such factor."""
    table = schema.factors
    gone = delete(table).where(table.c.id == factor_id, table.c.officer_id == officer_id)
    return (await tx.execute(gone.returning(table.c.id))).scalar_one_or_none() is not None


async def remove_all(tx: Transaction, officer_ids: Collection[str]) -> None:
    """Remove all factors of these officers."""
    await tx.execute(delete(schema.factors).where(schema.factors.c.officer_id.in_(officer_ids)))


def _factor(row: Row[tuple[object, ...]]) -> Factor:
    return Factor(row.id, Kind(row.kind), row.secret, row.used, row.added_on)
