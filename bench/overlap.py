"""Two versions side by side on PostgreSQL, as in a replacement of processes one by one: nothing is lost or doubled.

Processes of an older checkout (with its own .venv) work on a database that they made. While they do, the schema is
brought forward and processes of this version start beside them; then the older ones end. What the platform took is
compared with the database, and whatever a process complained of is told. In the first part everybody talks while
prompts leave, in the second all processes plan the prompts of a day at once.
Run: git worktree add /tmp/older REVISION; make -C /tmp/older .venv/.dev; python -m bench.overlap /tmp/older
"""

import argparse
import asyncio
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

from bench import entry_point, seed
from bench.databases import POSTGRES, Ground, ground
from bench.processes import ROOT, TOKEN, platform
from bench.runs import until
from storage import schema
from storage.database import open_database
from tests.fakes.counter import CountingPlatform
from tests.kills import audit, simulation

MESSAGES, PEOPLE = 4_000, 3_000  # in the first part, and in the second
RATE = 40  # messages a second and channel
BEFORE = 25.0  # seconds from the first start to the hour of the people of the second part: all are ready by then
LONGEST_END = 30.0  # seconds
OFTEN = """
import runpy
from bot import scheduler
scheduler.BEAT = 0.5
runpy.run_module("bench.door", run_name="__main__", alter_sys=True)
"""
"""What looks at the clock more often than the older version's `bench.door` knows how to."""


