"""Connections that hold a socket and get nowhere are ended, while others are served; the clock is the test's."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from bot.web import connections, server
from bot.web.connections import CROWD, IDLE, IDLE_IN_CROWD, LOOK, PATIENCE, RATE, Connection
from bot.web.requests import read_body

OF_A_KIND = 8
BIG = 4_000_000  # bytes of an answer that the buffers of a connection do not hold
ASKED = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
POSTED = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
DAWDLERS = {
    "nothing": b"",
    "half a line": b"GET /health",
    "half a head": b"GET /health/live HTTP/1.1\r\nHost: x\r\nCookie: ",
    "a head without its body": POSTED,
    "a body in chunks": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{",
    "an answer that is not read": b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
}


@dataclass
class Client:
    """A connection to the server that sends what it is told to, and reads only when told to."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> bytes:
        """All that the server sends until it ends the connection."""
        read = b""
        with suppress(ConnectionError):
            while part := await self.reader.read(1 << 20):
                read += part
        return read


@dataclass
class Place:
    """A server whose connections the test looks at in place of its timer."""

    address: URL
    server: connections.Server
    now: float = 1000.0
    clients: list[Client] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)  # lets /slow answer

    def open(self) -> list[Connection]:
        return [one for one in self.server.connections if isinstance(one, Connection)]

    async def connect(self, sent: bytes = b"", number: int = 1, window: int = 4096) -> list[Client]:
        """Open connections that send the same; with a small window, what they do not read stays with the server."""
        wanted = len(self.open()) + number
        for _ in range(number):
            connection = socket.create_connection((self.address.host or "", self.address.port or 0))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            connected = await asyncio.open_connection(sock=connection, limit=1 << 10)
            self.clients.append(Client(*connected))
        await _until(lambda: len(self.open()) >= wanted)
        await self.send(self.clients[-number:], sent)
        return self.clients[-number:]

    async def send(self, clients: list[Client], sent: bytes) -> None:
        """Send on each connection; return once the server has read it and has done what it can with it."""
        expected = sum(one.received for one in self.open()) + len(clients) * len(sent)
        for client in clients:
            client.writer.write(sent)
        await _until(lambda: sum(one.received for one in self.open()) >= expected)
        for _ in range(20):  # rounds of the loop, in which handlers begin
            await asyncio.sleep(0)

    def pass_time(self, seconds: float) -> int:
        """Let time pass, with a look at all connections every LOOK seconds; return how many were ended."""
        ended = 0
        for _ in range(round(seconds / LOOK)):
            self.now += LOOK
            ended += self.server.end_overdue(self.now)
        return ended


async def _until(is_true: Callable[[], bool]) -> None:
    """Let the server's side of the loop run."""
    while not is_true():  # noqa: ASYNC110 - nothing tells when a server has read what was sent
        await asyncio.sleep(0)


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await read_body(request))


async def _big(_: web.Request) -> web.Response:
    return web.Response(body=bytes(BIG))


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(connections, "LOOK", 3600.0)
    go_on = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await go_on.wait()
        return web.Response(text="done")

    app = server.create_app()
    app.router.add_post("/echo", _echo)
    app.router.add_get("/big", _big)
    app.router.add_get("/slow", slow)
    runner = server.runner(app, shutdown_seconds=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert isinstance(runner.server, connections.Server)
    place = Place(URL(f"http://127.0.0.1:{runner.addresses[0][1]}"), runner.server, go_on=go_on)
    yield place
    for client in place.clients:
        client.writer.close()
        with suppress(ConnectionError):
            await client.writer.wait_closed()
    await runner.cleanup()


@pytest.mark.attack
async def test_who_sends_a_byte_now_and_then_is_ended_while_others_are_served(place: Place) -> None:
    dawdlers = [one for sent in DAWDLERS.values() for one in await place.connect(sent, OF_A_KIND)]
    silent = dawdlers[-OF_A_KIND:]
    assert place.pass_time(10) == 0
    await place.send(dawdlers[:-OF_A_KIND], b"G")
    await place.send(silent, ASKED)
    async with ClientSession() as other:
        for _ in range(3):
            async with other.get(place.address / "health/live") as answer:
                assert await answer.json() == {"live": True}
        async with other.post(place.address / "echo", data=b"whole") as answer:
            assert await answer.read() == b"whole"
        assert place.pass_time(9) == len(dawdlers)  # 19 seconds, as a look may come one late
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(client.answer() for client in dawdlers))
        assert {answer for client, answer in zip(dawdlers, answers, strict=True) if client not in silent} == {b""}
        assert max(len(answer) for answer in answers) < BIG
        async with other.get(place.address / "health/live") as answer:
            assert answer.status == 200


@pytest.mark.attack
async def test_a_byte_now_and_then_of_a_second_request_is_ended_too(place: Place) -> None:
    clients = await place.connect(ASKED, OF_A_KIND)
    place.pass_time(30)
    sent = b"GET /health/live?" + b"x" * 30
    for second in range(19):
        await place.send(clients, sent[second : second + 1])
        assert place.pass_time(1) == (OF_A_KIND if second == PATIENCE else 0)


async def test_a_long_head_earns_no_time(place: Place) -> None:
    clients = await place.connect(b"GET /health/live HTTP/1.1\r\nHost: x\r\n", OF_A_KIND)
    for second in range(19):
        await place.send(clients, b"Cookie: " + b"x" * 2000 + b"\r\n")
        assert place.pass_time(1) == (OF_A_KIND if second == PATIENCE else 0)


async def test_a_slow_line_that_goes_on_sending_is_waited_for(place: Place) -> None:
    (client,) = await place.connect(POSTED)
    for _ in range(30):
        await place.send([client], b" " * 2000)
        assert place.pass_time(1) == 0
    assert (await client.reader.readuntil(b"\r\n")) == b"HTTP/1.1 200 OK\r\n"
    assert PATIENCE < 30 == 60_000 / RATE


async def test_what_came_fast_at_first_is_ended_once_it_stops(place: Place) -> None:
    (client,) = await place.connect(POSTED)
    place.pass_time(1)
    await place.send([client], b" " * 55_000)
    assert place.pass_time(PATIENCE) == 0
    assert place.pass_time(PATIENCE + 1) == 1


async def test_a_slow_line_that_goes_on_reading_is_waited_for(place: Place) -> None:
    (client,) = await place.connect(DAWDLERS["an answer that is not read"], window=1 << 20)
    read, seconds = 0, 0
    while read < BIG:
        taken = len(await client.reader.read(1 << 20))
        read += taken
        seconds += 1
        assert place.pass_time(1) == 0
    assert seconds > PATIENCE


async def test_a_connection_may_wait_for_its_next_request_but_not_in_a_crowd(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.connect(ASKED, OF_A_KIND)
    assert place.pass_time(IDLE) == 0
    assert place.pass_time(2) == OF_A_KIND
    for client in place.clients:
        await client.answer()
    monkeypatch.setattr(connections, "CROWD", OF_A_KIND - 1)
    await place.connect(ASKED, OF_A_KIND)
    assert place.pass_time(IDLE_IN_CROWD) == 0
    assert place.pass_time(2) == OF_A_KIND
    assert CROWD > 100


async def test_work_of_ours_takes_as_long_as_it_takes(place: Place) -> None:
    (client,) = await place.connect(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert place.pass_time(300) == 0
    place.go_on.set()
    assert (await client.answer()).endswith(b"done")
