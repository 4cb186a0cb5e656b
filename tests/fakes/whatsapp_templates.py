"""Message templates of the fake: checks at creation, listing, status changes, and rendering with parameters."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from tests.fakes.whatsapp_chats import Label
from tests.fakes.whatsapp_rules import (
    BODY,
    FOOTER,
    HEADER,
    MARKUP,
    TEMPLATE_BUTTONS,
    Refusal,
    Values,
    check_members,
    json_object,
)

Queue = Callable[[str, Values], None]

NAME = re.compile(r"[a-z0-9_]{1,512}")
LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2,3})?")
CATEGORIES = ("UTILITY", "MARKETING", "AUTHENTICATION")
VARIABLE = re.compile(r"\{\{\s*(\w*)\s*\}\}")
UNFIT = re.compile(r"[\n\t]| {4}")  # in parameter values; 132018
LABEL = 25
TEMPLATES = 250  # limit of a business that is not verified
PAGE = 25
FIELDS = ("name", "parameter_format", "components", "language", "status", "category", "id")

# Subcodes of code 100, from Meta's list of template creation errors.
MANY, EXISTS, MISSING, LONG = 2388019, 2388024, 2388043, 2388040
HEADER_FORM, BODY_FORM, FOOTER_FORM, RATIO, EDGE = 2388047, 2388072, 2388073, 2388293, 2388299


@dataclass(slots=True)
class Template:
    """One language of a template."""

    id: str
    name: str
    language: str
    category: str
    components: list[Values]
    status: str = "PENDING"
    quality: str = "UNKNOWN"
    rejected_reason: str = "NONE"

    def part(self, kind: str) -> Values:
        return next((part for part in self.components if str(part["type"]).upper() == kind), {})

    def text(self, kind: str) -> str:
        return str(self.part(kind).get("text", ""))

    @property
    def buttons(self) -> list[Values]:
        return list(self.part("BUTTONS").get("buttons", []))

    @property
    def is_named(self) -> bool:
        names = variables(self.text("BODY")) + variables(self.text("HEADER"))
        return any(not name.isdigit() for name in names)

    def shown(self, fields: Iterable[str]) -> Values:
        """The template as the management API represents it."""
        known: Values = {
            "name": self.name,
            "parameter_format": "NAMED" if self.is_named else "POSITIONAL",
            "components": self.components,
            "language": self.language,
            "status": self.status,
            "category": self.category,
            "quality_score": {"score": self.quality, "date": 1_763_820_000},
            "rejected_reason": self.rejected_reason,
        }
        return {name: known[name] for name in fields if name in known} | {"id": self.id}

    def filled(self, given: Iterable[Mapping[str, Any]]) -> tuple[str, list[Label]]:
        """Text and buttons that a user sees. Raises Refusal where the parameters do not match the template."""
        values: dict[str, list[Values]] = {"HEADER": [], "BODY": []}
        pressed: dict[int, list[Values]] = {}
        for component in given:
            kind = str(component["type"]).upper()
            if kind == "BUTTON":
                pressed[int(component["index"])] = self._button_parameters(component)
            else:
                values[kind] = component.get("parameters", [])
        shown = [self._rendered(kind, values[kind]) for kind in ("HEADER", "BODY")]
        text = "\n".join(filter(None, [*shown, self.text("FOOTER")]))
        return text, [self._label(index, pressed.get(index, [])) for index in range(len(self.buttons))]

    def _rendered(self, kind: str, parameters: list[Values]) -> str:
        source = self.text(kind)
        names = list(dict.fromkeys(variables(source)))
        if len(parameters) != len(names):
            expected = f"({len(parameters)}) does not match the expected number of params ({len(names)})"
            raise Refusal(132000, f"{kind.lower()}: number of localizable_params {expected}")
        if self.is_named:
            values = {str(parameter.get("parameter_name")): _value(parameter) for parameter in parameters}
        else:
            values = {str(place): _value(parameter) for place, parameter in enumerate(parameters, 1)}
        if missing := sorted(set(names) - values.keys()):
            raise Refusal(132012, f"{kind.lower()}: parameter {missing[0]} is missing")
        text = VARIABLE.sub(lambda found: values[found[1]], source)
        if len(text) > (BODY if kind == "BODY" else HEADER):
            raise Refusal(132005, f"{kind.lower()}: the text is too long once filled in")
        return text

    def _button_parameters(self, component: Mapping[str, Any]) -> list[Values]:
        index, kind = int(component["index"]), str(component.get("sub_type")).upper()
        if index >= len(self.buttons):
            raise Refusal(132000, f"button: there is no button at index {index}")
        if kind != str(self.buttons[index]["type"]).upper():
            raise Refusal(132012, f"button: sub_type {kind} at index {index}")
        parameters = component.get("parameters", [])
        wanted = "payload" if kind == "QUICK_REPLY" else "text"
        if len(parameters) != 1 or parameters[0].get("type") != wanted:
            raise Refusal(132012, f"button: one parameter of type {wanted} is expected at index {index}")
        content = parameters[0].get(wanted)
        if not isinstance(content, str) or not 1 <= len(content) <= 256:
            raise Refusal(131008, f"Parameter of type {wanted} is missing its value")
        return list(parameters)

    def _label(self, index: int, parameters: list[Values]) -> Label:
        """The button as shown; a quick reply without a payload returns its own label."""
        button = self.buttons[index]
        if str(button["type"]).upper() == "QUICK_REPLY":
            return Label(button["text"], "button", parameters[0]["payload"] if parameters else button["text"])
        url = str(button.get("url", ""))
        if bool(variables(url)) != bool(parameters):
            raise Refusal(132000, f"button: the URL at index {index} has another number of params")
        return Label(button["text"], "url", url=VARIABLE.sub(lambda _: parameters[0]["text"], url))


@dataclass(slots=True)
class Templates:
    """All templates of the account."""

    queue: Queue
    now: Callable[[], datetime]
    limit: int = TEMPLATES
    all: list[Template] = field(default_factory=list)

    def put(
        self, name: str, language: str, components: list[Values], status: str = "APPROVED", category: str = "UTILITY"
    ) -> Template:
        """Add a template without checks or webhook."""
        template = Template(str(594_425_479_261_000 + len(self.all)), name, language, category, components, status)
        self.all.append(template)
        return template

    def find(self, name: str, language: str) -> Template | None:
        return next((template for template in self.all if (template.name, template.language) == (name, language)), None)

    def for_sending(self, name: str, language: str) -> Template:
        """The approved template. Raises Refusal."""
        template = self.find(name, language)
        if template is None or template.status in ("PENDING", "REJECTED"):
            raise Refusal(132001, f"template name ({name}) does not exist in {language}")
        if template.status != "APPROVED":
            raise Refusal(132015 if template.status == "PAUSED" else 132016)
        return template

    def create(self, body: Values) -> Values:
        """Check and store a new template. Raises Refusal."""
        check_members(body, "body", "name", "language", "category", "components", "parameter_format", *OPTIONS)
        name, language, category = (str(body.get(member, "")) for member in ("name", "language", "category"))
        if not NAME.fullmatch(name):
            raise Refusal(100, "name: lower-case letters, digits and underscores, at most 512", subcode=MISSING)
        if not LANGUAGE.fullmatch(language) or category.upper() not in CATEGORIES:
            raise Refusal(100, "language or category", subcode=MISSING)
        check_components(body.get("components"))
        if self.find(name, language):
            raise Refusal(100, "There is already content in this language for this template", subcode=EXISTS)
        if len(self.all) >= self.limit:
            raise Refusal(100, f"{self.limit} templates at most", subcode=MANY)
        new = Template("", name, language, category.upper(), body["components"])
        texts = [(template.text("BODY"), template.text("FOOTER")) for template in self.all]
        if (new.text("BODY"), new.text("FOOTER")) in texts:
            raise Refusal(100, "the body and the footer are those of another template")
        made = self.put(name, language, new.components, "PENDING", new.category)
        return {"id": made.id, "status": made.status, "category": made.category}

    def page(self, query: Mapping[str, str], url: str) -> Values:
        """One page of the list; `paging.next` is present only if there are more pages."""
        matches = [template for template in self.all if all(_matches(template, name, query) for name in FILTERS)]
        start, size = _number(query.get("after", "0")), _number(query.get("limit", str(PAGE)))
        fields = query["fields"].split(",") if "fields" in query else FIELDS
        shown = matches[start : start + size]
        answer: Values = {"data": [template.shown(fields) for template in shown]}
        if shown:
            end = start + len(shown)
            answer["paging"] = {"cursors": {"before": str(start), "after": str(end)}}
            if end < len(matches):
                answer["paging"]["next"] = f"{url}?{urlencode({**query, 'limit': size, 'after': end})}"
        if "summary" in query:
            count = {"total_count": len(matches), "message_template_count": len(self.all)}
            answer["summary"] = count | {"message_template_limit": self.limit, "are_translations_complete": True}
        return answer

    def change(self, name: str, language: str, status: str, reason: str = "NONE") -> None:
        """Change the status and queue a `message_template_status_update`."""
        template = self._existing(name, language)
        template.status, template.rejected_reason = status, reason if status == "REJECTED" else "NONE"
        value = self._about(template) | {"event": status, "reason": reason}
        value["message_template_category"] = template.category
        if status == "PAUSED":
            value["other_info"] = {"title": "FIRST_PAUSE", "description": "Paused for three hours: low quality."}
        if status == "DISABLED":
            value["disable_info"] = {"disable_date": int(self.now().timestamp())}
        self.queue("message_template_status_update", value)

    def recategorize(self, name: str, language: str, category: str) -> None:
        """Change the category and queue a `template_category_update`."""
        template = self._existing(name, language)
        before, template.category = template.category, category
        value = self._about(template) | {"previous_category": before, "new_category": category}
        self.queue("template_category_update", value)

    def rate(self, name: str, language: str, quality: str) -> None:
        """Change the quality score and queue a `message_template_quality_update`."""
        template = self._existing(name, language)
        before, template.quality = template.quality, quality
        value = self._about(template) | {"previous_quality_score": before, "new_quality_score": quality}
        self.queue("message_template_quality_update", value)

    def _existing(self, name: str, language: str) -> Template:
        template = self.find(name, language)
        assert template is not None, f"no template {name} in {language}"
        return template

    @staticmethod
    def _about(template: Template) -> Values:
        return {
            "message_template_id": int(template.id),
            "message_template_name": template.name,
            "message_template_language": template.language,
        }


OPTIONS = ("allow_category_change", "message_send_ttl_seconds", "cta_url_link_tracking_opted_out")
FILTERS = ("name", "language", "status", "category")


def variables(text: str) -> list[str]:
    """Names of the variables in order of occurrence."""
    return VARIABLE.findall(text)


def check_components(components: object) -> None:
    """Check the components of a new template. Raises Refusal."""
    if not isinstance(components, list) or not components:
        raise Refusal(100, "components is required", subcode=MISSING)
    kinds = [str(json_object(part, "component").get("type")).upper() for part in components]
    if len(kinds) != len(set(kinds)) or "BODY" not in kinds or set(kinds) - CHECKS.keys():
        raise Refusal(100, f"components: {', '.join(kinds)}", subcode=MISSING)
    for kind, part in zip(kinds, components, strict=True):
        CHECKS[kind](part)


def _check_body(part: Values) -> None:
    text = str(part.get("text", ""))
    _within("body", text, BODY)
    if re.search(r"\n{3}| {5}", text):
        raise Refusal(100, "body: more than two line breaks or four blanks together", subcode=BODY_FORM)
    found = list(VARIABLE.finditer(text))
    if found and (not text[: found[0].start()].strip() or not text[found[-1].end() :].strip()):
        raise Refusal(100, "body: variables at the start or end", subcode=EDGE)
    if any(not text[left.end() : right.start()].strip() for left, right in pairwise(found)):
        raise Refusal(100, "body: variables side by side", subcode=BODY_FORM)
    names = _names(text, "body", BODY_FORM)
    if len(VARIABLE.sub(" ", text).split()) < 2 * len(names) + 1 and names:
        raise Refusal(100, "body: too many variables for its length", subcode=RATIO)
    _check_example(part, names, "body_text")


def _check_header(part: Values) -> None:
    text = str(part.get("text", ""))
    if str(part.get("format")).upper() != "TEXT" or MARKUP.search(text) or "\n" in text:
        raise Refusal(100, "header: plain text of one line", subcode=HEADER_FORM)
    _within("header", text, HEADER)
    names = _names(text, "header", HEADER_FORM)
    if len(names) > 1:
        raise Refusal(100, "header: one variable at most", subcode=HEADER_FORM)
    _check_example(part, names, "header_text")


def _check_footer(part: Values) -> None:
    text = str(part.get("text", ""))
    _within("footer", text, FOOTER)
    if variables(text) or "\n" in text:
        raise Refusal(100, "footer: no variables, one line", subcode=FOOTER_FORM)


def _check_buttons(part: Values) -> None:
    buttons = part.get("buttons") or []
    if not 1 <= len(buttons) <= TEMPLATE_BUTTONS:
        raise Refusal(100, f"buttons: 1 to {TEMPLATE_BUTTONS}", subcode=MISSING)
    labels = [str(button.get("text", "")) for button in buttons]
    for label in labels:
        _within("button", label, LABEL)
        if "\n" in label or variables(label):
            raise Refusal(100, "button: no variables, one line", subcode=MISSING)
    if len(labels) != len(set(labels)):
        raise Refusal(100, "buttons: two with one label", subcode=MISSING)
    are_replies = [str(button.get("type")).upper() == "QUICK_REPLY" for button in buttons]
    if sum(left != right for left, right in pairwise(are_replies)) > 1:
        raise Refusal(100, "buttons: quick replies stand together", subcode=MISSING)


CHECKS: Mapping[str, Callable[[Values], None]] = {
    "HEADER": _check_header,
    "BODY": _check_body,
    "FOOTER": _check_footer,
    "BUTTONS": _check_buttons,
}


def _within(name: str, text: str, most: int) -> None:
    if not text.strip():
        raise Refusal(100, f"{name}: no text", subcode=MISSING)
    if len(text) > most:
        raise Refusal(100, f"{name}: {len(text)} characters, {most} are allowed", subcode=LONG)


def _names(text: str, where: str, subcode: int) -> list[str]:
    """Check and return the distinct variables: 1, 2, 3 ... without gaps, or names in lower case. Raises Refusal."""
    names = list(dict.fromkeys(variables(text)))
    if text.count("{{") != len(variables(text)) or text.count("}}") != len(variables(text)):
        raise Refusal(100, f"{where}: brackets that are not a variable", subcode=subcode)
    numbered = [name for name in names if name.isdigit()]
    if numbered and names != [str(place) for place in range(1, len(names) + 1)]:
        raise Refusal(100, f"{where}: variables are numbered from 1 without a gap", subcode=subcode)
    if any(not re.fullmatch(r"[a-z0-9_]+", name) for name in names):
        raise Refusal(100, f"{where}: names of variables are in lower case", subcode=subcode)
    return names


def _check_example(part: Values, names: list[str], member: str) -> None:
    if not names:
        return
    example = part.get("example") or {}
    if names[0].isdigit():
        given = example.get(member) or [[]]
        samples = given if member == "header_text" else given[0]
    else:
        named = example.get(f"{member}_named_params") or []
        samples = [sample.get("example") for name in names for sample in named if sample.get("param_name") == name]
    if len(samples) != len(names) or not all(isinstance(sample, str) and sample.strip() for sample in samples):
        raise Refusal(100, f"example: {len(names)} sample values are expected", subcode=MISSING)


def _value(parameter: Mapping[str, Any]) -> str:
    value = parameter.get("text")
    if parameter.get("type") != "text":
        raise Refusal(132012, "parameters of type text are expected")
    if not isinstance(value, str) or not value.strip():
        raise Refusal(131008, "Parameter of type text is missing text value")
    if UNFIT.search(value):
        raise Refusal(132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces")
    return value


def _matches(template: Template, name: str, query: Mapping[str, str]) -> bool:
    if name not in query:
        return True
    value = str(getattr(template, name))
    return query[name] in value if name == "name" else value in query[name].split(",")


def _number(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise Refusal(100, "limit or cursor")
    return int(text)
