"""aiogram sends to many chats: workers take the next chat from a shared iterator; there is no outbox and no record.

Run: .venv/peers/bin/python -m bench.peers.aiogram_workers --url http://127.0.0.1:9000 --count 500
"""

import asyncio

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions

from bench.peers import work
from bench.processes import TOKEN
from bench.runs import measured_run

WORKERS = 100  # as many connections as aiogram's session holds open by default


async def send_all(bot: Bot, count: int) -> int:
    text, rows = work.prompt()
    keyboard = InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text=label, callback_data=data) for label, data in row] for row in rows]
    )
    preview = LinkPreviewOptions(is_disabled=True)
    remaining = iter(work.chats(count))

    async def worker() -> None:
        for chat in remaining:
            await bot.send_message(
                chat, text, parse_mode=ParseMode.HTML, reply_markup=keyboard, link_preview_options=preview
            )

    await asyncio.gather(*(worker() for _ in range(WORKERS)))
    return count


async def main(url: str, count: int) -> None:
    work.prompt()
    session = AiohttpSession(api=TelegramAPIServer.from_base(url))
    async with Bot(TOKEN, session=session) as bot:
        print(await measured_run(send_all(bot, count)))


if __name__ == "__main__":
    options = work.parse_options("url", "count")
    asyncio.run(main(options.url, int(options.count)))
