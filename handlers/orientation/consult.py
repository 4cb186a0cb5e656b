"""Confidential queries from the chat: explain the limits, then give a one-time link to the letterbox."""

import re
import secrets
from datetime import datetime, timedelta

from handlers.casework import letters, news
from handlers.context import Context, Response
from handlers.message import Button, Message
from storage.confidential import cases, sealing, wire_format

LINK_LIFETIME_HOURS = 48
_ANSWERS = re.compile(r"[ynu-]{14}")


async def handle(context: Context) -> Response:
    """A button `consult:start[:<answers>]` (explain the limits, give a link), `consult:later` (decline) or
    `consult:read` (link to the letterbox); `answers` are those of a self-assessment."""
    parts = context.update.choice.split(":")
    if parts[1:2] == ["later"]:
        return Response((Message("consult.later"),))
    if parts[1:2] == ["read"]:  # pressed below the news template, which cannot contain the link
        return Response((news.news_message(context.installation, context.language),))
    if await letters.current_readers(context.tx) is None:
        return Response((Message("consult.closed"),))
    answers = parts[2] if len(parts) == 3 and _ANSWERS.fullmatch(parts[2]) else ""
    url = await _link(context, answers)
    open_letterbox = Button("button.consult_open", url=url)
    later = Button("button.consult_later", choice="consult:later", is_optional=True)
    return Response((Message("consult.limits", {"hours": LINK_LIFETIME_HOURS}, ((open_letterbox,), (later,))),))


async def _link(context: Context, answers: str) -> str:
    """Store a one-time link and return its URL; the token is in the fragment, which browsers do not send to servers."""
    installation, token = context.installation, wire_format.encode(secrets.token_bytes(24))
    token_hash = sealing.token_hash(installation.route_key, token)
    address = {"channel": context.update.channel, "address": context.update.address, "language": context.language}
    sealed = sealing.seal_address(installation.route_key, address, "link|" + token_hash)
    await cases.add_link(context.tx, token_hash, sealed, _expiry(context.now))
    assessment = f"&a={answers}" if answers else ""
    return f"{installation.public_url}/c#t={token}{assessment}&l={context.language}"


def _expiry(now: datetime) -> datetime:
    """At least LINK_LIFETIME_HOURS from now, rounded up to the hour: the row does not reveal the minute of use."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour + timedelta(hours=LINK_LIFETIME_HOURS + (hour != now))
