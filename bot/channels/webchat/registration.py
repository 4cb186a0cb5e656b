"""Registers the browser chat: enabled on loopback, with pages of its own and nothing to connect to."""

from collections.abc import Sequence

from aiohttp import web

from bot.channels.registration import ChannelRuntime, ChannelServices, Registration
from bot.channels.webchat import page, visitors
from bot.channels.webchat.channel import NAME, Webchat
from bot.config import Settings
from handlers.capabilities import Capabilities


class WebchatRuntime(ChannelRuntime):
    """The browser chat of one process; its pages are notified of changes by the channel."""

    channel: Webchat

    def __init__(self, channel: Webchat, cookie_key: bytes) -> None:
        super().__init__(channel)
        self._cookie_key = cookie_key

    def attach(self, site: web.Application) -> None:
        site[page.CHANGES] = self.channel.changes
        site[visitors.COOKIE_KEY] = self._cookie_key
        page.attach(site)


class WebchatRegistration(Registration):
    """The browser chat. Without limits: its messages are rows of our own database."""

    name = NAME
    is_trial = True
    landing_link = ("chat", "/chat")

    def is_enabled(self, settings: Settings) -> bool:
        return settings.has_webchat

    def capabilities(self, settings: Settings) -> Capabilities:
        return Capabilities(shows_news=True)

    def build(self, services: ChannelServices) -> WebchatRuntime:
        channel = Webchat(services.database, services.clock, services.box)
        return WebchatRuntime(channel, services.secrets.chat)

    def start_lines(self, settings: Settings, *, serves: bool, works: bool) -> Sequence[tuple[str, str]]:
        return (("Chat", f"{settings.public_url}{self.landing_link[1]}"),) if serves else ()
