"""The outbox: all outbound messages, from waiting to be sent until they have ended.

    waiting --claim--> claimed --accepted--> sent
       ^                 |  |  '--refused (permanent error)--> refused
       |                 |  '-----no response (to a prompt)--> doubted
       '--postponed, lease expired
    waiting --deadline passed, recipient unreachable--> dropped
    (any) --receipt: accepted--> sent --receipt: failed--> failed

*claimed* carries a lease: when a worker dies, its deliveries become waiting again once the lease expires and are sent
again (at least once), unless a receipt shows before that the platform accepted them. *doubted* is final unless a
receipt follows (see storage/queue/receipts.py): the message may have been delivered, and a prompt is never repeated
blindly. Bodies are encrypted (storage/envelopes.py) and emptied at the end, as they may contain a one-time link;
prompts and notices that were *refused* by a code that no table knows keep theirs for a while, and may wait again (see
storage/queue/refusal_streaks.py).

Replies and signals, which follow from what a person did, tell nothing of that person: they have a keyed name in place
of the address, and once ended neither name nor reference, and no finer time than the day. Those that show a prompt are
as open as prompts are: they tell no more than that the recipient is enrolled.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from storage import envelopes
from storage.database import Transaction, day_of, insert_for_dialect
from storage.envelopes import Envelopes
from storage.schema import addresses, deliveries


class DeliveryState(StrEnum):
    """Where a delivery is; see the diagram above."""

    WAITING = "waiting"  # due now or later
    CLAIMED = "claimed"  # a worker holds it until its lease expires
    SENT = "sent"  # the platform accepted it
    REFUSED = "refused"  # the platform will never accept it
    DOUBTED = "doubted"  # the platform may have accepted it
    DROPPED = "dropped"  # too late, or the recipient must not be written to
    FAILED = "failed"  # the platform accepted it, and reported later that it will not be delivered


class DeliveryKind(StrEnum):
    """Purpose of a delivery, in the order of priority: a reply goes before a notice before a prompt."""

    SIGNAL = "signal"  # no message: acknowledges a button press or deletes a message; not rate-limited
    REPLY = "reply"
    NOTICE = "notice"
    PROMPT = "prompt"


LONGEST_LEASE = timedelta(days=1)
"""A lease lasts a minute, and clocks of machines differ by less than a day."""
FOLLOWING = (DeliveryKind.SIGNAL, DeliveryKind.REPLY)
"""Kinds that follow from what a person did."""
PRIORITY = {DeliveryKind.SIGNAL: -10, DeliveryKind.REPLY: 0, DeliveryKind.NOTICE: 10, DeliveryKind.PROMPT: 20}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one recipient.

    As it is stored, `address` may be a keyed name, and `body` is encrypted; `opened` gives the address, and the JSON
    that only `handlers/outgoing` writes and reads.
    """

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
        """It is no message of its own and waits for no turn of the rate limit."""
        return self.priority < 0

    def opened(self, envelopes: Envelopes) -> "Delivery":
        """The delivery with its address and its body in the clear. Raises AlteredDelivery."""
        address, body = envelopes.open(self.address, self.body, self.key, self.channel, self.kind.value)
        return replace(self, address=address, body=body)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be added; `key` is the idempotency key: adding it again changes nothing."""

    key: str
    channel: str
    address: str
    kind: DeliveryKind
    body: str
    due_at: datetime
    deadline: datetime | None = None
    prompt_id: int | None = None  # of the prompt whose question it shows


async def add(tx: Transaction, new: Sequence[NewDelivery]) -> None:
    if not new:
        return
    keyed = envelopes.of(tx)
    await tx.execute(_add(tx.dialect.name), [_row(keyed, delivery) for delivery in new])


def _row(keyed: Envelopes, delivery: NewDelivery) -> dict[str, Any]:
    kind, channel, address = delivery.kind, delivery.channel, delivery.address
    recipient = keyed.name(channel, address) if kind in FOLLOWING and delivery.prompt_id is None else address
    return {
        "key": delivery.key,
        "channel": channel,
        "address": recipient,
        "kind": kind.value,
        "priority": PRIORITY[kind],
        "body": keyed.close(recipient, address, delivery.body, delivery.key, channel, kind.value),
        "due_at": delivery.due_at,
        "deadline": delivery.deadline,
        "prompt_id": delivery.prompt_id,
        "state": DeliveryState.WAITING.value,
    }


@cache
def _add(dialect: str) -> Executable:
    return insert_for_dialect(dialect, deliveries).on_conflict_do_nothing()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class FinishedDelivery:
    """How a claimed delivery ended: sent, refused, doubted or dropped."""

    id: int
    state: DeliveryState
    ref: str = ""
    fault: str = ""


async def finish_all(tx: Transaction, worker: str, finished: Sequence[FinishedDelivery], now: datetime) -> None:
    """Record how deliveries claimed by this worker ended, and empty their bodies.

    A delivery that another worker has claimed since is not changed.
    """
    rows = [
        {
            "claimed_id": delivery.id,
            "by_worker": worker,
            "ended_state": delivery.state.value,
            "ended_ref": delivery.ref[:160] or None,
            "ended_fault": delivery.fault[:80] or None,
            "now": now,
            "today": day_of(now),
        }
        for delivery in finished
    ]
    if rows:
        await tx.execute(_FINISH, rows)


@dataclass(frozen=True, slots=True)
class PostponedDelivery:
    """A claimed delivery that could not be sent and is due again at `until`; None: due as before."""

    id: int
    until: datetime | None
    fault: str = ""
    is_attempt: bool = True  # whether the claim counts as an attempt, after which the next one waits longer


async def postpone_all(tx: Transaction, worker: str, postponed: Sequence[PostponedDelivery]) -> None:
    """Make deliveries claimed by this worker wait again."""
    rows = [
        {
            "claimed_id": delivery.id,
            "by_worker": worker,
            "until": delivery.until,
            "new_fault": delivery.fault[:80] or None,
            "uncounted": int(not delivery.is_attempt),
        }
        for delivery in postponed
    ]
    if rows:
        await tx.execute(_POSTPONE, rows)


SAYS_NOTHING = deliveries.c.prompt_id.is_(None) & deliveries.c.kind.in_([kind.value for kind in FOLLOWING])
"""Whether the row of a delivery must not tell anything of its recipient."""


def ended(now: Any, today: Any) -> dict[str, Any]:
    """Values of a delivery that ends now, except its state: those of a reply or signal keep the day alone."""
    return {
        "body": None,
        "address": case((SAYS_NOTHING, ""), else_=deliveries.c.address),
        "due_at": case((SAYS_NOTHING, today), else_=deliveries.c.due_at),
        "deadline": case((SAYS_NOTHING, null()), else_=deliveries.c.deadline),
        "lease_until": None,
        "ended_at": case((SAYS_NOTHING, today), else_=now),
    }


def ended_at(now: datetime, *, keeps_end: bool = False) -> dict[str, Any]:
    """The same for a moment; `keeps_end`: one that has ended already keeps the time at which it did."""
    moments = [literal(moment, deliveries.c.ended_at.type) for moment in (now, day_of(now))]
    return ended(*(func.coalesce(deliveries.c.ended_at, moment) if keeps_end else moment for moment in moments))


_is_claimed_by_worker = and_(
    deliveries.c.id == bindparam("claimed_id"),
    deliveries.c.state == DeliveryState.CLAIMED,
    deliveries.c.worker == bindparam("by_worker"),
)
_moment = deliveries.c.ended_at.type
_FINISH = (
    update(deliveries)
    .where(_is_claimed_by_worker)
    .values(
        ended(bindparam("now", type_=_moment), bindparam("today", type_=_moment))
        | {
            "state": bindparam("ended_state"),
            "platform_ref": case((SAYS_NOTHING, null()), else_=bindparam("ended_ref", type_=String)),
            "fault": bindparam("ended_fault"),
        }
    )
)
_POSTPONE = (
    update(deliveries)
    .where(_is_claimed_by_worker)
    .values(
        state=DeliveryState.WAITING.value,
        due_at=func.coalesce(bindparam("until", type_=deliveries.c.due_at.type), deliveries.c.due_at),
        attempts=deliveries.c.attempts - bindparam("uncounted", type_=Integer),
        lease_until=None,
        worker=None,
        fault=func.coalesce(bindparam("new_fault", type_=String), deliveries.c.fault),
    )
)


# ---------------------------------------------------------------- deliveries in a state, on all channels


async def channels(tx: Transaction) -> tuple[str, ...]:
    """Channels that have deliveries, also those that are off or that only an older version had.

    The index begins with the channel: with the channels as values a statement finds a state in it, without reading the
    ended deliveries, which are most. No list of channels is needed, and deliveries of none are overlooked.
    """
    return tuple((await tx.execute(EACH_CHANNEL)).scalars())


def in_state(state: DeliveryState) -> ColumnElement[bool]:
    """Condition on the state that uses the index; its parameter `channels` is the result of `channels`."""
    return on_channels() & (deliveries.c.state == state)


def on_channels() -> ColumnElement[bool]:
    """Condition on the channel, with the same parameter."""
    return deliveries.c.channel.in_(bindparam("channels", expanding=True))


def _channels() -> Select[str]:
    """Read one entry of the index for each channel: the first, then each time the first of a greater channel."""
    found = select(func.min(deliveries.c.channel).label("channel")).cte("found", recursive=True)
    following = select(func.min(deliveries.c.channel)).where(deliveries.c.channel > found.c.channel).scalar_subquery()
    found = found.union_all(select(following).where(found.c.channel.is_not(None)))
    return select(found.c.channel).where(found.c.channel.is_not(None))


EACH_CHANNEL = _channels()


async def reclaim(tx: Transaction, worker: str, now: datetime, in_flight: Collection[int] = ()) -> int:
    """Make deliveries wait again whose lease has expired, as their worker died or is too slow; return their number.

    `in_flight`: deliveries that `worker` itself is sending. They are left alone, since the clock may be set forward.
    A lease until a later day was set by a clock that was ahead, and counts as expired.
    """
    is_abandoned = or_(deliveries.c.worker != worker, deliveries.c.id.not_in(in_flight))
    statement = (
        update(deliveries)
        .where(
            in_state(DeliveryState.CLAIMED), ~deliveries.c.lease_until.between(now, now + LONGEST_LEASE), is_abandoned
        )
        .values(state=DeliveryState.WAITING.value, lease_until=None, worker=None)
        .returning(deliveries.c.id)
    )
    return len((await tx.execute(statement, {"channels": await channels(tx)})).all())


async def release(tx: Transaction, worker: str, except_ids: Collection[int] = ()) -> None:
    """Make everything that a stopping worker has claimed wait again at once, except what it is still sending."""
    await tx.execute(
        update(deliveries)
        .where(deliveries.c.worker == worker, in_state(DeliveryState.CLAIMED), deliveries.c.id.not_in(except_ids))
        .values(state=DeliveryState.WAITING.value, lease_until=None, worker=None),
        {"channels": await channels(tx)},
    )


async def release_all(tx: Transaction, except_channels: Collection[str] = ()) -> None:
    """Make everything claimed wait again at once; only for a process that knows to be the only one.

    `except_channels`: channels whose platform sends receipts. There the lease is waited for, so that nothing is sent
    twice.
    """
    await tx.execute(
        update(deliveries)
        .where(in_state(DeliveryState.CLAIMED), deliveries.c.channel.not_in(except_channels))
        .values(state=DeliveryState.WAITING.value, lease_until=None, worker=None),
        {"channels": await channels(tx)},
    )


async def drop_unreachable(tx: Transaction, channel: str, address: str, now: datetime) -> None:
    """Drop what waits for a recipient who must not be written to, and mark the address as unreachable."""
    waiting = is_to(tx, channel, address) & (deliveries.c.state == DeliveryState.WAITING)
    dropped = ended_at(now) | {"state": DeliveryState.DROPPED.value, "fault": "blocked"}
    await tx.execute(update(deliveries).where(waiting).values(dropped))
    await tx.execute(
        update(addresses)
        .where(addresses.c.channel == channel, addresses.c.address == address)
        .values(is_reachable=False)
    )


async def drop_moved(tx: Transaction, channel: str, address: str) -> None:
    """Drop what waits for an address that belongs to another account now.

    Replies and signals are deleted, so that no time of theirs stays.
    """
    waiting = is_to(tx, channel, address) & (deliveries.c.state == DeliveryState.WAITING)
    await tx.execute(delete(deliveries).where(waiting, SAYS_NOTHING))
    dropped = {"state": DeliveryState.DROPPED.value, "body": None, "fault": "moved", "ended_at": deliveries.c.due_at}
    await tx.execute(update(deliveries).where(waiting).values(dropped))


async def readdress(tx: Transaction, channel: str, before: str, after: str) -> None:
    """Address what waits or is in flight to the address that its recipient has now.

    A body that does not belong to its row stays as it is, and is refused when its turn comes.
    """
    keyed, is_open = envelopes.of(tx), deliveries.c.state.in_((DeliveryState.WAITING, DeliveryState.CLAIMED))
    columns = (deliveries.c.id, deliveries.c.key, deliveries.c.kind, deliveries.c.address, deliveries.c.body)
    rows = (await tx.execute(select(*columns).where(is_to(tx, channel, before), is_open))).all()
    for row in rows:
        bound = (row.key, channel, row.kind)
        try:
            _, body = keyed.open(row.address, row.body, *bound)
        except envelopes.AlteredDelivery:
            continue
        recipient = after if row.address == before else keyed.name(channel, after)
        values = {"address": recipient, "body": keyed.close(recipient, after, body, *bound)}
        await tx.execute(update(deliveries).where(deliveries.c.id == row.id).values(values))


async def delete_all(tx: Transaction, channel: str, address: str) -> None:
    """Delete all deliveries to an address, as its servant leaves; ended replies tell already nothing of it."""
    await tx.execute(delete(deliveries).where(is_to(tx, channel, address)))


def is_to(tx: Transaction, channel: str, address: str) -> ColumnElement[bool]:
    """Condition that a delivery is to an address, as far as its row shows to whom it is.

    A recipient has few deliveries, a channel has many: the channel is wrapped so that no index on it applies.
    """
    recipients = envelopes.of(tx).recipients(channel, address) if address else ()
    return (deliveries.c.channel.concat("") == channel) & deliveries.c.address.in_(recipients)
