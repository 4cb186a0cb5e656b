"""The page of the channels: their status and backlog, and what a platform's limits and templates hold back."""

from datetime import datetime

from aiohttp import web

from bot.channels import registry
from bot.channels.stop_reason import StopCause
from bot.config import Settings
from bot.console import site
from bot.web.app_keys import DATABASE, INSTALLATION, LIBRARY, SETTINGS
from bot.web.requests import work_context
from bot.web.templating import preferred_language
from handlers.administration import channel_status
from handlers.administration.channel_status import ChannelStatus
from storage.channels.channel_facts import Interruption
from storage.database import Transaction

routes = web.RouteTableDef()

KNOWN_VALUES = {
    "status": ("APPROVED", "REINSTATED", "FLAGGED", "PENDING", "REJECTED", "PAUSED", "DISABLED"),
    "category": ("UTILITY", "MARKETING"),
    "quality": ("GREEN", "YELLOW", "RED"),
}
"""Meta's values for a template, by field, for which there are phrases; others are shown as they are."""


@routes.get("/channels")
async def channels(request: web.Request) -> web.Response:
    """Show every channel of this installation; the page names no recipients."""
    site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        statuses = await read_statuses(request, tx)
    zone, phrases = request.config_dict[INSTALLATION].timezone, request.config_dict[LIBRARY].phrases
    language = preferred_language(request)

    def local(moment: datetime) -> datetime:
        return moment.astimezone(zone)

    def channel_name(channel: str) -> str:
        return phrases.channel_name(language, channel)

    return site.page(
        request,
        "channels.html",
        statuses=statuses,
        channel_name=channel_name,
        stop_cause=stop_cause,
        phrase_suffix=phrase_suffix,
        local=local,
    )


async def read_statuses(request: web.Request, tx: Transaction) -> list[ChannelStatus]:
    """Return the status of each channel that the settings enable."""
    shared = request.config_dict
    return await channel_status.channel_statuses(work_context(request, tx), enabled_channels(shared.get(SETTINGS)))


def enabled_channels(settings: Settings | None) -> list[str]:
    """Return the names of the enabled channels; none for a console that is served without settings."""
    if settings is None:
        return []
    return [registration.name for registration in registry.enabled(settings)]


def stop_cause(channel: str, stop: Interruption) -> StopCause:
    """The cause for which a channel is stopped; OTHER for a channel that is no longer registered."""
    registration = registry.by_name(channel)
    return registration.stop_cause(stop.reason) if registration else StopCause.OTHER


def phrase_suffix(field: str, value: str) -> str:
    """Return the end of a phrase key for a platform's value: its own, `refused` (on sending), `unknown` or `other`."""
    if value in ("", "UNKNOWN"):
        return "unknown"
    if value.startswith("REFUSED_"):  # recorded by the sender, with the error code of the refusal
        return "refused"
    return value.lower() if value in KNOWN_VALUES[field] else "other"
