"""Vectors of what stands encrypted for one person, of words, and of the names of rows."""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any

from tests.vectors import story
from tests.vectors.collection import Collection
from tests.vectors.primitives import (
    b64,
    bound,
    digest,
    encrypt,
    fixed,
    hkdf,
    letter_hash,
    pkcs8,
    point,
    sha,
    sign,
    text,
)

WORDS = "Árbol CAMINO  perro, lápiz\nnube raíz zorro ñandú"
PLAIN_WORDS = "arbol camino perro lapiz nube raiz zorro nandu"
IV = fixed("iv", 12)
SECRET = fixed("wrapping")
ASKER: dict[str, Any] = {
    "v": 2, "case": story.CASE, "reading": pkcs8(story.ASKER.reading), "signing": pkcs8(story.ASKER.signing),
    "unit": point(story.UNIT), "list": {"serial": 2, "hash": story.list_hash(story.LIST_2)},
    "first": letter_hash(story.ASK), "seen": {"seq": 2, "hash": letter_hash(story.ANSWER)}, "version": 2,
}  # fmt: skip
OFFICER: dict[str, Any] = {
    "v": 2, "id": story.ANA.id, "reading": pkcs8(story.ANA.reading), "signing": pkcs8(story.ANA.signing),
    "notebook": b64(fixed("notebook")), "unit": point(story.UNIT),
}  # fmt: skip


def add_all(to: Collection) -> None:
    to.gives("locator", "eight words", [WORDS], b64(hkdf(_pbkdf2(PLAIN_WORDS), b"integra/2/locator")))
    _asker(to)
    _bundle(to)
    _officer(to)
    _officer_changed(to)
    _tokens(to)


def _box(value: Any, bound_to: bytes) -> dict[str, str]:
    return {"iv": b64(IV), "body": encrypt(SECRET, IV, text(value).encode(), bound_to)}


def _asker_box(asker: dict[str, Any]) -> dict[str, str]:
    return _box(asker, bound("asker", {"case": story.CASE, "version": 2}))


def _officer_box(officer: dict[str, Any], wrap: str) -> dict[str, str]:
    return _box(officer, bound("bundle", {"id": story.ANA.id, "wrap": wrap}))


def _without_each(value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of each field, and the value without that field."""
    for name in value:
        yield name, {field: kept for field, kept in value.items() if field != name}


def _asker(to: Collection) -> None:
    """The asker's box, under another version and without each of its fields."""

    def refused(name: str, asker: dict[str, Any], version: int, kind: str, reason: str) -> None:
        to.refuses("unwrap_asker", name, [b64(SECRET), _asker_box(asker), story.CASE, version], kind, reason)

    to.gives("unwrap_asker", "the asker's box", [b64(SECRET), _asker_box(ASKER), story.CASE, 2], text(ASKER))
    refused("an older version", ASKER, 3, "altered", "asker")
    refused("another version inside", {**ASKER, "version": 1}, 2, "altered", "asker")
    for name, less in _without_each(ASKER):
        refused(f"asker without {name}", less, 2, "malformed", f"asker.{name}")


def _bundle(to: Collection) -> None:
    """What the asker signs about her stored box."""
    stored = _asker_box(ASKER)
    statement = {"case": story.CASE, "version": 2, "hash": digest("box", stored)}
    yes = sign(story.ASKER.signing, "bundle", statement)
    to.gives("verify_bundle", "a bundle", [point(story.ASKER.signing), yes, story.CASE, 2, stored], True)
    to.refuses(
        "verify_bundle",
        "a bundle of another version",
        [point(story.ASKER.signing), yes, story.CASE, 3, stored],
        "altered",
        "bundle.signature",
    )


def _officer(to: Collection) -> None:
    """An officer's box under her words and under her code, each opened by her and as another's."""
    for wrap in ("words", "code"):
        wrapped = _officer_box(OFFICER, wrap)
        to.gives(
            "unwrap_officer", f"an officer's box, {wrap}", [b64(SECRET), wrapped, story.ANA.id, wrap], text(OFFICER)
        )
        to.refuses(
            "unwrap_officer", f"another's box, {wrap}", [b64(SECRET), wrapped, story.BEA.id, wrap], "altered", "officer"
        )


def _officer_changed(to: Collection) -> None:
    """An officer's box with another's id inside, and without each of its fields."""

    def refused(name: str, officer: dict[str, Any], kind: str, reason: str) -> None:
        args = [b64(SECRET), _officer_box(officer, "words"), story.ANA.id, "words"]
        to.refuses("unwrap_officer", name, args, kind, reason)

    refused("another's id inside", {**OFFICER, "id": story.BEA.id}, "altered", "officer")
    for name, less in _without_each(OFFICER):
        refused(f"officer without {name}", less, "malformed", f"officer.{name}")


def _pbkdf2(words: str) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", words.encode(), b"integra/2/asker", 600_000)


def _tokens(to: Collection) -> None:
    secret, token, cookie = fixed("route"), story.TOKEN, fixed("cookie")
    bell = sha(b"integra/2/bell\n" + token)

    def keyed(message: bytes) -> str:
        return b64(hmac.digest(secret, message, "sha256"))

    to.gives("bell", "what the first letter contains", [b64(token)], b64(bell))
    to.gives("entry_row", "a link's row", [b64(secret), b64(token)], keyed(b"enter\n" + token))
    to.gives("route_row", "an address's row", [b64(secret), b64(bell)], keyed(b"bell\n" + bell))
    session = [b64(secret), b64(cookie), story.ANA.id, 1_800_000_000, "totp"]
    bound = b"session\n" + cookie + story.ANA.id.encode() + b"1800000000\ntotp"
    to.gives("session_mac", "what binds a session's row", session, keyed(bound))
