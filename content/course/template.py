"""Message templates, which a platform approves before they may be sent: text, variables, buttons, and their checks.

Their limits and sources are in content/limits.py; rejection codes are as observed in Meta's responses.
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
"""Marks of emphasis in phrases and rendered messages; in templates they are not converted to the platform's."""
UNTIDY = re.compile(r"\n\s*\n\s*\n|\t| {2}")
NOT_PLAIN = frozenset("{}*_~`\n\t")


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """What the product needs of a template that it sends: available variables and the number of buttons."""

    variables: frozenset[str]
    buttons: int


TEMPLATE_USES: Mapping[str, TemplateUse] = {
    "pregunta_diaria": TemplateUse(frozenset({"topic"}), 1),
    "pregunta_completa": TemplateUse(frozenset({"topic", "situation", "a", "b", "c"}), 3),
    "novedades_consulta": TemplateUse(frozenset(), 1),
}
"""Templates that handlers send, by name. An overlay may reword them, but not use other variables or buttons."""


class Translation(ContentModel):
    """A template in one language. `code` is the platform's language code, `samples` are shown to its reviewers."""

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

    A body contains `{variable}` placeholders; the platform gets `{{1}}` and so on, in the order of `variables`.
    """

    name: Name
    category: Literal["utility", "marketing"]
    variables: tuple[Variable, ...] = ()
    ttl_seconds: int | None = None
    es: SpanishTranslation
    en: EnglishTranslation

    def translation(self, language: str) -> Translation:
        """The template's texts in "en", else in Spanish."""
        return self.en if language == "en" else self.es

    def code(self, language: str) -> str:
        """The platform's code of the language, e.g. es_MX."""
        return self.translation(language).code

    def filled(self, language: str, values: Mapping[str, Value]) -> tuple[str, ...]:
        """The values of the variables in order, each on one line with single spaces: others are refused (132018).

        Extra entries of `values` are ignored. Raises KeyError for a missing one.
        """
        return tuple(_one_line(values[name], language) for name in self.variables)

    def text(self, language: str, values: Mapping[str, Value]) -> str:
        """The body with its variables filled in. Raises KeyError as `filled`."""
        words = dict(zip(self.variables, self.filled(language, values), strict=True))
        return PLACEHOLDER.sub(lambda found: words.get(found[1], found[0]), self.translation(language).body)

    def fits(self, language: str, values: Mapping[str, Value]) -> bool:
        """Whether the platform accepts these values: none is empty, and the filled body is within the limit."""
        text = self.text(language, values)
        return all(self.filled(language, values)) and len(text) <= limits.TEMPLATE_BODY

    def components(self, language: str) -> list[dict[str, Any]]:
        """The `components` of the API call that creates the template."""
        translation = self.translation(language)
        body: dict[str, Any] = {"type": "BODY", "text": self.numbered(language)}
        if self.variables:
            body["example"] = {"body_text": [[translation.samples[name] for name in self.variables]]}
        found = [body]
        if translation.footer:
            found.append({"type": "FOOTER", "text": translation.footer})
        if translation.buttons:
            replies = [{"type": "QUICK_REPLY", "text": label} for label in translation.buttons]
            found.append({"type": "BUTTONS", "buttons": replies})
        return found

    def submission(self, language: str) -> dict[str, Any]:
        """The body of the API call that creates the template in one language."""
        whole: dict[str, Any] = {
            "name": self.name,
            "language": self.code(language),
            "category": self.category.upper(),
            "parameter_format": "POSITIONAL",
            "components": self.components(language),
        }
        return whole if self.ttl_seconds is None else whole | {"message_send_ttl_seconds": self.ttl_seconds}

    def numbered(self, language: str) -> str:
        """The body with numbered variables: `{{1}}` and so on."""
        numbers = {name: number for number, name in enumerate(self.variables, start=1)}
        return PLACEHOLDER.sub(
            lambda found: f"{{{{{numbers[found[1]]}}}}}" if found[1] in numbers else found[0],
            self.translation(language).body,
        )


# ---------------------------------------------------------------- what Meta would reject, or handlers could not fill


def template_problems(template: Template) -> Iterator[tuple[str, str]]:
    """Field and message for each problem of one template."""
    yield from _lifetime(template)
    yield from _use(template)
    if len(set(template.variables)) < len(template.variables):
        yield "variables", f"each once (seen: {', '.join(template.variables)})"
    if len(template.en.buttons) != len(template.es.buttons):
        yield "en.buttons", f"as many as in Spanish, {len(template.es.buttons)} (seen: {len(template.en.buttons)})"
    for language in LANGUAGES:
        translation = template.translation(language)
        for field, message in _translation_problems(template, translation):
            yield f"{language}.{field}", message


