"""The built channels of an app by their own types, for tests that look below the channel contract."""

from bot.app import App
from bot.channels.registration import PlatformRuntime
from bot.channels.telegram.channel import Telegram
from bot.channels.whatsapp.channel import WhatsApp


def telegram_of(app: App) -> Telegram:
    """The Telegram channel; fails if the settings leave it off."""
    channel = app.channels["telegram"].channel
    assert isinstance(channel, Telegram)
    return channel


def whatsapp_of(app: App) -> WhatsApp:
    """The WhatsApp channel; fails if the settings leave it off."""
    channel = app.channels["whatsapp"].channel
    assert isinstance(channel, WhatsApp)
    return channel


def platform_runtime(app: App, name: str) -> PlatformRuntime:
    """A channel's runtime, for tests that connect it."""
    runtime = app.channels[name]
    assert isinstance(runtime, PlatformRuntime)
    return runtime
