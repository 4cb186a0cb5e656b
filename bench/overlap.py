"""A rolling upgrade: two versions run concurrently on one PostgreSQL database, and nothing is lost or sent twice.

Processes of an older checkout (with its own .venv) work on a database that they created. Meanwhile the schema is
migrated and processes of this version start beside them; then the older ones stop. What the platform accepted is
compared with the database, and warnings and errors of all processes are printed. In the first part every recipient
sends a message or presses a button while prompts are sent; in the second all processes plan the prompts of a day at
the same time.
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
from bench.databases import POSTGRES, Databases, open_databases
from bench.processes import ROOT, TOKEN, platform_process
from bench.runs import wait_for_platform
from storage import schema
from storage.database import open_database
from tests.fakes.counting_platform import CountingPlatform
from tests.kills import audit, simulation

MESSAGES, SERVANTS = 4_000, 3_000  # in the first part, and in the second
RATE = 40  # messages a second and channel
LEAD_TIME = 25.0  # seconds from the first start to the hour of the servants in the second part: all processes are ready
STOP_TIMEOUT = 30.0  # seconds
FREQUENT_SCHEDULER = """
import importlib.util
import runpy
from bot import scheduler
scheduler.BEAT = scheduler.INTERVAL = 0.5
module = "bench.entry_point" if importlib.util.find_spec("bench.entry_point") else "bench.door"
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
"""Starts a process whose scheduler runs every half second, which the entry point of an older version may not support;
there the module may be named `bench.door`, and the interval `INTERVAL`."""


