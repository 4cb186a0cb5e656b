"""Refusals by error codes that no table knows: one refuses its message, several in a row pause their kind for a while.

A streak is open from the first such refusal of a kind of delivery on a channel until one of that kind arrives. With the
third from three different people the kind pauses, longer each time; what was refused in the streak is sent when the
pause ends, if its deadline allows. What was refused before one of the kind arrived without a pause was bad by itself.

While a streak is open its refused deliveries keep their bodies; one that the platform had accepted, and reported later
as failed, has none any more and is rendered again (bot/inbound/receipts.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, null, or_, select, union_all, update

from storage.channels.channel_facts import STOPPED
from storage.database import Transaction, dialect_insert
from storage.queue import outbox, tuning
from storage.queue.outbox import PRIORITY, DeliveryKind, DeliveryState
from storage.schema import channel_facts, deliveries, refusal_streaks

KINDS = (DeliveryKind.NOTICE, DeliveryKind.PROMPT)
"""Kinds that pause. A reply does not: three people who meet one faulty reply would make all others wait for theirs."""
UNKNOWN = "unknown: "
"""Prefix of the fault of a delivery that was refused by an unknown code."""
PAUSED = "paused"
"""Fault of a delivery that was not tried, as its kind pauses."""
RETRIED = "retried"
"""Fault of a refused delivery that is tried for the last time, as another of its kind has arrived."""


@dataclass(frozen=True, slots=True)
class Streak:
    """Refusals in a row of one kind of delivery on one channel."""

    channel: str
    kind: DeliveryKind
    code: str  # of the last refusal
    began_at: datetime
    counted_from: datetime  # refusals since then led to the last pause
    refusals: int
    is_late: bool  # reported for messages that the platform had accepted: only what arrives ends the streak
    pauses: int  # so far
    paused_at: datetime | None
    paused_until: datetime | None

    def pause_end(self, now: datetime) -> datetime | None:
        """When the pause ends; None: the kind does not pause now. One that begins later was set by a wrong clock."""
        if self.paused_at is None or self.paused_until is None:
            return None
        began = self.paused_at - timedelta(seconds=tuning.CLOCK_DIFFERENCE)
        return self.paused_until if began <= now < self.paused_until else None

    @property
    def counting_since(self) -> datetime:
        """Refusals since then decide about the next pause."""
        return self.paused_until or self.began_at

    def retry_at(self, now: datetime) -> datetime | None:
        """When what was refused is tried again, some time after the pause; None: the kind does not pause now."""
        until = self.pause_end(now)
        return None if until is None else until + _AFTER_OTHERS

    @property
    def has_paused(self) -> bool:
        """Whether so many were refused that the kind paused, and none has arrived since."""
        return self.pauses > 0


@dataclass(frozen=True, slots=True)
class Counted:
    """A streak after one more refusal; `begins_pause`: this one made its kind pause."""

    streak: Streak
    begins_pause: bool


@dataclass(frozen=True, slots=True)
class Obstacles:
    """What keeps deliveries from being sent: stopped channels, and open streaks."""

    stopped: frozenset[str]
    streaks: tuple[Streak, ...]


async def obstacles(tx: Transaction) -> Obstacles:
    """All obstacles, in one statement, as it is part of every claim."""
    rows = (await tx.execute(_OBSTACLES)).all()
    streaks = tuple(_streak(row) for row in rows if row.kind is not None)
    return Obstacles(frozenset(row.channel for row in rows if row.kind is None), streaks)


async def open_streaks(tx: Transaction) -> list[Streak]:
    """All open streaks, by channel and kind."""
    rows = await tx.execute(select(*_COLUMNS).order_by(refusal_streaks.c.channel, refusal_streaks.c.kind))
    return [_streak(row) for row in rows]


async def count_waiting(tx: Transaction, streak: Streak) -> int:
    """Deliveries of the streak's kind that wait."""
    waiting = _of_kind(streak.channel, streak.kind, DeliveryState.WAITING)
    return await tx.scalar(select(func.count()).where(waiting)) or 0


# ---------------------------------------------------------------- refusals


