"""Registers Telegram: long polling by default, a webhook where PUBLIC_URL is https."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from bot.channels.channel import Refused, Stopped
from bot.channels.registration import ChannelServices, PlatformRuntime, Registration
from bot.channels.stop_reason import StopCause
from bot.channels.telegram import receiver, webhook_monitor
from bot.channels.telegram.channel import RECIPIENT_RATE_LIMIT, ProfileTexts, Telegram, Webhook
from bot.channels.telegram.contact import ContactRecorder
from bot.channels.telegram.parser import NAME
from bot.config import Settings
from bot.secrets import Secrets
from content.text import LANGUAGES
from storage import advisory_locks
from storage.advisory_locks import Lock


class TelegramRuntime(PlatformRuntime):
    """One bot with its receiver. `uses_webhook`: Telegram delivers updates to us; otherwise we poll for them."""

    channel: Telegram

    def __init__(self, channel: Telegram, services: ChannelServices) -> None:
        super().__init__(channel)
        self._services = services
        self.uses_webhook = services.settings.telegram_uses_webhook
        self._contact = ContactRecorder(services.database, NAME, services.clock)

    def attach(self, site: web.Application) -> None:
        if self.uses_webhook:
            secret = webhook_secret(self._services.settings, self._services.secrets)
            receiver.attach(site, self.channel, self._services.inbox, secret)

    async def connect(self) -> str:
        """Connect; return why Telegram does not accept the webhook's URL (sending still works), or an empty string."""
        try:
            await self.channel.start()
        except Stopped:
            raise
        except Refused as error:
            return str(error)
        return ""

    async def receive(self) -> None:
        """Poll, or watch the webhook. One process at a time polls: Telegram gives updates to one poller only."""
        if self.uses_webhook:
            await webhook_monitor.watch(self._services.database, self.channel, self._services.clock, self._contact)
        while True:
            async with advisory_locks.acquire(self._services.database, Lock.POLLING) as lost:
                polling = asyncio.create_task(receiver.poll(self.channel, self._services.inbox, self._contact.confirm))
                losing = asyncio.create_task(lost.wait())
                try:
                    await asyncio.wait([polling, losing], return_when=asyncio.FIRST_COMPLETED)
                    if polling.done():
                        polling.result()
                finally:
                    polling.cancel()
                    losing.cancel()

    async def close(self) -> None:
        await self.channel.close()


class TelegramRegistration(Registration):
    """The bot of TELEGRAM_BOT_TOKEN."""

    name = NAME
    recipient_limit = RECIPIENT_RATE_LIMIT

    def is_enabled(self, settings: Settings) -> bool:
        return settings.telegram_bot_token is not None

    def build(self, services: ChannelServices) -> TelegramRuntime:
        settings = services.settings
        assert settings.telegram_bot_token is not None
        webhook = None
        if settings.telegram_uses_webhook:
            webhook = Webhook(settings.public_url + receiver.PATH, webhook_secret(settings, services.secrets))
        profile_texts = {
            language: ProfileTexts.of(services.library.phrases.section(language, NAME)) for language in LANGUAGES
        }
        token = settings.telegram_bot_token.get_secret_value()
        return TelegramRuntime(
            Telegram(token, settings.telegram_api_url, profile_texts=profile_texts, webhook=webhook), services
        )

    def rate(self, settings: Settings) -> float:
        return settings.telegram_rate

    def start_lines(self, settings: Settings, *, serves: bool, works: bool) -> Sequence[tuple[str, str]]:
        if settings.telegram_uses_webhook:
            return (("Telegram", "on, by webhook" if serves else "on, sending"),)
        return (("Telegram", "on, by long polling"),) if works else ()

    def stop_cause(self, reason: str) -> StopCause:
        return StopCause.TOKEN  # the only thing that Telegram refuses for good


def webhook_secret(settings: Settings, secrets: Secrets) -> str:
    """The secret that Telegram shows at the webhook: the configured one, or the generated one."""
    given = settings.telegram_webhook_secret
    return given.get_secret_value() if given else secrets.webhook
