"""Where servants are on the channels: by which names a platform knows them, and when they last said something.

Of strangers nothing is kept. An address may have an alias, a second name of the same person (on WhatsApp the phone
number beside the business-scoped id): either may be missing in what a platform sends, and both may change.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, bindparam, func, or_, select, update

from storage.database import Transaction
from storage.people import aliases
from storage.people.servants import Servant
from storage.schema import addresses, deliveries, servants


@dataclass(frozen=True, slots=True)
class ServantAddress:
    """One address of a servant."""

    channel: str
    address: str
    servant_id: int
    is_reachable: bool
    alias: str | None
    heard_at: datetime | None
    template_sent_at: datetime | None
    deferred_on: date | None
    no_marketing: bool


# ---------------------------------------------------------------- who is it?


async def recognize(
    tx: Transaction, channel: str, address: str, alias: str = "", heard_at: datetime | None = None
) -> tuple[Servant, str] | None:
    """The servant who is speaking, and the address under which we know them; None: a stranger.

    What the platform told on the way is kept: the person can be reached, was heard, has this alias. Whoever was known
    by the alias alone is known by the address from now on.
    """
    found = await _named(tx, channel, {name for name in (address, alias) if name})
    place = _meant([one for one, _ in found], address, alias)
    if place is None:
        if alias != address:
            await aliases.release(tx, channel, alias, keeper=address)
        return None
    servant = next(servant for one, servant in found if one is place)
    at = place.address
    if place.address == alias and address != alias:
        at = await change_address(tx, place, address, alias)
    await _note_meeting(tx, place, at, alias, heard_at)
    return servant, at


@dataclass(frozen=True, slots=True)
class InboundSender:
    """Somebody is speaking: by which names, and when, where that is to be kept."""

    channel: str
    address: str
    alias: str = ""
    heard_at: datetime | None = None


async def recognize_all(tx: Transaction, meetings: Sequence[InboundSender]) -> list[tuple[Servant, str] | None]:
    """`meet` for several people in their order, each of another address: those of whom nothing has changed by one
    look-up."""
    found: list[tuple[Servant, str] | None] = []
    heard: list[dict[str, object]] = []
    known = await _known(tx, meetings)
    changing: set[tuple[str, str | None]] = set()  # names of which more has happened since the look-up
    for one in meetings:
        place, servant = known.get((one.channel, one.address)) or (None, None)
        is_changing = not changing.isdisjoint(
            (one.channel, name) for name in (one.address, one.alias, place and place.alias) if name
        )
        if place is not None and servant is not None and _is_as_ever(place, one) and not is_changing:
            found.append((servant, place.address))
            if _is_news(place, one.heard_at):
                heard.append({"on": one.channel, "at": one.address, "then": one.heard_at})
        elif place is None and one.alias in ("", one.address) and not is_changing:
            found.append(None)
        else:
            if heard:  # before anybody moves
                await tx.execute(_HEARD, heard)
                heard = []
            changing |= {(one.channel, one.address), (one.channel, one.alias)}
            found.append(await recognize(tx, one.channel, one.address, one.alias, one.heard_at))
    if heard:
        await tx.execute(_HEARD, heard)
    return found


async def _known(
    tx: Transaction, meetings: Sequence[InboundSender]
) -> Mapping[tuple[str, str | None], tuple[ServantAddress, Servant]]:
    """Who is meant by each of these names."""
    known: dict[tuple[str, str | None], tuple[ServantAddress, Servant]] = {}
    for channel in {one.channel for one in meetings}:
        names = {name for one in meetings if one.channel == channel for name in (one.address, one.alias) if name}
        for place, servant in await _named(tx, channel, names):
            known[channel, place.address] = (place, servant)
            if place.alias:
                known.setdefault((channel, place.alias), (place, servant))
    return known


def _is_as_ever(place: ServantAddress, one: InboundSender) -> bool:
    """Known by the very address, reachable, and by no other second name than before."""
    return place.address == one.address and place.is_reachable and one.alias in ("", place.alias, place.address)


def _is_news(place: ServantAddress, heard_at: datetime | None) -> bool:
    return heard_at is not None and (place.heard_at is None or heard_at > place.heard_at)


async def find(tx: Transaction, channel: str, address: str, alias: str = "") -> ServantAddress | None:
    """Who is meant by these names; None: a stranger."""
    found = await _named(tx, channel, {name for name in (address, alias) if name})
    return _meant([place for place, _ in found], address, alias)


async def of_servant(tx: Transaction, servant_id: int) -> list[ServantAddress]:
    """Everywhere a servant is, by channel."""
    statement = select(*_PLACE).where(addresses.c.servant_id == servant_id).order_by(addresses.c.channel)
    return [ServantAddress(*row) for row in await tx.execute(statement)]


async def _named(tx: Transaction, channel: str, names: Collection[str]) -> list[tuple[ServantAddress, Servant]]:
    """Everybody who has one of these names, as address or as alias."""
    rows = await tx.execute(_BY_NAMES, {"on": channel, "names": list(names)})
    return [(ServantAddress(*row[:_WIDTH]), Servant(*row[_WIDTH:])) for row in rows]


def _meant(places: Sequence[ServantAddress], address: str, alias: str) -> ServantAddress | None:
    """Telephone numbers change hands: whoever has an address of their own is never taken for another's alias."""
    for name in (address, alias):
        for place in places:
            if name and place.address == name:
                return place
    return next((place for place in places if place.alias == address), None)


