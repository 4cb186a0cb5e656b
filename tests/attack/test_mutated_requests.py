"""Mutated requests to the assembled site: none is answered with 5xx, and none leaves a traceback or a lost event.

`ATTACK_REQUESTS=30000 pytest tests/attack/test_mutated_requests.py` sends as many; `ATTACK_SEED` begins elsewhere than
the day. A failure prints the seed and the request.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from aiohttp import ClientSession
from structlog.testing import capture_logs
from yarl import URL

from bot.web.windows import Windows
from content.library import Library
from tests.attack.honest_requests import SECRET, Correspondence, correspond, honest, pool
from tests.attack.mutations import mutated
from tests.cast import Clock
from tests.product import running

pytestmark = pytest.mark.attack

REQUESTS = int(os.environ.get("ATTACK_REQUESTS", "400"))
SEED = int(os.environ.get("ATTACK_SEED", datetime.now(UTC).strftime("%y%m%d0000")))
AT_ONCE = 8  # requests that wait for their answers
PATIENCE = 0.3  # seconds for an answer; after a mutated length the server waits for more
NEW_SESSION = 40  # requests after which the officer signs in again: mutated ones sign out
FAULTS = ("batch_not_stored", "event_not_stored")  # a platform's event that was lost without a traceback


@pytest.fixture
async def known(
    sqlite_url: str, tmp_path: Path, library: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Correspondence]:
    """A site without caps, which would refuse most requests before they are read."""
    monkeypatch.setattr(Windows, "full_until", lambda *_: None)
    settings = {"webchat": "on", "telegram_webhook_secret": SECRET}
    async with running(sqlite_url, tmp_path, library, clock, **settings) as product, ClientSession() as client:
        yield await correspond(product, client)


async def status_of(url: URL, sent: bytes) -> int:
    """The status of the answer; 0 where the server waits for more, or ends the connection without one."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(PATIENCE):
            while (line := await reader.readline()).startswith(b"HTTP/1.1 100 "):
                await reader.readline()  # the empty line after it
        return int(line.split()[1]) if line.startswith(b"HTTP/") else 0
    except (TimeoutError, ConnectionError):
        return 0
    finally:
        writer.close()


async def test_no_mutated_request_is_a_fault_of_ours(known: Correspondence, caplog: pytest.LogCaptureFixture) -> None:
    url, values, statuses = URL(known.product.address), pool(), Counter[int]()
    numbers = iter(range(SEED, SEED + REQUESTS))
    faults: list[str] = []

    async def ask() -> None:
        session = ""
        for at, number in enumerate(numbers):
            if at % NEW_SESSION == 0:
                session = await known.session()
            chance = Random(number)
            sent = mutated(honest(known, values, session, chance), values[""], chance).sent()
            status = await status_of(url, sent)
            statuses[status] += 1
            if status >= 500:
                faults.append(f"{status}, seed {number}: {sent[:1500]!r}")

    caplog.set_level(logging.ERROR)
    with capture_logs() as events:
        await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    assert faults == []
    assert [event for event in events if event["event"] in FAULTS or event.get("exc_info")] == []
    assert [caplog.handler.format(record) for record in caplog.records] == []
    assert {200, 400, 403, 404, 405, 422} <= {*statuses}, statuses
    assert statuses[0] < REQUESTS / 10
