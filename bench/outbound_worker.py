"""One run of the Sender alone: everything that waits is claimed, sent and noted, as fast as it goes.

Prints how many, wall and processor seconds, as one line of JSON.
Run: python -m bench.outbound_worker --database sqlite+aiosqlite:////tmp/outbox.db --url http://127.0.0.1:9000
"""

import argparse
from datetime import UTC, datetime

import uvloop

from bench.processes import TOKEN
from bench.runs import timed
from bot.channels.telegram.channel import PERSON, Telegram
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.rate_limiter import Limits
from bot.lifecycle import tune_garbage_collector
from storage.database import open_database

RATE = 1e6  # a second: none that would be felt


def clock() -> datetime:
    return datetime.now(UTC)


async def emptied(url: str, api: str) -> str:
    database = open_database(url)
    telegram = Telegram(TOKEN, api)
    limits = {telegram.name: Limits(RATE, PERSON)}
    paced_by = clock if database.is_sqlite else None
    sender = Dispatcher(database, {telegram.name: telegram}, limits, clock, paced_by=paced_by)
    try:
        return await timed(sender.drain())
    finally:
        await telegram.stop()
        await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--url", required=True, help="of the platform")
    given = parser.parse_args()
    tune_garbage_collector()
    print(uvloop.run(emptied(given.database, given.url)))
