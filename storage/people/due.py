"""Who is due: whose hour has come today, and who works today, has no prompt of today yet, and can be reached.

One look finds them all, by their ids; whoever asks some of them looks at these once more, as time has passed. A look
passes over whoever has a prompt of today (`servants.planned_on` stands in the index by which it goes): it costs as much
as there are people left to ask. Those who are due and cannot be asked yet are met by each look.
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
    bindparam,
    case,
    exists,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)

from storage.database import Transaction
from storage.schema import addresses, closures, prompts, servants

TemplateLanguages = Mapping[str, bool]
"""Those in which there is a template, and whether the platform counts it as marketing: some people want none."""
Moment = datetime | BindParameter[Any]


@dataclass(frozen=True, slots=True)
class ReplyWindow:
    """A channel on which only a template reaches whoever was not heard since `since`."""

    channel: str
    since: datetime


@dataclass(frozen=True, slots=True)
class DueServant:
    """A servant who has no prompt yet today, with where to send it."""

    servant_id: int
    institution_id: int
    hour: int
    language: str
    notice_version: str
    channel: str
    address: str
    no_marketing: bool = False


@dataclass(frozen=True, slots=True)
class DueGroup:
    """People whom a look found, in the order of their turns; `silence`: only a template reaches them."""

    ids: Sequence[int]
    window: ReplyWindow | None = None

    def batches(self, size: int) -> Iterator["DueGroup"]:
        for start in range(0, len(self.ids), size):
            yield replace(self, ids=self.ids[start : start + size])


# ---------------------------------------------------------------- one look


async def within_window(tx: Transaction, day: date, hour: int, silences: Sequence[ReplyWindow]) -> DueGroup:
    """Whoever can be written to freely, in the order of their ids."""
    statement = _unplanned(day, hour).where(*(~_is_silent(one.channel, one.since) for one in silences))
    return DueGroup((await tx.scalars(statement.order_by(servants.c.id))).all())


async def outside_window(
    tx: Transaction, day: date, hour: int, silence: ReplyWindow, languages: TemplateLanguages, limit: int | None
) -> DueGroup:
    """Those whom only a template reaches, at most `limit` (None: all); first who has been waiting longest."""
    statement = _unplanned(day, hour).where(_is_silent(silence.channel, silence.since), _may_be_knocked_at(languages))
    order = (addresses.c.deferred_on.is_(None), addresses.c.deferred_on, servants.c.id)
    return DueGroup((await tx.scalars(statement.order_by(*order).limit(limit))).all(), silence)


async def not_yet_deferred(tx: Transaction, day: date, hour: int, silence: ReplyWindow) -> DueGroup:
    """Those whom only a template reaches, and who do not wait yet."""
    statement = _unplanned(day, hour).where(
        _is_silent(silence.channel, silence.since), addresses.c.deferred_on.is_(None)
    )
    return DueGroup((await tx.scalars(statement.order_by(servants.c.id))).all(), silence)


async def count_deferred_for_later_hours(
    tx: Transaction, day: date, hour: int, silence: ReplyWindow, languages: TemplateLanguages
) -> int:
    """Those who have been waiting since an earlier day, and whose hour is still to come today."""
    later = _due(day).where(_is_silent(silence.channel, silence.since), _may_be_knocked_at(languages))
    wait = (addresses.c.channel == silence.channel) & (addresses.c.deferred_on < day)
    later = later.where(servants.c.hour > hour, wait)
    return await tx.scalar(select(func.count()).select_from(later.subquery())) or 0


# ---------------------------------------------------------------- some of those who were found


async def recheck(
    tx: Transaction,
    day: date,
    hour: int,
    group: DueGroup,
    silences: Sequence[ReplyWindow],
    languages: TemplateLanguages,
) -> list[DueServant]:
    """Whoever of a group is due as before, in the order of the group."""
    alone = group.window.channel if group.window else None
    statement = _still(tuple(one.channel for one in silences), alone, tuple(languages.items()))
    known = {f"since_{one.channel}": one.since for one in silences}
    rows = await tx.execute(statement, {"day": day, "hour": hour, "ids": list(group.ids), **known})
    found = {row[0]: DueServant(*row) for row in rows}
    return [found[one] for one in group.ids if one in found]


async def defer(tx: Transaction, day: date, hour: int, group: DueGroup) -> None:
    """Whoever of a silent group is due and was not planned: they wait, and are planned first from now on."""
    assert group.window is not None
    silence = group.window
    due = _due(day).where(servants.c.hour <= hour, servants.c.id.in_(group.ids))
    due = due.where(_is_silent(silence.channel, silence.since)).with_only_columns(addresses.c.address)
    waits_not = (addresses.c.channel == silence.channel) & addresses.c.deferred_on.is_(None)
    await tx.execute(update(addresses).where(waits_not, addresses.c.address.in_(due)).values(deferred_on=day))


# ---------------------------------------------------------------- what is asked


@cache
def _still(channels: Sequence[str], alone: str | None, languages: Sequence[tuple[str, bool]]) -> "Select[Any]":
    """Built once, as it is asked for every few people: those whom only a template reaches on `alone`, or the free."""
    since: dict[str, Moment] = {channel: bindparam(f"since_{channel}") for channel in channels}
    if alone is None:
        reached = [~_is_silent(channel, since[channel]) for channel in channels]
    else:
        reached = [_is_silent(alone, since[alone]), _may_be_knocked_at(dict(languages))]
    wanted = servants.c.id.in_(bindparam("ids", expanding=True)), servants.c.hour <= bindparam("hour")
    return _due(bindparam("day")).where(*wanted, *reached).with_only_columns(*_DUE)


def _may_be_knocked_at(languages: TemplateLanguages) -> ColumnElement[bool]:
    ways = [
        (servants.c.language == language) & (~addresses.c.no_marketing if is_marketing else true())
        for language, is_marketing in languages.items()
    ]
    return or_(false(), *ways)


def _is_silent(channel: str, since: Moment) -> ColumnElement[bool]:
    """By no index: whoever is due is looked up by the person, not among all of the channel."""
    unheard = or_(addresses.c.heard_at.is_(None), addresses.c.heard_at <= since)
    return (func.coalesce(addresses.c.channel, "") == channel) & unheard


def _unplanned(day: date, hour: int) -> "Select[Any]":
    """The ids of those who are due, by the index that passes over whoever was planned."""
    is_left = servants.c.state.in_(("active", "paused"))  # so that the index goes by the state too
    return _due(day).where(is_left, servants.c.hour.in_(range(hour + 1)), servants.c.planned_on < day)


def _due(day: "date | BindParameter[Any]") -> "Select[Any]":
    """The ids of those who are due on that day, at whatever hour."""
    awake = or_(servants.c.state == "active", (servants.c.state == "paused") & (servants.c.paused_until <= day))
    closed = exists().where(
        closures.c.day == day,
        or_(closures.c.institution_id.is_(None), closures.c.institution_id == servants.c.institution_id),
    )
    # By the person alone: PostgreSQL, which takes today's prompts for few, would read all of them for each portion.
    newest = select(func.max(prompts.c.day)).where(prompts.c.servant_id == servants.c.id).scalar_subquery()
    unasked = func.coalesce(newest, date.min) < day
    other = addresses.alias()

    def rank(place: FromClause) -> ColumnElement[int]:
        return case((place.c.channel == servants.c.channel, 0), else_=1)

    elsewhere = exists().where(  # one channel is enough: the chosen one, or the first of those that reach the person
        other.c.servant_id == servants.c.id,
        other.c.is_reachable,
        tuple_(rank(other), other.c.channel, other.c.address)
        < tuple_(rank(addresses), addresses.c.channel, addresses.c.address),
    )
    return (
        select(servants.c.id)
        .join(addresses, addresses.c.servant_id == servants.c.id)
        .where(awake, addresses.c.is_reachable, ~elsewhere, ~closed, unasked)
    )


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
