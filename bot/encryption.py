"""Symmetric encryption of texts that wait on disk; the key is neither in the database nor in its backups."""

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12  # of AES-GCM


class SecretBox:
    """AES-256-GCM under one key of 32 bytes.

    `context` is authenticated: bytes encrypted in one context cannot be decrypted in another.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, plaintext: bytes, context: str) -> bytes:
        """Return nonce and ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, context.encode())

    def decrypt(self, encrypted: bytes, context: str) -> bytes:
        """Return the plaintext of bytes that `encrypt` returned.

        Raises cryptography.exceptions.InvalidTag when the key, the bytes or the context changed.
        """
        return self._cipher.decrypt(encrypted[:NONCE_BYTES], encrypted[NONCE_BYTES:], context.encode())
