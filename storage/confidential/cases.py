"""Confidential cases: sealed letters, case keys sealed to readers, and the states by which the queue is sorted.

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

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import Row, delete, func, insert, select, update

from storage import schema
from storage.confidential import letter_hashes
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical, decode
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter, read_letter
from storage.confidential.protocol.notebooks import Head
from storage.database import Transaction, dialect_insert

TALK = "talk"


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
    due_on: date
    size_step: int
    origin: str  # form | chat
    asker_box: str  # canonical JSON
    asker_version: int


def locator_hash(locator: str) -> str:
    """The form in which the server stores the locator of the eight words. Raises Malformed."""
    return hashlib.sha256(decode(locator, "locator")).hexdigest()


def _state(stored: str) -> CaseState:
    """The state of a row; one that only an altered row has counts as the unit's turn, so that nothing is hidden."""
    return CaseState(stored) if stored in set(CaseState) else CaseState.OPEN


def _case(row: Row[tuple[object, ...]]) -> Case:
    values = row._mapping  # SQLAlchemy's public name for a row as a mapping
    return Case(
        id=values["id"],
        day=values["day"],
        state=_state(values["state"]),
        due_on=values["due_on"],
        size_step=values["size_step"],
        origin=values["origin"],
        asker_box=values["asker_box"],
        asker_version=values["asker_version"],
    )


# ---------------------------------------------------------------- cases and letters


async def add(tx: Transaction, case: Case, locator_hash: str, access: Sequence[Access], letter: Letter) -> None:
    """Store a new case with its first letter. Raises CaseExists."""
    row = dialect_insert(tx, schema.cases).values(
        id=case.id,
        day=case.day,
        state=case.state.value,
        due_on=case.due_on,
        size_step=case.size_step,
        origin=case.origin,
        locator_hash=locator_hash,
        asker_box=case.asker_box,
        asker_version=case.asker_version,
    )
    added = await tx.execute(row.on_conflict_do_nothing().returning(schema.cases.c.id))
    if added.scalar_one_or_none() is None:
        raise CaseExists(case.id)
    await add_letter(tx, letter, access)


async def add_letter(tx: Transaction, letter: Letter, access: Sequence[Access] = ()) -> None:
    """Store a letter, and with a grant the keys of the new epoch in place of those before.

    Raises OutOfOrder when another letter with this number was stored concurrently.
    """
    context, table = letter["context"], schema.letters
    row = dialect_insert(tx, table).values(
        case_id=context["case"], lane=context["lane"], seq=context["seq"], letter=canonical(letter)
    )
    added = await tx.execute(row.on_conflict_do_nothing().returning(table.c.seq))
    if added.scalar_one_or_none() is None:
        raise OutOfOrder(context["case"])
    if access:
        await _replace_access(tx, context["case"], context["lane"], access)


async def _replace_access(tx: Transaction, case_id: str, lane: str, access: Sequence[Access]) -> None:
    """One row for each reader, of the newest epoch only: older keys are found inside the granting letters."""
    table = schema.access
    await tx.execute(delete(table).where(table.c.case_id == case_id, table.c.lane == lane))
    await tx.execute(
        insert(table),
        [
            {"case_id": case_id, "lane": lane, "reader": row["reader"], "epoch": row["epoch"], "sealed": row["sealed"]}
            for row in access
        ],
    )


async def replace_box(tx: Transaction, case_id: str, version: int, box: Box) -> bool:
    """Store the next version of the asker's box; False when `version` does not follow the stored one."""
    table = schema.cases
    changed = update(table).where(table.c.id == case_id, table.c.asker_version == version - 1)
    values = {"asker_box": canonical(box), "asker_version": version}
    return (await tx.execute(changed.values(values).returning(table.c.id))).scalar_one_or_none() is not None


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


async def letters(tx: Transaction, case_id: str, lane: str = TALK) -> list[Letter]:
    """All letters of one lane of a case, in order. Raises Malformed where a row holds none."""
    table = schema.letters
    statement = select(table.c.letter).where(table.c.case_id == case_id, table.c.lane == lane)
    return [read_letter(row.letter) for row in await tx.execute(statement.order_by(table.c.seq))]


async def access(tx: Transaction, case_id: str, reader: str, lane: str = TALK) -> Access | None:
    """The key of the newest epoch, sealed to a reader; None: the reader has none."""
    table = schema.access
    row = (
        await tx.execute(
            select(table).where(table.c.case_id == case_id, table.c.lane == lane, table.c.reader == reader)
        )
    ).one_or_none()
    if row is None:
        return None
    return {"case": row.case_id, "lane": row.lane, "epoch": row.epoch, "reader": row.reader, "sealed": row.sealed}


async def heads(tx: Transaction, reader: str) -> list[Head]:
    """The newest letter of every case and lane that a reader has a key for; a row that is no letter is left out."""
    letters, own = schema.letters, schema.access
    newest = (
        select(letters.c.case_id, letters.c.lane, func.max(letters.c.seq).label("seq"))
        .join(own, (own.c.case_id == letters.c.case_id) & (own.c.lane == letters.c.lane) & (own.c.reader == reader))
        .group_by(letters.c.case_id, letters.c.lane)
        .subquery()
    )
    statement = select(letters).join(
        newest,
        (newest.c.case_id == letters.c.case_id) & (newest.c.lane == letters.c.lane) & (newest.c.seq == letters.c.seq),
    )
    found = []
    for row in await tx.execute(statement.order_by(letters.c.case_id, letters.c.lane)):
        if newest_hash := letter_hashes.of_row(row.letter):
            found.append(Head(case=row.case_id, lane=row.lane, seq=row.seq, hash=newest_hash))
    return found


async def of_reader(tx: Transaction, reader: str, after: str, limit: int) -> list[str]:
    """The ids of the cases that a reader has a key for, from the one after `after` on, in order."""
    table = schema.access
    statement = select(table.c.case_id).where(table.c.reader == reader, table.c.lane == TALK, table.c.case_id > after)
    return list(await tx.scalars(statement.order_by(table.c.case_id).limit(limit)))


async def set_state(tx: Transaction, case_id: str, state: CaseState, *, due_on: date | None = None) -> None:
    """Move a case to another state, with a new due day if one is given. Raises InvalidTransition."""
    sources = [source.value for source, targets in _TRANSITIONS.items() if state in targets]
    values: dict[str, object] = {"state": state.value}
    if due_on is not None:
        values["due_on"] = due_on
    cases = schema.cases
    moved = update(cases).where(cases.c.id == case_id, cases.c.state.in_(sources)).values(values).returning(cases.c.id)
    if (await tx.execute(moved)).scalar_one_or_none() is None:
        current = await tx.scalar(select(cases.c.state).where(cases.c.id == case_id))
        raise InvalidTransition(f"{current} -> {state.value}")
