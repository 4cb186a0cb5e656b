"""The law that may be cited: articles that were read, with the mark of how."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from content.text import Identifier, Part, Text, Words


class Article(Part):
    """One article or fraction. Only V (read in the text) and V2 (read in a secondary page) can be loaded."""

    id: Identifier
    article: Words
    fraction: str = ""
    mark: Literal["V", "V2"]
    source: Words
    title: Text
    summary: Text


class Law(Part):
    """One law in the version that was read."""

    law: Identifier
    short: Words
    name: Text
    text_version: Words
    checked_on: date
    articles: Annotated[tuple[Article, ...], Field(min_length=1)]


class Citation(Part):
    """An article with its law: what a person is shown as the reason."""

    id: Identifier
    law: Text
    short: Words
    article: Article
    text_version: Words
    checked_on: date

    def label(self, language: str) -> str:
        """For example "LGRA, artículo 7, fracción II"."""
        word, part = ("article", "fraction") if language == "en" else ("artículo", "fracción")
        fraction = f", {part} {self.article.fraction}" if self.article.fraction else ""
        return f"{self.short}, {word} {self.article.article}{fraction}"


def citations(law: Law) -> dict[str, Citation]:
    return {
        article.id: Citation(
            id=article.id,
            law=law.name,
            short=law.short,
            article=article,
            text_version=law.text_version,
            checked_on=law.checked_on,
        )
        for article in law.articles
    }
