"""Servants, from enrolment to leaving, and their institutions.

    (stranger: nothing is stored) --enrol--> active <--pause / resume--> paused
                                              '---------leave---------'---> left

The row of a servant who leaves stays without anything that identifies them, so that group counts do not change.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Select, delete, insert, select, update

from storage.channels import transcripts
from storage.database import Transaction, dialect_insert
from storage.people import aliases
from storage.queue import outbox
from storage.schema import addresses, answers, institutions, join_codes, packed_memories, prompts, servants


@dataclass(frozen=True, slots=True)
class Institution:
    """A State or municipal body; `code` is what its servants enrol with."""

    id: int
    code: str
    name: str
    sphere: str
    is_fictional: bool
    responsible: str | None = None  # who answers for its servants' personal data; None: the State's ministry


@dataclass(frozen=True, slots=True)
class Servant:
    """A public servant enrolled in the course."""

    id: int
    institution_id: int
    state: str  # active | paused | left
    language: str
    hour: int
    notice_version: str
    consented_at: datetime
    enrolled_on: date
    paused_until: date | None
    channel: str | None = None  # preferred for prompts; None: the first reachable


# ---------------------------------------------------------------- institutions


async def add_institution(
    tx: Transaction, code: str, name: str, sphere: str, *, is_fictional: bool = False, responsible: str | None = None
) -> bool:
    """Add an institution; False when its code is known already."""
    statement = (
        dialect_insert(tx, institutions)
        .values(code=code, name=name, sphere=sphere, is_fictional=is_fictional, responsible=responsible)
        .on_conflict_do_nothing()
        .returning(institutions.c.id)
    )
    return (await tx.execute(statement)).first() is not None


async def set_responsible(tx: Transaction, code: str, responsible: str) -> None:
    """Name who answers for the personal data of an institution's servants."""
    await tx.execute(update(institutions).where(institutions.c.code == code).values(responsible=responsible))


async def institution_by_code(tx: Transaction, code: str) -> Institution | None:
    return await _one_institution(tx, select(institutions).where(institutions.c.code == code.strip().upper()))


async def institution(tx: Transaction, institution_id: int) -> Institution | None:
    return await _one_institution(tx, select(institutions).where(institutions.c.id == institution_id))


async def _one_institution(tx: Transaction, statement: "Select[tuple[object, ...]]") -> Institution | None:
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else Institution(**row)


async def all_institutions(tx: Transaction) -> list[Institution]:
    rows = (await tx.execute(select(institutions).order_by(institutions.c.name))).mappings()
    return [Institution(**row) for row in rows]


# ---------------------------------------------------------------- addresses


async def by_address(tx: Transaction, channel: str, address: str) -> Servant | None:
    """The servant at an address; None: a stranger. For the sender of an update see `addresses.recognize`."""
    statement = (
        select(*_SERVANT)
        .join(addresses, addresses.c.servant_id == servants.c.id)
        .where(addresses.c.channel == channel, addresses.c.address == address)
    )
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else Servant(**row)


# ---------------------------------------------------------------- servants


async def by_id(tx: Transaction, servant_id: int) -> Servant | None:
    row = (await tx.execute(select(*_SERVANT).where(servants.c.id == servant_id))).mappings().first()
    return None if row is None else Servant(**row)


async def enrol(
    tx: Transaction,
    channel: str,
    address: str,
    *,
    institution_id: int,
    language: str,
    hour: int,
    notice_version: str,
    now: datetime,
    today: date,
    alias: str = "",
    heard_at: datetime | None = None,
) -> Servant:
    """Enrol the person at an address as a servant who has accepted the notice."""
    servant_id = await tx.scalar(
        insert(servants)
        .values(
            institution_id=institution_id,
            state="active",
            language=language,
            hour=hour,
            notice_version=notice_version,
            consented_at=now,
            enrolled_on=today,
        )
        .returning(servants.c.id)
    )
    await aliases.release(tx, channel, alias, keeper=address)
    await tx.execute(
        insert(addresses).values(
            channel=channel,
            address=address,
            servant_id=servant_id,
            is_reachable=True,
            alias=(alias or None) if alias != address else None,
            heard_at=heard_at,
        )
    )
    assert servant_id is not None
    return Servant(servant_id, institution_id, "active", language, hour, notice_version, now, today, None)


