"""The outbox: everything said, waiting to leave.

    waiting --claim--> claimed --sent--> sent
       ^                 |  |  '--refused (never as it is)--> refused
       |                 |  '-----in doubt (a prompt's answer never came)--> doubted
       '--later, lease over
    waiting --deadline over, person unreachable--> dropped
    (any) --the platform tells that it left--> sent --it tells that it will not arrive--> failed

*claimed* carries a lease: a worker that dies gives its deliveries back when it ends, and they leave again (at least
once). *doubted* is final unless the platform tells more (`told`): it may have delivered, and a prompt is
never repeated blindly. Bodies are
emptied at the end, as they may hold a one-time link.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Executable,
    RowMapping,
    Select,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from storage.database import Transaction, insert_for
from storage.schema import addresses, deliveries

LEASE = timedelta(seconds=60)
CHANNELS = ("telegram", "whatsapp", "webchat")
"""All roads that there are, so that whoever asks for a state need not read what ended."""


class State(StrEnum):
    """Where a delivery is; see the diagram above."""

    WAITING = "waiting"  # due now or later
    CLAIMED = "claimed"  # a worker holds it until its lease ends
    SENT = "sent"  # the platform said yes
    REFUSED = "refused"  # the platform will never take it
    DOUBTED = "doubted"  # the platform may have said yes
    DROPPED = "dropped"  # too late, or the person is not to be written to
    FAILED = "failed"  # the platform had said yes, and told later that it does not arrive


class Kind(StrEnum):
    """What a delivery is for; the order is the priority: a reply goes before a notice before a prompt."""

    SIGNAL = "signal"  # no message: a press is acknowledged, a message erased; takes no slot of the pace
    REPLY = "reply"
    NOTICE = "notice"
    PROMPT = "prompt"


PRIORITY = {Kind.SIGNAL: -10, Kind.REPLY: 0, Kind.NOTICE: 10, Kind.PROMPT: 20}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one address. `body` is JSON that only `handlers/speak` writes and the sender reads."""

    id: int
    key: str
    channel: str
    address: str
    kind: Kind
    body: str
    attempts: int
    deadline: datetime | None
    priority: int = 0

    @property
    def is_unpaced(self) -> bool:
        """No message of its own: it takes no slot."""
        return self.priority < 0


@dataclass(frozen=True, slots=True)
class New:
    """A delivery to be added; `key` is unique for ever: adding it again changes nothing."""

    key: str
    channel: str
    address: str
    kind: Kind
    body: str
    due_at: datetime
    deadline: datetime | None = None


async def add(tx: Transaction, wanted: Sequence[New]) -> None:
    if not wanted:
        return
    rows = [
        {
            "key": one.key,
            "channel": one.channel,
            "address": one.address,
            "kind": one.kind.value,
            "priority": PRIORITY[one.kind],
            "body": one.body,
            "due_at": one.due_at,
            "deadline": one.deadline,
            "state": State.WAITING.value,
        }
        for one in wanted
    ]
    await tx.execute(_add(tx.dialect.name), rows)


@cache
def _add(dialect: str) -> Executable:
    return insert_for(dialect, deliveries).on_conflict_do_nothing()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class PersonLimit:
    """What one person may get: at most `most` deliveries in any `seconds`, whichever process sends them."""

    most: int
    seconds: float


