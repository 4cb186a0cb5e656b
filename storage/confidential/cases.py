"""Confidential cases: sealed letters, case keys sealed to readers, states of cases, one-time links and notifications.

            officer opens            officer answers
received ------------------> open --------------------> answered --+
   |                          | ^ ^                      |   |  ^  | another answer
   |                          | | +--- asker writes -----+   |  +--+
   |       officer asks back  | |                            |
   |                          v | asker writes               | officer asks back
   |                       asked_back <----------------------+
   |                          |  (asked_back -> answered: answered after all; asked again: stays)
   +-------> closed <---------+------ from every state; nothing leads out
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Row, delete, func, insert, select, update

from storage import schema
from storage.database import Transaction, dialect_insert


class CaseState(StrEnum):
    """State of a case; see the diagram above."""

    RECEIVED = "received"  # not opened yet
    OPEN = "open"  # opened by an officer; it is the unit's turn
    ANSWERED = "answered"
    ASKED_BACK = "asked_back"  # it is the asker's turn
    CLOSED = "closed"


_TRANSITIONS: Mapping[CaseState, tuple[CaseState, ...]] = {
    CaseState.RECEIVED: (CaseState.OPEN, CaseState.CLOSED),
    CaseState.OPEN: (CaseState.ANSWERED, CaseState.ASKED_BACK, CaseState.CLOSED),
    CaseState.ANSWERED: (CaseState.OPEN, CaseState.ANSWERED, CaseState.ASKED_BACK, CaseState.CLOSED),
    CaseState.ASKED_BACK: (CaseState.OPEN, CaseState.ANSWERED, CaseState.ASKED_BACK, CaseState.CLOSED),
    CaseState.CLOSED: (),
}


class InvalidTransition(Exception):
    """The diagram has no such transition; the message names both states."""


class CaseExists(Exception):
    """A case with this id or these words exists already."""


class OutOfOrder(Exception):
    """The letter does not follow the last one of its case."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case, with everything that the server knows of it."""

    id: str
    day: date
    state: CaseState
    epoch: int
    due_on: date
    size_step: int
    origin: str  # form | chat
    asker_key: str
    asker_bundle: str  # canonical JSON


