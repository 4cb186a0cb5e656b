"""Claiming due deliveries by recipient, so that those of one recipient are sent by one worker and in their order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    FromClause,
    Row,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    union_all,
    update,
)

from storage.database import Transaction
from storage.queue import outbox
from storage.queue.outbox import PRIORITY, Delivery, DeliveryKind, DeliveryState
from storage.queue.tuning import LEASE
from storage.schema import deliveries


@dataclass(frozen=True, slots=True)
class RecipientRateLimit:
    """Rate limit per recipient: at most `count` deliveries in any `seconds`, whichever process sends them."""

    count: int
    seconds: float


async def claim(
    tx: Transaction,
    worker: str,
    channel: str,
    now: datetime,
    limit: int,
    recipient_limit: RecipientRateLimit | None = None,
    *,
    only_urgent: bool = False,
) -> list[Delivery]:
    """Claim the due deliveries of a channel, replies first; those of one address must be sent one after the other.

    `limit` counts recipients; all eligible deliveries of each are claimed, in order. A delivery is not eligible while
    an earlier one to the same recipient, at least as urgent, is in flight or postponed. Recipients over
    `recipient_limit` are skipped and do not block others; ended replies count against it where they show a prompt only,
    and the sender counts the others. A reply has its recipient's keyed name and a prompt the address: neither waits for
    the other. `only_urgent`: no recipient for whom only prompts are due.

    Two workers must not claim on a channel at once (see `rate_limits.confirm_holder`): the second would claim
    deliveries that follow those in the first worker's uncommitted claim.
    """
    values = {"on_channel": channel, "now": now, "recipients": limit, "by_worker": worker, "until": now + LEASE}
    values["before_priority"] = PRIORITY[DeliveryKind.PROMPT] + (0 if only_urgent else 1)
    if recipient_limit is not None:
        values |= {"allowed": recipient_limit.count, "since": now - timedelta(seconds=recipient_limit.seconds)}
    rows = (await tx.execute(_CLAIM if recipient_limit is None else _CLAIM_WITHIN_LIMIT, values)).all()
    return [_delivery(row) for row in sorted(rows, key=_sending_order)]


def _delivery(row: Row[Any]) -> Delivery:
    fields = row._asdict()
    return Delivery(**fields | {"kind": DeliveryKind(fields["kind"])})


def _sending_order(row: Row[Any]) -> tuple[int, int]:
    return row.priority, row.id


_other, _recent = deliveries.alias(), deliveries.alias()
_now: BindParameter[datetime] = bindparam("now")
_channel: BindParameter[str] = bindparam("on_channel")


def _precedes(delivery: FromClause) -> ColumnElement[bool]:
    """Whether `_other` is an earlier delivery to the same recipient and at least as urgent.

    So a late prompt does not block a reply. Signals are not messages and block nothing.
    """
    return and_(
        _is_same_recipient(_other, delivery),
        _other.c.priority <= delivery.c.priority,
        _other.c.priority >= 0,
        _other.c.id < delivery.c.id,
    )


def _is_same_recipient(left: FromClause, right: FromClause) -> ColumnElement[bool]:
    """Whether two deliveries have the same recipient.

    A recipient has few deliveries, a channel has many: the channel is wrapped in an expression so that no index on it
    applies, and PostgreSQL uses the recipient's index even on a table without statistics.
    """
    return (left.c.address == right.c.address) & (left.c.channel.concat("") == right.c.channel)


def _is_within_limit(delivery: FromClause) -> ColumnElement[bool]:
    """Whether the recipient's rate limit allows the delivery, counting those sent recently and those preceding it."""
    recent = (
        select(func.count())
        .where(
            _is_same_recipient(_recent, delivery),
            _recent.c.state == DeliveryState.SENT,
            _recent.c.priority >= 0,
            _recent.c.ended_at.between(bindparam("since"), _now),  # nothing later: the clock may have been set back
        )
        .scalar_subquery()
    )
    before = select(func.count()).where(_precedes(delivery), _other.c.state == DeliveryState.WAITING).scalar_subquery()
    return or_(delivery.c.priority < 0, recent + before < bindparam("allowed"))


