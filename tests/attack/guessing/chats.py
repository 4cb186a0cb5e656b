"""Platforms in memory, and the chats of their users: what they send goes through the product's own parsers.

Each platform accepts what the product sends, and keeps it; addresses, references and keys are as the real ones write
them, so that a WhatsApp message id holds the phone number.
"""

import base64
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from aiohttp import ClientSession

from bot.channels.channel import Channel, Unreachable
from bot.channels.events import PlatformEvent
from bot.channels.telegram import parser as telegram_parser
from bot.channels.whatsapp import parser as whatsapp_parser
from handlers.message import Action, Parcel
from tests.fakes import telegram_chats, whatsapp_chats
from tests.fakes import whatsapp_webhooks as webhooks
from tests.fakes.whatsapp_webhooks import PHONE_NUMBER_ID

NEWER_THAN_ALL = 10**9  # a revision: the page sends no bubbles back
Moment = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the platform took, with the reference that it gave."""

    parcel: Parcel
    ref: str
    at: datetime


@dataclass
class Platform:
    """One platform: what was sent to each address, and what waits to be fetched by the product."""

    now: Moment
    sent: dict[str, list[Sent]] = field(default_factory=dict)
    events: list[PlatformEvent] = field(default_factory=list)
    is_away: bool = False
    _refs: Iterator[int] = field(default_factory=lambda: count(1001))

    async def send(self, parcel: Parcel) -> str:
        """In place of the channel's own `send`."""
        if self.is_away:
            raise Unreachable("away", in_doubt=False)
        return "" if parcel.action in (Action.ACKNOWLEDGE, Action.ERASE) else self.keep(parcel, self.reference(parcel))

    def reference(self, parcel: Parcel) -> str:
        """The platform's name for a message."""
        return parcel.ref or str(next(self._refs))

    def keep(self, parcel: Parcel, ref: str) -> str:
        self.sent.setdefault(parcel.address, []).append(Sent(parcel, ref, self.now()))
        return ref

    def over(self, channel: Channel) -> Callable[[Parcel], Any]:
        """A `send` for a channel that is a platform of its own."""
        send = channel.send

        async def send_and_keep(parcel: Parcel) -> str:
            return self.keep(parcel, await send(parcel))

        return send_and_keep


class WhatsAppPlatform(Platform):
    """Names each message by the phone number, as Meta does, and reports what became of it."""

    def reference(self, parcel: Parcel) -> str:
        phone = "5214771" + parcel.address.removeprefix("MX.")
        wamid = message_id(phone, next(self._refs))
        identity = webhooks.Identity(phone, parcel.address, "Persona", "")
        at = int(self.now().timestamp())
        for status in ("sent", "delivered"):
            value = webhooks.status(
                identity, wamid, status, at, by_id=True, tracker=str(parcel.number), category="service", code=None
            )
            self.receive("messages", value)
        return wamid

    def receive(self, topic: str, value: dict[str, Any]) -> None:
        """A webhook, parsed by the product."""
        body = webhooks.body(topic, value, int(self.now().timestamp()))
        self.events += whatsapp_parser.parse(body, PHONE_NUMBER_ID)


def message_id(phone: str, number: int) -> str:
    """A WhatsApp message id: base64 of the phone number and noise."""
    noise = random.Random(number).randbytes(16)
    return "wamid." + base64.b64encode(b"\x1c\x18\x0d" + phone.encode() + b"\x15\x02\x00" + noise).decode()


# ---------------------------------------------------------------- users


