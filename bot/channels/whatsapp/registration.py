"""Registers WhatsApp: webhook only, templates outside the reply window, receipts that settle deliveries."""

from collections.abc import Sequence

from aiohttp import web

from bot.channels.registration import ChannelServices, PlatformRuntime, Registration
from bot.channels.stop_reason import StopCause, code_in
from bot.channels.whatsapp import webhook
from bot.channels.whatsapp.channel import RECIPIENT_RATE_LIMIT, WhatsApp, capabilities
from bot.channels.whatsapp.client import Graph
from bot.channels.whatsapp.errors import row_of
from bot.channels.whatsapp.fields import NAME
from bot.config import Settings
from handlers.capabilities import Capabilities


class WhatsAppRuntime(PlatformRuntime):
    """One number of the Cloud API with its webhook."""

    channel: WhatsApp

    def __init__(self, channel: WhatsApp, services: ChannelServices) -> None:
        super().__init__(channel)
        self._services = services

    def attach(self, site: web.Application) -> None:
        settings = self._services.settings
        secret, verify_token = settings.whatsapp_app_secret, settings.whatsapp_verify_token
        assert secret is not None
        assert verify_token is not None
        number = settings.whatsapp_phone_number_id or ""
        webhook.attach(site, self._services.inbox, secret.get_secret_value(), verify_token.get_secret_value(), number)

    async def connect(self) -> str:
        await self.channel.start()
        return ""

    async def close(self) -> None:
        await self.channel.close()


class WhatsAppRegistration(Registration):
    """The number of WHATSAPP_PHONE_NUMBER_ID."""

    name = NAME
    recipient_limit = RECIPIENT_RATE_LIMIT
    confirms_deliveries = True

    def is_enabled(self, settings: Settings) -> bool:
        return settings.has_whatsapp

    def build(self, services: ChannelServices) -> WhatsAppRuntime:
        graph = Graph.of(services.settings)
        return WhatsAppRuntime(WhatsApp(graph, services.database, services.clock), services)

    def rate(self, settings: Settings) -> float:
        return settings.whatsapp_rate

    def capabilities(self, settings: Settings) -> Capabilities:
        return capabilities(settings.whatsapp_prompt)

    def start_lines(self, settings: Settings, *, serves: bool, works: bool) -> Sequence[tuple[str, str]]:
        return (("WhatsApp", f"on, webhook {settings.public_url}{webhook.PATH}" if serves else "on, sending"),)

    def stop_cause(self, reason: str) -> StopCause:
        """From the error code of a refusal; any other reason is an event of the account."""
        code = code_in(reason)
        return StopCause.ACCOUNT if code is None else row_of(code).cause
