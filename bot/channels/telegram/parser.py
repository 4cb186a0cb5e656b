"""Parse Telegram's updates, without I/O; the content of long texts and attachments is dropped."""

import re
import warnings
from typing import Any

import telegram
from telegram.constants import ChatMemberStatus, ChatType

from bot.channels.events import UnreadablePayload
from bot.channels.text import parse_choice, parse_typed
from handlers.message import Update, UpdateKind

NAME = "telegram"
MAX_NUMBER = 2**63
MAX_DATE = 2**32  # Unix seconds that no message has

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
_IDENTIFIER = re.compile(r"[!-~]{1,64}")
# Content that our version of the library does not count among the attachments.
_NEWER_CONTENT = ("checklist", "rich_message")

_PARSED_MEMBERS = ("update_id", "message", "callback_query", "my_chat_member")
# Other messages inside a message: what was replied to, quoted, pinned.
_UNPARSED_MEMBERS = ("reply_to_message", "external_reply", "quote", "pinned_message")


def parse(raw: object) -> Update | None:
    """Parse one update; None for what is ignored on purpose.

    Ignored are groups, channels, other bots, edited messages (the first version has been answered), service
    messages and every kind of update that we did not subscribe to. Raises UnreadablePayload for what is broken.
    """
    if not isinstance(raw, dict):
        raise UnreadablePayload("not an object")
    fault = ""
    try:
        return _parse_update(raw)
    except UnreadablePayload:
        raise
    except Exception as error:  # on a broken shape the library raises errors of any class
        fault = type(error).__name__
    # Outside the handler, so that the library's error is not chained: it quotes content.
    raise UnreadablePayload(fault)


def update_key(raw: object) -> str:
    """The platform's identifier of an update, also of one that cannot be parsed; empty when it has none."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    return str(number) if isinstance(number, int) and _is_number(number) and number >= 0 else ""


def _parse_update(raw: dict[str, Any]) -> Update | None:
    key = update_key(raw)
    if not key:
        raise UnreadablePayload("no update_id")
    if (press := _parse_press_fast(key, raw)) is not None:
        return press
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about members that a later version of the library parses differently
        parsed = telegram.Update.de_json(_parsed_members(raw), None)
    if parsed.message is not None:
        return _message(key, parsed.message, raw["message"])
    if parsed.callback_query is not None:
        return _parse_press(key, parsed.callback_query)
    if parsed.my_chat_member is not None:
        return _membership(key, parsed.my_chat_member)
    return None


def _parse_press_fast(key: str, raw: dict[str, Any]) -> Update | None:
    """Parse a well-formed button press without the library; None for anything else, which the library parses.

    Building the library's objects would take longer than everything else that is done with a press before it is
    stored.
    """
    match raw:
        case {
            "callback_query": {
                "id": str(number),
                "from": {"id": int(), "is_bot": False, "first_name": str(), **user},
                "message": {"message_id": ref, "date": int(date), "chat": {"id": chat, "type": "private"}},
                "chat_instance": str(),
                "data": str(data),
                **more,
            },
            **others,
        } if others.keys() == {"update_id"} and not more and 0 <= date < MAX_DATE:
            if not (_is_number(ref) and _is_number(chat) and chat and _IDENTIFIER.fullmatch(number)):
                return None
        case _:
            return None
    return Update(
        channel=NAME,
        key=key,
        address=str(chat),
        kind=UpdateKind.CHOICE,
        choice=_choice(data),
        language=_language_tag(user.get("language_code")),
        ref=str(ref),
        press=number,
    )


def _parsed_members(raw: dict[str, Any]) -> dict[str, Any]:
    """Return only the members that are used: others cannot make the library fail, and are not held in memory."""
    used: dict[str, Any] = {name: raw[name] for name in _PARSED_MEMBERS if name in raw}
    if "message" in used:
        used["message"] = {name: value for name, value in used["message"].items() if name not in _UNPARSED_MEMBERS}
    query = used.get("callback_query")
    if query is not None and query.get("message") is not None:
        message = {name: query["message"][name] for name in ("message_id", "date", "chat")}
        used["callback_query"] = {**query, "message": message}
    return used


def _message(key: str, message: telegram.Message, raw: dict[str, Any]) -> Update | None:
    user = message.from_user
    if message.chat.type != ChatType.PRIVATE or (user is not None and user.is_bot):
        return None
    kind, command, text = UpdateKind.ATTACHMENT, "", ""
    if message.text is not None:
        kind, command, text = parse_typed(_text(message.text))
    elif not message.effective_attachment and not any(
        getattr(message, name, None) or name in message.api_kwargs for name in _NEWER_CONTENT
    ):
        return None  # a service message: pinned, timer changed, write access allowed ...
    return Update(
        channel=NAME,
        key=key,
        address=_address(message.chat),
        kind=kind,
        text=text,
        command=command,
        language=_language(user),
        ref=_ref(message.message_id),
        album=_album(message.media_group_id),
        at=int(message.date.timestamp()),
        quoted=_quoted(raw.get("reply_to_message")),
    )


def _quoted(message: object) -> str:
    """The identifier of the message of this chat to which a message replies; empty for none, and for a broken one."""
    number = message.get("message_id") if isinstance(message, dict) else None
    return str(number) if _is_number(number) else ""


def _album(media_group_id: object) -> str:
    return media_group_id if isinstance(media_group_id, str) and _IDENTIFIER.fullmatch(media_group_id) else ""


def _parse_press(key: str, query: telegram.CallbackQuery) -> Update | None:
    message = query.message  # may be inaccessible by now: its chat and id are there all the same
    if message is None or message.chat.type != ChatType.PRIVATE or query.from_user.is_bot:
        return None
    if not _IDENTIFIER.fullmatch(_text(query.id)):
        raise UnreadablePayload("callback_query.id")
    return Update(
        channel=NAME,
        key=key,
        address=_address(message.chat),
        kind=UpdateKind.CHOICE,
        choice=_choice(query.data),
        language=_language(query.from_user),
        ref=_ref(message.message_id),
        press=query.id,
    )


def _choice(data: object) -> str:
    """A button's data; empty for a game's button, and for what no button of ours can have."""
    return parse_choice(data) if isinstance(data, str) else ""


def _membership(key: str, change: telegram.ChatMemberUpdated) -> Update | None:
    if change.chat.type != ChatType.PRIVATE:
        return None
    kinds = {ChatMemberStatus.BANNED: UpdateKind.BLOCKED, ChatMemberStatus.MEMBER: UpdateKind.UNBLOCKED}
    kind = kinds.get(change.new_chat_member.status)  # type: ignore[call-overload]
    if kind is None:
        return None
    return Update(channel=NAME, key=key, address=_address(change.chat), kind=kind, language=_language(change.from_user))


def _address(chat: telegram.Chat) -> str:
    if chat.id == 0:
        raise UnreadablePayload("chat id is 0")
    return _ref(chat.id)


def _ref(number: object) -> str:
    if not _is_number(number):
        raise UnreadablePayload("identifier is not a number")
    return str(number)


def _is_number(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and -MAX_NUMBER <= number < MAX_NUMBER


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UnreadablePayload("text is not a string")
    return value


def _language(user: telegram.User | None) -> str:
    return _language_tag(user.language_code if user is not None else None)


def _language_tag(code: object) -> str:
    return code if isinstance(code, str) and _LANGUAGE.fullmatch(code) else ""
