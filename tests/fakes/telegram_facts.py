"""Facts about the Bot API that the product relies on: methods, parameters, limits.

The fake checks every request against them; test_fake_telegram.py compares them with the machine-readable Bot API
description (`telegram-bot-api.json` in ../shared/specs) where it is present.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or object member. `quote` is the wording of the Bot API description on the limit."""

    kind: str  # type as the Bot API names it: Integer, String, Boolean, Array of X, or the name of an object
    required: bool = False
    least: int = 0
    most: int | None = None
    unit: str = ""  # characters, bytes, items or value: what `least` and `most` count
    pattern: str = ""
    quote: str = ""


REQUIRED_CHAT = Field("Integer", required=True)
TEXT_LIMIT = 4096  # counted after entities are parsed, so not by `Field`
TEXT = Field("String", required=True, quote="1-4096 characters after entities parsing")
PARSE_MODE = Field("String", pattern="HTML")
LANGUAGE = Field("String", pattern="|[a-z]{2}", quote="two-letter ISO 639-1 language code")
UPDATES = Field("Array of String", quote="A JSON-serialized list of the update types")

METHODS: dict[str, dict[str, Field]] = {
    "getMe": {},
    "sendMessage": {
        "chat_id": REQUIRED_CHAT,
        "text": TEXT,
        "parse_mode": PARSE_MODE,
        "link_preview_options": Field("LinkPreviewOptions"),
        "reply_markup": Field("InlineKeyboardMarkup"),
        "disable_notification": Field("Boolean"),
        "protect_content": Field("Boolean"),
    },
    "editMessageText": {
        "chat_id": Field("Integer", quote="Required if inline_message_id is not specified"),
        "message_id": Field("Integer", quote="Required if inline_message_id is not specified"),
        "text": Field("String", quote="1-4096 characters after entity parsing"),
        "parse_mode": PARSE_MODE,
        "link_preview_options": Field("LinkPreviewOptions"),
        "reply_markup": Field("InlineKeyboardMarkup"),
    },
    "deleteMessage": {"chat_id": REQUIRED_CHAT, "message_id": Field("Integer", required=True)},
    "answerCallbackQuery": {
        "callback_query_id": Field("String", required=True),
        "text": Field("String", most=200, unit="characters", quote="0-200 characters"),
        "show_alert": Field("Boolean"),
    },
    "getUpdates": {
        "offset": Field("Integer"),
        "limit": Field("Integer", least=1, most=100, unit="value", quote="Values between 1-100 are accepted"),
        "timeout": Field("Integer", least=0, most=50, unit="value"),
        "allowed_updates": UPDATES,
    },
    "setWebhook": {
        "url": Field("String", required=True, quote="HTTPS URL"),
        "max_connections": Field("Integer", least=1, most=100, unit="value", quote="1-100"),
        "allowed_updates": UPDATES,
        "drop_pending_updates": Field("Boolean"),
        "secret_token": Field(
            "String",
            least=1,
            most=256,
            unit="characters",
            pattern="[A-Za-z0-9_-]+",
            quote="1-256 characters. Only characters A-Z, a-z, 0-9, _ and - are allowed",
        ),
    },
    "deleteWebhook": {"drop_pending_updates": Field("Boolean")},
    "getWebhookInfo": {},
    "setMyCommands": {
        "commands": Field(
            "Array of BotCommand", required=True, most=100, unit="items", quote="At most 100 commands can be specified"
        ),
        "language_code": LANGUAGE,
    },
    "setMyDescription": {
        "description": Field("String", most=512, unit="characters", quote="0-512 characters"),
        "language_code": LANGUAGE,
    },
    "setMyShortDescription": {
        "short_description": Field("String", most=120, unit="characters", quote="0-120 characters"),
        "language_code": LANGUAGE,
    },
}

OBJECTS: dict[str, dict[str, Field]] = {
    "LinkPreviewOptions": {"is_disabled": Field("Boolean")},
    "InlineKeyboardMarkup": {"inline_keyboard": Field("Array of Array of InlineKeyboardButton", required=True)},
    "InlineKeyboardButton": {
        "text": Field("String", required=True, least=1, unit="characters"),
        "callback_data": Field("String", least=1, most=64, unit="bytes", quote="1-64 bytes"),
        "url": Field("String", least=1, unit="characters"),
    },
    "BotCommand": {
        "command": Field(
            "String",
            required=True,
            least=1,
            most=32,
            unit="characters",
            pattern="[a-z0-9_]+",
            quote="1-32 characters. Can contain only lowercase English letters, digits and underscores",
        ),
        "description": Field("String", required=True, least=1, most=256, unit="characters", quote="1-256 characters"),
    },
}

UPDATE_KINDS = ("message", "edited_message", "callback_query", "my_chat_member")

# Undocumented, but observed and respected by client libraries.
BUTTONS = 100
BUTTONS_IN_A_ROW = 8
# "Use this method to ... less than 48 hours ago" (deleteMessage).
DELETABLE_SECONDS = 48 * 3600
DELETABLE_SAYS = "A message can only be deleted if it was sent less than 48 hours ago"
# The time to answer a press is not documented; users report errors after some 20 seconds and more.
PRESS_SECONDS = 60
WEBHOOK_PORTS = (443, 80, 88, 8443)
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