async def change(tx: Transaction, servant_id: int, *, language: str | None = None, hour: int | None = None) -> None:
    values = {name: value for name, value in (("language", language), ("hour", hour)) if value is not None}
    await tx.execute(update(servants).where(servants.c.id == servant_id).values(**values))


async def accept_notice(tx: Transaction, servant_id: int, notice_version: str, now: datetime) -> None:
    """Record that the servant has accepted a newer privacy notice."""
    await tx.execute(
        update(servants).where(servants.c.id == servant_id).values(notice_version=notice_version, consented_at=now)
    )


async def change_institution(tx: Transaction, servant_id: int, institution_id: int, today: date) -> None:
    """Move a servant to another institution; what was asked before counts to the institution in which it was asked."""
    before = select(servants.c.institution_id).where(servants.c.id == servant_id).scalar_subquery()
    is_unanswered = prompts.c.id.not_in(select(answers.c.prompt_id).where(answers.c.servant_id == servant_id))
    asked_before = (prompts.c.servant_id == servant_id) & prompts.c.institution_id.is_(None)
    await tx.execute(update(prompts).where(asked_before, is_unanswered).values(institution_id=before))
    moved = {"institution_id": institution_id, "member_since": today}
    await tx.execute(update(servants).where(servants.c.id == servant_id).values(moved))


async def pause(tx: Transaction, servant_id: int, until: date | None) -> None:
    """Send no prompts before `until` (None: until the servant resumes)."""
    await _set_state(tx, servant_id, "paused", until)


async def resume(tx: Transaction, servant_id: int) -> None:
    await _set_state(tx, servant_id, "active", None)


async def _set_state(tx: Transaction, servant_id: int, state: str, until: date | None) -> None:
    await tx.execute(
        update(servants)
        .where(servants.c.id == servant_id, servants.c.state != "left")
        .values(state=state, paused_until=until)
    )


async def leave(tx: Transaction, servant_id: int) -> None:
    """Delete a servant's addresses, messages, memories, link codes and unanswered prompts, and clear the settings.

    Answers stay: those that are not counted yet still are.
    """
    of_servant = select(addresses.c.channel, addresses.c.address).where(addresses.c.servant_id == servant_id)
    for channel, address in (await tx.execute(of_servant)).all():
        await delete_messages(tx, channel, address)
    await tx.execute(delete(join_codes).where(join_codes.c.servant_id == servant_id))
    await tx.execute(delete(addresses).where(addresses.c.servant_id == servant_id))
    await tx.execute(delete(packed_memories).where(packed_memories.c.servant_id == servant_id))
    unanswered = prompts.c.id.not_in(select(answers.c.prompt_id).where(answers.c.servant_id == servant_id))
    await tx.execute(delete(prompts).where(prompts.c.servant_id == servant_id, unanswered))
    await tx.execute(
        update(servants)
        .where(servants.c.id == servant_id)
        .values(state="left", hour=0, language="es", notice_version="", paused_until=None)
    )


async def delete_messages(tx: Transaction, channel: str, address: str) -> None:
    """Delete all messages to an address; updates from it keep nothing of it once they are handled."""
    await outbox.delete_all(tx, channel, address)
    await transcripts.delete_all(tx, address)  # none, but on a channel that keeps transcripts


async def enrolled_ids(tx: Transaction) -> list[int]:
    """The ids of all servants who have not left, in ascending order."""
    statement = select(servants.c.id).where(servants.c.state != "left").order_by(servants.c.id)
    return list((await tx.scalars(statement)).all())


async def add_fictional(
    tx: Transaction, institution_id: int, notice_version: str, now: datetime, enrolled_on: date
) -> int:
    """Add an invented servant without an address, for a fictional institution; return the id."""
    servant_id = await tx.scalar(
        insert(servants)
        .values(
            institution_id=institution_id,
            state="active",
            language="es",
            hour=9,
            notice_version=notice_version,
            consented_at=now,
            enrolled_on=enrolled_on,
            is_fictional=True,
        )
        .returning(servants.c.id)
    )
    assert servant_id is not None
    return int(servant_id)


_SERVANT = tuple(servants.c[name] for name in Servant.__slots__)
