"""aiogram sends to many: workers that take the next chat from a queue; there is no outbox and nothing is noted.

Run: python -m bench.peers.aiogram_workers --url http://127.0.0.1:9000 --count 500
"""

import asyncio

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions

from bench.peers import work
from bench.processes import TOKEN
from bench.runs import timed

WORKERS = 100  # as many connections as aiogram's session holds open by default


async def send_all(bot: Bot, count: int) -> int:
    text, rows = work.question()
    keyboard = InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text=label, callback_data=data) for label, data in row] for row in rows]
    )
    preview = LinkPreviewOptions(is_disabled=True)
    left = iter(work.chats(count))

    async def worker() -> None:
        for chat in left:
            await bot.send_message(
                chat, text, parse_mode=ParseMode.HTML, reply_markup=keyboard, link_preview_options=preview
            )

    await asyncio.gather(*(worker() for _ in range(WORKERS)))
    return count


async def main(url: str, count: int) -> None:
    work.question()
    session = AiohttpSession(api=TelegramAPIServer.from_base(url))
    async with Bot(TOKEN, session=session) as bot:
        print(await timed(send_all(bot, count)))


if __name__ == "__main__":
    given = work.asked("url", "count")
    asyncio.run(main(given.url, int(given.count)))
