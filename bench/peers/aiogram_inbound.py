"""aiogram takes presses by webhook and answers them: its aiohttp handler, and aiosqlite by hand.

As the documentation has it: SimpleRequestHandler answers the webhook and lets the dispatcher go on in the background.
One connection, one transaction at a time.
Run: python -m bench.peers.aiogram_inbound --url http://127.0.0.1:9000 --database sqlite+aiosqlite:////tmp/people.db
"""

import asyncio
from datetime import UTC, date, datetime

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
from content.learning import memory

PERSON = """
    SELECT servants.id, servants.institution_id FROM servants JOIN addresses ON addresses.servant_id = servants.id
    WHERE addresses.channel = 'telegram' AND addresses.address = ?"""
ANSWER = """
    INSERT INTO answers (prompt_id, servant_id, institution_id, topic_id, competency_id, scenario_id, option, is_right,
    day, answered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
PAST = "SELECT day, is_right, confidence FROM answers WHERE servant_id = ? AND competency_id = ? ORDER BY day"
MEMORY = """
    INSERT INTO memories (servant_id, competency_id, stability, difficulty, reviewed_on, due_on, repetitions)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (servant_id, competency_id) DO UPDATE SET stability = excluded.stability,
    difficulty = excluded.difficulty, reviewed_on = excluded.reviewed_on, due_on = excluded.due_on,
    repetitions = excluded.repetitions"""


class Store:
    """The database, one transaction at a time."""

    def __init__(self, database: aiosqlite.Connection) -> None:
        self._database = database
        self._lock = asyncio.Lock()

    async def record(self, chat: str, number: int, letter: str) -> None:
        """The person and the prompt are looked up; the answer is kept, and how well its rule is held."""
        scenario = seed.scenario()
        option, rule = scenario.option(letter), scenario.competency
        assert option is not None
        topic = seed.library().topic_of[rule].id
        now = datetime.now(UTC)
        async with self._lock:
            person, place = await self._one(PERSON, chat)
            (prompt,) = await self._one("SELECT id FROM prompts WHERE id = ?", number)
            about = (topic, rule, scenario.id, letter, option.right, now.date().isoformat(), now.isoformat(" "))
            await self._database.execute(ANSWER, (prompt, person, place, *about))
            rows = await self._database.execute_fetchall(PAST, (person, rule))
            held = memory.memory_state(
                [memory.Review(date.fromisoformat(day), bool(right), sure or "") for day, right, sure in rows]
            )
            days = (held.reviewed_on.isoformat(), held.due_on.isoformat())
            strength = (held.stability, held.difficulty, *days, held.repetitions)
            await self._database.execute(MEMORY, (person, rule, *strength))
            await self._database.commit()

    async def _one(self, statement: str, value: object) -> aiosqlite.Row:
        async with self._database.execute(statement, (value,)) as cursor:
            found = await cursor.fetchone()
        assert found is not None
        return found


def dispatcher(store: Store) -> Dispatcher:
    routes = Dispatcher()

    @routes.callback_query(F.data.startswith("answer:"))
    async def press(query: CallbackQuery, bot: Bot) -> None:
        assert query.data is not None
        assert isinstance(query.message, Message)
        _, number, letter = query.data.split(":")
        await store.record(str(query.message.chat.id), int(number), letter)
        await query.answer()
        await query.message.edit_text(work.kept(letter), parse_mode=ParseMode.HTML)
        text, rows = work.reason(int(number), letter)
        keyboard = [[InlineKeyboardButton(text=label, callback_data=data) for label, data in row] for row in rows]
        markup = InlineKeyboardMarkup(inline_keyboard=keyboard)
        await bot.send_message(query.from_user.id, text, parse_mode=ParseMode.HTML, reply_markup=markup)

    return routes


async def main(url: str, path: str) -> None:
    bot = Bot(TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(url)))
    work.reason(1, "a")
    async with aiosqlite.connect(path) as database, bot:
        await database.execute("PRAGMA journal_mode=WAL")
        await database.execute("PRAGMA synchronous=FULL")
        site = web.Application()
        SimpleRequestHandler(dispatcher(Store(database)), bot).register(site, path="/webhooks/telegram")
        await work.serve(site)


if __name__ == "__main__":
    given = work.asked("url", "database")
    asyncio.run(main(given.url, given.database.partition(":///")[2]))
