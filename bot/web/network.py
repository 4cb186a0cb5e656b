"""Tells the networks apart that requests come from, by a hash under a key that ends with the process.

A network is the peer or, behind a proxy of TRUSTED_PROXIES, the last address of `X-Forwarded-For`, which that proxy
added itself. It counts what one place asks for, and is never written into a row or a log.
"""

import hashlib
import os
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp import web

from bot.config_checks import Network

PROXIES: web.AppKey[Collection[Network]] = web.AppKey("trusted_proxies")
"""The networks of TRUSTED_PROXIES; an application without it trusts none."""

IPV6_PREFIX = 64  # bits; a home or an office gets as many addresses as it likes within them (RFC 6177)
_KEY = os.urandom(32)


def network_of(request: web.Request) -> str:
    """The name of the network that a request comes from: the same until the process ends, and of no use elsewhere."""
    peer = _address(request.remote or "")
    proxies = request.config_dict.get(PROXIES, ())
    if peer is not None and any(peer in proxy for proxy in proxies):
        # A client may send this header too: proxies append to it, so that only the last address is theirs.
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        peer = _address(forwarded.rpartition(",")[2].strip()) or peer
    place = IPv6Network((peer, IPV6_PREFIX), strict=False) if isinstance(peer, IPv6Address) else peer
    return hashlib.blake2b(str(place).encode(), key=_KEY, digest_size=16).hexdigest()


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, an IPv4 one also where it is written as IPv6; None where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))  # without the name of an interface
    return address