class Chat(ABC):
    """One user's chat with the product."""

    channel: str

    def __init__(self, platform: Platform, address: str) -> None:
        self.platform = platform
        self.address = address

    def newest(self, prefix: str) -> tuple[Sent, list[str]] | None:
        """The newest message with buttons whose payload begins so, with these payloads; None: there is none."""
        for sent in reversed(self.platform.sent.get(self.address, ())):
            if found := [button.choice for row in sent.parcel.rows for button in row if _fits(button.choice, prefix)]:
                return sent, found
        return None

    def choices(self, prefix: str) -> list[str]:
        """The payloads on the newest message that begin so."""
        sent = self.platform.sent.get(self.address, ())
        newest = sent[-1].parcel.rows if sent else ()
        return [button.choice for row in newest for button in row if _fits(button.choice, prefix)]

    def url(self, part: str, since: datetime) -> str:
        """The first address of a page sent since then that holds this part."""
        for sent in self.platform.sent[self.address]:
            for button in (button for row in sent.parcel.rows for button in row):
                if sent.at >= since and part in button.url:
                    return button.url
        raise AssertionError(f"no link with {part!r}")

    async def press(self, choice: str) -> None:
        """Press the newest button with this payload."""
        found = self.newest(choice)
        assert found is not None, f"no button {choice!r}"
        await self.press_on(found[0].ref, choice)

    @abstractmethod
    async def press_on(self, ref: str, choice: str) -> None: ...

    @abstractmethod
    async def type(self, text: str) -> None: ...


def _fits(choice: str, prefix: str) -> bool:
    return bool(choice) and choice.startswith(prefix)


class TelegramChat(Chat):
    """A private chat with the bot."""

    channel = "telegram"

    def __init__(self, platform: Platform, number: int, updates: Iterator[int]) -> None:
        super().__init__(platform, str(number))
        self._updates = updates
        world = telegram_chats.World(self._queue, lambda: platform.now().timestamp())
        world.last_press += number * 1_000_000
        self._person = world.person(number, "es")

    def _queue(self, kind: str, content: dict[str, Any]) -> int:
        number = next(self._updates)
        update = telegram_parser.parse({"update_id": number, kind: content})
        assert update is not None
        self.platform.events.append(update)
        return number

    async def press_on(self, ref: str, choice: str) -> None:
        at = int(self.platform.now().timestamp())
        message = telegram_chats.ChatMessage(int(ref), self._person.chat, telegram_chats.BOT, at, {"text": "…"})
        self._person.forge(choice, message)

    async def type(self, text: str) -> None:
        self._person.say(text)


class _OwnWorld(whatsapp_chats.World):
    """Message ids of one user's own messages."""

    phone = ""

    def next_id(self) -> str:
        self.last_message += 1
        return message_id(self.phone, int(self.phone) + self.last_message)


class WhatsAppChat(Chat):
    """A chat with the business number."""

    channel = "whatsapp"

    def __init__(self, platform: WhatsAppPlatform, number: int) -> None:
        super().__init__(platform, f"MX.{number}")
        world = _OwnWorld(platform.receive, platform.now)
        world.phone = f"5214771{number}"
        self._person = world.person(world.phone, self.address, has_username=False)

    async def press_on(self, ref: str, choice: str) -> None:
        self._person.forge(choice, context=ref)

    async def type(self, text: str) -> None:
        self._person.say(text)


class BrowserChat(Chat):
    """The browser chat, through its page as a script posts to it."""

    channel = "webchat"

    def __init__(self, platform: Platform, session: ClientSession, url: str) -> None:
        super().__init__(platform, "")
        self._session = session
        self._url = url
        self._once = count(1)

    async def open(self) -> None:
        """Load the page, which sets the cookie."""
        async with self._session.get(f"{self._url}/chat") as response:
            assert response.status == 200

    async def press_on(self, ref: str, choice: str) -> None:
        await self._post(choice=choice, ref=ref)

    async def type(self, text: str) -> None:
        await self._post(text=text)

    async def _post(self, **fields: str) -> None:
        body = {"once": f"once-{next(self._once)}", "after": NEWER_THAN_ALL, **fields}
        async with self._session.post(f"{self._url}/chat/say", json=body) as response:
            assert response.status == 200, await response.text()
