"""Processes of a benchmark: the fake platform, and the product as `integra run` starts it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.platform import Rules

ROOT = Path(__file__).parents[1]
TOKEN = "1234567890:" + "A" * 35
WHATSAPP = {
    "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
    "WHATSAPP_BUSINESS_ACCOUNT_ID": "102290129340398",
    "WHATSAPP_ACCESS_TOKEN": "EAA" + "b" * 40,
    "WHATSAPP_APP_SECRET": "app-secret-of-the-bench",
    "WHATSAPP_VERIFY_TOKEN": "verify-token-of-the-bench",
}


@dataclass
class Platform:
    """The fake platform's process."""

    url: str
    pid: int = 0

    def cpu(self) -> float:
        """CPU seconds that it used so far."""
        return cpu_of(self.pid)

    async def rules(self, **rules: Any) -> None:
        """Set new rules and forget what was seen."""
        await _ask(f"{self.url}/rules", json.dumps(Rules(**rules).__dict__))

    async def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await _ask(f"{self.url}/stats"))
        return found


@asynccontextmanager
async def platform() -> AsyncIterator[Platform]:
    process = await started("-m", "bench.platform", env={})
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield Platform(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        await process.wait()


@dataclass
class House:
    """A running product: `url` is where it listens."""

    url: str
    process: asyncio.subprocess.Process

    def cpu(self) -> float:
        """CPU seconds used so far (user and system), of this process and its threads."""
        return cpu_of(self.process.pid)

    def rss(self) -> float:
        """Resident memory, MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def house(
    platform: Platform, folder: Path, settings: Mapping[str, str], *arguments: str, module: str = "bot"
) -> AsyncIterator[House]:
    """`integra run` with both channels on the fake platform; ready when this gives it.

    `module` is what starts it: `bench.door` for a run whose clock or pace is moved.
    """
    env = {
        "DATA_DIR": str(folder),
        "HTTP_PORT": "0",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_MODE": "webhook",
        "TELEGRAM_WEBHOOK_SECRET": "secret-of-the-bench",
        "TELEGRAM_API_URL": platform.url,
        "WHATSAPP_API_URL": f"{platform.url}/v25.0",
        "PUBLIC_URL": "https://integra.example",
        **WHATSAPP,
        **settings,
    }
    process = await started("-m", module, "run", *arguments, env=env)
    assert process.stdout is not None
    port = 0
    try:
        async for line in process.stdout:
            if b"ready on port" in line:
                port = int(line.rstrip(b".\n").rpartition(b" ")[2])
            if b"Ctrl-C" in line:
                break
        else:
            raise RuntimeError("integra run ended before it was ready")
        quiet = asyncio.create_task(_drained(process.stdout))
        yield House(f"http://127.0.0.1:{port}", process)
        quiet.cancel()
    finally:
        await _ended(process)


@asynccontextmanager
async def houses(
    platform: Platform, folder: Path, settings: Mapping[str, str], roles: Sequence[str], module: str = "bot"
) -> AsyncIterator[list[House]]:
    """A process for each role, started side by side."""
    async with AsyncExitStack() as stack:
        waiting = [house(platform, folder, settings, "--role", role, module=module) for role in roles]
        yield await asyncio.gather(*(stack.enter_async_context(one) for one in waiting))


def cpu_of(pid: int) -> float:
    """CPU seconds that a process used so far (user and system)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):  # it has just ended by itself
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 15)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _drained(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def started(
    *arguments: str, env: Mapping[str, str], stderr: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """Our Python with these arguments, as a process that writes to a pipe."""
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, env=os.environ | env,
        stdout=asyncio.subprocess.PIPE, stderr=stderr,
    )  # fmt: skip


async def _ask(url: str, body: str | None = None) -> str:
    method = "GET" if body is None else "POST"
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body) as answer:
        return await answer.text()
