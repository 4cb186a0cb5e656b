"""The confidential query as the chat sees it: its limits said plainly, and a one-time link to the letterbox."""

import re
import secrets
from datetime import datetime, timedelta

from handlers.casework import letters, news
from handlers.context import Context, Response
from handlers.message import Button, Message
from storage.confidential import cases, sealing, wire_format

LINK_HOURS = 48
_ANSWERS = re.compile(r"[ynu-]{14}")


async def turn(context: Context) -> Response:
    """`consult:start` or `consult:start:<answers>` says the limits and gives a link; `consult:later` ends politely;
    `consult:read` leads to the letterbox."""
    parts = context.update.choice.split(":")
    if parts[1:2] == ["later"]:
        return Response((Message("consult.later"),))
    if parts[1:2] == ["read"]:  # the template that tells of news cannot carry the address
        return Response((news.news(context.installation, context.language),))
    if await letters.readers(context.tx) is None:
        return Response((Message("consult.closed"),))
    answers = parts[2] if len(parts) == 3 and _ANSWERS.fullmatch(parts[2]) else ""
    url = await _link(context, answers)
    way_in = Button("button.consult_open", url=url)
    later = Button("button.consult_later", choice="consult:later", is_aside=True)
    return Response((Message("consult.limits", {"hours": LINK_HOURS}, ((way_in,), (later,))),))


async def _link(context: Context, answers: str) -> str:
    """A one-time way in; what it carries stands behind the #, which browsers do not send."""
    installation, token = context.installation, wire_format.encode(secrets.token_bytes(24))
    token_hash = sealing.token_hash(installation.route_key, token)
    address = {"channel": context.update.channel, "address": context.update.address, "language": context.language}
    sealed = sealing.seal_address(installation.route_key, address, "link|" + token_hash)
    await cases.add_link(context.tx, token_hash, sealed, _expiry(context.now))
    carried = f"&a={answers}" if answers else ""
    return f"{installation.public_url.rstrip('/')}/c#t={token}{carried}&l={context.language}"


def _expiry(now: datetime) -> datetime:
    """At least LINK_HOURS from now, on the hour."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour + timedelta(hours=LINK_HOURS + (hour != now))
