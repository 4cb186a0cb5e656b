"""Brings webhooks: hand-written HTTP/1.1 over kept connections, so that the driver takes little of the machine.

Closed loop (`pour`): as many at once as there are connections. Open loop (`rain`): at a rate, whatever comes back; a
request's clock starts when it was due, not when it was sent.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 40
"""What we allow Telegram to open (setWebhook, max_connections)."""

ACKNOWLEDGED = b"answerCallbackQuery"


class Refused(Exception):
    """A webhook was not answered 200; the text is the answer's first line."""


@dataclass
class _Task:
    raw: bytes
    due: float
    done: asyncio.Future[float]


class _Connection(asyncio.Protocol):
    """One request at a time; what waits is taken from the shared queue."""

    def __init__(self, driver: "Driver", waiting: deque[_Task], idle: list["_Connection"]) -> None:
        self._driver = driver
        self._waiting = waiting
        self._idle = idle
        self._buffer = b""
        self._task: _Task | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._idle.append(self)

    def start(self, task: _Task) -> None:
        self._task = task
        self.transport.write(task.raw)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(self._buffer) < end + 4 + length:
            return
        self._driver.called += ACKNOWLEDGED in self._buffer[end : end + 4 + length]
        self._buffer = self._buffer[end + 4 + length :]
        task, self._task = self._task, None
        assert task is not None
        if not task.done.done():
            if head.startswith(b"http/1.1 200"):
                task.done.set_result(time.monotonic() - task.due)
            else:
                task.done.set_exception(Refused(head.partition(b"\r\n")[0].decode()))
        if self._waiting:
            self.start(self._waiting.popleft())
        else:
            self._idle.append(self)

    def connection_lost(self, fault: Exception | None) -> None:
        if self._task is not None and not self._task.done.done():
            self._task.done.set_exception(Refused("connection lost"))


class Driver:
    """Connections to one or more addresses; work goes to whichever is free."""

    def __init__(self) -> None:
        self.called = 0  # answers that carried the acknowledgement of a press, as Telegram takes it
        self._waiting: deque[_Task] = deque()
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    async def open(self, urls: Sequence[str], connections: int = CONNECTIONS) -> None:
        loop = asyncio.get_running_loop()
        for place in range(connections):
            host, _, port = urlsplit(urls[place % len(urls)]).netloc.partition(":")
            _, made = await loop.create_connection(
                lambda: _Connection(self, self._waiting, self._idle), host, int(port)
            )
            self._all.append(made)

    def close(self) -> None:
        for one in self._all:
            one.transport.close()

    def send(self, raw: bytes, due: float) -> asyncio.Future[float]:
        """Gives seconds since it was due, once it is answered 200. Raises Refused."""
        task = _Task(raw, due, asyncio.get_running_loop().create_future())
        if self._idle:
            self._idle.pop().start(task)
        else:
            self._waiting.append(task)
        return task.done

    async def pour(self, raws: Sequence[bytes]) -> list[float]:
        """All of them as fast as they are taken; seconds that each took from now."""
        now = time.monotonic()
        return await asyncio.gather(*(self.send(raw, now) for raw in raws))

    async def rain(self, raws: Sequence[bytes], rate: float, patience: float) -> list[float]:
        """`rate` a second; seconds from when each was due.

        Raises TimeoutError when they are not all answered `patience` seconds after the last was due.
        """
        start = time.monotonic() + 0.1
        going = []
        for place, raw in enumerate(raws):
            due = start + place / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            going.append(self.send(raw, due))
        return await asyncio.wait_for(asyncio.gather(*going), patience)


def request(path: str, body: bytes, *headers: str) -> bytes:
    """A whole POST as it goes over the line."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
