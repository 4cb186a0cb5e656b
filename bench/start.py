"""A warm start: from the process's beginning until it says that it is ready."""

import time

import aiohttp

from bench import seed
from bench.databases import SQLITE, ground
from bench.processes import house, platform
from bench.report import Figure, Row

PEOPLE = 1000
MOST = 1.5  # seconds


async def rows(quick: bool) -> list[Row]:
    taken = []
    with ground() as land:
        original = await land.seeded(SQLITE, lambda url: seed.people(url, PEOPLE))
        url, folder = await original.copy(), land.data()
        async with platform() as fake, aiohttp.ClientSession() as session:
            for _ in range(2 if quick else 6):
                start = time.monotonic()
                async with house(fake, folder, {"DATABASE_URL": url}) as one:
                    async with session.get(f"{one.url}/health/ready") as answer:
                        assert answer.status == 200
                    taken.append((time.monotonic() - start, one.cpu()))
    warm = taken[1:]
    figure = Figure([seconds for seconds, _ in warm], "s", [cpu for _, cpu in warm], "s")
    return [Row("start, warm, to /health/ready", figure, target=f"< {MOST} s", is_met=figure.median < MOST)]
