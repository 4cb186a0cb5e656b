"""Who may leave now: deliveries are claimed by people, so that each person's stay in one hand and in their order."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from storage.queue.outbox import CHANNELS, LEASE, PRIORITY, Delivery, DeliveryKind, DeliveryState, in_state
from storage.schema import deliveries


@dataclass(frozen=True, slots=True)
class RecipientLimit:
    """What one person may get: at most `most` deliveries in any `seconds`, whichever process sends them."""

    most: int
    seconds: float


async def claim(
    tx: Transaction, worker: str, channel: str, now: datetime, limit: int, person: RecipientLimit | None = None
) -> list[Delivery]:
    """Take hold of what is due on a channel, replies first; whoever holds several of one address sends them in turn.

    `limit` is of people; with one comes all that may follow. What an older one must go before is left while that is
    under way or put off. Who got as much as a person may get just now is passed over, and holds up nobody. Two workers
    may not claim on a channel at once (see `paces.look`): the second would take what comes after what the first is
    just taking.
    """
    values = {"on": channel, "now": now, "most": limit, "by": worker, "until": now + LEASE}
    if person is not None:
        values |= {"enough": person.most, "since": now - timedelta(seconds=person.seconds)}
    rows = (await tx.execute(_CLAIM if person is None else _CLAIM_WITHIN, values)).all()
    return [_delivery(row) for row in sorted(rows, key=_in_turn)]


def _delivery(row: Row[Any]) -> Delivery:
    fields = row._asdict()
    return Delivery(**fields | {"kind": DeliveryKind(fields["kind"])})


def _in_turn(row: Row[Any]) -> tuple[int, int]:
    return row.priority, row.id


_other, _got = deliveries.alias(), deliveries.alias()
_now: BindParameter[datetime] = bindparam("now")
_on: BindParameter[str] = bindparam("on")


def _ahead(of: FromClause) -> ColumnElement[bool]:
    """`_other` was said earlier to the same person, and is as urgent: a late prompt does not hold up a reply, nor does
    what is no message anything.
    """
    return and_(
        _is_theirs(_other, of), _other.c.priority <= of.c.priority, _other.c.priority >= 0, _other.c.id < of.c.id
    )


def _is_theirs(one: FromClause, of: FromClause) -> ColumnElement[bool]:
    """Of the same person. They have few deliveries, and a channel has many: by the index of the person, whatever else
    PostgreSQL expects of a table that it has not counted yet, so that the channel is no column of an index here."""
    return (one.c.address == of.c.address) & (one.c.channel.concat("") == of.c.channel)


def _is_within(of: FromClause) -> ColumnElement[bool]:
    """The person has room for this one, after what they got lately and what goes before it."""
    recent = (
        select(func.count())
        .where(
            _is_theirs(_got, of),
            _got.c.state == DeliveryState.SENT,
            _got.c.priority >= 0,
            _got.c.ended_at.between(bindparam("since"), _now),  # not after: clocks are set back
        )
        .scalar_subquery()
    )
    before = select(func.count()).where(_ahead(of), _other.c.state == DeliveryState.WAITING).scalar_subquery()
    return or_(of.c.priority < 0, recent + before < bindparam("enough"))


def _claim(is_within: Callable[[FromClause], ColumnElement[bool]]) -> Executable:
    """First those with nobody ahead, as many as asked for; then all else of their people that may follow them now."""
    first, each = deliveries.alias(), deliveries.alias()
    is_behind = exists().where(_ahead(first), _other.c.state.in_((DeliveryState.WAITING, DeliveryState.CLAIMED)))
    heads = (
        select(first.c.id, first.c.address, first.c.channel)
        .where(first.c.channel == _on, first.c.state == DeliveryState.WAITING, first.c.due_at <= _now)
        .where(or_(first.c.priority < 0, ~is_behind), is_within(first))
        .order_by(first.c.priority, first.c.due_at, first.c.id)
        .limit(bindparam("most"))
    ).cte()
    # Chosen once: PostgreSQL may run a subquery again for every row, and claim beyond the limit.
    heads = heads.prefix_with("MATERIALIZED", dialect="postgresql")
    is_stuck = exists().where(
        _ahead(each),
        or_(
            _other.c.state == DeliveryState.CLAIMED,
            (_other.c.state == DeliveryState.WAITING) & (_other.c.due_at > _now),
        ),
    )
    followers = (
        select(each.c.id)
        .join(heads, _is_theirs(each, heads) & (each.c.id != heads.c.id))
        .where(each.c.state == DeliveryState.WAITING, each.c.due_at <= _now)
        .where(or_(each.c.priority < 0, ~is_stuck), is_within(each))
    )
    chosen = union_all(select(heads.c.id), followers)
    held = {"state": DeliveryState.CLAIMED.value, "worker": bindparam("by"), "lease_until": bindparam("until")}
    return (
        update(deliveries)
        .where(deliveries.c.id.in_(chosen), deliveries.c.state == DeliveryState.WAITING)
        .values(**held, attempts=deliveries.c.attempts + 1)
        .returning(*(deliveries.c[name] for name in Delivery.__slots__))
    )


_CLAIM = _claim(lambda _: true())
_CLAIM_WITHIN = _claim(_is_within)


async def due_channels(tx: Transaction, now: datetime) -> dict[str, bool]:
    """The channels on which anything wants to leave now, and whether any of it is more urgent than a prompt."""
    return {
        row.channel: row.priority < PRIORITY[DeliveryKind.PROMPT] for row in await tx.execute(_DUE_ON, {"now": now})
    }


def _due(channel: str) -> Select[str, int]:
    """The most urgent one, as the index gives it."""
    most_urgent = (
        select(deliveries.c.channel, deliveries.c.priority)
        .where(deliveries.c.channel == channel, deliveries.c.state == DeliveryState.WAITING)
        .where(deliveries.c.due_at <= bindparam("now"))
        .order_by(deliveries.c.priority)
        .limit(1)
        .subquery()
    )
    return select(most_urgent)


_DUE_ON = union_all(*map(_due, CHANNELS))


async def has_expired_lease(tx: Transaction, now: datetime) -> bool:
    """Whether any lease is over."""
    return bool(await tx.scalar(_HAS_EXPIRED, {"now": now}))


_HAS_EXPIRED = select(exists().where(in_state(DeliveryState.CLAIMED), deliveries.c.lease_until < bindparam("now")))
