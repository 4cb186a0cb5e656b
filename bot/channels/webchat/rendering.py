"""How a bubble of the browser chat looks: its words with emphasis, its buttons, its time."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from bot.channels.webchat.channel import rows_of
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, RenderedButton
from storage.channels.transcripts import TranscriptMessage

OPENS = {BOLD: "strong", ITALIC: "em"}
CLOSES = {UNBOLD: "strong", UNITALIC: "em"}
MARKS = re.compile(f"([{BOLD}{UNBOLD}{ITALIC}{UNITALIC}])")


@dataclass(frozen=True, slots=True)
class Face:
    """What the template shows of a bubble."""

    id: int
    revision: int
    is_mine: bool
    html: Markup
    note: str  # in place of words: erased, long, start
    rows: tuple[tuple[RenderedButton, ...], ...]
    at: datetime  # local
    is_today: bool


def face(bubble: TranscriptMessage, body: Mapping[str, Any], now: datetime, timezone: ZoneInfo) -> Face:
    """A bubble as it is shown to its person at this moment."""
    at = bubble.at.astimezone(timezone)
    return Face(
        bubble.id,
        bubble.revision,
        bubble.is_mine,
        marked_up(str(body.get("text", ""))),
        str(body.get("note", "")),
        rows_of(body),
        at,
        at.date() == now.astimezone(timezone).date(),
    )


def marked_up(text: str) -> Markup:
    """Escaped text whose emphasis marks became elements, well nested whatever their order was."""
    parts, still_open = list[Markup](), list[str]()
    for piece in MARKS.split(text):
        if tag := OPENS.get(piece):
            still_open.append(tag)
            parts.append(Markup("<{}>").format(tag))
        elif tag := CLOSES.get(piece):
            while tag in still_open:
                inner = still_open.pop()
                parts.append(Markup("</{}>").format(inner))
                if inner == tag:
                    break
        else:
            parts.append(escape(piece))
    parts.extend(Markup("</{}>").format(tag) for tag in reversed(still_open))
    return Markup("").join(parts)
