"""Receive WhatsApp's webhooks: signed, within their size limit, stored first and acknowledged afterwards."""

import hashlib
import hmac
import json
import re
from collections import Counter

import structlog
from aiohttp import web

from bot.channels.events import PlatformEvent, UnreadableEvent
from bot.channels.webhook import EventStore, store_all
from bot.channels.whatsapp.parser import parse
from bot.web.requests import BodyTooLarge, read_body
from storage.database import DatabaseUnavailable

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
    app.router.add_get(PATH, hook.verify, allow_head=False)
    app.router.add_post(PATH, hook.receive)


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
            return _error_response(403, "verification")
        return web.Response(text=challenge)

    async def receive(self, request: web.Request) -> web.Response:
        signature = request.headers.get(SIGNATURE_HEADER)
        if signature is None:
            return _error_response(401, "no signature")
        try:
            body = await read_body(request, BODY_LIMIT)
        except BodyTooLarge:
            return _error_response(413, "size")
        if not self._is_signed(body, signature):
            return _error_response(403, "signature")
        try:
            raw = json.loads(body)
        except (ValueError, RecursionError):
            raw = None
        if not isinstance(raw, dict):
            return _error_response(400, "not a JSON object")
        events = parse(raw, self._number_id)
        _log_unreadable(events)
        try:
            await store_all(events, self._inbox)
        except DatabaseUnavailable:
            return _error_response(503, "database")
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


def _error_response(status: int, kind: str) -> web.Response:
    log.warning("whatsapp_webhook_refused", status=status, kind=kind)
    return web.Response(status=status)
