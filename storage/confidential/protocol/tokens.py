"""Names of rows that join nothing, of one-time links and of addresses that are notified; what binds a session's row."""

import hashlib
import hmac

from storage.confidential.protocol.canonical import decode, encode, prefixed


def entry_row(route_key: bytes, token: bytes) -> str:
    """The row of a one-time link of 24 bytes, deleted when it is used."""
    return _keyed(route_key, b"enter\n" + token)


def bell(token: bytes) -> str:
    """What the first letter contains, sealed, for those who answer it; it follows from the link's token."""
    return encode(hashlib.sha256(prefixed("bell") + token).digest())


def route_row(route_key: bytes, bell_of_case: str) -> str:
    """The row of the address to notify: made with the link, and found again by an answer that shows the bell."""
    return _keyed(route_key, b"bell\n" + decode(bell_of_case, "bell"))


def session_mac(session_secret: bytes, token: bytes, officer_id: str, ends: int, second_factor: str) -> str:
    """What binds the row of a session: 32 bytes of a cookie, an id of 22 characters, when it ends, how it was opened.

    `ends` in seconds since 1970.
    """
    return _keyed(session_secret, b"session\n" + token + f"{officer_id}{ends}\n{second_factor}".encode())


def _keyed(key: bytes, message: bytes) -> str:
    return encode(hmac.digest(key, message, "sha256"))
