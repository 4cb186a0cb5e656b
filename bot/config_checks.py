"""Checks at startup of the settings that are URLs or networks: whether they can work, and what is wrong in them."""

import importlib.util
import re
from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import idna

from bot.loopback import is_loopback
from storage.database import DatabaseUrl, parse_url

HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+")  # a name, in any script, or an IPv6 address
DEFAULT_PORTS = {"http": 80, "https": 443}
SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
OPTIONS = ("host", "port", "ssl", "passfile", "target_session_attrs", "prepared_statement_cache_size")
"""Query parameters of a PostgreSQL URL that the driver (asyncpg) accepts; some are named otherwise in psql."""
Network = IPv4Network | IPv6Network


def check_url(text: str) -> SplitResult:
    """Split an http(s) URL. Raises ValueError with the expected form."""
    try:
        parts = urlsplit(text)
        is_valid = parts.scheme in ("http", "https") and HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:  # a port that is not a number, an incomplete IPv6 address
        is_valid = False
    if not is_valid or parts.query or parts.fragment:
        raise ValueError("expected http(s)://host[:port]")
    return parts


def public_origin(text: str) -> str:
    """Return a public URL as browsers spell it in the header Origin: small letters, no default port.

    Raises ValueError where pages could not work: with a path (ours stand at the root), with user information (the URL
    goes into every chat), or with http beyond this machine.
    """
    parts = check_url(text)
    if "@" in parts.netloc:
        raise ValueError("names a user or a password, which every reader would see; expected http(s)://host[:port]")
    if parts.path.strip("/"):
        raise ValueError("has a path, and Integra's pages stand at the root; expected http(s)://host[:port]")
    host = _ascii_host(parts.hostname or "")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(
            "http works on this machine only, since browsers seal queries and keep sign-ins on https pages; "
            "set up TLS and write https://, or leave it unset to try Integra out on this machine"
        )
    port = "" if parts.port in (None, DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _ascii_host(host: str) -> str:
    """The host as browsers send it. Source: WHATWG URL, host parsing (UTS 46, non-transitional)."""
    try:
        encoded: bytes = host.encode("idna") if host.isascii() else idna.encode(host, uts46=True)
        return encoded.decode()
    except UnicodeError:
        raise ValueError("expected http(s)://host[:port]") from None


def is_public(address: str, ports: Collection[int | None]) -> bool:
    """Whether an https URL may be reached from the internet, on one of these ports (None: the default port)."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        is_global = ip_address(host).is_global
    except ValueError:
        is_global = not is_loopback(host) and not host.endswith((".local", ".internal"))
    return is_global and parts.port in ports


def networks(text: str) -> tuple[Network, ...]:
    """Parse addresses and networks that are separated by commas. Raises ValueError with the one that is wrong."""
    return tuple(_network(part) for each in text.split(",") if (part := each.strip()))


def _network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no address and no network; expected such as 127.0.0.1, ::1 or 10.0.0.0/24, "
            "separated by commas"
        ) from None
    if network.prefixlen == 0:
        raise ValueError(f"{text!r} is every address: all could then name any network; name your proxies alone")
    return network


def check_database(text: str) -> None:
    """Check a database URL.

    Raises ValueError with what is wrong and what is expected, never with the URL: it may contain a password.
    """
    url = parse_url(text)
    if url.get_backend_name() == "sqlite":
        _check_sqlite(url)
    else:
        _check_postgres(url)


def _check_sqlite(url: DatabaseUrl) -> None:
    if not url.database or url.database == ":memory:":
        raise ValueError(
            "names no file, and an in-memory database would lose everything at exit; expected a path after ///"
        )
    if url.query:
        raise ValueError("SQLite takes no options here; expected nothing after the file's name")


def _check_postgres(url: DatabaseUrl) -> None:
    if importlib.util.find_spec("asyncpg") is None:
        raise ValueError("the driver of PostgreSQL is not installed; install asyncpg, or use sqlite+aiosqlite")
    ports = [str(url.port)] if url.port is not None else [*url.normalized_query.get("port", ())]
    if any(not port.isdecimal() or not 0 < int(port) < 65536 for port in ports):
        raise ValueError("invalid port; expected 1 to 65535")
    if "sslmode" in url.query:
        raise ValueError("unsupported option 'sslmode'; expected ssl=require, or another of its values")
    if unknown := sorted(set(url.query) - set(OPTIONS)):
        raise ValueError(f"unknown option {unknown[0]!r}; expected none, or {', '.join(OPTIONS)}")
    if any(value not in SSL for value in url.normalized_query.get("ssl", ())):
        raise ValueError(f"option ssl: expected {', '.join(SSL)}")
