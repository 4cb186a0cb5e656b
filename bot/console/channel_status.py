"""How the channels stand: what works, what waits, and whom a platform's limits and templates keep waiting."""

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
from storage.channels.channel_facts import Interruption
from storage.database import Transaction

routes = web.RouteTableDef()

WORDS = {
    "status": ("APPROVED", "REINSTATED", "FLAGGED", "PENDING", "REJECTED", "PAUSED", "DISABLED"),
    "category": ("UTILITY", "MARKETING"),
    "quality": ("GREEN", "YELLOW", "RED"),
}
"""Meta's words for which there are phrases; others are shown as they are (platforms: templates)."""

CAUSES = {  # of a stopped WhatsApp; the same codes as in bot/channels/whatsapp/errors.py
    **dict.fromkeys((0, 190), "token"),
    **dict.fromkeys((3, 10, 131005, *range(200, 300)), "permission"),
    **dict.fromkeys((368, 131031, 130497), "account"),
    **dict.fromkeys((131045, 133010), "number"),
    131042: "payment",
}


@routes.get("/channels")
async def channels(request: web.Request) -> web.Response:
    """Every channel that this house has; no person is named."""
    site.reader_of(request)
    async with request.config_dict[DATABASE].read() as tx:
        standings = await look(request, tx)
    zone = request.config_dict[INSTALLATION].timezone

    def local(moment: datetime) -> datetime:
        return moment.astimezone(zone)

    return site.page(request, "channels.html", standings=standings, cause=cause, told=told, local=local)


async def look(request: web.Request, tx: Transaction) -> list[ChannelStatus]:
    """How the channels stand that the settings turn on."""
    given = request.config_dict
    return await channel_status.channel_statuses(
        tx, given[LIBRARY], given[INSTALLATION], configured(given.get(SETTINGS)), site.now_of(request)
    )


def configured(settings: Settings | None) -> list[str]:
    """The channels that are on, by name; a console that is served without the chats has none."""
    if settings is None:
        return []
    is_on = {
        WHATSAPP: settings.has_whatsapp,
        TELEGRAM: settings.telegram_bot_token is not None,
        WEBCHAT: settings.has_webchat,
    }
    return [name for name, is_it in is_on.items() if is_it]


def cause(channel: str, stop: Interruption) -> str:
    """Why a channel stands still: token, permission, account, number, payment or other."""
    if channel == TELEGRAM:  # refuses nothing for good but the token
        return "token"
    if code := re.fullmatch(r"code (\d+)", stop.reason):
        return CAUSES.get(int(code[1]), "other")
    return "account" if channel == WHATSAPP else "other"  # an event of the account, by its name


def told(field: str, word: str) -> str:
    """The end of the phrase for a platform's word: itself, `refused` (when we sent), `unknown` or `other`."""
    if word in ("", "UNKNOWN"):
        return "unknown"
    if word.startswith("REFUSED_"):  # noted by ourselves, with the code of the refusal
        return "refused"
    return word.lower() if word in WORDS[field] else "other"
