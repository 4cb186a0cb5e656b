"""Pieces of WhatsApp's JSON, none of which is trusted to be what it should; and who is meant by them."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from bot.channels.telegram.parser import Untranslatable, clean
from bot.channels.whatsapp.phone import canonical

LONGEST_SAID = 200
LAST_MOMENT = 253_402_300_799  # the year 9999
PRINTABLE = re.compile(r"[ -~]+")
USER = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


class Contacts:
    """Which user id goes with which phone. Never by position: they come in any order and number."""

    def __init__(self, pairs: Sequence[tuple[str, str]], *, is_lone: bool) -> None:
        self._lone = pairs[0] if is_lone else ("", "")
        self._users: dict[str, set[str]] = defaultdict(set)
        self._phones: dict[str, set[str]] = defaultdict(set)
        for user, phone in pairs:
            if user and phone:
                self._users[phone].add(user)
                self._phones[user].add(phone)

    def complete(self, user: str, phone: str) -> tuple[str, str]:
        """User id and phone of whoever is known by one of them, or by none and is the only one there; `""` each
        where nothing tells, or several do."""
        lone_user, lone_phone = self._lone
        if (user and lone_user not in ("", user)) or (phone and lone_phone not in ("", phone)):
            lone_user = lone_phone = ""
        user = user or _only(self._users.get(phone, ())) or lone_user
        return user, phone or _only(self._phones.get(user, ())) or lone_phone


def members(node: object, name: str) -> Sequence[object]:
    """A list's members. What is no list, though it should be, stands for one broken member."""
    value = node.get(name, ()) if isinstance(node, dict) else node
    return value if isinstance(value, list | tuple) else () if value is None else (value,)


def inner(node: dict[str, Any], name: str) -> dict[str, Any]:
    """An object's member that is an object; empty where there is none."""
    value = node.get(name)
    return value if isinstance(value, dict) else {}


def word(value: object) -> str:
    """A text, or a number that WhatsApp now and then writes in its place."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18
    return value if isinstance(value, str) else str(value) if is_number else ""


def said(value: object) -> str:
    """A word of the platform's own, of a length that can be kept."""
    return clean(word(value)[:LONGEST_SAID])


def number(value: object, digits: int = 9) -> int:
    """What is written in so many decimal digits at most; else 0."""
    written = word(value)
    return int(written) if len(written) <= digits and written.isascii() and written.isdigit() else 0


def moment(value: object) -> int:
    """Unix seconds; 0 for what is none."""
    seconds = number(value, digits=12)
    return seconds if seconds <= LAST_MOMENT else 0


def user_of(value: object) -> str:
    return value if isinstance(value, str) and USER.fullmatch(value) else ""


def phone_of(value: object) -> str:
    return canonical(word(value))


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hashed_key(name: str) -> str:
    """What we keep of an identifier of the platform; empty for an empty one. Always a digest: the identifier of a
    message (wamid...) spells the person's phone number in base64."""
    return f"h:{digest_of(name)[:40]}" if name else ""


# ---------------------------------------------------------------- pieces that must be there: these raise Untranslatable


def needed(raw: dict[str, Any], name: str) -> str:
    if not (told := said(raw.get(name))):
        raise Untranslatable(f"no {name}")
    return told


def needed_key(raw: dict[str, Any]) -> str:
    if not (key := hashed_key(word(raw.get("id")))):
        raise Untranslatable("no id")
    return key


def address_of(user: str, phone: str) -> str:
    if not (address := user or phone):
        raise Untranslatable("no address")
    return address


def _only(known: Collection[str]) -> str:
    return next(iter(known)) if len(known) == 1 else ""
