"""How much code a reader must know: modules and functions of the product that each journey enters.

In this process, on SQLite, with the fake platform beside it: a webhook press until it is acknowledged with 200, and
until its replies are sent; a daily prompt from its planning to its result; a receipt until its delivery is updated.
Counted are the functions that run in that journey, after everything was started and one press was handled.
Run: python -m bench.entered
"""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from types import FrameType
from typing import Any

from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from sqlalchemy import insert

from bench import entry_point, press, seed, whatsapp_ack
from bench.databases import SQLITE, open_databases
from bench.processes import ROOT, TOKEN, WHATSAPP, PlatformProcess, platform_process
from bot import app as wiring
from bot.app import App
from bot.channels.telegram import receiver
from bot.config import Settings
from content.workdays import Calendar
from storage import schema
from storage.database import open_database

PACKAGES = tuple(f"{ROOT}{os.sep}{name}{os.sep}" for name in ("bot", "handlers", "content", "storage"))
ACCEPTED = "wamid.1"
SERVANTS = 2  # the first is pressed for before counting, so that nothing is imported or cached for the first time then

Entered = set[tuple[str, str]]
_now = datetime.now(UTC)


async def main() -> None:
    with open_databases() as databases:
        async with platform_process() as fake:
            url = await (await databases.create(SQLITE, _seed)).copy()
            required: dict[str, Any] = {
                "database_url": url, "data_dir": databases.data_dir(), "telegram_bot_token": TOKEN,
                "telegram_mode": "webhook", "telegram_webhook_secret": press.SECRET, "telegram_api_url": fake.url,
                "whatsapp_api_url": f"{fake.url}/v25.0", **{name.lower(): value for name, value in WHATSAPP.items()},
            }  # fmt: skip
            settings = Settings(
                **required,
                public_url="https://integra.example",
                responsible_address="Calle Ejemplo 1, Guanajuato",
                transparency_address="Calle Ejemplo 2, Guanajuato",
                _env_file=None,
            )
            async with wiring.build(settings, clock=lambda: _now) as app, TestServer(app.web) as server:
                await _journeys(app, str(server.make_url("")).rstrip("/"), fake)


async def _seed(url: str) -> None:
    """Servants with a prompt each, and a delivery that WhatsApp has accepted."""
    await seed.enrolled_servants(url, SERVANTS, hour=9, with_prompts=True)
    database = open_database(url)
    sent = {"key": "accepted", "channel": "whatsapp", "address": "MX.1", "kind": "prompt", "priority": 20}
    sent |= {"state": "sent", "platform_ref": ACCEPTED, "attempts": 1}
    async with database.write() as tx:
        await tx.execute(insert(schema.deliveries).values(**sent, due_at=_now, ended_at=_now))
    await database.close()


async def _journeys(app: App, url: str, fake: PlatformProcess) -> None:
    await fake.rules()
    await _press(url, 1)
    await app.settle()
    with _entered() as acknowledged:
        await _press(url, 2)
    _print("webhook press until 200", acknowledged)
    with _entered() as handled:
        await app.settle()
    _print("press until its replies are sent", acknowledged | handled)
    global _now
    day = Calendar(frozenset()).workdays_after(_now.astimezone(entry_point.ZONE).date(), 1)
    _now = datetime.combine(day, time(entry_point.HOUR), entry_point.ZONE)
    with _entered() as planned:
        assert await app.scheduler.plan(_now) == SERVANTS
        await app.settle()
    assert (await fake.stats())["sent"] >= SERVANTS + 1, "prompts and feedback"
    _print("prompt of the day until it is sent", planned)
    with _entered() as received:
        await _receipt(url)
        await app.settle()
    _print("receipt until its delivery is updated", received)


async def _press(url: str, number: int) -> None:
    headers = {receiver.SECRET_HEADER: press.SECRET}
    async with (
        ClientSession() as session,
        session.post(url + receiver.PATH, json=press.update(number), headers=headers) as response,
    ):
        assert response.status == 200, response.status


async def _receipt(url: str) -> None:
    status = {"id": ACCEPTED, "status": "delivered", "timestamp": "1795300000", "recipient_user_id": "MX.1"}
    content = whatsapp_ack.body([]).replace(b'"messages": []', b'"statuses": [%s]' % json.dumps(status).encode())
    async with (
        ClientSession() as session,
        session.post(url + whatsapp_ack.PATH, data=content, headers=whatsapp_ack.signed(content)) as response,
    ):
        assert response.status == 200, response.status


@contextmanager
def _entered() -> Iterator[Entered]:
    """The functions of the product that are called in the block, by file and qualified name, in all threads."""
    found: Entered = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGES) and not code.co_name.startswith("<"):
            found.add((code.co_filename, code.co_qualname))

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _print(journey: str, entered: Entered) -> None:
    print(f"{journey}: {len({path for path, _ in entered})} modules, {len(entered)} functions")


if __name__ == "__main__":
    asyncio.run(main())
