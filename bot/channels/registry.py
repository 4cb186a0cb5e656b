"""The channels of this program, one line each; the wiring, the console and the commands ask here for them."""

from collections.abc import Iterator

from bot.channels.registration import Registration
from bot.channels.telegram.registration import TelegramRegistration
from bot.channels.webchat.registration import WebchatRegistration
from bot.channels.whatsapp.registration import WhatsAppRegistration
from bot.config import Settings

REGISTRATIONS: tuple[Registration, ...] = (
    WhatsAppRegistration(),
    TelegramRegistration(),
    WebchatRegistration(),
)
"""In the order in which the console shows them."""


def enabled(settings: Settings) -> Iterator[Registration]:
    """Registrations of the channels that the settings turn on."""
    return (registration for registration in REGISTRATIONS if registration.is_enabled(settings))


def by_name(name: str) -> Registration | None:
    """The registration of a channel; None for a name that an older version may have stored."""
    return next((registration for registration in REGISTRATIONS if registration.name == name), None)
