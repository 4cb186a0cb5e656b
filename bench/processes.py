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
class PlatformProcess:
    """The process of the fake platform (bench/platform.py)."""

    url: str
    pid: int = 0

    def cpu(self) -> float:
        """CPU seconds that it has used so far."""
        return cpu_of(self.pid)

    async def rules(self, **rules: Any) -> None:
        """Set new rules and reset the statistics."""
        await _request(f"{self.url}/rules", json.dumps(Rules(**rules).__dict__))

    async def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = json.loads(await _request(f"{self.url}/stats"))
        return stats


@asynccontextmanager
async def platform_process() -> AsyncIterator[PlatformProcess]:
    """A fake platform that is ready to be called."""
    process = await start_process("-m", "bench.platform", env={})
    assert process.stdout is not None
    try:
        port = int(await process.stdout.readline())
        yield PlatformProcess(f"http://127.0.0.1:{port}", process.pid)
    finally:
        process.kill()
        await process.wait()


@dataclass
class ServerProcess:
    """A running server, ours or a peer's, which listens at `url`."""

    url: str
    process: asyncio.subprocess.Process

    def cpu(self) -> float:
        """CPU seconds (user and system) that this process and its threads have used so far."""
        return cpu_of(self.process.pid)

    def rss(self) -> float:
        """Resident memory, MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def integra_process(
    platform: PlatformProcess, folder: Path, settings: Mapping[str, str], *arguments: str, module: str = "bot"
) -> AsyncIterator[ServerProcess]:
    """`integra run` with both channels on the fake platform; yielded once it is ready.

    `module` is the program: `bench.entry_point` for a run with another clock or rate limit.
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
    process = await start_process("-m", module, "run", *arguments, env=env)
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
        draining = asyncio.create_task(_drain(process.stdout))
        yield ServerProcess(f"http://127.0.0.1:{port}", process)
        draining.cancel()
    finally:
        await _stop(process)


@asynccontextmanager
async def integra_processes(
    platform: PlatformProcess, folder: Path, settings: Mapping[str, str], roles: Sequence[str], module: str = "bot"
) -> AsyncIterator[list[ServerProcess]]:
    """A process for each role, started concurrently."""
    async with AsyncExitStack() as stack:
        starting = [integra_process(platform, folder, settings, "--role", role, module=module) for role in roles]
        yield await asyncio.gather(*(stack.enter_async_context(process) for process in starting))


def cpu_of(pid: int) -> float:
    """CPU seconds (user and system) that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):  # it has just exited by itself
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 15)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def start_process(
    *arguments: str, env: Mapping[str, str], stderr: int = asyncio.subprocess.DEVNULL, python: str = sys.executable
) -> asyncio.subprocess.Process:
    """Start a Python interpreter, by default this one, with these arguments, its standard output on a pipe."""
    return await asyncio.create_subprocess_exec(
        python, *arguments, cwd=ROOT, env=os.environ | env,
        stdout=asyncio.subprocess.PIPE, stderr=stderr,
    )  # fmt: skip


async def _request(url: str, body: str | None = None) -> str:
    method = "GET" if body is None else "POST"
    async with aiohttp.ClientSession() as session, session.request(method, url, data=body) as answer:
        return await answer.text()
