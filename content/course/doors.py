"""Doors: whom to turn to about harassment, threats and reprisals; names and contacts differ by installation."""

from typing import Annotated

from pydantic import Field

from content.text import ContentModel, Identifier, NonEmptyStr, Text


class Door(ContentModel):
    """One authority or office, what it does about it, and its phone, page or address, where known."""

    id: Identifier
    name: Text
    about: Text
    contact: Annotated[str, Field(max_length=120)] = ""

    def line(self, language: str) -> str:
        """For example "• Fiscalía General del Estado: si puede ser un delito (tel. ...)"."""
        contact = f" ({self.contact})" if self.contact else ""
        return f"• {self.name.in_language(language)}: {self.about.in_language(language)}{contact}"


class Doors(ContentModel):
    """One file of doors: content/doors/<situation>.toml."""

    situation: NonEmptyStr
    doors: Annotated[tuple[Door, ...], Field(min_length=1, max_length=8)]


def lines(doors: tuple[Door, ...]) -> Text:
    """All doors as a list, a line each."""
    return Text(es="\n".join(door.line("es") for door in doors), en="\n".join(door.line("en") for door in doors))
