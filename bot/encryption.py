"""Words that have to wait on the disk, encrypted under a key that is not in the database nor in its backups."""

import base64
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12  # bytes, AES-GCM


class SecretBox:
    """AES-256-GCM under one key of 32 bytes; `context` is bound: what is closed for one place opens in no other."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, words: bytes, context: str) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, words, context.encode())

    def open(self, closed: bytes, context: str) -> bytes:
        """Raises cryptography.exceptions.InvalidTag when the key changed, or the bytes or their place."""
        return self._cipher.decrypt(closed[:NONCE], closed[NONCE:], context.encode())

    def close_text(self, text: str, context: str) -> str:
        return base64.urlsafe_b64encode(self.close(text.encode(), context)).decode()

    def open_text(self, closed: str, context: str) -> str:
        """Raises cryptography.exceptions.InvalidTag like `open`."""
        return self.open(base64.urlsafe_b64decode(closed), context).decode()
