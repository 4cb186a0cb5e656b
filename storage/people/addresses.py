"""Servants' addresses and aliases on the channels, and the time of their last message.

Nothing is stored about strangers. An address may have an alias, a second name of the same account (a
phone number beside an id): either may be missing in what a platform sends, and both may change.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, func, or_, select, update

from storage.database import Transaction
from storage.people import aliases, refusals
from storage.people.servants import Servant
from storage.queue import outbox
from storage.queue.tuning import CLOCK_DIFFERENCE
from storage.schema import addresses, servants


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
    has_refusals: bool  # the platform did not reach it at the last try, see storage/people/refusals.py


# ---------------------------------------------------------------- recognizing senders


async def recognize(
    tx: Transaction, channel: str, address: str, alias: str = "", heard_at: datetime | None = None
) -> tuple[Servant, str] | None:
    """The servant who sent an update, and the address under which we know them; None: a stranger.

    Records what the update shows: the address is reachable, was last heard then, has this alias. A servant known by the
    alias alone is known by the address from now on.
    """
    found = await _named(tx, channel, {name for name in (address, alias) if name})
    match = _best_match([candidate for candidate, _ in found], address, alias)
    if match is None:
        if alias != address:
            await aliases.release(tx, channel, alias, keeper=address)
        return None
    servant = next(servant for candidate, servant in found if candidate is match)
    current = match.address
    if match.address == alias and address != alias:
        current = await change_address(tx, match, address, alias)
    await _record_contact(tx, match, current, alias, heard_at)
    return servant, current


@dataclass(frozen=True, slots=True)
class InboundSender:
    """The names of the sender of an update, and when it was sent, if that is to be stored."""

    channel: str
    address: str
    alias: str = ""
    heard_at: datetime | None = None


async def recognize_all(tx: Transaction, senders: Sequence[InboundSender]) -> list[tuple[Servant, str] | None]:
    """`recognize` for several senders in their order, each of another address; one statement for all unchanged ones."""
    found: list[tuple[Servant, str] | None] = []
    heard: list[dict[str, object]] = []
    known = await _known(tx, senders)
    changing: set[tuple[str, str | None]] = set()  # names that have been changed since `known` was read
    for sender in senders:
        match, servant = known.get((sender.channel, sender.address)) or (None, None)
        is_changing = not changing.isdisjoint(
            (sender.channel, name) for name in (sender.address, sender.alias, match and match.alias) if name
        )
        if match is not None and servant is not None and _is_unchanged(match, sender) and not is_changing:
            found.append((servant, match.address))
            if _is_newer(match, sender.heard_at):
                heard.append(
                    {"on_channel": sender.channel, "at_address": sender.address, "new_heard_at": sender.heard_at}
                )
        elif match is None and sender.alias in ("", sender.address) and not is_changing:
            found.append(None)
        else:
            if heard:  # before any address changes
                await tx.execute(_RECORD_HEARD, heard)
                heard = []
            changing |= {(sender.channel, sender.address), (sender.channel, sender.alias)}
            found.append(await recognize(tx, sender.channel, sender.address, sender.alias, sender.heard_at))
    if heard:
        await tx.execute(_RECORD_HEARD, heard)
    return found


async def _known(
    tx: Transaction, senders: Sequence[InboundSender]
) -> Mapping[tuple[str, str | None], tuple[ServantAddress, Servant]]:
    """The address and servant that match each name, by channel and name."""
    known: dict[tuple[str, str | None], tuple[ServantAddress, Servant]] = {}
    for channel in {sender.channel for sender in senders}:
        of_channel = [sender for sender in senders if sender.channel == channel]
        names = {name for sender in of_channel for name in (sender.address, sender.alias) if name}
        for match, servant in await _named(tx, channel, names):
            known[channel, match.address] = (match, servant)
            if match.alias:
                known.setdefault((channel, match.alias), (match, servant))
    return known


def _is_unchanged(match: ServantAddress, sender: InboundSender) -> bool:
    """Known by this very address, reachable, not refused, and with no other alias than before."""
    is_same_alias = sender.alias in ("", match.alias, match.address)
    return match.address == sender.address and match.is_reachable and not match.has_refusals and is_same_alias


def _is_newer(match: ServantAddress, heard_at: datetime | None) -> bool:
    return heard_at is not None and (match.heard_at is None or heard_at > match.heard_at)


async def find(tx: Transaction, channel: str, address: str, alias: str = "") -> ServantAddress | None:
    """The address of a servant that matches these names; None: a stranger."""
    found = await _named(tx, channel, {name for name in (address, alias) if name})
    return _best_match([candidate for candidate, _ in found], address, alias)


async def of_servant(tx: Transaction, servant_id: int) -> list[ServantAddress]:
    """All addresses of a servant, by channel."""
    statement = select(*_ADDRESS).where(addresses.c.servant_id == servant_id).order_by(addresses.c.channel)
    return [ServantAddress(*row) for row in await tx.execute(statement)]


async def _named(tx: Transaction, channel: str, names: Collection[str]) -> list[tuple[ServantAddress, Servant]]:
    """All addresses that have one of these names as address or as alias."""
    rows = await tx.execute(_BY_NAMES, {"on_channel": channel, "names": list(names)})
    return [(ServantAddress(*row[:_WIDTH]), Servant(*row[_WIDTH:])) for row in rows]


def _best_match(candidates: Sequence[ServantAddress], address: str, alias: str) -> ServantAddress | None:
    """The candidate whose address is `address`, else the one whose address is `alias`, else whose alias is `address`.

    Phone numbers change owners: a sender who has an address of their own is never matched by another's alias.
    """
    for name in (address, alias):
        for candidate in candidates:
            if name and candidate.address == name:
                return candidate
    return next((candidate for candidate in candidates if candidate.alias == address), None)


async def _record_contact(
    tx: Transaction, match: ServantAddress, current: str, alias: str, heard_at: datetime | None
) -> None:
    new: dict[str, object] = {}
    if not match.is_reachable:
        new["is_reachable"] = True
    if match.has_refusals:
        await refusals.clear(tx, match.channel, current)
    if alias and alias not in (match.alias, current):
        await aliases.release(tx, match.channel, alias, keeper=current)
        new["alias"] = alias
    if _is_newer(match, heard_at):
        new |= {"heard_at": heard_at, "deferred_on": None}
    if new:
        await tx.execute(update(addresses).where(_is_at(match.channel, current)).values(**new))


async def change_address(tx: Transaction, known: ServantAddress, address: str, alias: str) -> str:
    """Record that the platform uses another address or alias for a servant (empty: as before); return the address.

    If another record already has the new address, that record stays, and the old address becomes unreachable.
    """
    wanted = address or known.address
    if wanted != known.address:
        owner = await tx.scalar(select(addresses.c.servant_id).where(_is_at(known.channel, wanted)))
        if owner is not None:
            replaced = {"is_reachable": False, "alias": None}
            await tx.execute(update(addresses).where(_is_at(known.channel, known.address)).values(**replaced))
            return wanted
    if alias not in (known.alias, known.address):
        await aliases.release(tx, known.channel, alias, keeper=known.address)
    if wanted != known.address:
        await outbox.readdress(tx, known.channel, known.address, wanted)
    values = {"address": wanted, "alias": (alias if alias != wanted else None) or known.alias}
    await tx.execute(update(addresses).where(_is_at(known.channel, known.address)).values(**values))
    return wanted


# ---------------------------------------------------------------- limits of the platform


async def record_window_closed(tx: Transaction, channel: str, address: str, reported_at: datetime) -> None:
    """Record that the platform reported a closed reply window at that time: earlier messages no longer count."""
    unheard_since = addresses.c.heard_at <= reported_at
    await tx.execute(update(addresses).where(_is_at(channel, address), unheard_since).values(heard_at=None))


async def record_template_sent(tx: Transaction, channel: str, address: str, now: datetime) -> None:
    """Record a template sent outside the reply window: it counts against the platform's daily limit of recipients."""
    await tx.execute(update(addresses).where(_is_at(channel, address)).values(template_sent_at=now, deferred_on=None))


