"""ECDSA signatures over labelled canonical JSON, as r and s of 32 bytes each, and the pairs of keys that make them.

Both (r, s) and (r, n - s) verify: no hash, unique key or comparison covers a letter's signature, so the second form
changes nothing, and WebCrypto would need arithmetic of ours to make or demand the lower one.
"""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from storage.confidential.protocol import fields
from storage.confidential.protocol.canonical import bound, decode, encode
from storage.confidential.protocol.errors import Altered, Malformed

PrivateKey = ec.EllipticCurvePrivateKey


def sign(key: PrivateKey, label: str, value: object) -> str:
    """Sign T(label, value)."""
    r, s = decode_dss_signature(key.sign(bound(label, value), ec.ECDSA(hashes.SHA256())))
    return encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def verify(point: str, signature: str, label: str, value: object, what: str) -> None:
    """Check a signature over T(label, value). Raises Altered(what); Malformed(what) if it is not 64 bytes."""
    fields.signature(signature, what)
    raw = decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        fields.public_key(point).verify(der, bound(label, value), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise Altered(what) from None


def point_of(key: PrivateKey) -> str:
    """The public key as the protocol writes it."""
    form = serialization.PublicFormat.UncompressedPoint
    return encode(key.public_key().public_bytes(serialization.Encoding.X962, form))


def export_key(key: PrivateKey) -> str:
    """A private key as PKCS #8, to be wrapped."""
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return encode(key.private_bytes(serialization.Encoding.DER, form, none))


def import_key(pkcs8: str, where: str = "key") -> PrivateKey:
    """A private key from PKCS #8. Raises Malformed(where)."""
    try:
        key = serialization.load_der_private_key(decode(pkcs8, where), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Malformed(where) from None
    if not isinstance(key, PrivateKey) or key.curve.name != fields.CURVE.name:
        raise Malformed(where)
    return key
