"""Validate message bodies against the limits of Meta's documentation and the rules of Meta's JSON schema.

The rules are the table `facts/whatsapp_messages.json`, see platform_facts.py.
"""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from tests.fakes import platform_facts

Values = dict[str, Any]

# HTTP status and title by code, from Meta's list of error codes. Most have status 400 and differ only in the code.
CODES: Mapping[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    2: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "API Too Many Calls"),
    10: (403, "API Permission Denied"),
    100: (400, "Invalid parameter"),
    190: (401, "Invalid OAuth access token"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Account has been locked"),
    131037: (400, "WhatsApp provided number needs display name approval before message can be sent."),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement."),
    131050: (400, "User has stopped marketing messages"),
    131051: (400, "Unsupported message type"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131062: (400, "Business-scoped User ID (BSUID) recipients are not supported for this message."),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132007: (400, "Template format character policy violated"),
    132008: (400, "Template parameter value is missing"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "There's an issue with the parameters in your template"),
    133010: (400, "Phone number not registered"),
}

# Limits in characters or items, from Meta's page on each type of message.
TEXT = 4096
BUTTONS, BUTTON_TITLE, BUTTON_ID = 3, 20, 256
BODY, HEADER, FOOTER = 1024, 60, 60
LIST_BODY, LIST_BUTTON, SECTIONS, ROWS = 4096, 20, 10, 10
ROW_TITLE, ROW_DESCRIPTION, ROW_ID, SECTION_TITLE = 24, 72, 200, 24
TEMPLATE_BUTTONS = 10
TRACKER = 512
USER_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
MARKUP = re.compile(r"([*_~])\S(?:[^\n]*\S)?\1|`")


class Refusal(Exception):
    """An error response `{"error": {...}}`; `details` is meant for developers."""

    def __init__(self, code: int, details: str = "", *, subcode: int = 0, status: int = 0) -> None:
        usual, self.title = CODES[code]
        self.code = code
        self.details = details or self.title
        self.subcode = subcode
        self.status = status or usual
        super().__init__(f"{code} {self.details}")

    def answer(self) -> Values:
        message = self.details if self.code in (100, 190) else self.title
        error: Values = {"message": f"(#{self.code}) {message}", "type": "OAuthException", "code": self.code}
        if self.code not in (100, 190):  # those two come from the Graph API itself and lack `error_data`
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        if self.subcode:
            error["error_subcode"] = self.subcode
        return {"error": error | {"fbtrace_id": "AFakeFakeFakeFakeFakeFa"}}


def bad(details: str) -> Refusal:
    return Refusal(131009, details)


def read_message(raw: object) -> Values:
    """Validate a body and return it without null members, which the Graph API treats as absent. Raises Refusal."""
    body: Values = _without_nulls(json_object(raw, "body"))
    if body.get("messaging_product") != "whatsapp":
        raise Refusal(100, "The parameter messaging_product is required.")
    if "status" in body:
        _check_mark(body)
    else:
        _check_envelope(body)
        KINDS[body["type"]](json_object(body.get(body["type"]), body["type"]))
    if fault := schema_violation(body):
        raise Refusal(100, f"by Meta's schema: {fault}")
    return body


# Basic checks


def json_object(value: object, name: str) -> Values:
    """The value, which must be a JSON object. Raises Refusal."""
    if value is None:
        raise Refusal(100, f"The parameter {name} is required.")
    if not isinstance(value, dict):
        raise Refusal(100, f"Param {name} must be a JSON object.")
    return value


def check_members(values: Mapping[str, Any], name: str, *members: str) -> None:
    """Refuse members other than these. Raises Refusal."""
    if unknown := sorted(values.keys() - set(members)):
        raise Refusal(100, f'Unexpected key "{unknown[0]}" on param "{name}".')


def json_list(value: object, name: str, most: int) -> list[Any]:
    """The value, which must be a list of 1 to `most` items. Raises Refusal."""
    if not isinstance(value, list | tuple):
        raise Refusal(131008, f"{name} is required and must be a list")
    if not 1 <= len(value) <= most:
        raise bad(f"Invalid {name} count. Min allowed {name}: 1, Max allowed {name}: {most}")
    return list(value)


def text(value: object, name: str, most: int, *, is_label: bool = False, is_id: bool = False) -> str:
    """Check for 1 to `most` characters; labels: no markup or line breaks; labels and ids: no surrounding blanks."""
    if value is None:
        raise Refusal(131008, f"{name} is required")
    if not isinstance(value, str):
        raise Refusal(100, f"Param {name} must be a string.")
    if not value.strip() or len(value) > most:
        raise bad(f"{name} length invalid. Min length: 1, Max length: {most}")
    if is_label and (MARKUP.search(value) or "\n" in value):
        raise bad(f"{name} takes no markup and no line break")
    if (is_id or is_label) and value != value.strip():
        raise bad(f"{name} has blanks around it")
    return value


def unique(values: Iterable[str], name: str) -> None:
    given = list(values)
    if len(given) != len(set(given)):
        raise bad(f"Duplicated {name}")


def address(url: object, name: str) -> str:
    given = text(url, name, 2000)
    if urlsplit(given).scheme not in ("http", "https") or not urlsplit(given).hostname:
        raise bad(f"{name} is no URL")
    return given


# Message types


def _check_envelope(body: Values) -> None:
    kind = body.get("type", "text")
    if kind not in KINDS:
        raise Refusal(131051, f"Message type {kind!r}")
    body["type"] = kind
    common = ("messaging_product", "recipient_type", "to", "recipient", "type", "context", "biz_opaque_callback_data")
    check_members(body, "body", *common, kind)
    if not (body.get("to") or body.get("recipient")):
        raise Refusal(100, "The parameter to is required.")
    if body.get("recipient_type", "individual") != "individual":
        raise bad("recipient_type")
    if "recipient" in body and not USER_ID.fullmatch(str(body["recipient"])):
        raise bad("recipient is no business-scoped user id")
    if "context" in body:
        text(json_object(body["context"], "context").get("message_id"), "context message_id", 256)
    if "biz_opaque_callback_data" in body:
        text(body["biz_opaque_callback_data"], "biz_opaque_callback_data", TRACKER)


def _check_mark(body: Values) -> None:
    check_members(body, "body", "messaging_product", "status", "message_id", "typing_indicator")
    if body["status"] != "read":
        raise bad("status")
    text(body.get("message_id"), "message_id", 256)
    if body.get("typing_indicator", {"type": "text"}) != {"type": "text"}:
        raise bad("typing_indicator")


def _check_text(values: Values) -> None:
    check_members(values, "text", "body", "preview_url")
    body = values.get("body")
    if not isinstance(body, str) or not body.strip():
        raise Refusal(100, "The parameter text['body'] is required.")
    if len(body) > TEXT:
        raise Refusal(100, f"Param text['body'] must be at most {TEXT} characters long.")


def _check_interactive(values: Values) -> None:
    check_members(values, "interactive", "type", "header", "body", "footer", "action")
    kind = str(values.get("type"))
    if kind not in ACTIONS:
        raise bad(f"interactive type {kind!r}")
    text(json_object(values.get("body"), "body").get("text"), "Body text", LIST_BODY if kind == "list" else BODY)
    if "header" in values:
        header = json_object(values["header"], "header")
        if header.get("type") != "text":
            raise bad("header type: this fake supports text only")
        text(header.get("text"), "Header text", HEADER, is_label=True)
    if "footer" in values:
        text(json_object(values["footer"], "footer").get("text"), "Footer text", FOOTER)
    ACTIONS[kind](json_object(values.get("action"), "action"))


def _check_buttons(action: Values) -> None:
    check_members(action, "action", "buttons")
    replies = []
    for button in json_list(action.get("buttons"), "buttons", BUTTONS):
        if json_object(button, "button").get("type") != "reply":
            raise bad("button type")
        replies.append(json_object(button.get("reply"), "reply"))
    unique([text(reply.get("title"), "Button title", BUTTON_TITLE, is_label=True) for reply in replies], "button title")
    unique([text(reply.get("id"), "Button id", BUTTON_ID, is_id=True) for reply in replies], "button id")


def _check_list(action: Values) -> None:
    check_members(action, "action", "button", "sections")
    text(action.get("button"), "List button", LIST_BUTTON, is_label=True)
    sections = json_list(action.get("sections"), "sections", SECTIONS)
    rows: list[Values] = []
    for section in sections:
        check_members(json_object(section, "section"), "section", "title", "rows")
        if "title" in section or len(sections) > 1:
            text(section.get("title"), "Section title", SECTION_TITLE, is_label=True)
        rows += json_list(section.get("rows"), "rows", ROWS)
    json_list(rows, "rows", ROWS)  # ten over all sections together
    for row in rows:
        check_members(json_object(row, "row"), "row", "id", "title", "description")
        if "description" in row:
            text(row["description"], "Row description", ROW_DESCRIPTION)
    unique([text(row.get("title"), "Row title", ROW_TITLE, is_label=True) for row in rows], "row title")
    unique([text(row.get("id"), "Row id", ROW_ID, is_id=True) for row in rows], "row id")


def _check_link(action: Values) -> None:
    check_members(action, "action", "name", "parameters")
    if action.get("name") != "cta_url":
        raise bad("action name")
    parameters = json_object(action.get("parameters"), "parameters")
    check_members(parameters, "parameters", "display_text", "url")
    text(parameters.get("display_text"), "display_text", BUTTON_TITLE, is_label=True)
    address(parameters.get("url"), "url")


def _check_template(values: Values) -> None:
    """Check the structure; the template of that name checks the parameters."""
    check_members(values, "template", "name", "language", "components")
    text(values.get("name"), "template['name']", 512)
    text(json_object(values.get("language"), "template['language']").get("code"), "template['language']['code']", 20)
    for component in values.get("components", []):
        kind = str(json_object(component, "component").get("type")).lower()
        if kind not in ("header", "body", "button"):
            raise bad(f"component type {kind!r}")
        check_members(
            component, "component", "type", "parameters", *(("sub_type", "index") if kind == "button" else ())
        )
        if kind == "button" and not re.fullmatch(r"[0-9]", str(component.get("index"))):
            raise bad(f"button index {component.get('index')!r}")


Check = Callable[[Values], None]
KINDS: Mapping[str, Check] = {"text": _check_text, "interactive": _check_interactive, "template": _check_template}
ACTIONS: Mapping[str, Check] = {"button": _check_buttons, "list": _check_list, "cta_url": _check_link}


# Meta's schema


def schema_violation(body: Mapping[str, Any]) -> str:
    """Why a body violates the schema; empty when it does not."""
    fault = best_match(message_schema().iter_errors(_in_lower_case(body)))
    return "" if fault is None else f"{fault.json_path}: {fault.message}"


@functools.cache
def message_schema() -> Draft202012Validator:
    """A validator for the rules of Meta's schema of messages."""
    schema = platform_facts.load("whatsapp_messages")
    # Missing in the schema, described on Meta's page "Interactive Call-to-Action URL Button Messages".
    schema["$defs"]["InteractiveObject"]["properties"]["type"]["enum"].append("cta_url")
    members = {"display_text": {"type": "string", "maxLength": BUTTON_TITLE}, "url": {"type": "string"}}
    parameters = {"type": "object", "required": ["display_text", "url"], "properties": members}
    link = {"required": ["name", "parameters"], "properties": {"name": {"const": "cta_url"}, "parameters": parameters}}
    schema["$defs"]["ActionObject"]["oneOf"].append(link)
    return Draft202012Validator(schema)


def _in_lower_case(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with template component types in lower case, as in the schema; the API accepts both cases."""
    if body.get("type") != "template":
        return body
    components = [
        part | {name: part[name].lower() for name in ("type", "sub_type") if name in part}
        for part in body["template"].get("components", [])
    ]
    return {**body, "template": {**body["template"], "components": components}}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
