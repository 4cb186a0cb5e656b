"""The same words in Spanish and English, side by side."""

import re
import unicodedata
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

LANGUAGES = ("es", "en")

NonEmptyStr = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]


class ContentModel(BaseModel):
    """A piece of content: unknown fields are mistakes, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(ContentModel):
    """Words for a person, in both languages; `speak` takes the one that the person reads."""

    es: NonEmptyStr
    en: NonEmptyStr

    def in_language(self, language: str) -> str:
        return self.en if language == "en" else self.es


def fold(text: str) -> str:
    """Lower case without accents, signs and repeated blanks: how typed words are compared."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ñ", "\0"))
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign)).replace("\0", "ñ")
    return " ".join(re.sub(r"[^a-z0-9ñ]+", " ", kept).split())
