"""Reads the chat's page as a person would: bubbles, buttons, and the hidden fields that a browser sends along."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class ShownKey:
    """A button or a link below a bubble."""

    label: str = ""
    choice: str = ""
    url: str = ""
    spoken: str = ""


@dataclass
class ShownBubble:
    """One bubble of the page."""

    id: str
    is_mine: bool
    text: str = ""
    keys: list[ShownKey] = field(default_factory=list)


class ChatPage(HTMLParser):
    """The page of the chat, parsed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.bubbles: list[ShownBubble] = []
        self.once = ""
        self.start = ""  # what the button on a first visit sends
        self._key: ShownKey | None = None
        self._is_text = False
        self._unheard = 0  # inside words that are not part of a label
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if "bubble" in classes:
            self.bubbles.append(ShownBubble(given["data-id"], "mine" in classes))
        elif tag == "p" and ("text" in classes or "note" in classes):
            self._is_text = True
        elif "key" in classes:
            self._key = ShownKey(
                choice=given.get("value", ""), url=given.get("href", ""), spoken=given.get("aria-label", "")
            )
            self.bubbles[-1].keys.append(self._key)
        elif tag == "span" and self._key:
            self._unheard += 1
        elif given.get("name") == "once":
            self.once = given["value"]
        elif given.get("value", "").startswith("start"):
            self.start = given["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._is_text = False
        elif tag == "span" and self._unheard:
            self._unheard -= 1
        elif tag in ("button", "a") and self._key:
            self._key.label = self._key.label.strip()
            self._key = None

    def handle_data(self, data: str) -> None:
        if self._is_text:
            self.bubbles[-1].text += data
        elif self._key and not self._unheard:
            self._key.label += data
