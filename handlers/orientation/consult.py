"""Confidential queries from the chat: explain the limits, then give a one-time link to the letterbox."""

import re
import secrets
from datetime import datetime, timedelta

from handlers import caps
from handlers.casework import news, trust
from handlers.context import Context, Response
from handlers.message import Button, Message
from storage.confidential import link_counts, routes
from storage.confidential.addresses import seal_address
from storage.confidential.protocol import tokens
from storage.confidential.protocol.canonical import encode

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
    try:
        await trust.in_force(context.tx, context.installation.unit, context.today)
    except trust.Closed:
        return Response((Message("consult.closed"),))
    if not await _may_have_link(context):
        return Response((_enough_message(context),))
    answers = parts[2] if len(parts) == 3 and _ANSWERS.fullmatch(parts[2]) else ""
    url = await _link(context, answers)
    open_letterbox = Button("button.consult_open", url=url)
    later = Button("button.consult_later", choice="consult:later", is_optional=True)
    return Response((Message("consult.limits", {"hours": LINK_LIFETIME_HOURS}, ((open_letterbox,), (later,))),))


async def _may_have_link(context: Context) -> bool:
    """Count one more link for this chat today; False: it has had as many as it may."""
    update, key = context.update, context.installation.route_key
    row = link_counts.row_of(key, update.channel, update.address, context.today)
    return await link_counts.try_take(context.tx, row, context.today, caps.LINKS_A_DAY)


def _enough_message(context: Context) -> Message:
    tomorrow = (context.today + timedelta(days=1)).strftime("%d/%m/%Y")
    return Message("consult.enough", {"links": caps.LINKS_A_DAY, "hours": LINK_LIFETIME_HOURS, "day": tomorrow})


async def _link(context: Context, answers: str) -> str:
    """Store a one-time link and return its URL; the token is in the fragment, which browsers do not send to servers.

    The chat's address is stored under a name that follows from the token too, and waits there for news.
    """
    installation, token = context.installation, secrets.token_bytes(24)
    row = tokens.route_row(installation.route_key, tokens.bell(token))
    address = {"channel": context.update.channel, "address": context.update.address, "language": context.language}
    route = routes.Route(row, seal_address(installation.route_key, address, row))
    await routes.add_link(context.tx, tokens.entry_row(installation.route_key, token), _expiry(context.now))
    await routes.add_route(context.tx, route, context.today + timedelta(days=routes.DAYS_KEPT))
    assessment = f"&a={answers}" if answers else ""
    unit = installation.unit.pin()
    return f"{installation.public_url}/c#t={encode(token)}&u={unit}{assessment}&l={context.language}"


def _expiry(now: datetime) -> datetime:
    """At least LINK_LIFETIME_HOURS from now, rounded up to the hour: the row does not reveal the minute of use."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return hour + timedelta(hours=LINK_LIFETIME_HOURS + (hour != now))
