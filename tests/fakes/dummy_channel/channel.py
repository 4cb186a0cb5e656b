"""The Dummy channel: a platform of plain texts, without buttons; answers are chosen by number."""

import json
from collections.abc import Mapping
from typing import Any

from bot.channels.channel import NotReached, Refused, Stopped, Throttled, Unreachable
from bot.channels.http_client import HttpClient, NoResponse
from handlers.capabilities import Capabilities
from handlers.message import Action, Parcel, RenderedButton, strip_emphasis
from storage.queue.claims import RecipientRateLimit

NAME = "dummy"
RATE = 50.0  # messages per second to all recipients, as the platform's terms say
RECIPIENT_RATE_LIMIT = RecipientRateLimit(30, 60.0)
MAX_REPLIES = 30  # numbers below one text

CAPABILITIES = Capabilities(can_edit=False, can_erase=False, max_buttons=MAX_REPLIES, typed_commands=True)


class Dummy:
    """One account of the platform. Implements Channel; receiving is in `webhook`."""

    name = NAME

    def __init__(self, api_url: str, token: str) -> None:
        self._api_url = api_url
        self._token = token
        self._http = HttpClient()

    async def start(self) -> None:
        """Check the credential. Raises the channel's errors."""
        await self._request("GET", "account")

    async def send(self, parcel: Parcel) -> str:
        """Deliver one parcel and return the message's identifier. Raises the channel's errors and nothing else."""
        if parcel.action in (Action.ACKNOWLEDGE, Action.ERASE):
            return ""  # the platform has neither
        response = await self._request("POST", "messages", message(parcel))
        try:
            return str(response["id"])
        except KeyError:
            raise Unreachable("a response without an id", in_doubt=True) from None

    async def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {self._token}"}
        try:
            status, content = await self._http.exchange(method, f"{self._api_url}/{path}", json=body, headers=bearer)
            _check(status, content)
            return dict(json.loads(content))
        except NoResponse as failure:
            raise Unreachable(failure.kind, in_doubt=failure.in_doubt) from None
        except ValueError:
            raise Unreachable("an unreadable response", in_doubt=True) from None

    async def close(self) -> None:
        """Close the connections to the platform."""
        await self._http.close()


def _check(status: int, content: bytes) -> None:
    """Raise the error that a status means; whatever the platform may repair by itself is retried."""
    if status == 401:
        raise Stopped("the token is refused")
    if status == 410:
        raise NotReached("no such recipient")
    if status == 429:
        raise Throttled(float(json.loads(content)["retry_after"]))
    if status >= 500:
        raise NoResponse.of_status(status)
    if status >= 400:
        raise Refused(f"status {status}")


def message(parcel: Parcel) -> dict[str, Any]:
    """The platform's form of a parcel: links and numbered replies are lines below the text. Raises Refused."""
    buttons = [button for row in parcel.rows for button in row]
    choices = [button for button in buttons if button.choice]
    if len(choices) > MAX_REPLIES:
        raise Refused("more replies than numbers")
    links = [f"{button.label}: {button.url}" for button in buttons if button.url]
    text = "\n".join([strip_emphasis(parcel.text), *links, *map(_line, range(1, len(choices) + 1), choices)])
    replies = [button.choice for button in choices]
    return {"to": parcel.address, "text": text, "replies": replies, "reference": parcel.number}


def _line(number: int, button: RenderedButton) -> str:
    return f"{number}) {button.label}"
