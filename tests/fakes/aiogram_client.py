"""aiogram, an independent Bot API client: a program of the peers' environment that makes the calls that tests ask for.

aiogram refuses the newest versions of libraries that the product uses, so it is not installed where the tests run.
A line of standard input is a call, `{"id": 1, "url": ..., "token": ..., "method": "getMe", "arguments": {...}}`; a line
of standard output its outcome, with the names of the client's own types, in the order in which calls end:
`{"id": 1, "result": {"type": "User", ...}}` or `{"id": 1, "error": "TelegramBadRequest", "message": ...}`.
Run: .venv/peers/bin/python -m tests.fakes.aiogram_client
"""

import asyncio
import json
import sys
from typing import Any

from aiogram import Bot, methods
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import CallbackQuery, Message, TelegramObject, Update, User, WebhookInfo


async def main() -> None:
    """Make each call beside those that still wait for a response, until the input ends."""
    bots: dict[tuple[str, str], Bot] = {}
    async with asyncio.TaskGroup() as calls:
        while line := await asyncio.to_thread(sys.stdin.readline):
            call = json.loads(line)
            address = (call["url"], call["token"])
            if address not in bots:
                bots[address] = Bot(call["token"], AiohttpSession(api=TelegramAPIServer.from_base(call["url"])))
            calls.create_task(_answer(bots[address], call))
    await asyncio.gather(*(bot.session.close() for bot in bots.values()))


async def _answer(bot: Bot, call: dict[str, Any]) -> None:
    """Print the outcome of a call. The arguments are checked by the client's own models."""
    method = getattr(methods, call["method"][:1].upper() + call["method"][1:])
    outcome: dict[str, Any]
    try:
        outcome = {"result": _described(await bot(method.model_validate(call["arguments"])))}
    except Exception as error:  # whatever it is, the test that made the call is told
        retry_after = getattr(error, "retry_after", None)
        outcome = {"error": type(error).__name__, "message": str(error), "retry_after": retry_after}
    print(json.dumps({"id": call["id"], **outcome}), flush=True)


def _described(result: Any) -> Any:
    """What the tests compare, read from the client's objects; objects that they do not look into have a type only."""
    fields: dict[str, Any] = {}
    match result:
        case list():
            return [_described(one) for one in result]
        case Update():
            fields = {"update_id": result.update_id, "kind": result.event_type, "event": _described(result.event)}
        case Message():
            fields = {"message_id": result.message_id, "text": result.text, "html_text": result.html_text}
        case CallbackQuery():
            fields = {"id": result.id, "data": result.data, "message": _described(result.message)}
        case User():
            fields = {"is_bot": result.is_bot}
        case WebhookInfo():
            fields = {"url": result.url}
        case TelegramObject():
            pass
        case _:
            return result
    return {"type": type(result).__name__, **fields}


if __name__ == "__main__":
    asyncio.run(main())
