"""What pages and webhooks require of a request, and what handlers get from it: origin, body, work context."""

from urllib.parse import urlsplit

from aiohttp import web

from bot.loopback import is_loopback
from bot.web.app_keys import CLOCK, INSTALLATION, LIBRARY
from handlers.context import WorkContext
from storage.database import Transaction

MAX_BODY = 64 * 1024
"""Bytes that a page accepts; a webhook has its platform's limit."""


class BodyTooLarge(Exception):
    """The body of a request is longer than its limit."""


def is_same_origin(request: web.Request) -> bool:
    """Whether one of our own pages sent the request, by two headers that no page can forge or leave out.

    - `Sec-Fetch-Site` may be `same-origin`, or `none`: the user's own doing, such as an address that was typed.
      `same-site` is refused, as a sibling subdomain is not ours.
    - `Origin` may be that of PUBLIC_URL, also behind a proxy that sends another Host. Where PUBLIC_URL is loopback, it
      may also be the one that the request was sent to, if that is loopback: 127.0.0.1, localhost and forwarded ports
      are the same server. No other Host is believed: who sends a request writes it. `null` is refused.
    - A header that is missing refuses nothing: older browsers send one of the two, and programs, which carry no
      cookies of a user's browser, send none.
    """
    headers = request.headers
    return all(site in ("same-origin", "none") for site in headers.getall("Sec-Fetch-Site", ())) and all(
        _is_own_origin(request, origin) for origin in headers.getall("Origin", ())
    )


def _is_own_origin(request: web.Request, origin: str) -> bool:
    public_url = request.config_dict[INSTALLATION].public_url
    if origin == public_url:
        return True
    if not is_loopback(urlsplit(public_url).hostname or ""):
        return False
    return origin == f"{request.scheme}://{request.host}" and is_loopback(host_of(request))


def host_of(request: web.Request) -> str:
    """The host that a request was sent to, without its port; empty for a header that is none."""
    try:
        return request.url.host or ""
    except ValueError:
        return ""


async def read_body(request: web.Request, limit: int = MAX_BODY) -> bytes:
    """Read the whole body, with or without a Content-Length; `limit` in bytes.

    Raises BodyTooLarge; HTTPBadRequest when the client leaves before the end, or sends what is not HTTP.
    """
    if (request.content_length or 0) > limit:
        raise BodyTooLarge
    body = bytearray()
    try:
        async for part in request.content.iter_any():
            body += part
            if len(body) > limit:
                raise BodyTooLarge
    except (web.RequestPayloadError, ConnectionResetError):
        raise web.HTTPBadRequest from None
    return bytes(body)


def work_context(request: web.Request, tx: Transaction) -> WorkContext:
    """What handlers get for work that a page asks for, in a transaction that the page opened."""
    keys = request.config_dict  # of the site, also within the console's application
    return WorkContext(tx, keys[LIBRARY], keys[INSTALLATION], keys[CLOCK]())
