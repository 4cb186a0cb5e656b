"""aiogram receives presses by webhook and answers them: its aiohttp handler, and hand-written SQL on aiosqlite.

As in its documentation: SimpleRequestHandler answers the webhook, and the dispatcher continues in the background.
One connection, one transaction at a time.
Run: .venv/peers/bin/python -m bench.peers.aiogram_inbound --url http://127.0.0.1:9000
    --database sqlite+aiosqlite:////tmp/people.db
"""

import asyncio
from datetime import UTC, datetime

import aiosqlite
from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web

from bench import seed
from bench.peers import work
from bench.processes import TOKEN
from content.learning.memories import Review, after_answers

SERVANT = """
    SELECT servants.id, servants.institution_id FROM servants JOIN addresses ON addresses.servant_id = servants.id
    WHERE addresses.channel = 'telegram' AND addresses.address = ?"""
ANSWER = """
    INSERT INTO answers (prompt_id, servant_id, institution_id, topic_id, competency_id, scenario_id, option, is_right,
    day, answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
MEMORY = "SELECT memory FROM packed_memories WHERE servant_id = ?"
NEW_MEMORY = """
    INSERT INTO packed_memories (servant_id, memory) VALUES (?, ?)
    ON CONFLICT (servant_id) DO UPDATE SET memory = excluded.memory"""


class Store:
    """The database, one transaction at a time."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self._database = database
        self._lock = asyncio.Lock()

    async def record(self, chat: str, number: int, letter: str) -> None:
        """Look up the servant and the prompt; store the answer and the servant's updated memory."""
        scenario = seed.scenario()
        option, competency = scenario.option(letter), scenario.competency
        assert option is not None
        topic = seed.library().topic_of[competency].id
        now = datetime.now(UTC)
        async with self._lock:
            servant, institution = await self._row(SERVANT, chat)
            (prompt,) = await self._row("SELECT id FROM prompts WHERE id = ?", number)
            values = (topic, competency, scenario.id, letter, option.right, now.date().isoformat(), now.isoformat(" "))
            await self._database.execute(ANSWER, (prompt, servant, institution, *values))
            rows = list(await self._database.execute_fetchall(MEMORY, (servant,)))
            before = rows[0][0] if rows else b""
            (after,) = after_answers([before], [Review(now.date(), competency, scenario.id, option.right)])
            await self._database.execute(NEW_MEMORY, (servant, after))
            await self._database.commit()

    async def _row(self, statement: str, value: object) -> aiosqlite.Row:
        async with self._database.execute(statement, (value,)) as cursor:
            row = await cursor.fetchone()
        assert row is not None
        return row


def dispatcher(store: Store) -> Dispatcher:
    routes = Dispatcher()

    async def press(query: CallbackQuery, bot: Bot) -> None:
        assert query.data is not None
        assert isinstance(query.message, Message)
        _, number, letter = query.data.split(":")
        await store.record(str(query.message.chat.id), int(number), letter)
        await query.answer()
        await query.message.edit_text(work.answered_prompt(letter), parse_mode=ParseMode.HTML)
        text, rows = work.feedback(int(number), letter)
        keyboard = [[InlineKeyboardButton(text=label, callback_data=data) for label, data in row] for row in rows]
        markup = InlineKeyboardMarkup(inline_keyboard=keyboard)
        await bot.send_message(query.from_user.id, text, parse_mode=ParseMode.HTML, reply_markup=markup)

    routes.callback_query.register(press, F.data.startswith("answer:"))
    return routes


async def main(url: str, path: str) -> None:
    bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))
    work.feedback(1, "a")
    async with aiosqlite.connect(path) as database, bot:
        await database.execute("PRAGMA journal_mode=WAL")
        await database.execute("PRAGMA synchronous=FULL")
        site = web.Application()
        SimpleRequestHandler(dispatcher(Store(database)), bot).register(site, path="/webhooks/telegram")
        await work.serve(site)


if __name__ == "__main__":
    options = work.parse_options("url", "database")
    asyncio.run(main(options.url, options.database.partition(":///")[2]))
