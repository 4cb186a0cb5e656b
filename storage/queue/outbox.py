"""The outbox: everything said, waiting to leave.

    waiting --claim--> claimed --sent--> sent
       ^                 |  |  '--refused (never as it is)--> refused
       |                 |  '-----in doubt (a prompt's answer never came)--> doubted
       '--later, lease over
    waiting --deadline over, person unreachable--> dropped
    (any) --the platform tells that it left--> sent --it tells that it will not arrive--> failed

*claimed* carries a lease: a worker that dies gives its deliveries back when it ends, and they leave again (at least
once), unless the platform tells before that it took them. *doubted* is final unless the platform tells more (see
storage/queue/receipts.py): it may have delivered, and a prompt is never repeated blindly. Bodies are emptied at the end, as they
may hold a one-time link.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    String,
    and_,
    bindparam,
    delete,
    func,
    or_,
    update,
)

from storage.database import Transaction, insert_for_dialect
from storage.schema import addresses, deliveries

LEASE = timedelta(seconds=60)
CHANNELS = ("telegram", "whatsapp", "webchat")
"""All roads that there are, so that whoever asks for a state need not read what ended."""


class DeliveryState(StrEnum):
    """Where a delivery is; see the diagram above."""

    WAITING = "waiting"  # due now or later
    CLAIMED = "claimed"  # a worker holds it until its lease ends
    SENT = "sent"  # the platform said yes
    REFUSED = "refused"  # the platform will never take it
    DOUBTED = "doubted"  # the platform may have said yes
    DROPPED = "dropped"  # too late, or the person is not to be written to
    FAILED = "failed"  # the platform had said yes, and told later that it does not arrive


class DeliveryKind(StrEnum):
    """What a delivery is for; the order is the priority: a reply goes before a notice before a prompt."""

    SIGNAL = "signal"  # no message: a press is acknowledged, a message erased; takes no slot of the pace
    REPLY = "reply"
    NOTICE = "notice"
    PROMPT = "prompt"


PRIORITY = {DeliveryKind.SIGNAL: -10, DeliveryKind.REPLY: 0, DeliveryKind.NOTICE: 10, DeliveryKind.PROMPT: 20}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one address. `body` is JSON that only `handlers/outgoing` writes and the sender reads."""

    id: int
    key: str
    channel: str
    address: str
    kind: DeliveryKind
    body: str
    attempts: int
    deadline: datetime | None
    priority: int = 0

    @property
    def is_signal(self) -> bool:
        """No message of its own: it takes no slot."""
        return self.priority < 0


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be added; `key` is unique for ever: adding it again changes nothing."""

    key: str
    channel: str
    address: str
    kind: DeliveryKind
    body: str
    due_at: datetime
    deadline: datetime | None = None


async def add(tx: Transaction, wanted: Sequence[NewDelivery]) -> None:
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
            "state": DeliveryState.WAITING.value,
        }
        for one in wanted
    ]
    await tx.execute(_add(tx.dialect.name), rows)


@cache
def _add(dialect: str) -> Executable:
    return insert_for_dialect(dialect, deliveries).on_conflict_do_nothing()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class FinishedDelivery:
    """How a claimed delivery is over: sent, refused, doubted or dropped."""

    id: int
    state: DeliveryState
    ref: str = ""
    fault: str = ""


async def finish_all(tx: Transaction, worker: str, endings: Sequence[FinishedDelivery], now: datetime) -> None:
    """Claimed deliveries of this worker are over; their bodies go. One whose lease another worker took over stays."""
    rows = [
        {
            "held_id": one.id,
            "by": worker,
            "ended_state": one.state.value,
            "ended_ref": one.ref[:160] or None,
            "ended_fault": one.fault[:80] or None,
            "now": now,
        }
        for one in endings
    ]
    if rows:
        await tx.execute(_END, rows)


@dataclass(frozen=True, slots=True)
class PostponedDelivery:
    """A claimed delivery could not leave and waits again, until then; None: it was not tried, and waits as before."""

    id: int
    until: datetime | None
    fault: str = ""


async def postpone_all(tx: Transaction, worker: str, returns: Sequence[PostponedDelivery]) -> None:
    """Claimed deliveries of this worker wait again."""
    rows = [
        {
            "held_id": one.id,
            "by": worker,
            "until": one.until,
            "why": one.fault[:80] or None,
            "less": int(one.until is None),
        }
        for one in returns
    ]
    if rows:
        await tx.execute(_RETURN, rows)


_is_held = and_(
    deliveries.c.id == bindparam("held_id"),
    deliveries.c.state == DeliveryState.CLAIMED,
    deliveries.c.worker == bindparam("by"),
)
_END = (
    update(deliveries)
    .where(_is_held)
    .values(
        state=bindparam("ended_state"),
        platform_ref=bindparam("ended_ref"),
        fault=bindparam("ended_fault"),
        body=None,
        ended_at=bindparam("now"),
    )
)
_RETURN = (
    update(deliveries)
    .where(_is_held)
    .values(
        state=DeliveryState.WAITING.value,
        due_at=func.coalesce(bindparam("until", type_=deliveries.c.due_at.type), deliveries.c.due_at),
        attempts=deliveries.c.attempts - bindparam("less", type_=Integer),
        lease_until=None,
        worker=None,
        fault=func.coalesce(bindparam("why", type_=String), deliveries.c.fault),
    )
)


async def reclaim(tx: Transaction, worker: str, now: datetime, under_way: Collection[int] = ()) -> int:
    """Whoever held these died, or is too slow to be waited for: they wait again. Give how many.

    What `worker` itself has under way it knows better than the clock, which may be set forward.
    """
    is_given_up = or_(deliveries.c.worker != worker, deliveries.c.id.not_in(under_way))
    statement = (
        update(deliveries)
        .where(in_state(DeliveryState.CLAIMED), deliveries.c.lease_until < now, is_given_up)
        .values(state=DeliveryState.WAITING.value, lease_until=None, worker=None)
        .returning(deliveries.c.id)
    )
    return len((await tx.execute(statement)).all())


def in_state(state: DeliveryState) -> ColumnElement[bool]:
    """Through the index, which begins with the channel: what ended stays for days, and is many times more."""
    return deliveries.c.channel.in_(CHANNELS) & (deliveries.c.state == state)


async def release(tx: Transaction, worker: str) -> None:
    """A worker stops: what it still holds waits again at once."""
    await tx.execute(
        update(deliveries)
        .where(deliveries.c.worker == worker, in_state(DeliveryState.CLAIMED))
        .values(state=DeliveryState.WAITING.value, lease_until=None, worker=None)
    )


async def release_all(tx: Transaction, besides: Collection[str] = ()) -> None:
    """Whoever held anything is dead: it waits again at once. Only for whoever knows to be the one process.

    `besides`: channels whose platform tells what it took. There the lease is waited for, so that nothing leaves twice.
    """
    await tx.execute(
        update(deliveries)
        .where(in_state(DeliveryState.CLAIMED), deliveries.c.channel.not_in(besides))
        .values(state=DeliveryState.WAITING.value, lease_until=None, worker=None)
    )


async def drop_unreachable(tx: Transaction, channel: str, address: str, now: datetime) -> None:
    """The person does not want to be written to: what waits for them is dropped."""
    await tx.execute(
        update(deliveries)
        .where(
            deliveries.c.channel == channel,
            deliveries.c.address == address,
            deliveries.c.state == DeliveryState.WAITING,
        )
        .values(state=DeliveryState.DROPPED.value, body=None, fault="blocked", ended_at=now)
    )
    await tx.execute(
        update(addresses)
        .where(addresses.c.channel == channel, addresses.c.address == address)
        .values(is_reachable=False)
    )


async def delete_all(tx: Transaction, channel: str, address: str) -> None:
    """Somebody leaves: what was said to them, or still waits to be, goes."""
    await tx.execute(delete(deliveries).where(deliveries.c.channel == channel, deliveries.c.address == address))
