"""Receive Dummy's webhook: with its secret, within its size limit, stored first and acknowledged afterwards."""

import hmac
import json

from aiohttp import web

from bot.channels.webhook import EventStore, store_all
from bot.web.requests import BodyTooLarge, read_body
from storage.database import DatabaseUnavailable
from tests.fakes.dummy_channel.parser import parse

PATH = "/webhooks/dummy"
SECRET_HEADER = "X-Dummy-Secret"
BODY_LIMIT = 1024 * 1024  # bytes


def attach(site: web.Application, inbox: EventStore, secret: str) -> None:
    """Add the webhook to the server; the platform repeats a request until it gets a 200."""

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode()):
            return web.Response(status=403)
        try:
            body = await read_body(request, BODY_LIMIT)
        except BodyTooLarge:
            return web.Response(status=413)
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            return web.Response(status=400)
        try:
            await store_all(parse(payload), inbox)
        except DatabaseUnavailable:
            return web.Response(status=503)
        return web.Response()

    site.router.add_post(PATH, receive)
