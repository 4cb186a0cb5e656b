"""A minimal server that stores an update before acknowledging it: aiohttp and sqlite3, one row and commit per webhook.

Run: python -m bench.peers.bare_ack --database /tmp/updates.db
"""

import asyncio
import sqlite3

from aiohttp import web

from bench.peers import work


async def main(path: str) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE bare_updates (id INTEGER PRIMARY KEY, key INTEGER UNIQUE, body TEXT)")

    async def receive(request: web.Request) -> web.Response:
        body = await request.text()
        key = (await request.json())["update_id"]
        with database:
            database.execute("INSERT INTO bare_updates (key, body) VALUES (?, ?) ON CONFLICT DO NOTHING", (key, body))
        return web.Response()

    site = web.Application()
    site.router.add_post("/webhooks/telegram", receive)
    await work.serve(site)


if __name__ == "__main__":
    asyncio.run(main(work.parse_options("database").database))
