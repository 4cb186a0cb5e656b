"""What pages and webhooks require of a request: a page of ours as its origin, and a body within its limit."""

from ipaddress import ip_address

from aiohttp import web
from yarl import URL

from bot.web.app_keys import INSTALLATION

MAX_BODY = 64 * 1024
"""Bytes that a page accepts; a webhook has its platform's limit."""


class BodyTooLarge(Exception):
    """The body of a request is longer than its limit."""


def is_same_origin(request: web.Request) -> bool:
    """Whether one of our own pages sent the request, by two headers that no page can forge or leave out.

    - `Sec-Fetch-Site` may be `same-origin`, or `none`: the user's own doing, such as an address that was typed.
      `same-site` is refused, as a sibling subdomain is not ours.
    - `Origin` may be that of PUBLIC_URL, also behind a proxy that sends another Host. On a loopback address it may also
      be the one that the request was sent to: 127.0.0.1, localhost and forwarded ports are the same server. Any other
      Host is not believed, since every domain may be made to resolve to us. `null` is refused.
    - A header that is missing refuses nothing: older browsers send one of the two, and programs, which carry no
      cookies of a user's browser, send none.
    """
    headers = request.headers
    return all(site in ("same-origin", "none") for site in headers.getall("Sec-Fetch-Site", ())) and all(
        _is_own_origin(request, origin) for origin in headers.getall("Origin", ())
    )


def _is_own_origin(request: web.Request, origin: str) -> bool:
    public_url = URL(request.config_dict[INSTALLATION].public_url)
    if origin == str(public_url.origin()):  # without a default port, as browsers write it
        return True
    return origin == f"{request.scheme}://{request.host}" and _is_loopback(request.url.host or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def read_body(request: web.Request, limit: int = MAX_BODY) -> bytes:
    """Read the whole body, decompressed, with or without a Content-Length; `limit` in bytes. Raises BodyTooLarge."""
    if (request.content_length or 0) > limit:
        raise BodyTooLarge
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)
