"""The least that keeps an update before it is acknowledged: aiohttp and asyncpg, a row and a commit a webhook.

Run: python -m bench.peers.bare_ack_postgres --database "postgresql://test@/name?host=/a/socket"
"""

import asyncio

import asyncpg
from aiohttp import web

from bench.peers import work

TABLE = "CREATE TABLE bare_updates (id BIGSERIAL PRIMARY KEY, key BIGINT UNIQUE, body TEXT)"
KEEP = "INSERT INTO bare_updates (key, body) VALUES ($1, $2) ON CONFLICT DO NOTHING"


async def main(url: str) -> None:
    async with asyncpg.create_pool(url.replace("+asyncpg", "")) as pool:
        await pool.execute(TABLE)

        async def receive(arrived: web.Request) -> web.Response:
            body = await arrived.text()
            key = (await arrived.json())["update_id"]
            await pool.execute(KEEP, key, body)
            return web.Response()

        site = web.Application()
        site.router.add_post("/webhooks/telegram", receive)
        await work.serve(site)


if __name__ == "__main__":
    asyncio.run(main(work.asked("database").database))
