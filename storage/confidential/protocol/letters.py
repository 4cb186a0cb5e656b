"""Letters: their context, grant and content, and how one is signed, sealed and opened."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.confidential.protocol import fields, signatures
from storage.confidential.protocol.canonical import bound, canonical, decode, digest, encode, read, read_bytes
from storage.confidential.protocol.errors import Altered, Malformed, Refused
from storage.confidential.protocol.keys import EPOCH, LANE, READER_NAME, letter_key

TAG: Final = 16  # bytes that AES-GCM adds
SIZES: Final = (2048, 4096, 8192, 16384, 32768)  # bytes of a padded content
KINDS: Final = ("ask", "answer", "question", "reply", "hand", "close", "resume", "note")


class AskerKeys(TypedDict):
    """The asker's public keys."""

    reading: str
    signing: str


class Grant(TypedDict):
    """Who may read an epoch; `commit` binds it to one key."""

    commit: str
    readers: Sequence[str]
    excluded: Sequence[str]
    asker: AskerKeys | None


class Context(TypedDict):
    """All that a letter is bound to; `list` and `listhash` are the newest list that its author saw."""

    v: int
    suite: int
    case: str
    lane: str
    seq: int
    epoch: int
    kind: str
    author: str
    list: int
    listhash: str
    day: str
    previous: str
    grant: Grant | None
    lost: Sequence[str]


class Letter(TypedDict):
    """One sealed and signed text."""

    context: Context
    iv: str
    body: str
    signature: str


class Content(TypedDict):
    """What is sealed; `before` is the key of the epoch before, `bell` where the asker's notices go."""

    text: str
    fields: Mapping[str, str]
    before: str
    bell: str


_IDS: Final = fields.array(fields.identifier, 0, 200, fields.itself)
ASKER_KEYS: Final = fields.record(reading=fields.point, signing=fields.point)
GRANT: Final = fields.record(
    commit=fields.hashed,
    readers=fields.array(fields.identifier, 1, 200, fields.itself),
    excluded=_IDS,
    asker=fields.nullable(ASKER_KEYS),
)
CONTEXT: Final = fields.record(
    v=fields.exactly(2),
    suite=fields.exactly(1),
    case=fields.identifier,
    lane=LANE,
    seq=fields.number(1, fields.LETTERS),
    epoch=EPOCH,
    kind=fields.one_of(*KINDS),
    author=READER_NAME,
    list=fields.number(1, fields.SERIALS),
    listhash=fields.hashed,
    day=fields.day,
    previous=fields.either("", fields.hashed),
    grant=fields.nullable(GRANT),
    lost=fields.array(fields.hashed, 0, 200),
)
LETTER: Final = fields.record(
    context=CONTEXT, iv=fields.coded(12), body=fields.coded(SIZES[0] + TAG, SIZES[-1] + TAG), signature=fields.signature
)
_KEY_OR_NONE: Final = fields.either("", fields.coded(32))
CONTENT: Final = fields.record(
    text=fields.text(0, SIZES[-1]), fields=fields.texts, before=_KEY_OR_NONE, bell=_KEY_OR_NONE
)


# ---------------------------------------------------------------- format


def read_letter(text: str) -> Letter:
    """Parse a stored letter. Raises Malformed."""
    return parse_letter(read(text))


def parse_letter(value: object) -> Letter:
    """Check the format of a letter, and what its fields say about each other. Raises Malformed."""
    LETTER(value, "letter")
    letter: Letter = value  # type: ignore[assignment]  # what LETTER checked
    context = letter["context"]
    first, grant, lost = context["seq"] == 1, context["grant"], context["lost"]
    if len(decode(letter["body"])) - TAG not in SIZES:
        raise Malformed("letter.body")
    if (context["previous"] == "") != first:
        raise Malformed("letter.context.previous")
    if (context["kind"] == "resume") != bool(lost) or len(set(lost)) != len(lost):
        raise Malformed("letter.context.lost")
    if context["epoch"] > context["seq"]:
        raise Malformed("letter.context.epoch")
    if grant and (grant["asker"] is not None) != (first and context["lane"] == "talk"):
        raise Malformed("letter.context.grant.asker")
    return letter


def _signed(letter: Mapping[str, Any]) -> dict[str, Any]:
    """What is signed and hashed: all but the signature."""
    return {name: letter[name] for name in ("context", "iv", "body")}


def letter_hash(letter: Letter) -> str:
    """What the next letter names as `previous`."""
    return digest("letter", _signed(letter))


# ---------------------------------------------------------------- padding


def pad(content: Content) -> bytes:
    """The length, the content, and zeros up to one of the five sizes. Raises Refused when it is too long."""
    CONTENT(content, "content")
    raw = canonical(content).encode()
    size = next((size for size in SIZES if size >= 4 + len(raw)), None)
    if size is None:
        raise Refused("content.size")
    return (len(raw).to_bytes(4, "big") + raw).ljust(size, b"\0")


def unpad(padded: bytes) -> Content:
    """The content of a padded text. Raises Altered for wrong padding, Malformed for a wrong content."""
    end = 4 + int.from_bytes(padded[:4], "big")
    if end > len(padded) or any(padded[end:]) or any(end <= size < len(padded) for size in SIZES):
        raise Altered("letter.padding")
    value = read_bytes(padded[4:end])
    CONTENT(value, "content")
    content: Content = value
    return content


# ---------------------------------------------------------------- sealing and opening


def seal_letter(
    key: bytes, context: Context, content: Content, signing: signatures.PrivateKey, iv: bytes | None = None
) -> Letter:
    """Encrypt and sign a letter; `iv` is given in tests only. Raises Malformed or Refused."""
    iv = os.urandom(12) if iv is None else iv
    padded = pad(content)
    _check_content(context, content)
    body = AESGCM(letter_key(key, context)).encrypt(iv, padded, bound("letter", context))
    unsigned = {"context": context, "iv": encode(iv), "body": encode(body)}
    return parse_letter({**unsigned, "signature": signatures.sign(signing, "letter", unsigned)})


def verify_letter(letter: Letter, signing: str) -> None:
    """Check a letter's signature. Raises Altered."""
    signatures.verify(signing, letter["signature"], "letter", _signed(letter), "letter.signature")


def open_letter(key: bytes, letter: Letter) -> Content:
    """The content of a letter. Raises Altered or Malformed."""
    context = letter["context"]
    cipher = AESGCM(letter_key(key, context))
    try:
        padded = cipher.decrypt(decode(letter["iv"]), decode(letter["body"]), bound("letter", context))
    except InvalidTag:
        raise Altered("letter.body") from None
    content = unpad(padded)
    _check_content(context, content)
    return content


def _check_content(context: Context, content: Content) -> None:
    if bool(content["before"]) != (context["grant"] is not None and context["epoch"] > 1):
        raise Altered("content.before")
    if content["bell"] and (context["lane"] != "talk" or context["seq"] > 1):
        raise Altered("content.bell")
