"""python-telegram-bot sends to many chats at once: `asyncio.gather` over its own requests, which use httpx.

The pool has its documented default size (256), and requests wait for a free connection as long as needed.
Run: python -m bench.peers.ptb_gather --url http://127.0.0.1:9000 --count 500
"""

import asyncio

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.request import HTTPXRequest

from bench.peers import work
from bench.processes import TOKEN
from bench.runs import measured_run


async def send_all(bot: Bot, count: int) -> int:
    text, rows = work.prompt()
    keyboard = InlineKeyboardMarkup(
        [[InlineKeyboardButton(label, callback_data=data) for label, data in row] for row in rows]
    )
    preview = LinkPreviewOptions(is_disabled=True)
    await asyncio.gather(
        *(
            bot.send_message(chat, text, parse_mode=ParseMode.HTML, reply_markup=keyboard, link_preview_options=preview)
            for chat in work.chats(count)
        )
    )
    return count


async def main(url: str, count: int) -> None:
    work.prompt()
    request = HTTPXRequest(pool_timeout=600, connect_timeout=60, read_timeout=60, write_timeout=60)
    async with Bot(TOKEN, base_url=f"{url}/bot", request=request) as bot:
        print(await measured_run(send_all(bot, count)))


if __name__ == "__main__":
    options = work.parse_options("url", "count")
    asyncio.run(main(options.url, int(options.count)))
