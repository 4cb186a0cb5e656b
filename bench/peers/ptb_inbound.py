"""python-telegram-bot receives presses by webhook and answers them: Application, SQLAlchemy's ORM, aiosqlite.

As in its documentation: a custom web server puts updates into the application's queue (example "customwebhookbot"),
handlers run concurrently (`concurrent_updates`), with one session per update. One connection: SQLite has one writer,
and with more connections transactions would fail with "database is locked".
Run: python -m bench.peers.ptb_inbound --url http://127.0.0.1:9000 --database sqlite+aiosqlite:////tmp/people.db
"""

import asyncio
from datetime import UTC, datetime

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped
from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.constants import ParseMode
from telegram.ext import Application, CallbackQueryHandler, ContextTypes, ExtBot
from telegram.request import HTTPXRequest

from bench import seed
from bench.peers import work
from bench.processes import TOKEN
from content.learning.memories import Review, after_answers
from storage import schema

Context = ContextTypes.DEFAULT_TYPE


class Base(DeclarativeBase):
    pass


class Servant(Base):
    __table__ = schema.servants

    id: Mapped[int]
    institution_id: Mapped[int]


class Address(Base):
    __table__ = schema.addresses

    channel: Mapped[str]
    address: Mapped[str]
    servant_id: Mapped[int]


class Prompt(Base):
    __table__ = schema.prompts

    id: Mapped[int]


class Answer(Base):
    __table__ = schema.answers

    servant_id: Mapped[int]


class Memory(Base):
    __table__ = schema.packed_memories

    memory: Mapped[bytes | None]


class Bot:
    """The handler of button presses, with its sessions."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def press(self, update: Update, context: Context) -> None:
        query = update.callback_query
        assert query is not None
        assert query.data is not None
        _, number, letter = query.data.split(":")
        async with self._sessions() as session, session.begin():
            await record(session, str(query.message.chat.id if query.message else 0), int(number), letter)
        await query.answer()
        await query.edit_message_text(work.answered_prompt(letter), parse_mode=ParseMode.HTML)
        text, rows = work.feedback(int(number), letter)
        keyboard = [[InlineKeyboardButton(label, callback_data=data) for label, data in row] for row in rows]
        await context.bot.send_message(
            query.from_user.id, text, parse_mode=ParseMode.HTML, reply_markup=InlineKeyboardMarkup(keyboard)
        )


async def record(session: AsyncSession, chat: str, number: int, letter: str) -> None:
    """Look up the servant and the prompt; store the answer and the servant's updated memory."""
    servant = (
        await session.scalars(
            select(Servant)
            .join(Address, Address.servant_id == Servant.id)
            .where(Address.channel == "telegram", Address.address == chat)
        )
    ).one()
    prompt = await session.get_one(Prompt, number)
    scenario = seed.scenario()
    option = scenario.option(letter)
    assert option is not None
    topic = seed.library().topic_of[scenario.competency].id
    now = datetime.now(UTC)
    session.add(
        Answer(
            prompt_id=prompt.id, servant_id=servant.id, institution_id=servant.institution_id, topic_id=topic,
            competency_id=scenario.competency, scenario_id=scenario.id, option=letter, is_right=option.right,
            day=now.date(), answered_at=now,
        )
    )  # fmt: skip
    await session.flush()
    remembered = await session.get(Memory, servant.id) or Memory(servant_id=servant.id)
    review = Review(now.date(), scenario.competency, scenario.id, option.right)
    (remembered.memory,) = after_answers([remembered.memory or b""], [review])
    session.add(remembered)


async def main(url: str, database: str) -> None:
    engine = create_async_engine(database, pool_size=1, max_overflow=0, pool_timeout=600)
    bot = Bot(async_sessionmaker(engine, expire_on_commit=False))
    request = HTTPXRequest(pool_timeout=600, connect_timeout=60, read_timeout=60, write_timeout=60)
    application = (
        Application.builder()
        .bot(ExtBot(TOKEN, base_url=f"{url}/bot", request=request))
        .updater(None)
        .concurrent_updates(True)
        .build()
    )
    application.add_handler(CallbackQueryHandler(bot.press, pattern="^answer:"))

    async def receive(request: web.Request) -> web.Response:
        await application.update_queue.put(Update.de_json(await request.json(), application.bot))
        return web.Response()

    work.feedback(1, "a")
    site = web.Application()
    site.router.add_post("/webhooks/telegram", receive)
    async with application:
        await application.start()
        await work.serve(site)


if __name__ == "__main__":
    options = work.parse_options("url", "database")
    asyncio.run(main(options.url, options.database))
