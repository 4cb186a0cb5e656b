"""Vectors of what stands encrypted for one person, of words, and of the names of rows."""

import hashlib
import hmac
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
    ident,
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


def add_all(to: Collection) -> None:
    _boxes(to)
    _tokens(to)


def _boxes(to: Collection) -> None:
    stretched = _pbkdf2(PLAIN_WORDS)
    to.gives("locator", "eight words", [WORDS], b64(hkdf(stretched, b"integra/2/locator")))
    secret = fixed("wrapping")
    asker = {
        "v": 2, "case": story.CASE, "reading": pkcs8(story.ASKER.reading), "signing": pkcs8(story.ASKER.signing),
        "unit": point(story.UNIT), "list": {"serial": 2, "hash": story.list_hash(story.LIST_2)},
        "first": letter_hash(story.ASK), "seen": {"seq": 2, "hash": letter_hash(story.ANSWER)}, "version": 2,
    }  # fmt: skip
    aad = bound("asker", {"case": story.CASE, "version": 2})

    def box(value: Any, bound_to: bytes) -> dict[str, str]:
        return {"iv": b64(IV), "body": encrypt(secret, IV, text(value).encode(), bound_to)}

    to.gives("unwrap_asker", "the asker's box", [b64(secret), box(asker, aad), story.CASE, 2], text(asker))
    to.refuses("unwrap_asker", "an older version", [b64(secret), box(asker, aad), story.CASE, 3], "altered", "asker")
    to.refuses(
        "unwrap_asker",
        "another version inside",
        [b64(secret), box({**asker, "version": 1}, aad), story.CASE, 2],
        "altered",
        "asker",
    )
    for name in asker:
        less = {field: value for field, value in asker.items() if field != name}
        to.refuses(
            "unwrap_asker",
            f"asker without {name}",
            [b64(secret), box(less, aad), story.CASE, 2],
            "malformed",
            f"asker.{name}",
        )
    stored = box(asker, aad)
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
    officer: dict[str, Any] = {
        "v": 2, "id": story.ANA.id, "reading": pkcs8(story.ANA.reading), "signing": pkcs8(story.ANA.signing),
        "notebook": b64(fixed("notebook")), "unit": point(story.UNIT),
    }  # fmt: skip
    for wrap in ("words", "code"):
        wrapped = box(officer, bound("bundle", {"id": story.ANA.id, "wrap": wrap}))
        to.gives(
            "unwrap_officer", f"an officer's box, {wrap}", [b64(secret), wrapped, story.ANA.id, wrap], text(officer)
        )
        to.refuses(
            "unwrap_officer", f"another's box, {wrap}", [b64(secret), wrapped, story.BEA.id, wrap], "altered", "officer"
        )
    inside = box({**officer, "id": story.BEA.id}, bound("bundle", {"id": story.ANA.id, "wrap": "words"}))
    args = [b64(secret), inside, story.ANA.id, "words"]
    to.refuses("unwrap_officer", "another's id inside", args, "altered", "officer")
    for name in officer:
        shorter = box(
            {field: value for field, value in officer.items() if field != name},
            bound("bundle", {"id": story.ANA.id, "wrap": "words"}),
        )
        to.refuses(
            "unwrap_officer",
            f"officer without {name}",
            [b64(secret), shorter, story.ANA.id, "words"],
            "malformed",
            f"officer.{name}",
        )
    unit = {"v": 2, "id": story.ANA.id, "unit": point(story.UNIT), "signing": pkcs8(story.UNIT)}
    unit_aad = bound("unit", {"id": story.ANA.id, "unit": point(story.UNIT)})
    to.gives(
        "unwrap_unit", "the unit's box", [b64(secret), box(unit, unit_aad), story.ANA.id, point(story.UNIT)], text(unit)
    )
    for name, other in (
        ("another's key", {**unit, "signing": pkcs8(story.OTHER_UNIT)}),
        ("another's id", {**unit, "id": ident("x")}),
    ):
        to.refuses(
            "unwrap_unit",
            f"the unit's box with {name}",
            [b64(secret), box(other, unit_aad), story.ANA.id, point(story.UNIT)],
            "altered",
            "unit",
        )


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
    session = [b64(secret), b64(cookie), story.ANA.id, "totp"]
    to.gives("session_row", "a session's row", session, keyed(cookie + story.ANA.id.encode() + b"totp"))