async def record_templates_sent(tx: Transaction, channel: str, names: Sequence[str], now: datetime) -> None:
    """The same for many addresses."""
    if names:
        is_target = (addresses.c.channel == channel) & (addresses.c.address == bindparam("known"))
        statement = update(addresses).where(is_target).values(template_sent_at=now, deferred_on=None)
        await tx.execute(statement, [{"known": name} for name in names])


async def count_template_recipients(tx: Transaction, channel: str, since: datetime, now: datetime) -> int:
    """Recipients to whom a template was sent outside the reply window since then.

    Later ones than `now` do not count: a clock was wrong when they were recorded.
    """
    sent_at, latest = addresses.c.template_sent_at, now + timedelta(seconds=CLOCK_DIFFERENCE)
    counted = select(func.count()).where(addresses.c.channel == channel, sent_at > since, sent_at <= latest)
    return await tx.scalar(counted) or 0


async def defer(tx: Transaction, channel: str, address: str, day: date) -> None:
    """Record that a prompt could not be sent: the servant is planned first next time."""
    is_first_time = or_(addresses.c.deferred_on.is_(None), addresses.c.deferred_on > day)
    await tx.execute(update(addresses).where(_is_at(channel, address), is_first_time).values(deferred_on=day))


async def count_deferred(tx: Transaction, channel: str) -> int:
    """Active servants whose prompt waits for the platform's limit of recipients."""
    statement = (
        select(func.count())
        .join_from(addresses, servants, servants.c.id == addresses.c.servant_id)
        .where(addresses.c.channel == channel, addresses.c.deferred_on.is_not(None))
        .where(addresses.c.is_reachable, servants.c.state == "active")
    )
    return await tx.scalar(statement) or 0


async def set_no_marketing(tx: Transaction, channel: str, address: str, *, no_marketing: bool) -> None:
    """Store whether the recipient opted out, on the platform, of messages that it counts as marketing."""
    await tx.execute(update(addresses).where(_is_at(channel, address)).values(no_marketing=no_marketing))


def _is_at(channel: str, address: str) -> ColumnElement[bool]:
    return (addresses.c.channel == channel) & (addresses.c.address == address)


_ADDRESS = (
    *(addresses.c[name] for name in ServantAddress.__slots__ if name != "has_refusals"),
    refusals.has_series().label("has_refusals"),
)
_WIDTH = len(_ADDRESS)


# Built once: these run for every update, and building a statement costs more than running it.
_BY_NAMES = (
    select(*_ADDRESS, *(servants.c[name] for name in Servant.__slots__))
    .join(addresses, addresses.c.servant_id == servants.c.id)
    .where(
        addresses.c.channel == bindparam("on_channel"),
        or_(
            addresses.c.address.in_(bindparam("names", expanding=True)),
            addresses.c.alias.in_(bindparam("names", expanding=True)),
        ),
    )
)
_RECORD_HEARD = (
    update(addresses)
    .where(addresses.c.channel == bindparam("on_channel"), addresses.c.address == bindparam("at_address"))
    .values(heard_at=bindparam("new_heard_at"), deferred_on=None)
)
