"""Read single fields of WhatsApp's JSON, none of which is trusted to have its documented type; identify the user."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from bot.channels.events import UnreadablePayload
from bot.channels.text import clean
from bot.channels.whatsapp.phone import canonical

NAME = "whatsapp"
UNRECORDED = "unrecorded"
"""What Meta returns with the receipts of a message that leaves no row: they are ignored, as they would be rows too."""
MAX_LABEL = 200  # characters
MAX_UNIX_SECONDS = 253_402_300_799  # the year 9999
MESSAGING_LIMIT = re.compile(r"(?:TIER_)?(?:(UNLIMITED|-1)|([0-9]{1,9})(K?))")
USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")


class Contacts:
    """Which user id belongs to which phone. Never by position: they come in any order and number."""

    def __init__(self, pairs: Sequence[tuple[str, str]], *, is_single: bool) -> None:
        self._single = pairs[0] if is_single else ("", "")
        self._users: dict[str, set[str]] = defaultdict(set)
        self._phones: dict[str, set[str]] = defaultdict(set)
        for user, phone in pairs:
            if user and phone:
                self._users[phone].add(user)
                self._phones[user].add(phone)

    def resolve(self, user: str, phone: str) -> tuple[str, str]:
        """User id and phone of a user known by one of them, or by neither when there is a single contact.

        `""` for what is not known or is ambiguous.
        """
        single_user, single_phone = self._single
        if (user and single_user not in ("", user)) or (phone and single_phone not in ("", phone)):
            single_user = single_phone = ""
        user = user or _only(self._users.get(phone, ())) or single_user
        return user, phone or _only(self._phones.get(user, ())) or single_phone


def items_of(node: object, name: str) -> Sequence[object]:
    """The items of a list. A value that should be a list and is none counts as one broken item."""
    value = node.get(name, ()) if isinstance(node, dict) else node
    return value if isinstance(value, list | tuple) else () if value is None else (value,)


def object_in(node: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object; empty where there is none."""
    value = node.get(name)
    return value if isinstance(value, dict) else {}


def text_of(value: object) -> str:
    """A string, or a number that WhatsApp sometimes writes in its place; empty for anything else."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18
    return value if isinstance(value, str) else str(value) if is_number else ""


def label_of(value: object) -> str:
    """A text of the platform's own (never a user's), cut to a length that can be stored."""
    return clean(text_of(value)[:MAX_LABEL])


def number_of(value: object, digits: int = 9) -> int:
    """A number of at most so many decimal digits; 0 for anything else."""
    text = text_of(value)
    return int(text) if len(text) <= digits and text.isascii() and text.isdigit() else 0


def timestamp_of(value: object) -> int:
    """Unix seconds; 0 for anything else."""
    seconds = number_of(value, digits=12)
    return seconds if seconds <= MAX_UNIX_SECONDS else 0


def user_of(value: object) -> str:
    """A business-scoped user id; empty for anything else."""
    return value if isinstance(value, str) and USER_ID.fullmatch(value) else ""


def phone_of(value: object) -> str:
    """A phone number in its canonical form; empty for anything else."""
    return canonical(text_of(value))


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def hashed_key(name: str) -> str:
    """The key that we store for an identifier of the platform; empty for an empty one.

    Always a digest: the identifier of a message (wamid...) contains the user's phone number in base64.
    """
    return f"h:{digest_of(name)[:40]}" if name else ""


# ---------------------------------------------------------------- required fields: these raise UnreadablePayload


def messaging_limit(value: object) -> int | None:
    """Recipients of templates in 24 hours, from Meta's tier or number (TIER_2K, 2000); None: unlimited."""
    limit = MESSAGING_LIMIT.fullmatch(text_of(value).upper())
    if limit is None:
        raise UnreadablePayload("limit is not a number")
    unlimited, count, thousands = limit.groups()
    return None if unlimited else int(count) * (1000 if thousands else 1)


def required_label(raw: dict[str, Any], name: str) -> str:
    if not (label := label_of(raw.get(name))):
        raise UnreadablePayload(f"no {name}")
    return label


def required_key(raw: dict[str, Any]) -> str:
    if not (key := hashed_key(text_of(raw.get("id")))):
        raise UnreadablePayload("no id")
    return key


def required_address(user: str, phone: str) -> str:
    if not (address := user or phone):
        raise UnreadablePayload("no address")
    return address


def _only(known: Collection[str]) -> str:
    return next(iter(known)) if len(known) == 1 else ""
