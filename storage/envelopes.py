"""Encrypts what waits in the outbox, bound to its row, and names recipients so that rows do not show who they are.

A delivery whose row says nothing of its recipient has, while it waits, a keyed name in place of the address: equal for
equal recipients, so that their order is kept, and known only with the key. The address lies in the encrypted body.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import MutableMapping
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Dialect

from storage.database import Database
from storage.transaction import Transaction

KEY_BYTES = 32
IV_BYTES = 12
NAME_BYTES = 16
NAME_MARK = "~"
"""First character of keyed names; no platform's address begins with it."""
ALTERED = "altered"
"""Fault of a delivery whose body does not belong to its row."""


class AlteredDelivery(Exception):
    """The body does not belong to its row: one of them was changed, or encrypted with another key."""


class Envelopes:
    """What one key of an outbox encrypts and names."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(_derived(key, b"body"))
        self._name_key = _derived(key, b"name")

    def name(self, channel: str, address: str) -> str:
        """The keyed name of an address on a channel."""
        mac = hmac.digest(self._name_key, json.dumps([channel, address]).encode(), hashlib.sha256)
        return NAME_MARK + base64.urlsafe_b64encode(mac[:NAME_BYTES]).decode().rstrip("=")

    def recipients(self, channel: str, address: str) -> tuple[str, str]:
        """What the rows of a recipient's waiting deliveries may have in place of the address: itself, or its name."""
        return address, self.name(channel, address)

    def close(self, recipient: str, address: str, body: str, *bound: str) -> str:
        """Encrypt an address and a body for the row with that `recipient` and those other columns."""
        iv, plain = os.urandom(IV_BYTES), json.dumps([address, body]).encode()
        return base64.urlsafe_b64encode(iv + self._cipher.encrypt(iv, plain, _columns(recipient, bound))).decode()

    def open(self, recipient: str, closed: str, *bound: str) -> tuple[str, str]:
        """The address and the body given to `close`. Raises AlteredDelivery."""
        try:
            raw = base64.urlsafe_b64decode(closed)
            plain = self._cipher.decrypt(raw[:IV_BYTES], raw[IV_BYTES:], _columns(recipient, bound))
        except (InvalidTag, ValueError) as fault:
            raise AlteredDelivery from fault
        address, body = json.loads(plain)
        return address, body


def use(database: Database, key: bytes) -> None:
    """Encrypt what waits in this database's outbox with that key from now on."""
    envelopes = Envelopes(key)
    for engine in database.engines:
        KNOWN[engine.dialect] = envelopes


def of(tx: Transaction) -> Envelopes:
    """The envelopes of the transaction's database. Raises KeyError where `use` was forgotten."""
    return KNOWN[tx.dialect]


def of_database(database: Database) -> Envelopes:
    """The same for a database. Raises KeyError."""
    return KNOWN[database.engine.dialect]


KNOWN: MutableMapping[Dialect, Envelopes] = WeakKeyDictionary()
"""By the dialect of the database's engines, which every transaction knows: storage functions take no key."""


def _derived(key: bytes, use: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"integra/2/outbox\n" + use).derive(key)


def _columns(recipient: str, bound: tuple[str, ...]) -> bytes:
    return json.dumps(["integra/2/outbox", recipient, *bound]).encode()
