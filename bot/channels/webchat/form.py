"""What a post of the browser chat asks for: read with suspicion, before it becomes an update and a bubble."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bot.channels.webchat.channel import closed, number, pack
from bot.encryption import SecretBox
from handlers.message import BOLD, ITALIC, MAX_SHORT_TEXT, UNBOLD, UNITALIC, UpdateKind

BODY_LIMIT = 64 * 1024
COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@\w+)?(?:\s+(.*))?", re.DOTALL)
UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff" + BOLD + UNBOLD + ITALIC + UNITALIC + "]")
"""Characters that PostgreSQL or UTF-8 cannot hold, and those that are ours to mark emphasis."""


class RejectedForm(Exception):
    """A post that is not taken; `key` names the phrase that says why."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(key)
        self.status = status
        self.key = key


@dataclass(frozen=True, slots=True)
class SubmittedAction:
    """What a post asks for, before it becomes an update and a bubble."""

    kind: UpdateKind
    text: str = ""
    command: str = ""
    choice: str = ""
    ref: str = ""


async def read_fields(request: web.Request) -> Mapping[str, str]:
    """The fields of a form or a JSON object. Raises Unwelcome: too large, or neither of them."""
    body = b""
    if (request.content_length or 0) > BODY_LIMIT:
        raise RejectedForm(413, "webchat.sorry_large")
    async for chunk in request.content.iter_chunked(16 * 1024):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise RejectedForm(413, "webchat.sorry_large")
    try:
        if request.content_type == "application/json":
            given = json.loads(body)
        else:
            given = dict(parse_qsl(body.decode(), errors="strict", max_num_fields=20))
    except (ValueError, RecursionError) as fault:
        raise RejectedForm(400, "webchat.sorry_unreadable") from fault
    if not isinstance(given, dict):
        raise RejectedForm(400, "webchat.sorry_unreadable")
    plain = {name: value for name, value in given.items() if isinstance(value, str | int) and value is not False}
    return {name: UNSTORABLE.sub("", str(value)) for name, value in plain.items()}


def understand(fields: Mapping[str, str]) -> SubmittedAction | None:
    """What a post asks for; None when it asks for nothing (an empty line)."""
    if fields.get("choice"):
        # Nothing of ours is longer than 64 bytes; a forged one is passed on as such and found to be unknown.
        ref = number(fields.get("ref", ""))
        return SubmittedAction(UpdateKind.CHOICE, choice=fields["choice"][:64], ref="" if ref is None else str(ref))
    text = fields.get("text", "").strip()
    if fields.get("command"):
        text = "/" + fields["command"].strip().removeprefix("/")
    if fields.get("long") or len(text) > MAX_SHORT_TEXT:
        return SubmittedAction(UpdateKind.LONG_TEXT)
    if text.startswith("/") and (found := COMMAND.fullmatch(text)):
        return SubmittedAction(UpdateKind.COMMAND, command=found[1].lower(), text=(found[2] or "").strip())
    return SubmittedAction(UpdateKind.TEXT, text=text) if text else None


def key_of(address: str, deed: SubmittedAction, once: str) -> str:
    """The key of the update, which a doubled submit gives again."""
    # Bound to chat and content: nobody can use up another's key, and the page left by "back" is no repetition.
    parts = json.dumps([address, once, deed.kind, deed.text, deed.command, deed.choice, deed.ref])
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def own_body(deed: SubmittedAction, box: SecretBox) -> Mapping[str, Any]:
    """What the person's own bubble shows of words or a command; of a long text, none of its words.

    The words are closed: a confidence typed here stands nowhere on the disk in the clear.
    """
    if deed.kind is UpdateKind.LONG_TEXT:
        return {"note": "long"}
    if deed.kind is UpdateKind.COMMAND:
        return (
            {"note": "start"} if deed.command == "start" else closed(pack(f"/{deed.command} {deed.text}".strip()), box)
        )
    return closed(pack(deed.text), box)
