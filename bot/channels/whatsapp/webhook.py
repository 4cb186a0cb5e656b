"""Receive WhatsApp's webhooks: signed, within their size limit, stored first and acknowledged afterwards."""

import hashlib
import hmac
import re
from collections import Counter

import structlog
from aiohttp import web

from bot.channels.events import PlatformEvent, UnreadableEvent
from bot.channels.webhook import EventStore, WebhookRefused, json_object, read_limited, refusing, store_all
from bot.channels.whatsapp.fields import NAME
from bot.channels.whatsapp.parser import parse

PATH = "/webhooks/whatsapp"
SIGNATURE_HEADER = "X-Hub-Signature-256"
BODY_LIMIT = 3 * 1024 * 1024  # Meta, "Webhooks": payloads can be up to 3 MB

_CHALLENGE = re.compile(r"[ -~]{1,256}")

log = structlog.get_logger()


def attach(app: web.Application, inbox: EventStore, secret: str, verify_token: str, number_id: str) -> None:
    """Add the webhook to the server: GET verifies the address when Meta sets it up, POST receives events.

    `secret` is the app's, which signs every body; `number_id` selects our number among the account's others (empty:
    all are accepted). WhatsApp repeats a request for days after any status but 200: another status is returned only
    where a repetition may succeed, or to requests that are not WhatsApp's.
    """
    if not secret or not verify_token:
        raise ValueError("a webhook without a secret and a verify token would accept anything from anybody")
    hook = _Webhook(inbox, secret.encode(), verify_token.encode(), number_id)
    app.router.add_get(PATH, refusing(NAME, hook.verify), allow_head=False)
    app.router.add_post(PATH, refusing(NAME, hook.receive))


class _Webhook:
    """The two handlers of the webhook."""

    def __init__(self, inbox: EventStore, secret: bytes, verify_token: bytes, number_id: str) -> None:
        self._inbox = inbox
        self._secret = secret
        self._verify_token = verify_token
        self._number_id = number_id

    async def verify(self, request: web.Request) -> web.Response:
        given = request.query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        challenge = request.query.get("hub.challenge", "")
        is_ours = hmac.compare_digest(given, self._verify_token)
        if not is_ours or request.query.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
            raise WebhookRefused(403, "verification")
        return web.Response(text=challenge)

    async def receive(self, request: web.Request) -> web.Response:
        signature = request.headers.get(SIGNATURE_HEADER)
        if signature is None:
            raise WebhookRefused(401, "no signature")
        body = await read_limited(request, BODY_LIMIT)
        if not self._is_signed(body, signature):
            raise WebhookRefused(403, "signature")
        events = parse(json_object(body), self._number_id)
        _log_unreadable(events)
        await store_all(events, self._inbox)
        return web.Response()

    def _is_signed(self, body: bytes, signature: str) -> bool:
        """Check the signature over the raw bytes, before anything parses them."""
        expected = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}".encode()
        return hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), expected)


def _log_unreadable(events: list[PlatformEvent]) -> None:
    """Log kinds and counts of unreadable items, not their keys: a message's id contains the phone number in base64."""
    faults = Counter(event.fault for event in events if isinstance(event, UnreadableEvent))
    for fault, count in faults.items():
        log.warning("whatsapp_payload_unreadable", fault=fault, count=count)
