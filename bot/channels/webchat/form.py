"""Parse what a browser posts to the chat; no field is trusted."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bot.channels.text import parse_choice, parse_typed
from bot.channels.webchat.channel import encrypted, pack, parse_number
from bot.encryption import SecretBox
from bot.json_body import parse_object
from bot.web.requests import BodyTooLarge, read_body
from handlers.message import UpdateKind


class RejectedForm(Exception):
    """A post that is not accepted; `key` names the phrase with the reason, `at` is from when it may be accepted."""

    def __init__(self, status: int, key: str, at: datetime | None = None) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.at = at


@dataclass(frozen=True, slots=True)
class SubmittedAction:
    """What a post asks for, before it becomes an update and a bubble."""

    kind: UpdateKind
    text: str = ""
    command: str = ""
    choice: str = ""
    ref: str = ""


async def read_fields(request: web.Request) -> Mapping[str, str]:
    """The fields of a form or a JSON object. Raises RejectedForm: too large, or neither of them."""
    try:
        body = await read_body(request)
    except BodyTooLarge as error:
        raise RejectedForm(413, "webchat.sorry_large") from error
    fields = parse_object(body) if request.content_type == "application/json" else _form_fields(body)
    if fields is None:
        raise RejectedForm(400, "webchat.sorry_unreadable")
    return {name: str(value) for name, value in fields.items() if isinstance(value, str | int) and value is not False}


def _form_fields(body: bytes) -> dict[str, str] | None:
    try:
        return dict(parse_qsl(body.decode(), errors="strict", max_num_fields=20))
    except ValueError:  # no UTF-8, or too many fields
        return None


def parse_action(fields: Mapping[str, str]) -> SubmittedAction | None:
    """The action that a post asks for; None for an empty line."""
    if fields.get("choice"):
        # A forged choice is passed on as an empty one: the handlers treat it as unknown.
        ref = parse_number(fields.get("ref", ""))
        choice = parse_choice(fields["choice"])
        return SubmittedAction(UpdateKind.CHOICE, choice=choice, ref="" if ref is None else str(ref))
    if fields.get("long"):
        return SubmittedAction(UpdateKind.LONG_TEXT)
    command = fields.get("command", "").strip().removeprefix("/")
    kind, command, text = parse_typed(f"/{command}" if command else fields.get("text", ""))
    return SubmittedAction(kind, text=text, command=command) if text or kind is not UpdateKind.TEXT else None


def submission_key(address: str, action: SubmittedAction, once: str) -> str:
    """Idempotency key of the update: the same for a form that is submitted twice.

    `once` is the random token of the form.
    """
    # Includes chat and content: no chat can use up another's key, and new content sent from a page that was reached
    # by "back", with the same token, is not taken for a repetition.
    parts = json.dumps([address, once, action.kind, action.text, action.command, action.choice, action.ref])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def own_bubble_body(action: SubmittedAction, box: SecretBox, at: datetime) -> Mapping[str, Any]:
    """Body of the user's own bubble for a text or a command; for a long text, none of its words.

    The words are encrypted: something confidential that was typed here is never on the disk in the clear.
    """
    return encrypted(_own_body(action), box, at)


def _own_body(action: SubmittedAction) -> Mapping[str, Any]:
    if action.kind is UpdateKind.LONG_TEXT:
        return {"note": "long"}
    if action.kind is not UpdateKind.COMMAND:
        return pack(action.text)
    is_start = action.command == "start"
    return {"note": "start"} if is_start else pack(f"/{action.command} {action.text}".strip())
