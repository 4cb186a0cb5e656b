"""Parse Telegram's HTML as its server does: text and entities, or the error it reports."""

import html
import re
from typing import Any

TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
    "a": "text_link", "code": "code", "pre": "pre", "blockquote": "blockquote",
}  # fmt: skip
_TAG = re.compile(r"<(/?)([A-Za-z-]*)((?:\s[^<>]*)?)>|<")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")


class Unparsable(ValueError):
    """Not parsable; the message is what the server reports after "can't parse entities: "."""


def parse(source: str) -> tuple[str, list[dict[str, Any]]]:
    """The plain text and its entities, with offsets in UTF-16 units. Raises Unparsable."""
    text, done, entities = "", 0, []
    opened: list[tuple[str, int, str]] = []
    for tag in _TAG.finditer(source):
        text += _plain(source[done : tag.start()])
        done = tag.end()
        at = len(source[: tag.start()].encode())
        closing, name = tag[1], (tag[2] or "").lower()
        if closing:
            entities += _close(opened, name, at, text)
        elif name in TAGS:
            opened.append((name, _units(text), tag[3]))
        else:
            raise Unparsable(f'Unsupported start tag "{name}" at byte offset {at}')
    if opened:
        raise Unparsable(f'Can\'t find end tag corresponding to start tag "{opened[-1][0]}"')
    text += _plain(source[done:])
    return text, sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))


def _close(opened: list[tuple[str, int, str]], name: str, at: int, text: str) -> list[dict[str, Any]]:
    if not opened:
        raise Unparsable(f"Unexpected end tag at byte offset {at}")
    start, offset, attributes = opened.pop()
    if start != name:
        raise Unparsable(f'Unmatched end tag at byte offset {at}, expected "</{start}>", found "</{name}>"')
    length = _units(text) - offset
    if not length:
        return []
    entity: dict[str, Any] = {"type": TAGS[name], "offset": offset, "length": length}
    if name == "a":
        link = re.search(r'href="([^"]*)"', attributes)
        entity["url"] = html.unescape(link[1]) if link else ""
    return [entity]


def _plain(source: str) -> str:
    """Only these escapes are replaced; any other ampersand is literal."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), source)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
