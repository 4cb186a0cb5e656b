"""Registers Dummy: on wherever it is registered, as it has no settings."""

from collections.abc import Sequence

from aiohttp import web

from bot.channels.registration import ChannelServices, PlatformRuntime, Registration
from bot.channels.stop_reason import StopCause
from bot.config import Settings
from handlers.capabilities import Capabilities
from tests.fakes.dummy_channel import webhook
from tests.fakes.dummy_channel.channel import CAPABILITIES, NAME, RATE, RECIPIENT_RATE_LIMIT, Dummy


class DummyRuntime(PlatformRuntime):
    """One account with its webhook."""

    channel: Dummy

    def __init__(self, channel: Dummy, services: ChannelServices, secret: str) -> None:
        super().__init__(channel)
        self._services = services
        self._secret = secret

    def attach(self, site: web.Application) -> None:
        webhook.attach(site, self._services.inbox, self._secret)

    async def connect(self) -> str:
        await self.channel.start()
        return ""

    async def close(self) -> None:
        await self.channel.close()


class DummyRegistration(Registration):
    """The account at `api_url`. A channel of the product takes these three from the settings instead."""

    name = NAME
    recipient_limit = RECIPIENT_RATE_LIMIT
    confirms_deliveries = True

    def __init__(self, api_url: str, token: str, secret: str) -> None:
        self._api_url = api_url
        self._token = token
        self._secret = secret

    def is_enabled(self, settings: Settings) -> bool:
        return True

    def build(self, services: ChannelServices) -> DummyRuntime:
        return DummyRuntime(Dummy(self._api_url, self._token), services, self._secret)

    def rate(self, settings: Settings) -> float:
        return RATE

    def capabilities(self, settings: Settings) -> Capabilities:
        return CAPABILITIES

    def start_lines(self, settings: Settings, *, serves: bool, works: bool) -> Sequence[tuple[str, str]]:
        return (("Dummy", f"on, webhook {settings.public_url}{webhook.PATH}" if serves else "on, sending"),)

    def stop_cause(self, reason: str) -> StopCause:
        return StopCause.TOKEN  # the only thing that the platform refuses for good
