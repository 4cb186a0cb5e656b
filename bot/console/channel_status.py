"""The page of the channels: their status and backlog, and what a platform's limits and templates hold back."""

import re
from datetime import datetime

from aiohttp import web

from bot.channels.telegram.parser import NAME as TELEGRAM
from bot.channels.webchat.channel import NAME as WEBCHAT
from bot.channels.whatsapp.channel import NAME as WHATSAPP
from bot.config import Settings
from bot.console import site
from bot.web.app_keys import DATABASE, INSTALLATION, LIBRARY, SETTINGS
from handlers.administration import channel_status
from handlers.administration.channel_status import ChannelStatus
from storage.channels.channel_facts import Stop
from storage.database import Transaction

routes = web.RouteTableDef()

KNOWN_VALUES = {
    "status": ("APPROVED", "REINSTATED", "FLAGGED", "PENDING", "REJECTED", "PAUSED", "DISABLED"),
    "category": ("UTILITY", "MARKETING"),
    "quality": ("GREEN", "YELLOW", "RED"),
}
"""Meta's values for a template, by field, for which there are phrases; others are shown as they are."""

CAUSES = {  # why WhatsApp stopped, by error code; the same codes as in bot/channels/whatsapp/errors.py
    **dict.fromkeys((0, 190), "token"),
    **dict.fromkeys((3, 10, 131005, *range(200, 300)), "permission"),
    **dict.fromkeys((368, 131031, 130497), "account"),
    **dict.fromkeys((131045, 133010), "number"),
    131042: "payment",
}


@routes.get("/channels")
async def channels(request: web.Request) -> web.Response:
    """Show every channel of this installation; the page names no recipients."""
    site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        statuses = await read_statuses(request, tx)
    zone = request.config_dict[INSTALLATION].timezone

    def local(moment: datetime) -> datetime:
        return moment.astimezone(zone)

    return site.page(
        request,
        "channels.html",
        statuses=statuses,
        stop_cause=stop_cause,
        phrase_suffix=phrase_suffix,
        local=local,
    )


async def read_statuses(request: web.Request, tx: Transaction) -> list[ChannelStatus]:
    """Return the status of each channel that the settings enable."""
    shared = request.config_dict
    return await channel_status.channel_statuses(
        tx, shared[LIBRARY], shared[INSTALLATION], enabled_channels(shared.get(SETTINGS)), site.current_time(request)
    )


def enabled_channels(settings: Settings | None) -> list[str]:
    """Return the names of the enabled channels; none for a console that is served without settings."""
    if settings is None:
        return []
    is_enabled = {
        WHATSAPP: settings.has_whatsapp,
        TELEGRAM: settings.telegram_bot_token is not None,
        WEBCHAT: settings.has_webchat,
    }
    return [name for name, enabled in is_enabled.items() if enabled]


def stop_cause(channel: str, stop: Stop) -> str:
    """Classify why a channel is stopped: token, permission, account, number, payment or other."""
    if channel == TELEGRAM:  # only a refused token stops it
        return "token"
    if code := re.fullmatch(r"code (\d+)", stop.reason):
        return CAUSES.get(int(code[1]), "other")
    return "account" if channel == WHATSAPP else "other"  # WhatsApp: the name of an account event


def phrase_suffix(field: str, value: str) -> str:
    """Return the end of a phrase key for a platform's value: its own, `refused` (on sending), `unknown` or `other`."""
    if value in ("", "UNKNOWN"):
        return "unknown"
    if value.startswith("REFUSED_"):  # recorded by the sender, with the error code of the refusal
        return "refused"
    return value.lower() if value in KNOWN_VALUES[field] else "other"