def _translation_problems(template: Template, translation: Translation) -> Iterator[tuple[str, str]]:
    yield from _body(template, translation)
    yield from _samples(template, translation)
    yield from _footer(translation)
    yield from _buttons(translation)


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


def _body(template: Template, translation: Translation) -> Iterator[tuple[str, str]]:
    """Rules for the body text and for the placement of its variables."""
    parts = PLACEHOLDER.split(translation.body)
    texts, names = parts[::2], parts[1::2]
    if any(sign in text for text in texts for sign in "{}"):
        yield "body", "braces that are not a {variable}"
    if tuple(names) != template.variables:
        expected = ", ".join(template.variables) or "none"
        yield "body", f"every variable once and in their order, {expected} (seen: {', '.join(names) or 'none'})"
    if EMPHASIS.search(translation.body):
        yield "body", "no ** or __ here: templates have no emphasis"
    if UNTIDY.search(translation.body):
        yield "body", "at most one consecutive empty line, single spaces, no tabs"
    sample = PLACEHOLDER.sub(lambda found: translation.samples.get(found[1], found[0]), translation.body)
    if len(sample) > limits.TEMPLATE_BODY:
        yield "body", f"with its samples: at most {limits.TEMPLATE_BODY} characters (seen: {len(sample)})"
    if names:
        yield from _variable_spacing(texts, names)


def _variable_spacing(texts: list[str], names: list[str]) -> Iterator[tuple[str, str]]:
    """Variables need words around and between them; Meta does not count punctuation or spaces (2388299)."""
    if not _has_letter(texts[0]):
        yield "body", f"begins with a variable; words before {{{names[0]}}} are missing"
    if not _has_letter(texts[-1]):
        yield "body", f"ends with a variable; words after {{{names[-1]}}} are missing"
    for (left, right), between in zip(pairwise(names), texts[1:-1], strict=True):
        if not _has_letter(between):
            yield "body", f"no words between {{{left}}} and {{{right}}}"
    words = sum(_has_letter(word) for text in texts for word in text.split())
    minimum = limits.TEMPLATE_WORDS * len(names) + 1
    if words < minimum:
        yield "body", f"too short for its variables: at least {minimum} words besides them (seen: {words})"


def _samples(template: Template, translation: Translation) -> Iterator[tuple[str, str]]:
    for name in template.variables:
        if name not in translation.samples:
            yield f"samples.{name}", "missing"
    for name, sample in translation.samples.items():
        if name not in template.variables:
            yield f"samples.{name}", "no such variable"
        if sample != " ".join(sample.split()):
            yield f"samples.{name}", "one line with single spaces"


def _footer(translation: Translation) -> Iterator[tuple[str, str]]:
    if len(translation.footer) > limits.TEMPLATE_FOOTER:
        yield "footer", f"at most {limits.TEMPLATE_FOOTER} characters (seen: {len(translation.footer)})"
    if not _is_plain(translation.footer):
        yield "footer", "no variables, line breaks, emoji or markup"


def _buttons(translation: Translation) -> Iterator[tuple[str, str]]:
    if len(translation.buttons) > limits.QUICK_REPLIES:
        yield "buttons", f"at most {limits.QUICK_REPLIES} (seen: {len(translation.buttons)})"
    if len({label.casefold() for label in translation.buttons}) < len(translation.buttons):
        yield "buttons", f"each label once (seen: {', '.join(translation.buttons)})"
    for index, label in enumerate(translation.buttons):
        if len(label) > limits.QUICK_REPLY_LABEL:
            yield f"buttons.{index}", f"at most {limits.QUICK_REPLY_LABEL} characters (seen: {len(label)})"
        if not _is_plain(label):  # rejected with 2388060
            yield f"buttons.{index}", "no variables, line breaks, emoji or markup"


def _is_plain(text: str) -> bool:
    """Whether a footer or label contains only what Meta accepts there."""
    return not any(sign in NOT_PLAIN or unicodedata.category(sign) in ("So", "Co") for sign in text)


def _has_letter(text: str) -> bool:
    return any(sign.isalpha() for sign in text)


def _one_line(value: Value, language: str) -> str:
    text = value.in_language(language) if isinstance(value, Text) else str(value)
    return " ".join(text.split())
