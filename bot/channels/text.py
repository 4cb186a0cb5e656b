"""Parse what people type and press, for every channel; long texts are dropped, and payloads that no button has."""

import re
import unicodedata

from content.limits import CHOICE_BYTES
from handlers.message import MAX_SHORT_TEXT, UpdateKind

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@\w{1,64})?(?:\s+(.*))?", re.DOTALL)
_CHOICE = re.compile(rf"[ -~]{{1,{CHOICE_BYTES}}}")


def clean(text: str) -> str:
    """Typed text without invisible characters: control, zero-width and direction marks, lone surrogates."""
    return "".join(
        sign for sign in text if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co")
    ).strip()


def parse_typed(raw: str) -> tuple[UpdateKind, str, str]:
    """Kind, command and text of a typed message; the words of a long text are dropped here, before it is stored."""
    if len(raw) > 4 * MAX_SHORT_TEXT or len(text := clean(raw)) > MAX_SHORT_TEXT:
        return UpdateKind.LONG_TEXT, "", ""
    if command := _COMMAND.fullmatch(text):
        return UpdateKind.COMMAND, command[1].lower(), (command[2] or "").strip()
    return UpdateKind.TEXT, "", text


def parse_choice(raw: str) -> str:
    """The payload of a pressed button; empty for one that no button of ours has: too long, or not printable ASCII."""
    return raw if _CHOICE.fullmatch(raw) else ""
