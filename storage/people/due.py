"""Servants due for a prompt: active, their institution open today, hour reached, reachable, and without a prompt today.

An address that waits for its next try after a refusal counts as not reachable. A prompt of a later day is none of
today: a clock was wrong when it was planned.

One search finds the ids of all of them; before a batch is asked, its servants are checked again, as time has passed. A
search skips servants who have today's prompt (`servants.planned_on` is in the index that it uses): its cost is
proportional to the servants still to be asked. Servants who are due but cannot be asked yet are read by every search.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
    union_all,
    update,
)

from storage.database import Transaction
from storage.people import refusals
from storage.schema import addresses, prompts, servants

TemplateLanguages = Mapping[str, bool]
"""Languages that have a template, and whether the platform counts it as marketing: some recipients opted out of it."""
Moment = datetime | BindParameter[Any]


@dataclass(frozen=True, slots=True)
class DueTime:
    """A local hour of a day, and the ids of the institutions that do not work on that day."""

    day: date
    hour: int
    closed_institutions: frozenset[int]


@dataclass(frozen=True, slots=True)
class WindowCutoff:
    """A channel with a reply window: only a template reaches servants who have not written after `since`."""

    channel: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DueServant:
    """A servant who has no prompt yet today, with the address to send it to."""

    servant_id: int
    institution_id: int
    hour: int
    language: str
    notice_version: str
    channel: str
    address: str
    no_marketing: bool


@dataclass(frozen=True, slots=True)
class DueGroup:
    """Ids of due servants in the order in which to ask them; `window`: they are outside it and need a template."""

    ids: Sequence[int]
    window: WindowCutoff | None = None

    def batches(self, size: int) -> Iterator["DueGroup"]:
        for start in range(0, len(self.ids), size):
            yield replace(self, ids=self.ids[start : start + size])


# ---------------------------------------------------------------- searching


async def within_window(tx: Transaction, at: DueTime, windows: Sequence[WindowCutoff]) -> DueGroup:
    """Servants who can be sent a prompt without a template, in the order of their ids."""
    statement = _unplanned(at).where(*(~_is_outside(window.channel, window.since) for window in windows))
    return DueGroup((await tx.scalars(statement.order_by(servants.c.id))).all())


async def outside_window(
    tx: Transaction, at: DueTime, window: WindowCutoff, languages: TemplateLanguages, limit: int | None
) -> DueGroup:
    """Servants whom only a template reaches, at most `limit` (None: all); the longest deferred first."""
    statement = _unplanned(at).where(_is_outside(window.channel, window.since), _accepts_template(languages))
    order = (addresses.c.deferred_on.is_(None), addresses.c.deferred_on, servants.c.id)
    return DueGroup((await tx.scalars(statement.order_by(*order).limit(limit))).all(), window)


async def not_yet_deferred(tx: Transaction, at: DueTime, window: WindowCutoff) -> DueGroup:
    """Servants whom only a template reaches, and who are not deferred yet."""
    statement = _unplanned(at).where(_is_outside(window.channel, window.since), addresses.c.deferred_on.is_(None))
    return DueGroup((await tx.scalars(statement.order_by(servants.c.id))).all(), window)


async def count_deferred_for_later_hours(
    tx: Transaction, at: DueTime, window: WindowCutoff, languages: TemplateLanguages
) -> int:
    """Servants deferred since an earlier day whose hour is still to come today."""
    later = _due(at.day, at.closed_institutions).where(
        _is_outside(window.channel, window.since), _accepts_template(languages)
    )
    is_deferred = (addresses.c.channel == window.channel) & (addresses.c.deferred_on < at.day)
    later = later.where(servants.c.hour > at.hour, is_deferred)
    return await tx.scalar(select(func.count()).select_from(later.subquery())) or 0


# ---------------------------------------------------------------- checking a batch again


async def recheck(
    tx: Transaction,
    at: DueTime,
    group: DueGroup,
    windows: Sequence[WindowCutoff],
    languages: TemplateLanguages,
) -> list[DueServant]:
    """The servants of a group who are still due, in the order of the group."""
    outside = group.window.channel if group.window else None
    statement = _recheck(tuple(window.channel for window in windows), outside, tuple(languages.items()))
    since = {f"since_{window.channel}": window.since for window in windows}
    values = {"day": at.day, "hour": at.hour, "closed": list(at.closed_institutions), "ids": list(group.ids)}
    rows = await tx.execute(statement, values | since)
    found = {row[0]: DueServant(*row) for row in rows}
    return [found[servant_id] for servant_id in group.ids if servant_id in found]


async def at_address(tx: Transaction, channel: str, address: str, at: DueTime) -> DueServant | None:
    """The servant at an address, whether asked today or not; None: no prompt may be sent there on that day."""
    statement = select(*_DUE).join(addresses, addresses.c.servant_id == servants.c.id)
    is_there = (addresses.c.channel == channel) & (addresses.c.address == address)
    row = (await tx.execute(statement.where(is_there, _takes_prompts(at.day, at.closed_institutions)))).first()
    return None if row is None else DueServant(*row)


async def defer(tx: Transaction, at: DueTime, group: DueGroup) -> None:
    """Defer the due servants of a group that needs a template who were not planned: next time they come first."""
    assert group.window is not None
    window = group.window
    due = _due(at.day, at.closed_institutions).where(servants.c.hour <= at.hour, servants.c.id.in_(group.ids))
    due = due.where(_is_outside(window.channel, window.since)).with_only_columns(addresses.c.address)
    is_new = or_(addresses.c.deferred_on.is_(None), addresses.c.deferred_on > at.day)
    is_not_deferred = (addresses.c.channel == window.channel) & is_new
    await tx.execute(update(addresses).where(is_not_deferred, addresses.c.address.in_(due)).values(deferred_on=at.day))


# ---------------------------------------------------------------- statements


@cache
def _recheck(channels: Sequence[str], outside: str | None, languages: Sequence[tuple[str, bool]]) -> "Select[Any]":
    """The due servants of a batch: outside the reply window of the channel `outside`; None: within all windows.

    Cached: the statement runs for every batch.
    """
    since: dict[str, Moment] = {channel: bindparam(f"since_{channel}") for channel in channels}
    if outside is None:
        conditions = [~_is_outside(channel, since[channel]) for channel in channels]
    else:
        conditions = [_is_outside(outside, since[outside]), _accepts_template(dict(languages))]
    of_batch = servants.c.id.in_(bindparam("ids", expanding=True)), servants.c.hour <= bindparam("hour")
    due = _due(bindparam("day"), bindparam("closed", expanding=True))
    return due.where(*of_batch, *conditions).with_only_columns(*_DUE)


def _accepts_template(languages: TemplateLanguages) -> ColumnElement[bool]:
    options = [
        (servants.c.language == language) & (~addresses.c.no_marketing if is_marketing else true())
        for language, is_marketing in languages.items()
    ]
    return or_(false(), *options)


def _is_outside(channel: str, since: Moment) -> ColumnElement[bool]:
    """Written so that no index applies: addresses are looked up by servant, not among all of the channel."""
    unheard = or_(addresses.c.heard_at.is_(None), addresses.c.heard_at <= since)
    return (func.coalesce(addresses.c.channel, "") == channel) & unheard


def _unplanned(at: DueTime) -> "Select[Any]":
    """The ids of due servants, by the index that skips those who were planned on this day."""
    listed = servants.alias()
    has_not_left = listed.c.state.in_(("active", "paused"))  # implied, but lets the index use the state too
    by_now = select(listed.c.id).where(has_not_left, listed.c.hour.in_(range(at.hour + 1)))
    # Two ranges of the index: an inequality would read all servants. Those planned for later days are few, or none.
    unplanned = union_all(by_now.where(listed.c.planned_on < at.day), by_now.where(listed.c.planned_on > at.day))
    return _due(at.day, at.closed_institutions).where(servants.c.id.in_(unplanned))


def _due(day: "date | BindParameter[Any]", closed: "frozenset[int] | BindParameter[Any]") -> "Select[Any]":
    """The ids of the servants who are due on that day, at any hour, but for those of institutions that are closed."""
    # Looked up by servant: PostgreSQL assumes few prompts of today, and would read all of them for each batch.
    newest = select(func.max(prompts.c.day)).where(prompts.c.servant_id == servants.c.id, prompts.c.day <= day)
    unasked = func.coalesce(newest.scalar_subquery(), date.min) < day
    other = addresses.alias()

    def rank(address: FromClause) -> ColumnElement[int]:
        return case((address.c.channel == servants.c.channel, 0), else_=1)

    has_better = exists().where(  # one channel is enough: the preferred one, or the first that is reachable
        other.c.servant_id == servants.c.id,
        other.c.is_reachable,
        ~refusals.is_waiting(other, day),
        tuple_(rank(other), other.c.channel, other.c.address)
        < tuple_(rank(addresses), addresses.c.channel, addresses.c.address),
    )
    return (
        select(servants.c.id)
        .join(addresses, addresses.c.servant_id == servants.c.id)
        .where(_takes_prompts(day, closed), ~has_better, unasked)
    )


def _takes_prompts(
    day: "date | BindParameter[Any]", closed: "frozenset[int] | BindParameter[Any]"
) -> ColumnElement[bool]:
    """Whether a servant is not paused on that day, reachable at the address, and their institution is not closed."""
    state = func.coalesce(servants.c.state, "")  # no index applies: servants are found by their ids
    is_active = or_(state == "active", (state == "paused") & (servants.c.paused_until <= day))
    is_reachable = and_(addresses.c.is_reachable, ~refusals.is_waiting(addresses, day))
    return and_(is_active, is_reachable, servants.c.institution_id.not_in(closed))


_DUE = (
    servants.c.id,
    servants.c.institution_id,
    servants.c.hour,
    servants.c.language,
    servants.c.notice_version,
    addresses.c.channel,
    addresses.c.address,
    addresses.c.no_marketing,
)
