"""Since when a platform could not reach us, for platforms that do not report when a user acted.

What people do meanwhile arrives together once we can receive again. The receiver confirms each contact; a silence that
is longer than usual is kept as an absence.
"""

from datetime import UTC, datetime, timedelta

from storage.channels import channel_facts
from storage.database import Transaction

CONTACT = "contact"  # the last moment at which the platform could reach us
ABSENCE = "absence"  # begin and end of the last silence that was too long
LONGEST_SILENCE = timedelta(minutes=10)
"""Contacts are confirmed every two minutes at least; a longer silence is an absence."""
BACKLOG = timedelta(hours=1)
"""How long after an absence what people did during it may still arrive: a platform retries with growing pauses."""


async def confirm(tx: Transaction, channel: str, now: datetime) -> None:
    """Record that the platform can reach us, and that it could not before, if the last contact is too long ago."""
    last = await _last_contact(tx, channel)
    if last is not None and now - last > LONGEST_SILENCE:
        await channel_facts.store(tx, channel, ABSENCE, f"{_text(last)} {_text(now)}", now)
    await channel_facts.store(tx, channel, CONTACT, _text(now), now)


async def away_since(tx: Transaction, channel: str, received_at: datetime) -> datetime | None:
    """Since when what was received then may have happened; None: the platform could reach us, so just before."""
    last = await _last_contact(tx, channel)
    if last is not None and received_at - last > LONGEST_SILENCE:
        return last
    begin, _, end = (await channel_facts.facts(tx, channel)).get(ABSENCE, "").partition(" ")
    if end and timedelta(0) <= received_at - _moment(end) <= BACKLOG:
        return _moment(begin)
    return None


async def _last_contact(tx: Transaction, channel: str) -> datetime | None:
    known = (await channel_facts.facts(tx, channel)).get(CONTACT)
    return _moment(known) if known else None


def _text(moment: datetime) -> str:
    return str(int(moment.timestamp()))


def _moment(text: str) -> datetime:
    return datetime.fromtimestamp(int(text), UTC)
