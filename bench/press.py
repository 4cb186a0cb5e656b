"""Presses of a prompt's button, as Telegram brings them by webhook."""

import json
from typing import Any

from bench import driver, seed
from bot.channels.telegram.receiver import PATH, SECRET_HEADER

SECRET = "secret-of-the-bench"
CALLS = 3
"""What one press leads to: it is acknowledged, the prompt is brought up to date, and the reason is sent."""


def update(person: int) -> dict[str, Any]:
    """Person n answers prompt n with its first option."""
    chat = {"id": seed.CHAT + person, "type": "private", "first_name": "Ana"}
    message = {"message_id": 1000 + person, "date": 1795300000, "chat": chat, "text": "?"}
    query = {
        "id": f"{4_000_000_000 + person}",
        "from": {"id": seed.CHAT + person, "is_bot": False, "first_name": "Ana", "language_code": "es"},
        "message": message,
        "chat_instance": "1",
        "data": f"answer:{person}:a",
    }
    return {"update_id": 700_000_000 + person, "callback_query": query}


def requests(count: int, path: str = PATH) -> list[bytes]:
    """One press of each of so many people, ready to be sent."""
    header = f"{SECRET_HEADER}: {SECRET}"
    return [driver.request(path, json.dumps(update(one)).encode(), header) for one in range(1, count + 1)]


def replies(stats: dict[str, Any]) -> int:
    """How much of that the platform has seen."""
    calls = stats["calls"]
    return sum(calls.get(name, 0) for name in ("answerCallbackQuery", "editMessageText", "sendMessage"))