def _claim(is_within_limit: Callable[[FromClause], ColumnElement[bool]]) -> Executable:
    """The claiming statement: first deliveries, up to the limit of recipients, and those that may follow them."""
    first, each = deliveries.alias(), deliveries.alias()
    is_preceded = exists().where(_precedes(first), _other.c.state.in_((DeliveryState.WAITING, DeliveryState.CLAIMED)))
    heads = (
        select(first.c.id, first.c.address, first.c.channel)
        .where(first.c.channel == _channel, first.c.state == DeliveryState.WAITING, first.c.due_at <= _now)
        .where(first.c.priority < bindparam("before_priority"))
        .where(or_(first.c.priority < 0, ~is_preceded), is_within_limit(first))
        .order_by(first.c.priority, first.c.due_at, first.c.id)
        .limit(bindparam("recipients"))
    ).cte()
    # Materialized: PostgreSQL may run a subquery again for every row, and claim beyond the limit.
    heads = heads.prefix_with("MATERIALIZED", dialect="postgresql")
    is_blocked = exists().where(
        _precedes(each),
        or_(
            _other.c.state == DeliveryState.CLAIMED,
            (_other.c.state == DeliveryState.WAITING) & (_other.c.due_at > _now),
        ),
    )
    followers = (
        select(each.c.id)
        .join(heads, _is_same_recipient(each, heads) & (each.c.id != heads.c.id))
        .where(each.c.state == DeliveryState.WAITING, each.c.due_at <= _now)
        .where(or_(each.c.priority < 0, ~is_blocked), is_within_limit(each))
    )
    chosen = union_all(select(heads.c.id), followers)
    lease = {"state": DeliveryState.CLAIMED.value, "worker": bindparam("by_worker"), "lease_until": bindparam("until")}
    return (
        update(deliveries)
        .where(deliveries.c.id.in_(chosen), deliveries.c.state == DeliveryState.WAITING)
        .values(**lease, attempts=deliveries.c.attempts + 1)
        .returning(*(deliveries.c[name] for name in Delivery.__slots__))
    )


_CLAIM = _claim(lambda _: true())
_CLAIM_WITHIN_LIMIT = _claim(_is_within_limit)


async def due_channels(tx: Transaction, names: Sequence[str], now: datetime) -> dict[str, bool]:
    """Which of these channels have due deliveries, each with whether any of them is more urgent than a prompt."""
    if not names:
        return {}
    rows = await tx.execute(_due_channels(tuple(names)), {"now": now})
    return {row.channel: row.priority < PRIORITY[DeliveryKind.PROMPT] for row in rows}


@cache
def _due_channels(names: tuple[str, ...]) -> Executable:
    return union_all(*map(_due, names))


def _due(channel: str) -> Select[str, int]:
    """The most urgent due delivery of a channel, which is the first in the index."""
    most_urgent = (
        select(deliveries.c.channel, deliveries.c.priority)
        .where(deliveries.c.channel == channel, deliveries.c.state == DeliveryState.WAITING)
        .where(deliveries.c.due_at <= bindparam("now"))
        .order_by(deliveries.c.priority)
        .limit(1)
        .subquery()
    )
    return select(most_urgent)


async def has_expired_lease(tx: Transaction, now: datetime) -> bool:
    """Whether any lease has expired, on any channel."""
    return bool(await tx.scalar(_HAS_EXPIRED, {"now": now, "latest": now + outbox.LONGEST_LEASE}))


def _has_expired() -> Select[bool]:
    """One statement, as it is part of each claim that nothing woke: an expired lease is looked up for each channel."""
    names = outbox.EACH_CHANNEL.subquery()
    expired = (
        select(deliveries.c.id)
        .where(deliveries.c.channel == names.c.channel, deliveries.c.state == DeliveryState.CLAIMED)
        .where(or_(deliveries.c.lease_until < bindparam("now"), deliveries.c.lease_until > bindparam("latest")))
        .limit(1)
        .scalar_subquery()
    )
    return select(exists(select(names.c.channel).where(expired.is_not(None))))


_HAS_EXPIRED = _has_expired()
