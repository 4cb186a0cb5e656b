"""The calls of an independent Bot API client, aiogram, made by a process in the environment where it is installed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from types import SimpleNamespace
from typing import Any

from bench.peers import PEERS_PYTHON
from tests.imports import ROOT

ENDED = "the process of aiogram has ended; its error is on standard error"


class ClientError(Exception):
    """An exception that the client raised; `kind` is the name of its class, `retry_after` is in seconds."""

    def __init__(self, kind: str, message: str, retry_after: int | None) -> None:
        super().__init__(f"{kind}: {message}")
        self.retry_after = retry_after


class AiogramProcess:
    """The running client. Calls are made concurrently."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[SimpleNamespace]] = {}

    async def call(self, url: str, token: str, method: str, arguments: dict[str, Any]) -> Any:
        """The client's result, with its objects as namespaces. Raises ClientError as the client raised it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.stdout.at_eof():
            raise RuntimeError(ENDED)
        number = next(self._ids)
        self._waiting[number] = coming = asyncio.get_running_loop().create_future()
        call = {"id": number, "url": url, "token": token, "method": method, "arguments": arguments}
        self._process.stdin.write(json.dumps(call).encode() + b"\n")
        outcome = await coming
        if hasattr(outcome, "error"):
            raise ClientError(outcome.error, outcome.message, outcome.retry_after)
        return outcome.result

    async def read(self) -> None:
        """Hand each outcome to the call that waits for it; when the process ends, fail those that still wait."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            outcome = json.loads(line, object_hook=lambda fields: SimpleNamespace(**fields))
            self._waiting.pop(outcome.id).set_result(outcome)
        for coming in self._waiting.values():
            coming.set_exception(RuntimeError(ENDED))


@asynccontextmanager
async def aiogram_process() -> AsyncIterator[AiogramProcess]:
    """A process to make calls with; it ends with its input. Its environment must have been installed."""
    assert PEERS_PYTHON.exists(), "aiogram has an environment of its own; install it with `make peers`"
    pipe = asyncio.subprocess.PIPE
    arguments = (str(PEERS_PYTHON), "-m", "tests.fakes.aiogram_client")
    process = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdin=pipe, stdout=pipe)
    running = AiogramProcess(process)
    reading = asyncio.create_task(running.read())
    try:
        yield running
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await reading
        await process.wait()