@dataclass(frozen=True, slots=True)
class Access:
    """The case key of one epoch, sealed to one reader."""

    epoch: int
    reader: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One sealed letter; `envelope` is canonical JSON."""

    seq: int
    epoch: int
    envelope: str


@dataclass(frozen=True, slots=True)
class Route:
    """The sealed chat address that is notified of news in a case."""

    case_id: str
    sealed_address: str


def _case(row: Row[tuple[object, ...]]) -> Case:
    values = row._mapping  # SQLAlchemy's public name for a row as a mapping
    return Case(
        id=values["id"],
        day=values["day"],
        state=CaseState(values["state"]),
        epoch=values["epoch"],
        due_on=values["due_on"],
        size_step=values["size_step"],
        origin=values["origin"],
        asker_key=values["asker_key"],
        asker_bundle=values["asker_bundle"],
    )


# ---------------------------------------------------------------- one-time links


async def add_link(tx: Transaction, token_hash: str, sealed_address: str, expires_at: datetime) -> None:
    """Store a one-time link. `expires_at` must be a full hour: a finer time would reveal who asked when.

    Raises ValueError.
    """
    if expires_at.minute or expires_at.second or expires_at.microsecond:
        raise ValueError("a link expires on the hour")
    await tx.execute(
        insert(schema.links).values(token_hash=token_hash, sealed_address=sealed_address, expires_at=expires_at)
    )


async def redeem_link(tx: Transaction, token_hash: str, now: datetime) -> str | None:
    """Delete a link and return its sealed address; None: it is unknown, redeemed or expired."""
    links = schema.links
    statement = delete(links).where(links.c.token_hash == token_hash, links.c.expires_at > now)
    return (await tx.execute(statement.returning(links.c.sealed_address))).scalar_one_or_none()


async def delete_expired_links(tx: Transaction, now: datetime) -> None:
    await tx.execute(delete(schema.links).where(schema.links.c.expires_at <= now))


# ---------------------------------------------------------------- cases and letters


async def add(tx: Transaction, case: Case, locator_hash: str, access: Sequence[Access], letter: Letter) -> None:
    """Store a new case with its first letter. Raises CaseExists."""
    row = dialect_insert(tx, schema.cases).values(
        id=case.id,
        day=case.day,
        state=case.state.value,
        epoch=case.epoch,
        due_on=case.due_on,
        size_step=case.size_step,
        origin=case.origin,
        locator_hash=locator_hash,
        asker_key=case.asker_key,
        asker_bundle=case.asker_bundle,
    )
    added = await tx.execute(row.on_conflict_do_nothing().returning(schema.cases.c.id))
    if added.scalar_one_or_none() is None:
        raise CaseExists(case.id)
    await add_access(tx, case.id, access)
    await add_letter(tx, case.id, letter)


async def add_access(tx: Transaction, case_id: str, access: Sequence[Access]) -> None:
    """Grant readers access to an epoch of a case."""
    rows = [
        {"case_id": case_id, "epoch": grant.epoch, "reader": grant.reader, "sealed": grant.sealed} for grant in access
    ]
    await tx.execute(insert(schema.access), rows)


async def add_letter(tx: Transaction, case_id: str, letter: Letter) -> None:
    """Store the next letter of a case. Raises OutOfOrder when one was stored concurrently or one is missing."""
    letters = schema.letters
    last = await tx.scalar(select(func.max(letters.c.seq)).where(letters.c.case_id == case_id))
    if letter.seq != (last or 0) + 1:
        raise OutOfOrder(case_id)
    row = dialect_insert(tx, letters).values(
        case_id=case_id, seq=letter.seq, epoch=letter.epoch, envelope=letter.envelope
    )
    added = await tx.execute(row.on_conflict_do_nothing().returning(letters.c.seq))
    if added.scalar_one_or_none() is None:
        raise OutOfOrder(case_id)


async def by_id(tx: Transaction, case_id: str) -> Case | None:
    row = (await tx.execute(select(schema.cases).where(schema.cases.c.id == case_id))).one_or_none()
    return None if row is None else _case(row)


async def by_locator(tx: Transaction, locator_hash: str) -> Case | None:
    """The case with the locator that is derived from the eight words."""
    row = (await tx.execute(select(schema.cases).where(schema.cases.c.locator_hash == locator_hash))).one_or_none()
    return None if row is None else _case(row)


async def queue(tx: Transaction, reader: str, *, closed: bool = False) -> list[Case]:
    """The open cases (`closed`: the closed ones) to which a reader has access, the most urgent first."""
    accessible = select(schema.access.c.case_id).where(schema.access.c.reader == reader)
    is_closed = schema.cases.c.state == CaseState.CLOSED.value
    statement = (
        select(schema.cases)
        .where(schema.cases.c.id.in_(accessible), is_closed if closed else ~is_closed)
        .order_by(schema.cases.c.due_on, schema.cases.c.id)
    )
    return [_case(row) for row in await tx.execute(statement)]


async def letters(tx: Transaction, case_id: str) -> list[Letter]:
    """All letters of a case, in order."""
    table = schema.letters
    statement = select(table.c.seq, table.c.epoch, table.c.envelope).where(table.c.case_id == case_id)
    return [Letter(row.seq, row.epoch, row.envelope) for row in await tx.execute(statement.order_by(table.c.seq))]


async def access(tx: Transaction, case_id: str, reader: str) -> list[Access]:
    """The case keys sealed to a reader, by epoch."""
    table = schema.access
    statement = select(table.c.epoch, table.c.reader, table.c.sealed).where(
        table.c.case_id == case_id, table.c.reader == reader
    )
    return [Access(row.epoch, row.reader, row.sealed) for row in await tx.execute(statement.order_by(table.c.epoch))]


async def set_state(tx: Transaction, case_id: str, state: CaseState, *, due_on: date | None = None) -> None:
    """Move a case to another state, with a new due day if one is given. Raises InvalidTransition.

    Closing deletes the route of the case, unless it has news that were not sent yet (see `claim_news`).
    """
    sources = [source.value for source, targets in _TRANSITIONS.items() if state in targets]
    values: dict[str, object] = {"state": state.value}
    if due_on is not None:
        values["due_on"] = due_on
    cases = schema.cases
    moved = update(cases).where(cases.c.id == case_id, cases.c.state.in_(sources)).values(values).returning(cases.c.id)
    if (await tx.execute(moved)).scalar_one_or_none() is None:
        current = await tx.scalar(select(cases.c.state).where(cases.c.id == case_id))
        raise InvalidTransition(f"{current} -> {state.value}")
    if state is CaseState.CLOSED:
        routes = schema.routes
        await tx.execute(delete(routes).where(routes.c.case_id == case_id, routes.c.has_news.is_(False)))


# ---------------------------------------------------------------- notifications of news


async def add_route(tx: Transaction, route: Route) -> None:
    await tx.execute(insert(schema.routes).values(case_id=route.case_id, sealed_address=route.sealed_address))


async def flag_news(tx: Transaction, case_id: str) -> None:
    """Record that there is news for the asker; no effect if they did not want to be notified."""
    await tx.execute(update(schema.routes).where(schema.routes.c.case_id == case_id).values(has_news=True))


async def claim_news(tx: Transaction) -> list[Route]:
    """Routes with news, which then count as notified; deletes the routes of closed cases."""
    table = schema.routes
    statement = update(table).where(table.c.has_news.is_(True)).values(has_news=False)
    rows = (await tx.execute(statement.returning(table.c.case_id, table.c.sealed_address))).all()
    closed = select(schema.cases.c.id).where(schema.cases.c.state == CaseState.CLOSED.value)
    await tx.execute(delete(table).where(table.c.case_id.in_(closed)))
    return [Route(row.case_id, row.sealed_address) for row in rows]
