"""Button presses on a prompt, as Telegram's webhook requests deliver them."""

import json
from typing import Any

from bench import driver, seed
from bot.channels.telegram.receiver import PATH, SECRET_HEADER

SECRET = "secret-of-the-bench"
CALLS = 3
"""API calls per press: the press is acknowledged, the prompt is edited, and the feedback is sent."""


def update(number: int) -> dict[str, Any]:
    """The update with which servant `number` answers prompt `number` with its first option."""
    chat = {"id": seed.CHAT + number, "type": "private", "first_name": "Ana"}
    message = {"message_id": 1000 + number, "date": 1795300000, "chat": chat, "text": "?"}
    query = {
        "id": f"{4_000_000_000 + number}",
        "from": {"id": seed.CHAT + number, "is_bot": False, "first_name": "Ana", "language_code": "es"},
        "message": message,
        "chat_instance": "1",
        "data": f"answer:{number}:a",
    }
    return {"update_id": 700_000_000 + number, "callback_query": query}


def requests(count: int, path: str = PATH) -> list[bytes]:
    """Webhook requests with one press by each of `count` servants."""
    header = f"{SECRET_HEADER}: {SECRET}"
    return [driver.request(path, json.dumps(update(number)).encode(), header) for number in range(1, count + 1)]


def replies(stats: dict[str, Any]) -> int:
    """How many of the calls that answer presses the platform has received."""
    calls = stats["calls"]
    return sum(calls.get(name, 0) for name in ("answerCallbackQuery", "editMessageText", "sendMessage"))
