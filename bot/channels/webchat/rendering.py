"""Prepare a bubble of the browser chat for the template: text with emphasis, buttons, local time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from bot.channels.webchat.channel import button_rows
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, RenderedButton
from storage.channels.transcripts import TranscriptMessage

OPENING_TAGS = {BOLD: "strong", ITALIC: "em"}
CLOSING_TAGS = {UNBOLD: "strong", UNITALIC: "em"}
MARKS = re.compile(f"([{BOLD}{UNBOLD}{ITALIC}{UNITALIC}])")

VOID = frozenset({"br", "img", "input"})
"""Elements of ours without an end."""

Tree = list[Any]
"""An element: its name, its attributes, then its texts and elements."""


@dataclass(frozen=True, slots=True)
class BubbleView:
    """What the template shows of a bubble."""

    id: int
    revision: int
    is_mine: bool
    html: Markup
    note: str  # shown instead of a text: erased, long, start
    rows: tuple[tuple[RenderedButton, ...], ...]
    at: datetime  # local
    is_today: bool


def bubble_view(
    bubble: TranscriptMessage, body: Mapping[str, Any], sent_at: datetime | None, now: datetime, timezone: ZoneInfo
) -> BubbleView:
    """A bubble as its user sees it at `now`; body and time are decrypted, None: of the time only the day is known."""
    at = (sent_at or bubble.on).astimezone(timezone)
    return BubbleView(
        bubble.id,
        bubble.revision,
        bubble.is_mine,
        html_text(str(body.get("text", ""))),
        str(body.get("note", "")),
        button_rows(body),
        at,
        at.date() == now.astimezone(timezone).date(),
    )


def html_text(text: str) -> Markup:
    """Escaped text whose emphasis marks became elements, well nested whatever the order of the marks."""
    parts, open_tags = list[Markup](), list[str]()
    for piece in MARKS.split(text):
        if tag := OPENING_TAGS.get(piece):
            open_tags.append(tag)
            parts.append(Markup("<{}>").format(tag))
        elif tag := CLOSING_TAGS.get(piece):
            while tag in open_tags:
                inner = open_tags.pop()
                parts.append(Markup("</{}>").format(inner))
                if inner == tag:
                    break
        else:
            parts.append(escape(piece))
    parts.extend(Markup("</{}>").format(tag) for tag in reversed(open_tags))
    return Markup("").join(parts)


def tree_of(html: str) -> Tree:
    """The one element of a rendered template, of which the page's script builds it: no text becomes markup there."""
    parser = _Parser()
    parser.feed(html.strip())
    parser.close()
    (tree,) = parser.open[0][2:]
    return list(tree)


class _Parser(HTMLParser):
    """Builds a tree of well-formed HTML; `open` are the elements whose end has not come, in an outermost one."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Tree] = [["", {}]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element: Tree = [tag, {name: value or "" for name, value in attrs}]
        self.open[-1].append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        self.open.pop()

    def handle_data(self, data: str) -> None:
        is_text = any(element[0] == "p" for element in self.open)
        if is_text or data.strip() or "\n" not in data:  # not the line breaks between elements
            self.open[-1].append(data)
