"""Webhook load generator: hand-written HTTP/1.1 over keep-alive connections, so that it needs little CPU itself.

Closed loop (`send_all`): as many requests at once as there are connections. Open loop (`send_at_rate`): at a fixed
rate, whether responses come or not; a request's latency counts from when it was due, not from when it was sent.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 40
"""As many as we allow Telegram to open (setWebhook, max_connections)."""

ACKNOWLEDGED = b"answerCallbackQuery"


class RequestFailed(Exception):
    """A webhook was not answered 200; the text is the first line of the response."""


@dataclass
class _Request:
    content: bytes
    due_at: float
    done: asyncio.Future[float]


class _Connection(asyncio.Protocol):
    """Sends one request at a time, the next one from the shared queue."""

    def __init__(self, driver: "Driver", waiting: deque[_Request], idle: list["_Connection"]) -> None:
        self._driver = driver
        self._waiting = waiting
        self._idle = idle
        self._buffer = b""
        self._current: _Request | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._idle.append(self)

    def start(self, request: _Request) -> None:
        self._current = request
        self.transport.write(request.content)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(self._buffer) < end + 4 + length:
            return
        self._driver.acknowledged += ACKNOWLEDGED in self._buffer[end : end + 4 + length]
        self._buffer = self._buffer[end + 4 + length :]
        request, self._current = self._current, None
        assert request is not None
        if not request.done.done():
            if head.startswith(b"http/1.1 200"):
                request.done.set_result(time.monotonic() - request.due_at)
            else:
                request.done.set_exception(RequestFailed(head.partition(b"\r\n")[0].decode()))
        if self._waiting:
            self.start(self._waiting.popleft())
        else:
            self._idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._current is not None and not self._current.done.done():
            self._current.done.set_exception(RequestFailed("connection lost"))


class Driver:
    """A pool of connections to one or more servers; a request goes to any idle connection."""

    def __init__(self) -> None:
        self.acknowledged = 0  # responses that carried the acknowledgement of a press, as Telegram accepts it
        self._waiting: deque[_Request] = deque()
        self._idle: list[_Connection] = []
        self._connections: list[_Connection] = []

    async def open(self, urls: Sequence[str], connections: int = CONNECTIONS) -> None:
        loop = asyncio.get_running_loop()
        for index in range(connections):
            host, _, port = urlsplit(urls[index % len(urls)]).netloc.partition(":")
            _, connection = await loop.create_connection(
                lambda: _Connection(self, self._waiting, self._idle), host, int(port)
            )
            self._connections.append(connection)

    def close(self) -> None:
        for connection in self._connections:
            connection.transport.close()

    def send(self, content: bytes, due_at: float) -> asyncio.Future[float]:
        """A future of the seconds from `due_at` until it is answered 200. Raises RequestFailed."""
        request = _Request(content, due_at, asyncio.get_running_loop().create_future())
        if self._idle:
            self._idle.pop().start(request)
        else:
            self._waiting.append(request)
        return request.done

    async def send_all(self, requests: Sequence[bytes]) -> list[float]:
        """Send all as fast as the server accepts them; seconds from now until each was answered."""
        now = time.monotonic()
        return await asyncio.gather(*(self.send(content, now) for content in requests))

    async def send_at_rate(self, requests: Sequence[bytes], rate: float, timeout: float) -> list[float]:
        """Send `rate` requests a second; seconds from when each was due until it was answered.

        Raises TimeoutError when not all are answered within `timeout` seconds after the last was due.
        """
        start = time.monotonic() + 0.1
        pending = []
        for index, content in enumerate(requests):
            due_at = start + index / rate
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            pending.append(self.send(content, due_at))
        return await asyncio.wait_for(asyncio.gather(*pending), timeout)


def request(path: str, body: bytes, *headers: str) -> bytes:
    """The bytes of a POST request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
