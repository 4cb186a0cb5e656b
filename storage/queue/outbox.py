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
blindly. Bodies are emptied at the end, as they may contain a one-time link; prompts and notices that were *refused* by
a code that no table knows keep theirs for a while, and may wait again (see storage/queue/refusal_streaks.py).
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
    Select,
    String,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from storage.database import Transaction, insert_for_dialect
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
PRIORITY = {DeliveryKind.SIGNAL: -10, DeliveryKind.REPLY: 0, DeliveryKind.NOTICE: 10, DeliveryKind.PROMPT: 20}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one address. `body` is JSON that only `handlers/outgoing` writes and the dispatcher reads."""

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
    rows = [
        {
            "key": delivery.key,
            "channel": delivery.channel,
            "address": delivery.address,
            "kind": delivery.kind.value,
            "priority": PRIORITY[delivery.kind],
            "body": delivery.body,
            "due_at": delivery.due_at,
            "deadline": delivery.deadline,
            "prompt_id": delivery.prompt_id,
            "state": DeliveryState.WAITING.value,
        }
        for delivery in new
    ]
    await tx.execute(_add(tx.dialect.name), rows)


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


_is_claimed_by_worker = and_(
    deliveries.c.id == bindparam("claimed_id"),
    deliveries.c.state == DeliveryState.CLAIMED,
    deliveries.c.worker == bindparam("by_worker"),
)
_FINISH = (
    update(deliveries)
    .where(_is_claimed_by_worker)
    .values(
        state=bindparam("ended_state"),
        platform_ref=bindparam("ended_ref"),
        fault=bindparam("ended_fault"),
        body=None,
        ended_at=bindparam("now"),
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
    """Delete all deliveries to an address, ended and waiting, as its servant leaves."""
    await tx.execute(delete(deliveries).where(deliveries.c.channel == channel, deliveries.c.address == address))
