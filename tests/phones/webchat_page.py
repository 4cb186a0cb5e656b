"""Parse the chat page as a user sees it: bubbles, buttons, and the hidden fields that a browser submits."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from markupsafe import escape


@dataclass
class ShownButton:
    """A button or a link below a bubble."""

    label: str = ""
    choice: str = ""
    url: str = ""
    aria_label: str = ""


@dataclass
class ShownBubble:
    """One bubble of the page."""

    id: str
    is_mine: bool
    text: str = ""
    buttons: list[ShownButton] = field(default_factory=list)


class ChatPage(HTMLParser):
    """The page of the chat, parsed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.bubbles: list[ShownBubble] = []
        self.once = ""
        self.start = ""  # the value of the button on a first visit
        self._button: ShownButton | None = None
        self._is_text = False
        self._unlabelled = 0  # depth of elements that are not part of a label
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if "bubble" in classes:
            self.bubbles.append(ShownBubble(given["data-id"], "mine" in classes))
        elif tag == "p" and ("text" in classes or "note" in classes):
            self._is_text = True
        elif "key" in classes:
            self._button = ShownButton(
                choice=given.get("value", ""), url=given.get("href", ""), aria_label=given.get("aria-label", "")
            )
            self.bubbles[-1].buttons.append(self._button)
        elif tag == "span" and self._button:
            self._unlabelled += 1
        elif given.get("name") == "once":
            self.once = given["value"]
        elif given.get("value", "").startswith("start"):
            self.start = given["value"]

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._is_text = False
        elif tag == "span" and self._unlabelled:
            self._unlabelled -= 1
        elif tag in ("button", "a") and self._button:
            self._button.label = self._button.label.strip()
            self._button = None

    def handle_data(self, data: str) -> None:
        if self._is_text:
            self.bubbles[-1].text += data
        elif self._button and not self._unlabelled:
            self._button.label += data


def html_of(tree: list[Any]) -> str:
    """The HTML of an element as the page's script builds it from a change."""
    name, attributes, *content = tree
    given = "".join(f' {attribute}="{escape(value)}"' for attribute, value in attributes.items())
    inner = "".join(str(escape(part)) if isinstance(part, str) else html_of(part) for part in content)
    return f"<{name}{given}>" + (inner + f"</{name}>" if name != "input" else "")