async def refuse(
    tx: Transaction, worker: str, delivery_id: int, channel: str, kind: DeliveryKind, code: str, now: datetime
) -> Counted | None:
    """Refuse a claimed delivery and count it; None: it is not counted, as it was bad by itself.

    If its kind pauses then, it waits for the end of the pause, as all that the streak has refused.
    """
    claimed = and_(
        deliveries.c.id == delivery_id, deliveries.c.worker == worker, deliveries.c.state == DeliveryState.CLAIMED
    )
    was_retried = await tx.scalar(select(deliveries.c.fault).where(claimed)) == RETRIED
    is_counted = kind in KINDS and not was_retried
    values: dict[str, Any] = {"state": DeliveryState.REFUSED.value, "worker": None}
    if is_counted:
        values |= {"fault": _fault(code), "due_at": now, "ended_at": now, "lease_until": None}
    else:
        values |= outbox.ended_at(now) | {"fault": code[:80]}
    is_ours = (await tx.execute(update(deliveries).where(claimed).values(**values))).rowcount > 0
    if not is_counted or not is_ours:
        return None
    counted = await _count(tx, delivery_id, await _extend(tx, channel, kind, code, now, is_late=False), now)
    await _let_wait(tx, counted.streak, now)
    return counted


async def refuse_later(
    tx: Transaction, delivery_id: int, channel: str, kind: DeliveryKind, code: str, now: datetime
) -> Counted | None:
    """Count a delivery that was accepted and failed later by an unknown code; None: its kind does not pause."""
    if kind not in KINDS:
        return None
    await tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(fault=_fault(code), due_at=now))
    counted = await _count(tx, delivery_id, await _extend(tx, channel, kind, code, now, is_late=True), now)
    await _let_wait(tx, counted.streak, now)
    return counted


async def failed_later(tx: Transaction, counted: Counted, delivery_id: int) -> list[str]:
    """The addresses of what failed after it was accepted and is sent again: one, or all that led to the pause."""
    failed = deliveries.c.id == delivery_id
    if counted.begins_pause:
        streak = counted.streak
        failed = _counted(streak, DeliveryState.FAILED) & (deliveries.c.due_at >= streak.counted_from)
    return list(await tx.scalars(select(deliveries.c.address).where(failed).order_by(deliveries.c.id)))


async def _count(tx: Transaction, delivery_id: int, streak: Streak, now: datetime) -> Counted:
    """Let the kind of a streak pause if its last refusal, whose delivery is marked already, is one too many."""
    if streak.pause_end(now) is not None:
        return Counted(streak, begins_pause=False)
    if streak.is_late and await has_arrived(tx, streak):
        await _end(tx, streak, except_id=delivery_id)
        streak = await _store(tx, streak, **_afresh(now, is_late=True))
    since = streak.counting_since
    counted = or_(_counted(streak, DeliveryState.REFUSED), _counted(streak, DeliveryState.FAILED))
    people = select(func.count(deliveries.c.address.distinct())).where(counted, deliveries.c.due_at >= since)
    if (await tx.scalar(people) or 0) < tuning.REFUSALS_TO_PAUSE:
        return Counted(streak, begins_pause=False)
    seconds = min(tuning.FIRST_KIND_PAUSE * 2**streak.pauses, tuning.LONGEST_KIND_PAUSE)
    until, pauses = now + timedelta(seconds=seconds), streak.pauses + 1
    streak = await _store(tx, streak, counted_from=since, paused_at=now, paused_until=until, pauses=pauses)
    return Counted(streak, begins_pause=True)


def _afresh(now: datetime, *, is_late: bool) -> dict[str, Any]:
    """Values of a streak that begins with this refusal."""
    counted = {"began_at": now, "counted_from": now, "refusals": 1, "is_late": is_late}
    return counted | {"pauses": 0, "paused_at": None, "paused_until": None}


async def _extend(
    tx: Transaction, channel: str, kind: DeliveryKind, code: str, now: datetime, *, is_late: bool
) -> Streak:
    """Open a streak or add a refusal to it; its row is locked then. One that begins in the future is begun afresh."""
    new = {"channel": channel, "kind": kind.value, "code": code[:80], "began_at": now, "counted_from": now}
    await tx.execute(dialect_insert(tx, refusal_streaks).values(**new).on_conflict_do_nothing())
    row = (await tx.execute(select(*_COLUMNS).where(_is_at(channel, kind)).with_for_update())).one()
    known = _streak(row)
    changes: dict[str, Any] = {"code": code[:80], "refusals": known.refusals + 1, "is_late": known.is_late or is_late}
    if known.began_at > now + timedelta(seconds=tuning.CLOCK_DIFFERENCE):
        changes |= _afresh(now, is_late=is_late)
    return await _store(tx, known, **changes)


async def _store(tx: Transaction, streak: Streak, **changes: Any) -> Streak:
    changed = update(refusal_streaks).where(_is_at(streak.channel, streak.kind)).values(**changes)
    return _streak((await tx.execute(changed.returning(*_COLUMNS))).one())


