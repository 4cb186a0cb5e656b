"""One run of the dispatcher alone: all pending deliveries are claimed, sent and recorded as fast as possible.

Prints the number of messages, wall and CPU seconds as one line of JSON.
Run: python -m bench.outbound_worker --database sqlite+aiosqlite:////tmp/outbox.db --url http://127.0.0.1:9000
"""

import argparse
from datetime import UTC, datetime

import uvloop

from bench import seed
from bench.processes import TOKEN
from bench.runs import measured_run
from bot.channels.telegram.channel import RECIPIENT_RATE_LIMIT, Telegram
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.rate_limiter import Limits
from bot.lifecycle import tune_garbage_collector

RATE = 1e6  # messages a second: too high to limit anything


def clock() -> datetime:
    return datetime.now(UTC)


async def drain_outbox(url: str, api: str) -> str:
    database = seed.open_with_key(url)
    telegram = Telegram(TOKEN, api)
    limits = {telegram.name: Limits(RATE, RECIPIENT_RATE_LIMIT)}
    dispatcher = Dispatcher(database, {telegram.name: telegram}, limits, clock)
    try:
        return await measured_run(dispatcher.drain())
    finally:
        await dispatcher.close()
        await telegram.close()
        await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--url", required=True, help="of the platform")
    options = parser.parse_args()
    tune_garbage_collector()
    print(uvloop.run(drain_outbox(options.database, options.url)))
