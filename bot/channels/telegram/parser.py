"""What Telegram sends, put into our own words: pure, and nothing of a long text or attachment is carried on."""

import re
import unicodedata
import warnings
from typing import Any

import telegram
from telegram.constants import ChatMemberStatus, ChatType

from handlers.message import SHORT_TEXT, Update, UpdateKind

NAME = "telegram"
MAX_NUMBER = 2**63
MAX_BUTTON_BYTES = 64
LATEST = 2**32  # Unix seconds that no message has

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@\w{1,64})?(?:\s+(.*))?", re.DOTALL)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
_PRESS = re.compile(r"[!-~]{1,64}")
# What people send that our library does not count among the attachments.
_NEWER_CONTENT = ("checklist", "rich_message")

_READ = ("update_id", "message", "callback_query", "my_chat_member")
# Other messages inside a message: what was replied to, quoted, pinned.
_UNREAD = ("reply_to_message", "external_reply", "quote", "pinned_message")


class Untranslatable(Exception):
    """Something that cannot be read as an update; the text is the kind of the fault, never content."""


def parse(raw: object) -> Update | None:
    """One update in our words; None for what is ignored on purpose.

    Ignored are groups, channels, other bots, edited messages (the first wording has been answered), service
    messages and every kind of update that we did not ask for. Raises Untranslatable for what is broken.
    """
    if not isinstance(raw, dict):
        raise Untranslatable("not an object")
    fault = ""
    try:
        return _read(raw)
    except Untranslatable:
        raise
    except Exception as broken:  # the library raises whatever a broken shape makes it stumble over
        fault = type(broken).__name__
    # Outside the handler, so that nothing chains the library's error: it quotes content.
    raise Untranslatable(fault)


def update_key(raw: object) -> str:
    """The platform's identifier of an update, also of one that cannot be read; empty when it has none."""
    number = raw.get("update_id") if isinstance(raw, dict) else None
    return str(number) if isinstance(number, int) and _is_number(number) and number >= 0 else ""


def clean(text: str) -> str:
    """Typed text without what cannot be seen: control, zero-width and direction marks, halves of characters."""
    return "".join(
        sign for sign in text if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Co")
    ).strip()


def _read(raw: dict[str, Any]) -> Update | None:
    key = update_key(raw)
    if not key:
        raise Untranslatable("no update_id")
    if (press := _plain_press(key, raw)) is not None:
        return press
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about members that the library will read differently one day
        parsed = telegram.Update.de_json(_needed(raw), None)
    if parsed.message is not None:
        return _message(key, parsed.message)
    if parsed.callback_query is not None:
        return _press(key, parsed.callback_query)
    if parsed.my_chat_member is not None:
        return _membership(key, parsed.my_chat_member)
    return None


def _plain_press(key: str, raw: dict[str, Any]) -> Update | None:
    """A press in which everything is as it should be: the library's objects would take longer than all else that is
    done with it before it is kept. None: it is something else, and the library tells what."""
    match raw:
        case {
            "callback_query": {
                "id": str(number),
                "from": {"id": int(), "is_bot": False, "first_name": str(), **person},
                "message": {"message_id": ref, "date": int(date), "chat": {"id": chat, "type": "private"}},
                "chat_instance": str(),
                "data": str(data),
                **more,
            },
            **others,
        } if others.keys() == {"update_id"} and not more and 0 <= date < LATEST:
            if not (_is_number(ref) and _is_number(chat) and chat and _PRESS.fullmatch(number)):
                return None
        case _:
            return None
    return Update(
        channel=NAME,
        key=key,
        address=str(chat),
        kind=UpdateKind.CHOICE,
        choice=_choice(data),
        language=_tag(person.get("language_code")),
        ref=str(ref),
        press=number,
    )


def _needed(raw: dict[str, Any]) -> dict[str, Any]:
    """The part of an update that is looked at: the library stumbles over no other, and no other is held in memory."""
    needed: dict[str, Any] = {name: raw[name] for name in _READ if name in raw}
    if "message" in needed:
        needed["message"] = {name: value for name, value in needed["message"].items() if name not in _UNREAD}
    query = needed.get("callback_query")
    if query is not None and query.get("message") is not None:
        message = {name: query["message"][name] for name in ("message_id", "date", "chat")}
        needed["callback_query"] = {**query, "message": message}
    return needed


def _message(key: str, message: telegram.Message) -> Update | None:
    person = message.from_user
    if message.chat.type != ChatType.PRIVATE or (person is not None and person.is_bot):
        return None
    kind, command, text = UpdateKind.ATTACHMENT, "", ""
    if message.text is not None:
        kind, command, text = _typed(_text(message.text))
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
        language=_language(person),
        ref=_ref(message.message_id),
        album=_album(message.media_group_id),
    )


def _album(mark: object) -> str:
    return mark if isinstance(mark, str) and _PRESS.fullmatch(mark) else ""


def _typed(raw: str) -> tuple[UpdateKind, str, str]:
    """Kind, command and words of a typed text; what is long loses its words here, before anything is stored."""
    if len(raw) > 4 * SHORT_TEXT or len(text := clean(raw)) > SHORT_TEXT:
        return UpdateKind.LONG_TEXT, "", ""
    if command := _COMMAND.fullmatch(text):
        return UpdateKind.COMMAND, command[1].lower(), (command[2] or "").strip()
    return UpdateKind.TEXT, "", text


def _press(key: str, query: telegram.CallbackQuery) -> Update | None:
    message = query.message  # may be one that is no longer accessible: chat and number are there all the same
    if message is None or message.chat.type != ChatType.PRIVATE or query.from_user.is_bot:
        return None
    if not _PRESS.fullmatch(_text(query.id)):
        raise Untranslatable("callback_query.id")
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
    """A button's data; empty for a game's button, and for bytes that no button of ours ever had."""
    if not isinstance(data, str) or clean(data) != data or len(data.encode()) > MAX_BUTTON_BYTES:
        return ""
    return data


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
        raise Untranslatable("a chat that is none")
    return _ref(chat.id)


def _ref(number: object) -> str:
    if not _is_number(number):
        raise Untranslatable("an identifier that is no number")
    return str(number)


def _is_number(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and -MAX_NUMBER <= number < MAX_NUMBER


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Untranslatable("a text that is none")
    return value


def _language(person: telegram.User | None) -> str:
    return _tag(person.language_code if person is not None else None)


def _tag(code: object) -> str:
    return code if isinstance(code, str) and _LANGUAGE.fullmatch(code) else ""