async def _let_wait(tx: Transaction, streak: Streak, now: datetime) -> None:
    """Let all that the streak has refused wait for the end of its pause, if it pauses."""
    retry_at = streak.retry_at(now)
    if retry_at is None:
        return
    kept = _counted(streak, DeliveryState.REFUSED) & deliveries.c.body.is_not(None)
    allowed = or_(deliveries.c.deadline.is_(None), deliveries.c.deadline > retry_at)
    waiting = {"state": DeliveryState.WAITING.value, "due_at": retry_at, "ended_at": None}
    await tx.execute(update(deliveries).where(kept, allowed).values(**waiting))
    await tx.execute(update(deliveries).where(kept, ~allowed).values(body=None))


# ---------------------------------------------------------------- the end of a streak


async def close(tx: Transaction, channel: str, kind: DeliveryKind, now: datetime) -> Streak | None:
    """End a streak, as a delivery of the kind has arrived; None: none was open.

    What was refused since the last pause was bad by itself. What waits for the end of a pause is due at once.
    """
    closed = delete(refusal_streaks).where(_is_at(channel, kind)).returning(*_COLUMNS)
    row = (await tx.execute(closed)).first()
    if row is None:
        return None
    streak = _streak(row)
    await _end(tx, streak)
    if streak.paused_until is not None:
        until = streak.paused_until
        waiting = _of_kind(channel, kind, DeliveryState.WAITING) & deliveries.c.due_at.in_(
            (until, until + _AFTER_OTHERS)
        )
        fault = case((deliveries.c.fault.startswith(UNKNOWN, autoescape=True), RETRIED), else_=deliveries.c.fault)
        await tx.execute(update(deliveries).where(waiting).values(due_at=now, fault=fault))
    return streak


async def _end(tx: Transaction, streak: Streak, except_id: int = 0) -> None:
    """Empty what the streak kept, and let it count no more."""
    counted = or_(_counted(streak, DeliveryState.REFUSED), _counted(streak, DeliveryState.FAILED))
    code = func.substr(deliveries.c.fault, len(UNKNOWN) + 1)
    await tx.execute(update(deliveries).where(counted, deliveries.c.id != except_id).values(body=None, fault=code))


async def has_arrived(tx: Transaction, streak: Streak) -> bool:
    """Whether one of the kind has arrived that was not accepted before the first that is counted."""
    refused = _counted(streak, DeliveryState.FAILED) & (deliveries.c.due_at >= streak.began_at)
    first = select(func.min(deliveries.c.ended_at)).where(refused).scalar_subquery()
    arrived = _of_kind(streak.channel, streak.kind, DeliveryState.SENT)
    arrived &= deliveries.c.platform_status.in_(("delivered", "read")) & (deliveries.c.ended_at >= first)
    found = select(deliveries.c.id).where(arrived, deliveries.c.due_at > streak.began_at - _PLANNED_AHEAD)
    return await tx.scalar(found.limit(1)) is not None


# ---------------------------------------------------------------- statements


def _streak(row: Any) -> Streak:
    values = row._asdict()
    return Streak(**values | {"kind": DeliveryKind(values["kind"]), "is_late": bool(values["is_late"])})


def _fault(code: str) -> str:
    return (UNKNOWN + code)[:80]


def _is_at(channel: str, kind: DeliveryKind) -> ColumnElement[bool]:
    return (refusal_streaks.c.channel == channel) & (refusal_streaks.c.kind == kind.value)


def _of_kind(channel: str, kind: DeliveryKind, state: DeliveryState) -> ColumnElement[bool]:
    """Deliveries of a kind in a state, by the index that begins with these columns."""
    return and_(deliveries.c.channel == channel, deliveries.c.state == state, deliveries.c.priority == PRIORITY[kind])


def _counted(streak: Streak, state: DeliveryState) -> ColumnElement[bool]:
    """Deliveries in that state that the streak has counted."""
    return and_(
        _of_kind(streak.channel, streak.kind, state),
        deliveries.c.due_at >= streak.began_at,
        deliveries.c.fault.startswith(UNKNOWN, autoescape=True),
    )


_AFTER_OTHERS = timedelta(seconds=tuning.REFUSED_AFTER_OTHERS)
_PLANNED_AHEAD = timedelta(days=1)  # at most so long after its due time a delivery is sent
_COLUMNS: Sequence[ColumnElement[Any]] = tuple(refusal_streaks.c[field.name] for field in fields(Streak))
_OBSTACLES = union_all(
    select(*_COLUMNS),
    select(channel_facts.c.channel, *(null() for _ in _COLUMNS[1:])).where(channel_facts.c.name == STOPPED),
)
