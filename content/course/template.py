"""A message that a platform approves before it may be sent (WhatsApp): its words, what fills them, its buttons.

Sources: WhatsApp Business Management API, "Templates", "Template components", "Template review"; codes of refusals as
Meta's answers gave them.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from content import limits
from content.text import LANGUAGES, ContentModel, NonEmptyStr, Text

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,100}$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Value = str | int | Text

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
EMPHASIS = re.compile("\\*\\*|__|[\ue000-\ue003]")
"""How phrases and rendered messages mark emphasis: nobody turns it into the platform's own here."""
UNTIDY = re.compile(r"\n\s*\n\s*\n|\t| {2}")
NOT_PLAIN = frozenset("{}*_~`\n\t")


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """What is at hand to fill a template that is sent, and how many choices its buttons bring back."""

    variables: frozenset[str]
    buttons: int


TEMPLATE_USES: Mapping[str, TemplateUse] = {
    "pregunta_diaria": TemplateUse(frozenset({"topic"}), 1),
    "pregunta_completa": TemplateUse(frozenset({"topic", "situation", "a", "b", "c"}), 3),
    "novedades_consulta": TemplateUse(frozenset(), 1),
}
"""A house may word these templates anew, but not ask for more."""


class Translation(ContentModel):
    """A template in one language. `code` is the platform's name of the language, `samples` are for its reviewers."""

    code: str
    body: NonEmptyStr
    footer: str = ""
    samples: Mapping[str, NonEmptyStr] = Field(default_factory=dict)
    buttons: tuple[NonEmptyStr, ...] = ()


class SpanishTranslation(Translation):
    code: Annotated[str, StringConstraints(pattern=r"^es(_[A-Z]{2})?$")]


class EnglishTranslation(Translation):
    code: Annotated[str, StringConstraints(pattern=r"^en(_[A-Z]{2})?$")]


class Template(ContentModel):
    """One template in both languages: content/templates/<name>.toml.

    A body is written with `{variable}`; the platform sees `{{1}}` and so on, in the order of `variables`.
    """

    name: Name
    category: Literal["utility", "marketing"]
    variables: tuple[Variable, ...] = ()
    ttl_seconds: int | None = None
    es: SpanishTranslation
    en: EnglishTranslation

    def translation(self, language: str) -> Translation:
        return self.en if language == "en" else self.es

    def code(self, language: str) -> str:
        """The platform's name of the language, e.g. es_MX."""
        return self.translation(language).code

    def filled(self, language: str, values: Mapping[str, Value]) -> tuple[str, ...]:
        """The values of the variables in their order, each on one line with single blanks: others are refused (132018).

        Raises KeyError for a variable that `values` does not have; what else it has is left out.
        """
        return tuple(_one_line(values[name], language) for name in self.variables)

    def text(self, language: str, values: Mapping[str, Value]) -> str:
        """The body as the person reads it. Raises KeyError as `filled`."""
        words = dict(zip(self.variables, self.filled(language, values), strict=True))
        return PLACEHOLDER.sub(lambda found: words.get(found[1], found[0]), self.translation(language).body)

    def fits(self, language: str, values: Mapping[str, Value]) -> bool:
        """Whether the platform takes it with these values: nothing empty, and the whole text not too long."""
        whole = self.text(language, values)
        return all(self.filled(language, values)) and len(whole) <= limits.TEMPLATE_BODY

    def components(self, language: str) -> list[dict[str, Any]]:
        """What it is made of, as the call that creates it wants it."""
        side = self.translation(language)
        body: dict[str, Any] = {"type": "BODY", "text": self.numbered(language)}
        if self.variables:
            body["example"] = {"body_text": [[side.samples[name] for name in self.variables]]}
        found = [body]
        if side.footer:
            found.append({"type": "FOOTER", "text": side.footer})
        if side.buttons:
            replies = [{"type": "QUICK_REPLY", "text": label} for label in side.buttons]
            found.append({"type": "BUTTONS", "buttons": replies})
        return found

    def submission(self, language: str) -> dict[str, Any]:
        """The whole body of the call that creates it in one language."""
        whole: dict[str, Any] = {
            "name": self.name,
            "language": self.code(language),
            "category": self.category.upper(),
            "parameter_format": "POSITIONAL",
            "components": self.components(language),
        }
        return whole if self.ttl_seconds is None else whole | {"message_send_ttl_seconds": self.ttl_seconds}

    def numbered(self, language: str) -> str:
        """The body with `{{1}}` and so on."""
        places = {name: place for place, name in enumerate(self.variables, start=1)}
        return PLACEHOLDER.sub(
            lambda found: f"{{{{{places[found[1]]}}}}}" if found[1] in places else found[0],
            self.translation(language).body,
        )


# ---------------------------------------------------------------- what Meta would refuse, or we could not send


