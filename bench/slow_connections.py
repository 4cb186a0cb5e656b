"""1,500 connections that send a byte now and then, or take none of their answer: how long until all are ended, and how
long others wait for a page meanwhile.

A third sends the head of a request byte by byte, a third its body, and a third asks again and again and reads nothing.
"""

import asyncio
import os
import socket
import statistics
import time
from collections.abc import Callable
from contextlib import suppress

import aiohttp
from yarl import URL

from bench import seed
from bench.databases import SQLITE, open_databases
from bench.processes import ServerProcess, integra_process, platform_process
from bench.report import Figure, Row
from bot.web.connections import raise_open_files

CONNECTIONS, QUICK = 1500, 300
PAUSE = 2.0  # seconds between two bytes
OTHERS = 5  # connections of others, which may be open at the end
GIVEN_UP = 60.0  # seconds after which a connection counts as kept up for ever
MAX_SECONDS, MAX_WAIT = 20.0, 2.0  # until a connection is ended; of another visitor for a page
ASKED = b"GET /c HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
HEAD = b"GET /c HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: "
BODY = b"POST /c/cases HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
KINDS = ((HEAD, b"x"), (BODY, b" "), (ASKED * 40, ASKED))  # what is sent first, and then now and then


async def rows(quick: bool) -> list[Row]:
    raise_open_files()
    number = QUICK if quick else CONNECTIONS
    with open_databases() as databases:
        url, folder = await (await databases.create(SQLITE, seed.leave_empty)).copy(), databases.data_dir()
        async with platform_process() as fake, integra_process(fake, folder, {"DATABASE_URL": url}) as server:
            before = _open_files(server)
            slow = await _connect(URL(server.url), number)
            start = time.monotonic()  # of the last of them
            held = _open_files(server) - before
            dawdling = asyncio.create_task(_dawdle(slow))
            ended = asyncio.create_task(_until(lambda: _open_files(server) <= before + OTHERS))
            waits = await _waits(URL(server.url) / "c", ended)
            seconds = time.monotonic() - start
            dawdling.cancel()
            for connection, _ in slow:
                connection.close()
    return [
        Row(
            f"{number} slow connections are ended",
            Figure([seconds], "s"),
            target=f"<= {MAX_SECONDS:g} s",
            is_met=seconds <= MAX_SECONDS and held > number / 2,
            note=f"the server held {held} of them",
        ),
        Row(
            "a page for others meanwhile, the slowest",
            Figure([max(waits) * 1000], "ms"),
            target=f"<= {MAX_WAIT * 1000:g} ms",
            is_met=max(waits) <= MAX_WAIT,
            note=f"{len(waits)} pages, median {statistics.median(waits) * 1000:.0f} ms",
        ),
    ]


def _open_files(server: ServerProcess) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


async def _connect(address: URL, number: int) -> list[tuple[socket.socket, bytes]]:
    """Open the connections, send their first bytes, and return each with what it sends now and then."""
    loop, opened = asyncio.get_running_loop(), []
    for at in range(number):
        first, byte = KINDS[at % len(KINDS)]
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what is not read stays with the server
        connection.setblocking(False)
        await loop.sock_connect(connection, (address.host, address.port))
        connection.send(first)
        opened.append((connection, byte))
    return opened


async def _dawdle(slow: list[tuple[socket.socket, bytes]]) -> None:
    """Send a byte on each connection every PAUSE seconds, and read nothing."""
    while True:
        await asyncio.sleep(PAUSE)
        for connection, byte in slow:
            with suppress(BlockingIOError, ConnectionError):  # the server reads no more, or has ended it
                connection.send(byte)


async def _until(is_true: Callable[[], bool]) -> None:
    """Return once it is; after GIVEN_UP seconds in any case."""
    start = time.monotonic()
    while not is_true() and time.monotonic() - start < GIVEN_UP:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.1)


async def _waits(page: URL, slow: "asyncio.Task[None]") -> list[float]:
    """Seconds that others wait for a page, each on a connection of their own, while slow ones are there."""
    waits: list[float] = []
    while not slow.done():
        start = time.monotonic()
        async with aiohttp.ClientSession() as other, other.get(page) as answer:
            await answer.read()
            assert answer.status == 200
        waits.append(time.monotonic() - start)
        await asyncio.sleep(0.1)
    return waits