async def claim(
    tx: Transaction, worker: str, channel: str, now: datetime, limit: int, person: PersonLimit | None = None
) -> list[Delivery]:
    """Take hold of what is due on a channel, replies first; of each address only the oldest, so that order is kept.

    Who got as much as a person may get just now is passed over, and holds up nobody.
    """
    older = deliveries.alias()
    held = exists().where(
        older.c.channel == deliveries.c.channel,
        older.c.address == deliveries.c.address,
        older.c.state.in_((State.WAITING, State.CLAIMED)),
        older.c.priority <= deliveries.c.priority,  # a late prompt does not hold up a reply
        older.c.id < deliveries.c.id,
    )
    chosen = (
        select(deliveries.c.id)
        .where(deliveries.c.channel == channel, deliveries.c.state == State.WAITING, deliveries.c.due_at <= now, ~held)
        .order_by(deliveries.c.priority, deliveries.c.due_at, deliveries.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if person is not None:
        chosen = chosen.where(~_is_full(person, now))
    picked = chosen.cte()  # chosen once: PostgreSQL may run a subquery again for every row, and claim beyond the limit
    statement = (
        update(deliveries)
        .where(deliveries.c.id.in_(select(picked.c.id)))
        .values(state=State.CLAIMED.value, worker=worker, lease_until=now + LEASE, attempts=deliveries.c.attempts + 1)
        .returning(*(deliveries.c[name] for name in Delivery.__slots__))
    )
    rows = (await tx.execute(statement)).mappings().all()
    return [_delivery(row) for row in sorted(rows, key=lambda row: (row["priority"], row["id"]))]


def _is_full(person: PersonLimit, now: datetime) -> ColumnElement[bool]:
    got = deliveries.alias()
    recent = (
        select(func.count())
        .where(
            got.c.channel == deliveries.c.channel,
            got.c.address == deliveries.c.address,
            got.c.state == State.SENT,
            got.c.priority + 0 >= 0,  # not by the index of priorities: a person's deliveries are fewer
            got.c.ended_at.between(now - timedelta(seconds=person.seconds), now),  # not after: clocks are set back
        )
        .scalar_subquery()
    )
    return (deliveries.c.priority >= 0) & (recent >= person.most)


def _delivery(row: RowMapping) -> Delivery:
    fields = {name: row[name] for name in Delivery.__slots__}
    return Delivery(**fields | {"kind": Kind(row["kind"])})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a claimed delivery is over: sent, refused, doubted or dropped."""

    id: int
    state: State
    ref: str = ""
    fault: str = ""


async def end_all(tx: Transaction, worker: str, endings: Sequence[Ending], now: datetime) -> None:
    """Claimed deliveries of this worker are over; their bodies go. One whose lease another worker took over stays."""
    rows = [
        {
            "ended_id": one.id,
            "ended_state": one.state.value,
            "ended_ref": one.ref[:160] or None,
            "ended_fault": one.fault[:80] or None,
        }
        for one in endings
    ]
    statement = (
        update(deliveries)
        .where(
            deliveries.c.id == bindparam("ended_id"),
            deliveries.c.state == State.CLAIMED,
            deliveries.c.worker == worker,
        )
        .values(
            state=bindparam("ended_state"),
            platform_ref=bindparam("ended_ref"),
            fault=bindparam("ended_fault"),
            body=None,
            ended_at=now,
        )
    )
    await tx.execute(statement, rows)


async def postpone(tx: Transaction, worker: str, delivery_id: int, until: datetime, fault: str) -> None:
    """A claimed delivery could not leave: it waits again."""
    await tx.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == State.CLAIMED, deliveries.c.worker == worker)
        .values(state=State.WAITING.value, due_at=until, lease_until=None, worker=None, fault=fault[:80])
    )


async def reclaim(tx: Transaction, worker: str, now: datetime) -> int:
    """Whoever held these died, or is too slow to be waited for: they wait again. Give how many.

    What `worker` itself has under way it knows better than the clock, which may be set forward.
    """
    statement = (
        update(deliveries)
        .where(in_state(State.CLAIMED), deliveries.c.lease_until < now, deliveries.c.worker != worker)
        .values(state=State.WAITING.value, lease_until=None, worker=None)
        .returning(deliveries.c.id)
    )
    return len((await tx.execute(statement)).all())


def in_state(state: State) -> ColumnElement[bool]:
    """Through the index, which begins with the channel: what ended stays for days, and is many times more."""
    return deliveries.c.channel.in_(CHANNELS) & (deliveries.c.state == state)


async def give_back(tx: Transaction, worker: str) -> None:
    """A worker stops: what it still holds waits again at once."""
    await tx.execute(
        update(deliveries)
        .where(deliveries.c.worker == worker, in_state(State.CLAIMED))
        .values(state=State.WAITING.value, lease_until=None, worker=None)
    )


async def give_back_all(tx: Transaction) -> None:
    """Whoever held anything is dead: it waits again at once. Only for whoever knows to be the one process."""
    await tx.execute(
        update(deliveries)
        .where(in_state(State.CLAIMED))
        .values(state=State.WAITING.value, lease_until=None, worker=None)
    )


FATES = ("sent", "failed", "delivered", "read")
"""What a platform may tell of a delivery, from the least to the most: words come in any order, and the most counts."""


@dataclass(frozen=True, slots=True)
class Told:
    """A delivery of which the platform told something new."""

    id: int
    channel: str
    address: str
    kind: Kind
    deadline: datetime | None


async def told(tx: Transaction, channel: str, number: int, ref: str, fate: str, now: datetime) -> Told | None:
    """Note what the platform tells of a delivery; None: it is unknown, or nothing new.

    `number` is our id as the platform gave it back (0: it did not), `ref` its own. A delivery of which we never heard
    the answer is sent by any such word; one whose reference is another was given the same id later.
    """
    of_it = deliveries.c.channel == channel
    meant: Select[Any] | CompoundSelect[Any]
    meant = by_ref = select(deliveries.c.id).where(of_it, deliveries.c.platform_ref == ref)
    if number:
        is_tried = deliveries.c.platform_ref.is_(None) & (deliveries.c.attempts > 0)
        meant = by_ref.union_all(select(deliveries.c.id).where(of_it, deliveries.c.id == number, is_tried))
    below = FATES[: FATES.index(fate)]
    over = {"body": None, "lease_until": None, "worker": None, "platform_ref": ref[:160]}
    state = State.FAILED if fate == "failed" else State.SENT
    statement = (
        update(deliveries)
        .where(deliveries.c.id.in_(meant))
        .where(or_(deliveries.c.fate.is_(None), deliveries.c.fate.in_(below)))
        .values(fate=fate, state=state.value, ended_at=func.coalesce(deliveries.c.ended_at, now), **over)
        .returning(*(deliveries.c[name] for name in Told.__slots__))
    )
    row = (await tx.execute(statement)).mappings().first()
    return None if row is None else Told(**{**row, "kind": Kind(row["kind"])})


async def drop_unreachable(tx: Transaction, channel: str, address: str, now: datetime) -> None:
    """The person does not want to be written to: what waits for them is dropped."""
    await tx.execute(
        update(deliveries)
        .where(
            deliveries.c.channel == channel,
            deliveries.c.address == address,
            deliveries.c.state == State.WAITING,
        )
        .values(state=State.DROPPED.value, body=None, fault="blocked", ended_at=now)
    )
    await tx.execute(
        update(addresses)
        .where(addresses.c.channel == channel, addresses.c.address == address)
        .values(is_reachable=False)
    )


async def has_due(tx: Transaction, channel: str, now: datetime) -> bool:
    """Whether anything wants to leave now, or a lease is over."""
    of_it = deliveries.c.channel == channel
    waits = exists().where(of_it, deliveries.c.state == State.WAITING, deliveries.c.due_at <= now)
    is_over = exists().where(of_it, deliveries.c.state == State.CLAIMED, deliveries.c.lease_until < now)
    statement = select(or_(waits, is_over))
    return bool(await tx.scalar(statement))


async def prune(tx: Transaction, before: datetime) -> None:
    """Forget deliveries that ended long ago."""
    await tx.execute(delete(deliveries).where(deliveries.c.ended_at < before))


async def forget(tx: Transaction, channel: str, address: str) -> None:
    """Somebody leaves: what was said to them, or still waits to be, goes."""
    await tx.execute(delete(deliveries).where(deliveries.c.channel == channel, deliveries.c.address == address))
