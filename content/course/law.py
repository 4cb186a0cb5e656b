"""The law that may be cited: articles, each with a mark for how its text was verified."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from content.text import ContentModel, Identifier, NonEmptyStr, Text


class Article(ContentModel):
    """One article or fraction. `mark`: V (read in the official text) or V2 (two independent secondary sources agree).

    `in_force`: whether it is in force for sure. Where it is not (a vote without a known publication, a text that a
    court struck out), it stands here so that authors know of it, and cannot be cited whatever its mark.
    `unchanged_since` states that the wording has been the same since that earlier day. It applies to the text version
    named in `confirmed_in`: after the next change of the law it has to be confirmed again.
    """

    id: Identifier
    article: NonEmptyStr
    fraction: str = ""
    mark: Literal["V", "V2"]
    in_force: bool
    source: NonEmptyStr
    title: Text
    summary: Text
    unchanged_since: date | None = None
    confirmed_in: NonEmptyStr | None = None


class Law(ContentModel):
    """One law in the version that was read; `version_since` is the day this version entered the catalogue."""

    law: Identifier
    short: NonEmptyStr
    name: Text
    text_version: NonEmptyStr
    checked_on: date
    version_since: date
    articles: Annotated[tuple[Article, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_confirmations(self) -> Self:
        errors = [
            error for index, article in enumerate(self.articles) for error in self._confirmation_errors(index, article)
        ]
        if errors:
            raise ValueError("; ".join(errors))
        return self

    def _confirmation_errors(self, index: int, article: Article) -> list[str]:
        day = article.unchanged_since
        if (day is None) != (article.confirmed_in is None):
            return [f"articles.{index} ({article.id}): unchanged_since and confirmed_in go together"]
        if day is not None and day >= self.version_since:
            expected = f"expected before version_since, {self.version_since}"
            return [f"articles.{index}.unchanged_since ({article.id}): {expected} (seen: {day})"]
        return []


class Citation(ContentModel):
    """An article with its law, as cited to users.

    The wording has been the same since `since`: content reviewed on that day or later was reviewed against it.
    """

    id: Identifier
    law: Text
    short: NonEmptyStr
    article: Article
    text_version: NonEmptyStr
    checked_on: date
    since: date

    def label(self, language: str) -> str:
        """For example "LGRA, artículo 7, fracción II"."""
        word, part = ("article", "fraction") if language == "en" else ("artículo", "fracción")
        fraction = f", {part} {self.article.fraction}" if self.article.fraction else ""
        return f"{self.short}, {word} {self.article.article}{fraction}"


def citations(law: Law) -> dict[str, Citation]:
    """The citations of all articles of a law, by article id."""
    return {
        article.id: Citation(
            id=article.id,
            law=law.name,
            short=law.short,
            article=article,
            text_version=law.text_version,
            checked_on=law.checked_on,
            since=_since(law, article),
        )
        for article in law.articles
    }


def _since(law: Law, article: Article) -> date:
    is_confirmed = article.confirmed_in == law.text_version
    return article.unchanged_since if article.unchanged_since and is_confirmed else law.version_since