@dataclass
class Version:
    """A checkout, the processes that run from it, and what they logged."""

    root: Path
    folder: Path
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    killed: int = 0
    failed: int = 0

    async def run(self, env: Mapping[str, str], port: int = 0, how: tuple[str, str] = ("-m", "bot")) -> None:
        """A worker and a web; come back when both are ready."""
        for role in ("worker", "web"):
            self.running.append(await self._start({**env, "HTTP_PORT": str(port)}, *how, "run", "--role", role))
        while not all(b"Ctrl-C" in log.read_bytes() for log in self.logs[-2:]):
            assert all(one.returncode is None for one in self.running), self.logs[-1].read_text()
            await asyncio.sleep(0.05)

    async def migrate(self, env: Mapping[str, str]) -> None:
        process = await self._start(env, "-m", "bot", "migrate")
        assert await process.wait() == 0, self.logs[-1].read_text()

    async def end(self) -> None:
        """All at once; whoever does not end by itself is killed, as whatever watches processes would do."""
        for one in self.running:
            one.send_signal(signal.SIGTERM)
        for one in self.running:
            try:
                self.failed += bool(await asyncio.wait_for(one.wait(), LONGEST_END))
            except TimeoutError:
                one.kill()
                self.killed += 1
        self.running.clear()

    def complaints(self) -> dict[str, int]:
        """What was logged as a warning or an error, or fell out of everything; and who did not end in order."""
        lines = [line for log in self.logs for line in log.read_text().splitlines()]
        told = [json.loads(line) for line in lines if line.startswith("{")]
        heard = [f"{one['event']} {one.get('fault', '')}" for one in told if one["level"] != "info"]
        ends = {"killed": self.killed, "ended with a fault": self.failed}
        return Counter(heard + [line for line in lines if "Traceback" in line]) + Counter(ends)

    async def _start(self, env: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
        log = self.folder / f"{self.root.name}-{len(self.logs)}.log"
        self.logs.append(log)
        python = self.root / ".venv/bin/python"
        with log.open("wb") as lines:
            return await asyncio.create_subprocess_exec(
                python, *arguments, cwd=self.root, env={**os.environ, **env}, stdout=lines, stderr=lines
            )


class _TwoDoors(CountingPlatform):
    """Brings what people say to one of the processes that take it in."""

    def __init__(self, doors: list[str]) -> None:
        super().__init__(doors[0])
        self.doors = doors[:1]

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def _brought(self, path: str, headers: dict[str, str], content: bytes) -> bool:
        self.product = random.choice(self.doors)
        return await super()._brought(path, headers, content)


async def talk(older: Version, newer: Version, land: Ground, url: str) -> str:
    """Everybody says a word or presses a button, and is sent a prompt."""
    database = open_database(url)
    people = await audit.settle_down(database, seed.library(), MESSAGES // 4)
    found = audit.Found(sum(len(one.letters()) for one in people), sum(bool(one.choice) for one in people))
    ports = simulation._free_port(), simulation._free_port()
    doors = [f"http://127.0.0.1:{port}" for port in ports]
    async with _TwoDoors(doors) as fake:
        env = simulation._settings(fake, url, land.data(), ports[0])
        env |= {"TELEGRAM_RATE": str(RATE), "WHATSAPP_RATE": str(RATE)}
        await older.run(env, ports[0])
        fake.listen(people)
        await fake.reached(found.messages // 5)
        await newer.migrate(env)
        await newer.run(env, ports[1])
        fake.doors = doors
        await fake.reached(found.messages * 3 // 5)
        fake.doors = doors[1:]
        await older.end()
        await fake.reached(found.messages)
        await fake.acknowledged()
        await _rest(url)
        await newer.end()
        await audit.count(database, fake, people, found)
    await database.close()
    return (
        f"{found.messages} messages, {found.presses} presses: lost {found.missing}, answers lost or doubled "
        f"{found.unanswered + found.answered_twice}, said twice {found.unexplained}"
    )


async def plan(older: Version, newer: Version, land: Ground, url: str) -> str:
    """Everybody is due at the same moment, for which all processes wait."""
    await seed.people(url, PEOPLE, hour=entry_point.HOUR)
    env = {"DATABASE_URL": url, "DATA_DIR": str(land.data()), "TELEGRAM_BOT_TOKEN": TOKEN}
    env |= {"TELEGRAM_RATE": "200", "PUBLIC_URL": "https://integra.example"} | entry_point.to_a_working_morning(BEFORE)
    async with platform() as fake:
        env |= {"TELEGRAM_API_URL": fake.url}
        await older.run(env, how=("-c", OFTEN))
        await newer.migrate(env)
        await newer.run(env, how=("-c", OFTEN))
        is_early = await seed.count_rows(url, schema.prompts) == 0
        await until(fake, lambda stats: stats["distinct"] >= PEOPLE // 2)
        by_then = await seed.split(url)
        await older.end()
        await until(fake, lambda stats: stats["distinct"] >= PEOPLE)
        await _rest(url)
        await newer.end()
        stats = await fake.stats()
    prompts, workers = await seed.count_rows(url, schema.prompts), await seed.split(url)
    return (
        f"{PEOPLE} people{'' if is_early else ' (planned before all had started)'}: {prompts} prompts, "
        f"{stats['distinct']} messages, {stats['doubled']} twice, by worker {by_then} and then {workers}"
    )


async def _rest(url: str) -> None:
    """Until nothing is left to do."""
    database = open_database(url)
    is_busy = True
    while is_busy:
        async with database.read() as tx:
            is_busy = await seed.has_work(tx)
        await asyncio.sleep(0.2)
    await database.close()


async def main(root: Path) -> None:
    with ground() as land:
        for number, part in enumerate((talk, plan)):
            folder = Path(mkdtemp(prefix="overlap"))
            older, newer = Version(root, folder), Version(ROOT, folder)
            url = await land._create(POSTGRES, f"overlap{number}", "")
            await older.migrate({"DATABASE_URL": url})
            try:
                print(await part(older, newer, land, url))
            finally:
                await older.end()
                await newer.end()
            for name, version in (("older", older), ("newer", newer)):
                print(f"  {name} complained of {version.complaints() or 'nothing'} (logs in {folder})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("older", type=Path)
    asyncio.run(main(parser.parse_args().older.resolve()))
