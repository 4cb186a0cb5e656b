"""A minimal server that stores an update before acknowledging it: aiohttp and asyncpg, one row and commit per webhook.

Run: python -m bench.peers.bare_ack_postgres --database "postgresql://test@/name?host=/a/socket"
"""

import asyncio

import asyncpg
from aiohttp import web

from bench.peers import work

TABLE = "CREATE TABLE bare_updates (id BIGSERIAL PRIMARY KEY, key BIGINT UNIQUE, body TEXT)"
INSERT = "INSERT INTO bare_updates (key, body) VALUES ($1, $2) ON CONFLICT DO NOTHING"


async def main(url: str) -> None:
    async with asyncpg.create_pool(url.replace("+asyncpg", "")) as pool:
        await pool.execute(TABLE)

        async def receive(request: web.Request) -> web.Response:
            body = await request.text()
            key = (await request.json())["update_id"]
            await pool.execute(INSERT, key, body)
            return web.Response()

        site = web.Application()
        site.router.add_post("/webhooks/telegram", receive)
        await work.serve(site)


if __name__ == "__main__":
    asyncio.run(main(work.parse_options("database").database))
