"""Bilingual texts, and the base types of content models."""

import re
import unicodedata
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

LANGUAGES = ("es", "en")

NonEmptyStr = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


class ContentModel(BaseModel):
    """Base of all content records: unknown fields are errors, instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(ContentModel):
    """A text shown to users, in both languages."""

    es: NonEmptyStr
    en: NonEmptyStr

    def in_language(self, language: str) -> str:
        """The English text for "en", else the Spanish one."""
        return self.en if language == "en" else self.es


def fold(text: str) -> str:
    """Normalize typed text for comparison: lower case, no accents or punctuation, single spaces; `ñ` is kept."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ñ", "\0"))
    stripped = "".join(sign for sign in plain if not unicodedata.combining(sign)).replace("\0", "ñ")
    return " ".join(re.sub(r"[^a-z0-9ñ]+", " ", stripped).split())
