"""How WhatsApp's webhooks reach the inbox: signed, within their size, kept first and acknowledged afterwards."""

import hashlib
import hmac
import json
import re
from collections import Counter

import structlog
from aiohttp import web

from bot.channels.events import PlatformEvent, UnreadableEvent
from bot.channels.webhook import EventStore, read_body, store_all
from bot.channels.whatsapp.parser import parse
from storage.database import DatabaseUnavailable

PATH = "/webhooks/whatsapp"
SIGNATURE_HEADER = "X-Hub-Signature-256"
BODY_LIMIT = 3 * 1024 * 1024  # Meta, "Webhooks": payloads can be up to 3 MB

_CHALLENGE = re.compile(r"[ -~]{1,256}")

log = structlog.get_logger()


def attach(app: web.Application, inbox: EventStore, secret: str, verify_token: str, number_id: str) -> None:
    """Add the webhook: GET is how Meta checks the address when it is set up, POST brings what happened.

    `secret` is the app's, which signs every body; `number_id` tells our number among the account's others (empty:
    all are taken). Anything but 200 makes WhatsApp repeat, for days: only what may yet succeed, and what is not
    WhatsApp's, is answered so.
    """
    if not secret or not verify_token:
        raise ValueError("a webhook without a secret and a verify token would take anything from anybody")
    hook = _Hook(inbox, secret.encode(), verify_token.encode(), number_id)
    app.router.add_get(PATH, hook.verify, allow_head=False)
    app.router.add_post(PATH, hook.receive)


class _Hook:
    """The two doors of the webhook."""

    def __init__(self, inbox: EventStore, secret: bytes, verify_token: bytes, number_id: str) -> None:
        self._inbox = inbox
        self._secret = secret
        self._verify_token = verify_token
        self._number_id = number_id

    async def verify(self, request: web.Request) -> web.Response:
        shown = request.query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        challenge = request.query.get("hub.challenge", "")
        is_ours = hmac.compare_digest(shown, self._verify_token)
        if not is_ours or request.query.get("hub.mode") != "subscribe" or not _CHALLENGE.fullmatch(challenge):
            return _refuse(403, "verification")
        return web.Response(text=challenge)

    async def receive(self, request: web.Request) -> web.Response:
        shown = request.headers.get(SIGNATURE_HEADER)
        if shown is None:
            return _refuse(401, "no signature")
        body = await read_body(request, BODY_LIMIT)
        if body is None:
            return _refuse(413, "size")
        if not self._is_signed(body, shown):
            return _refuse(403, "signature")
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            raw = None
        if not isinstance(raw, dict):
            return _refuse(400, "not a JSON object")
        arrivals = parse(raw, self._number_id)
        _tell(arrivals)
        try:
            await store_all(arrivals, self._inbox)
        except DatabaseUnavailable:
            return _refuse(503, "database")
        return web.Response()

    def _is_signed(self, body: bytes, shown: str) -> bool:
        """Over the bytes as they came, before anything looks into them."""
        expected = f"sha256={hmac.new(self._secret, body, hashlib.sha256).hexdigest()}".encode()
        return hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), expected)


def _tell(arrivals: list[PlatformEvent]) -> None:
    """Log what could not be read: by kind and count, as even a message's key spells the person's number in base64."""
    faults = Counter(arrival.fault for arrival in arrivals if isinstance(arrival, UnreadableEvent))
    for fault, count in faults.items():
        log.warning("whatsapp_unreadable", fault=fault, count=count)


def _refuse(status: int, kind: str) -> web.Response:
    log.warning("whatsapp_webhook_refused", status=status, kind=kind)
    return web.Response(status=status)
