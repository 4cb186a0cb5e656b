"""Warm start: time from starting the process until it reports that it is ready."""

import time

import aiohttp

from bench import seed
from bench.databases import SQLITE, open_databases
from bench.processes import integra_process, platform_process
from bench.report import Figure, Row

SERVANTS = 1000
MAX_SECONDS = 1.5  # seconds


async def rows(quick: bool) -> list[Row]:
    starts = []
    with open_databases() as databases:
        original = await databases.create(SQLITE, lambda url: seed.enrolled_servants(url, SERVANTS))
        url, folder = await original.copy(), databases.data_dir()
        async with platform_process() as fake, aiohttp.ClientSession() as session:
            for _ in range(2 if quick else 6):
                start = time.monotonic()
                async with integra_process(fake, folder, {"DATABASE_URL": url}) as server:
                    async with session.get(f"{server.url}/health/ready") as response:
                        assert response.status == 200
                    starts.append((time.monotonic() - start, server.cpu()))
    warm = starts[1:]
    figure = Figure([seconds for seconds, _ in warm], "s", [cpu for _, cpu in warm], "s")
    return [
        Row("start, warm, to /health/ready", figure, target=f"< {MAX_SECONDS} s", is_met=figure.median < MAX_SECONDS)
    ]
