"""What the vectors are made with: plain `cryptography` and json, from the text of docs/protocol.md, neither twin."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SIZES = (2048, 4096, 8192, 16384, 32768)
Key = ec.EllipticCurvePrivateKey


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def sha(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def fixed(label: str, size: int = 32) -> bytes:
    """Bytes that stand for random ones, the same in each run."""
    return sha(f"vector {label}".encode())[:size]


def ident(label: str) -> str:
    return b64(fixed(label, 16))


def key(label: str) -> Key:
    return ec.derive_private_key(int.from_bytes(fixed(label), "big") % (N - 1) + 1, ec.SECP256R1())


def raw_point(private: Key) -> bytes:
    form = serialization.PublicFormat.UncompressedPoint
    return private.public_key().public_bytes(serialization.Encoding.X962, form)


def point(private: Key) -> str:
    return b64(raw_point(private))


def pkcs8(private: Key) -> str:
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return b64(private.private_bytes(serialization.Encoding.DER, form, none))


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def bound(label: str, value: Any) -> bytes:
    return f"integra/2/{label}\n{text(value)}".encode()


def digest(label: str, value: Any) -> str:
    return b64(sha(bound(label, value)))


def sign(private: Key, label: str, value: Any) -> str:
    """RFC 6979, so that the file is the same in each run."""
    der = private.sign(bound(label, value), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def other_form(signature: str) -> str:
    """(r, n - s)."""
    raw = unb64(signature)
    return b64(raw[:32] + (N - int.from_bytes(raw[32:], "big")).to_bytes(32, "big"))


def hkdf(secret: bytes, info: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, None, info).derive(secret)


def pin(unit: str) -> str:
    return b64(sha(b"integra/2/unit\n" + unb64(unit)))[:22]


def grouped(digest_of: bytes) -> str:
    digits = digest_of.hex()[:24]
    return " ".join(digits[at : at + 4] for at in range(0, 24, 4))


def commit(case_key: bytes, case: str, lane: str, epoch: int) -> str:
    return b64(sha(f"integra/2/commit\n{case}\n{lane}\n{epoch}\n".encode() + case_key))


def padded(content: Any, sizes: tuple[int, ...] = SIZES) -> bytes:
    raw = text(content).encode()
    size = next(size for size in sizes if size >= 4 + len(raw))
    return (len(raw).to_bytes(4, "big") + raw).ljust(size, b"\0")


def encrypt(secret: bytes, iv: bytes, plain: bytes, aad: bytes) -> str:
    return b64(AESGCM(secret).encrypt(iv, plain, aad))


def letter(private: Key, case_key: bytes, context: dict[str, Any], content: Any, plain: bytes | None = None) -> str:
    """The text of a letter; `plain` replaces the padded content."""
    iv = sha(bound("iv", context))[:12]
    secret = hkdf(case_key, bound("key", context))
    body = encrypt(secret, iv, padded(content) if plain is None else plain, bound("letter", context))
    unsigned = {"context": context, "iv": b64(iv), "body": body}
    return text({**unsigned, "signature": sign(private, "letter", unsigned)})


def letter_hash(letter_text: str) -> str:
    value = json.loads(letter_text)
    return digest("letter", {name: value[name] for name in ("context", "iv", "body")})


def hpke_seal(reading: bytes, info: bytes, plain: bytes, ephemeral: Key) -> bytes:
    """RFC 9180 in base mode, step by step, with a given ephemeral key."""

    def extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")

    def expand(suite: bytes, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
        labelled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + context
        return HKDFExpand(hashes.SHA256(), size, labelled).derive(secret)

    kem, suite = b"KEM\x00\x10", b"HPKE\x00\x10\x00\x01\x00\x02"
    reader = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), reading)
    enc = raw_point(ephemeral)
    shared = expand(
        kem, extract(kem, b"", b"eae_prk", ephemeral.exchange(ec.ECDH(), reader)), b"shared_secret", enc + reading, 32
    )
    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, shared, b"secret", b"")
    aead = AESGCM(expand(suite, secret, b"key", context, 32))
    return enc + aead.encrypt(expand(suite, secret, b"base_nonce", context, 12), plain, b"")


def access(
    case_key: bytes, reading: Key, case: str, lane: str, epoch: int, reader: str, committed: bytes | None = None
) -> dict[str, Any]:
    """A row of access; `committed` is the key of the grant, if the row contains another one."""
    row = {"case": case, "lane": lane, "epoch": epoch, "reader": reader}
    info = bound("access", {**row, "commit": commit(committed or case_key, case, lane, epoch)})
    sealed = hpke_seal(raw_point(reading), info, case_key, key(f"ephemeral {text(row)}"))
    return {**row, "sealed": b64(sealed)}


# ---------------------------------------------------------------- texts with one fault


Spans = dict[tuple[str, ...], tuple[int, int, int]]


def spans(value: Any) -> tuple[str, Spans]:
    """The text of a value, and where each member of an object starts, its value starts and ends."""
    found: Spans = {}
    out: list[str] = []

    def size() -> int:
        return sum(map(len, out))

    def write(one: Any, path: tuple[str, ...]) -> None:
        if isinstance(one, dict):
            out.append("{")
            for at, name in enumerate(sorted(one)):
                out.append("," if at else "")
                start = size()
                out.append(f"{json.dumps(name)}:")
                place = size()
                write(one[name], (*path, name))
                found.setdefault((*path, name), (start, place, size()))
            out.append("}")
        elif isinstance(one, list):
            out.append("[")
            for at, item in enumerate(one):
                out.append("," if at else "")
                write(item, path)
            out.append("]")
        else:
            out.append(text(one))

    write(value, ())
    written = "".join(out)
    assert written == text(value)
    return written, found
