"""Facts about the Bot API that the product relies on: methods, parameters, limits.

The fake checks every request against them; test_fake_telegram.py compares them with the table that is written from the
machine-readable Bot API description (`facts/telegram.json`, see platform_facts.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or object member."""

    kind: str  # type as the Bot API names it: Integer, String, Boolean, Array of X, or the name of an object
    required: bool = False
    least: int = 0
    most: int | None = None
    unit: str = ""  # characters, bytes, items or value: what `least` and `most` count
    pattern: str = ""


REQUIRED_CHAT = Field("Integer", required=True)
TEXT_LIMIT = 4096  # counted after entities are parsed, so not by `Field`
TEXT = Field("String", required=True)
PARSE_MODE = Field("String", pattern="HTML")
LANGUAGE = Field("String", pattern="|[a-z]{2}")
UPDATES = Field("Array of String")

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
        "chat_id": Field("Integer"),
        "message_id": Field("Integer"),
        "text": Field("String"),
        "parse_mode": PARSE_MODE,
        "link_preview_options": Field("LinkPreviewOptions"),
        "reply_markup": Field("InlineKeyboardMarkup"),
    },
    "deleteMessage": {"chat_id": REQUIRED_CHAT, "message_id": Field("Integer", required=True)},
    "answerCallbackQuery": {
        "callback_query_id": Field("String", required=True),
        "text": Field("String", most=200, unit="characters"),
        "show_alert": Field("Boolean"),
    },
    "getUpdates": {
        "offset": Field("Integer"),
        "limit": Field("Integer", least=1, most=100, unit="value"),
        "timeout": Field("Integer", least=0, most=50, unit="value"),
        "allowed_updates": UPDATES,
    },
    "setWebhook": {
        "url": Field("String", required=True),
        "max_connections": Field("Integer", least=1, most=100, unit="value"),
        "allowed_updates": UPDATES,
        "drop_pending_updates": Field("Boolean"),
        "secret_token": Field(
            "String",
            least=1,
            most=256,
            unit="characters",
            pattern="[A-Za-z0-9_-]+",
        ),
    },
    "deleteWebhook": {"drop_pending_updates": Field("Boolean")},
    "getWebhookInfo": {},
    "setMyCommands": {
        "commands": Field("Array of BotCommand", required=True, most=100, unit="items"),
        "language_code": LANGUAGE,
    },
    "setMyDescription": {
        "description": Field("String", most=512, unit="characters"),
        "language_code": LANGUAGE,
    },
    "setMyShortDescription": {
        "short_description": Field("String", most=120, unit="characters"),
        "language_code": LANGUAGE,
    },
}

OBJECTS: dict[str, dict[str, Field]] = {
    "LinkPreviewOptions": {"is_disabled": Field("Boolean")},
    "InlineKeyboardMarkup": {"inline_keyboard": Field("Array of Array of InlineKeyboardButton", required=True)},
    "InlineKeyboardButton": {
        "text": Field("String", required=True, least=1, unit="characters"),
        "callback_data": Field("String", least=1, most=64, unit="bytes"),
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
        ),
        "description": Field("String", required=True, least=1, most=256, unit="characters"),
    },
}

UPDATE_KINDS = ("message", "edited_message", "callback_query", "my_chat_member")

# Undocumented, but observed and respected by client libraries.
BUTTONS = 100
BUTTONS_IN_A_ROW = 8
DELETABLE_SECONDS = 48 * 3600  # after it was sent
# The time to answer a press is not documented; users report errors after some 20 seconds and more.
PRESS_SECONDS = 60
WEBHOOK_PORTS = (443, 80, 88, 8443)
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