def template_problems(template: Template) -> Iterator[tuple[str, str]]:
    """Field and fault of all that is wrong with one template."""
    yield from _lifetime(template)
    yield from _use(template)
    if len(set(template.variables)) < len(template.variables):
        yield "variables", f"each once (seen: {', '.join(template.variables)})"
    if len(template.en.buttons) != len(template.es.buttons):
        yield "en.buttons", f"as many as in Spanish, {len(template.es.buttons)} (seen: {len(template.en.buttons)})"
    for language in LANGUAGES:
        side = template.translation(language)
        for field, fault in (*_body(template, side), *_samples(template, side), *_footer(side), *_buttons(side)):
            yield f"{language}.{field}", fault


def _lifetime(template: Template) -> Iterator[tuple[str, str]]:
    low, high = limits.MARKETING_SECONDS if template.category == "marketing" else limits.UTILITY_SECONDS
    if template.ttl_seconds is not None and not low <= template.ttl_seconds <= high:
        yield "ttl_seconds", f"{low} to {high} for {template.category} (seen: {template.ttl_seconds})"


def _use(template: Template) -> Iterator[tuple[str, str]]:
    use = TEMPLATE_USES.get(template.name)
    if use is None:
        return
    if unknown := set(template.variables) - use.variables:
        known = ", ".join(sorted(use.variables)) or "none"
        yield "variables", f"nothing fills {', '.join(sorted(unknown))}; there are: {known}"
    if len(template.es.buttons) != use.buttons:
        yield "es.buttons", f"{use.buttons} expected (seen: {len(template.es.buttons)})"


def _body(template: Template, side: Translation) -> Iterator[tuple[str, str]]:
    """The body's own rules, and how its variables stand in it."""
    parts = PLACEHOLDER.split(side.body)
    texts, names = parts[::2], parts[1::2]
    if any(sign in text for text in texts for sign in "{}"):
        yield "body", "braces that are no {variable}"
    if tuple(names) != template.variables:
        expected = ", ".join(template.variables) or "none"
        yield "body", f"every variable once and in their order, {expected} (seen: {', '.join(names) or 'none'})"
    if EMPHASIS.search(side.body):
        yield "body", "no ** or __ here: nobody turns them into emphasis"
    if UNTIDY.search(side.body):
        yield "body", "at most one empty line together, single blanks, no tabs"
    whole = PLACEHOLDER.sub(lambda found: side.samples.get(found[1], found[0]), side.body)
    if len(whole) > limits.TEMPLATE_BODY:
        yield "body", f"with its samples: at most {limits.TEMPLATE_BODY} characters (seen: {len(whole)})"
    if names:
        yield from _apart(texts, names)


def _apart(texts: list[str], names: list[str]) -> Iterator[tuple[str, str]]:
    """Words stand around and between the variables; Meta counts signs and blanks as nothing (2388299)."""
    if not _has_letter(texts[0]):
        yield "body", f"begins with a variable; words before {{{names[0]}}} are missing"
    if not _has_letter(texts[-1]):
        yield "body", f"ends with a variable; words after {{{names[-1]}}} are missing"
    for (one, other), between in zip(pairwise(names), texts[1:-1], strict=True):
        if not _has_letter(between):
            yield "body", f"no words between {{{one}}} and {{{other}}}"
    words = sum(_has_letter(word) for text in texts for word in text.split())
    least = limits.TEMPLATE_WORDS * len(names) + 1
    if words < least:
        yield "body", f"too short for its variables: at least {least} words besides them (seen: {words})"


def _samples(template: Template, side: Translation) -> Iterator[tuple[str, str]]:
    for name in template.variables:
        if name not in side.samples:
            yield f"samples.{name}", "missing"
    for name, sample in side.samples.items():
        if name not in template.variables:
            yield f"samples.{name}", "no such variable"
        if sample != " ".join(sample.split()):
            yield f"samples.{name}", "one line with single blanks"


def _footer(side: Translation) -> Iterator[tuple[str, str]]:
    if len(side.footer) > limits.TEMPLATE_FOOTER:
        yield "footer", f"at most {limits.TEMPLATE_FOOTER} characters (seen: {len(side.footer)})"
    if not _is_plain(side.footer):
        yield "footer", "no variables, new lines, emoji or marks"


def _buttons(side: Translation) -> Iterator[tuple[str, str]]:
    if len(side.buttons) > limits.QUICK_REPLIES:
        yield "buttons", f"at most {limits.QUICK_REPLIES} (seen: {len(side.buttons)})"
    if len({label.casefold() for label in side.buttons}) < len(side.buttons):
        yield "buttons", f"each label once (seen: {', '.join(side.buttons)})"
    for place, label in enumerate(side.buttons):
        if len(label) > limits.QUICK_REPLY_LABEL:
            yield f"buttons.{place}", f"at most {limits.QUICK_REPLY_LABEL} characters (seen: {len(label)})"
        if not _is_plain(label):  # refused with 2388060
            yield f"buttons.{place}", "no variables, new lines, emoji or marks"


def _is_plain(text: str) -> bool:
    """Whether a footer or label has only what Meta takes there."""
    return not any(sign in NOT_PLAIN or unicodedata.category(sign) in ("So", "Co") for sign in text)


def _has_letter(text: str) -> bool:
    return any(sign.isalpha() for sign in text)


def _one_line(value: Value, language: str) -> str:
    text = value.in_language(language) if isinstance(value, Text) else str(value)
    return " ".join(text.split())