@dataclass
class Version:
    """A checkout, the processes that run from it, and their log files."""

    root: Path
    folder: Path
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    killed: int = 0
    failed: int = 0

    async def run(self, env: Mapping[str, str], port: int = 0, program: tuple[str, str] = ("-m", "bot")) -> None:
        """Start a worker and a web process; return when both are ready."""
        for role in ("worker", "web"):
            self.running.append(await self._start({**env, "HTTP_PORT": str(port)}, *program, "run", "--role", role))
        while not all(b"Ctrl-C" in log.read_bytes() for log in self.logs[-2:]):
            assert all(process.returncode is None for process in self.running), self.logs[-1].read_text()
            await asyncio.sleep(0.05)

    async def migrate(self, env: Mapping[str, str]) -> None:
        process = await self._start(env, "-m", "bot", "migrate")
        assert await process.wait() == 0, self.logs[-1].read_text()

    async def stop(self) -> None:
        """Stop all processes at once; kill those that do not exit in time, as a process supervisor would."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                self.failed += bool(await asyncio.wait_for(process.wait(), STOP_TIMEOUT))
            except TimeoutError:
                process.kill()
                self.killed += 1
        self.running.clear()

    def problems(self) -> dict[str, int]:
        """How often each warning, error and traceback was logged, and processes that were killed or failed."""
        lines = [line for log in self.logs for line in log.read_text().splitlines()]
        records = [json.loads(line) for line in lines if line.startswith("{")]
        events = [f"{record['event']} {record.get('fault', '')}" for record in records if record["level"] != "info"]
        exits = {"killed": self.killed, "exited with an error": self.failed}
        return Counter(events + [line for line in lines if "Traceback" in line]) + Counter(exits)

    async def _start(self, env: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
        log = self.folder / f"{self.root.name}-{len(self.logs)}.log"
        self.logs.append(log)
        python = self.root / ".venv/bin/python"
        with log.open("wb") as lines:
            return await asyncio.create_subprocess_exec(
                python, *arguments, cwd=self.root, env={**os.environ, **env}, stdout=lines, stderr=lines
            )


class _SwitchablePlatform(CountingPlatform):
    """Delivers each webhook request to a random process among those that receive them."""

    def __init__(self, targets: list[str]) -> None:
        super().__init__(targets[0])
        self.targets = targets[:1]

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def _try_post(self, path: str, headers: dict[str, str], content: bytes) -> bool:
        self.product = random.choice(self.targets)
        return await super()._try_post(path, headers, content)


async def converse(older: Version, newer: Version, databases: Databases, url: str) -> str:
    """Every recipient sends a message or presses a button, and is sent a prompt."""
    database = seed.open_with_key(url)
    recipients = await audit.seed_recipients(database, seed.library(), MESSAGES // 4)
    result = audit.expected(recipients)
    ports = simulation.free_port(), simulation.free_port()
    targets = [f"http://127.0.0.1:{port}" for port in ports]
    async with _SwitchablePlatform(targets) as fake:
        folder = databases.data_dir()
        env = simulation.settings_for(fake, url, folder, ports[0])
        env |= {"TELEGRAM_RATE": str(RATE), "WHATSAPP_RATE": str(RATE)}
        await older.run(env, ports[0])
        fake.start_sending(recipients)
        await fake.wait_for_accepted(result.messages // 5)
        await newer.migrate(env)
        await newer.run(env, ports[1])
        fake.targets = targets
        await fake.wait_for_accepted(result.messages * 3 // 5)
        fake.targets = targets[1:]
        await older.stop()
        await fake.wait_for_accepted(result.messages)
        await fake.wait_for_acknowledgements()
        await _wait_until_idle(url)
        await newer.stop()
        inbox = simulation.inbox_of(database, folder)
        await audit.check(database, fake, recipients, inbox, result)
    await database.close()
    return (
        f"{result.messages} messages, {result.presses} presses: lost {result.missing}, answers lost or duplicated "
        f"{result.unanswered + result.answered_twice}, sent twice {result.unexplained_duplicates}"
    )


async def plan(older: Version, newer: Version, databases: Databases, url: str) -> str:
    """All servants are due at the same time, for which all processes wait."""
    await seed.enrolled_servants(url, SERVANTS, hour=entry_point.HOUR)
    env = {"DATABASE_URL": url, "DATA_DIR": str(databases.data_dir()), "TELEGRAM_BOT_TOKEN": TOKEN}
    env |= {"TELEGRAM_RATE": "200", "PUBLIC_URL": "https://integra.example"}
    env |= entry_point.clock_at_next_working_morning(LEAD_TIME)
    async with platform_process() as fake:
        env |= {"TELEGRAM_API_URL": fake.url}
        await older.run(env, program=("-c", FREQUENT_SCHEDULER))
        await newer.migrate(env)
        await newer.run(env, program=("-c", FREQUENT_SCHEDULER))
        is_unplanned = await seed.count_rows(url, schema.prompts) == 0
        await wait_for_platform(fake, lambda stats: stats["distinct"] >= SERVANTS // 2)
        sent_before = await seed.messages_per_worker(url)
        await older.stop()
        await wait_for_platform(fake, lambda stats: stats["distinct"] >= SERVANTS)
        await _wait_until_idle(url)
        await newer.stop()
        stats = await fake.stats()
    prompts, workers = await seed.count_rows(url, schema.prompts), await seed.messages_per_worker(url)
    return (
        f"{SERVANTS} servants{'' if is_unplanned else ' (planned before all had started)'}: {prompts} prompts, "
        f"{stats['distinct']} messages, {stats['duplicated']} twice, by worker {sent_before} and then {workers}"
    )


async def _wait_until_idle(url: str) -> None:
    """Wait until no update or delivery is pending."""
    database = open_database(url)
    is_busy = True
    while is_busy:
        async with database.read() as tx:
            is_busy = await seed.has_pending_work(tx)
        await asyncio.sleep(0.2)
    await database.close()


async def main(root: Path) -> None:
    with open_databases() as databases:
        for number, part in enumerate((converse, plan)):
            folder = Path(mkdtemp(prefix="overlap"))
            older, newer = Version(root, folder), Version(ROOT, folder)
            url = await databases.create_empty(POSTGRES, f"overlap{number}")
            await older.migrate({"DATABASE_URL": url})
            try:
                print(await part(older, newer, databases, url))
            finally:
                await older.stop()
                await newer.stop()
            for name, version in (("older", older), ("newer", newer)):
                print(f"  {name} version logged {version.problems() or 'no problems'} (logs in {folder})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("older", type=Path)
    asyncio.run(main(parser.parse_args().older.resolve()))