async def _note_meeting(tx: Transaction, place: ServantAddress, at: str, alias: str, heard_at: datetime | None) -> None:
    new: dict[str, object] = {}
    if not place.is_reachable:
        new["is_reachable"] = True
    if alias and alias not in (place.alias, at):
        await aliases.release(tx, place.channel, alias, keeper=at)
        new["alias"] = alias
    if _is_news(place, heard_at):
        new |= {"heard_at": heard_at, "put_off_on": None}
    if new:
        await tx.execute(update(addresses).where(_is(place.channel, at)).values(**new))


async def change_address(tx: Transaction, place: ServantAddress, address: str, alias: str) -> str:
    """The platform knows a person by other names from now on (empty: as before); give the address in force.

    Where the new address is somebody's already, that record stands, and the old address is no longer written to.
    """
    wanted = address or place.address
    if wanted != place.address:
        taken = await tx.scalar(select(addresses.c.servant_id).where(_is(place.channel, wanted)))
        if taken is not None:
            gone = {"is_reachable": False, "alias": None}
            await tx.execute(update(addresses).where(_is(place.channel, place.address)).values(**gone))
            return wanted
    if alias not in (place.alias, place.address):
        await aliases.release(tx, place.channel, alias, keeper=place.address)
    if wanted != place.address:
        waiting = deliveries.c.state.in_(("waiting", "claimed"))
        theirs = (deliveries.c.channel == place.channel) & (deliveries.c.address == place.address)
        await tx.execute(update(deliveries).where(theirs, waiting).values(address=wanted))
    known = {"address": wanted, "alias": (alias if alias != wanted else None) or place.alias}
    await tx.execute(update(addresses).where(_is(place.channel, place.address)).values(**known))
    return wanted


# ---------------------------------------------------------------- what the platform lets us do


async def record_window_closed(tx: Transaction, channel: str, address: str, told_at: datetime) -> None:
    """The platform said then that the person had not been heard for too long, whatever we thought."""
    unheard = addresses.c.heard_at <= told_at
    await tx.execute(update(addresses).where(_is(channel, address), unheard).values(heard_at=None))


async def record_template_sent(tx: Transaction, channel: str, address: str, now: datetime) -> None:
    """A template goes to somebody who has been silent: it counts against the platform's limit of people a day."""
    await tx.execute(update(addresses).where(_is(channel, address)).values(template_sent_at=now, deferred_on=None))


async def record_templates_sent(tx: Transaction, channel: str, names: Sequence[str], now: datetime) -> None:
    """The same for many."""
    if names:
        known = (addresses.c.channel == channel) & (addresses.c.address == bindparam("known"))
        statement = update(addresses).where(known).values(template_sent_at=now, deferred_on=None)
        await tx.execute(statement, [{"known": name} for name in names])


async def count_template_recipients(tx: Transaction, channel: str, since: datetime) -> int:
    """People to whom a template went outside their window since then."""
    counted = select(func.count()).where(addresses.c.channel == channel, addresses.c.template_sent_at > since)
    return await tx.scalar(counted) or 0


async def defer(tx: Transaction, channel: str, address: str, day: date) -> None:
    """The person's prompt did not get through: they are planned first next time."""
    first_time = addresses.c.deferred_on.is_(None)
    await tx.execute(update(addresses).where(_is(channel, address), first_time).values(deferred_on=day))


async def count_deferred(tx: Transaction, channel: str) -> int:
    """People who wait for the platform's limit."""
    statement = (
        select(func.count())
        .join_from(addresses, servants, servants.c.id == addresses.c.servant_id)
        .where(addresses.c.channel == channel, addresses.c.deferred_on.is_not(None))
        .where(addresses.c.is_reachable, servants.c.state == "active")
    )
    return await tx.scalar(statement) or 0


async def set_no_marketing(tx: Transaction, channel: str, address: str, *, no_marketing: bool) -> None:
    """The person told the platform whether they want what it counts as marketing."""
    await tx.execute(update(addresses).where(_is(channel, address)).values(no_marketing=no_marketing))


def _is(channel: str, address: str) -> ColumnElement[bool]:
    return (addresses.c.channel == channel) & (addresses.c.address == address)


_PLACE = tuple(addresses.c[name] for name in ServantAddress.__slots__)
_WIDTH = len(_PLACE)


# Built once: on the road that every word takes, building a statement costs more than the database.
_BY_NAMES = (
    select(*_PLACE, *(servants.c[name] for name in Servant.__slots__))
    .join(addresses, addresses.c.servant_id == servants.c.id)
    .where(
        addresses.c.channel == bindparam("on"),
        or_(
            addresses.c.address.in_(bindparam("names", expanding=True)),
            addresses.c.alias.in_(bindparam("names", expanding=True)),
        ),
    )
)
_HEARD = (
    update(addresses)
    .where(addresses.c.channel == bindparam("on"), addresses.c.address == bindparam("at"))
    .values(heard_at=bindparam("then"), deferred_on=None)
)
