"""Receive Dummy's webhook: with its secret, within its size limit, stored first and acknowledged afterwards."""

import hmac

from aiohttp import web

from bot.channels.webhook import EventStore, WebhookRefused, json_object, read_limited, refusing, store_all
from tests.fakes.dummy_channel.channel import NAME
from tests.fakes.dummy_channel.parser import parse

PATH = "/webhooks/dummy"
SECRET_HEADER = "X-Dummy-Secret"
BODY_LIMIT = 1024 * 1024  # bytes


def attach(site: web.Application, inbox: EventStore, secret: str) -> None:
    """Add the webhook to the server; the platform repeats a request until it gets a 200."""

    async def receive(request: web.Request) -> web.Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode()):
            raise WebhookRefused(403, "secret")
        payload = json_object(await read_limited(request, BODY_LIMIT))
        await store_all(parse(payload), inbox)
        return web.Response()

    site.router.add_post(PATH, refusing(NAME, receive))
