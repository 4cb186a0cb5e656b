"""The confidential query as the chat sees it: its limits said plainly, and a one-time link to the letterbox."""

import re
import secrets
from datetime import datetime, timedelta

from handlers.casework import letters, news
from handlers.context import Turn, Visit
from handlers.message import Button, Message
from storage.confidential import cases, sealing, wire_format

LINK_HOURS = 48
_ANSWERS = re.compile(r"[ynu-]{14}")


async def turn(visit: Visit) -> Turn:
    """`consult:start` or `consult:start:<answers>` says the limits and gives a link; `consult:later` ends politely;
    `consult:read` leads to the letterbox."""
    parts = visit.update.choice.split(":")
    if parts[1:2] == ["later"]:
        return Turn((Message("consult.later"),))
    if parts[1:2] == ["read"]:  # the template that tells of news cannot carry the address
        return Turn((news.news(visit.house, visit.language),))
    if await letters.readers(visit.tx) is None:
        return Turn((Message("consult.closed"),))
    answers = parts[2] if len(parts) == 3 and _ANSWERS.fullmatch(parts[2]) else ""
    url = await _link(visit, answers)
    way_in = Button("button.consult_open", url=url)
    later = Button("button.consult_later", choice="consult:later", is_aside=True)
    return Turn((Message("consult.limits", {"hours": LINK_HOURS}, ((way_in,), (later,))),))


async def _link(visit: Visit, answers: str) -> str:
    """A one-time way in; what it carries stands behind the #, which browsers do not send."""
    house, token = visit.house, wire_format.encode(secrets.token_bytes(24))
    token_hash = sealing.token_hash(house.route_key, token)
    address = {"channel": visit.update.channel, "address": visit.update.address, "language": visit.language}
    sealed = sealing.seal_address(house.route_key, address, "link|" + token_hash)
    await cases.add_link(visit.tx, token_hash, sealed, _expiry(visit.now))
    carried = f"&a={answers}" if answers else ""
    return f"{house.public_url.rstrip('/')}/c#t={token}{carried}&l={visit.language}"


def _expiry(now: datetime) -> datetime:
    """At least LINK_HOURS from now, on the hour."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour + timedelta(hours=LINK_HOURS + (hour != now))
