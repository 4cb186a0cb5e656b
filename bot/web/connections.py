"""The HTTP server's connections: those that hold a socket and get nowhere are ended, so that others are served.

aiohttp waits for a request as long as its client likes. Who opens some thousand connections and sends a byte now and
then would use up the files that a process may open.
"""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

if sys.platform != "win32":
    import resource

PATIENCE = 18.0  # seconds for a request's head, and for its body and its answer unless they go on at RATE
RATE = 2_000.0  # bytes a second, over PATIENCE: a sixth of what a phone on EDGE sends, so that only dawdlers are ended
IDLE = 75.0  # seconds between two requests of a connection, as with nginx
CROWD, IDLE_IN_CROWD = 500, 5.0  # with more connections than this, those between two requests get these seconds only
SYSTEM_BUFFER = 64 * 1024  # bytes of answers that the system takes for a connection: 0.6 MB a second at 100 ms
LOOK = 1.0  # seconds between two looks at all connections


class Phase(Enum):
    """What a connection waits for."""

    IDLE = "the next request: nothing of it is here"
    HEAD = "the rest of a request's head, or the first request"
    BODY = "the rest of a request's body"
    ANSWER = "the client, which does not take what was written"
    WORK = "us"


class Connection(RequestHandler):
    """A connection that knows what it waits for, and since when; malformed requests get a short answer and no log."""

    __slots__ = ("_buffered", "_moved", "_phase", "_requests", "_seen", "_since", "_socket", "received")

    def __init__(self, server: "Server", **options: object) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)  # type: ignore[arg-type]
        self._socket: asyncio.Transport | None = None
        self._phase, self._requests, self._since = Phase.WORK, -1, 0.0
        self.received = self._seen = 0  # bytes of the client: all, and those at the last look
        self._moved = self._buffered = 0  # bytes since this phase began, and those that wait to be taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._socket = self.transport
        # Else the system takes some megabytes of answers that are not read, and nothing seems to wait here.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SYSTEM_BUFFER)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._socket = None

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        super().data_received(data)

    def is_overdue(self, now: float, idle: float) -> bool:
        """Whether the client has used up its time; to be asked every LOOK seconds. `idle`: seconds between requests."""
        if self._socket is None:
            return False
        buffered, came = self._socket.get_write_buffer_size(), self.received - self._seen
        phase = self._current_phase(buffered, has_sent=came > 0)
        # Who asks for more while an answer waits gains no time by it.
        is_next = self._request_count != self._requests and phase is not Phase.ANSWER
        if is_next or phase is not self._phase:
            self._phase, self._since, self._moved = phase, now, 0
        else:
            self._moved += max(0, self._buffered - buffered) if phase is Phase.ANSWER else came
        self._seen, self._buffered, self._requests = self.received, buffered, self._request_count
        if phase is Phase.WORK or now - self._since < (idle if phase is Phase.IDLE else PATIENCE):
            return False
        if phase in (Phase.BODY, Phase.ANSWER) and self._moved >= PATIENCE * RATE:
            self._since, self._moved = now, 0
            return False
        return True

    def _current_phase(self, buffered: int, *, has_sent: bool) -> Phase:
        if buffered:
            return Phase.ANSWER
        if (current := self._current_request) is not None:
            is_ours = current.content.is_eof() or self._reading_paused or self._buffer_paused
            return Phase.WORK if is_ours else Phase.BODY
        if self._waiter is None:  # aiohttp ends what it reads after an answer by itself
            return Phase.WORK
        if self._requests != self._request_count:  # the last request came since the last look
            return Phase.IDLE if self._request_count else Phase.HEAD
        return Phase.HEAD if has_sent or self._phase is Phase.HEAD or not self._request_count else Phase.IDLE

    def end(self) -> None:
        """End the connection at once, whatever is still to be written."""
        if self._socket is not None:
            self._socket.abort()
            self._socket = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what is no HTTP, which repeats nothing of it; our own faults are logged, without an address."""
        if not isinstance(exc, HttpProcessingError):
            self.logger.error("Error handling request", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun: another one cannot be sent")
        answer = web.Response(status=status, text=f"{status}\n")
        assert isinstance(self._manager, Server)
        self._manager.complete(answer)
        answer.force_close()
        return answer


class Server(web.Server):
    """Makes the connections; `complete` puts the headers of every answer on those that no application gives."""

    def __init__(self, server: web.Server, complete: Callable[[web.StreamResponse], None]) -> None:
        super().__init__(self._handle, request_factory=server.request_factory, **server._kwargs)
        self.complete = complete
        self._inner = server.request_handler

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Refuse what a client expects beyond HTTP: aiohttp would repeat it, which fails for bytes that are no text."""
        if request.headers.get("Expect", "100-continue").lower() == "100-continue":
            return await self._inner(request)
        refusal = web.Response(status=417, text="417\n")
        self.complete(refusal)
        return refusal

    def __call__(self) -> RequestHandler:
        return Connection(self, **self._kwargs)

    def end_overdue(self, now: float) -> int:
        """End the connections whose clients have used up their time; return how many. `now` in seconds, monotonic."""
        connections = [one for one in self.connections if isinstance(one, Connection)]
        idle = IDLE_IN_CROWD if len(connections) > CROWD else IDLE
        overdue = [one for one in connections if one.is_overdue(now, idle)]
        for connection in overdue:
            connection.end()
        return len(overdue)


class Runner(web.AppRunner):
    """Serves an application, and looks after its connections every LOOK seconds."""

    __slots__ = ("_complete", "_watch")

    def __init__(self, app: web.Application, complete: Callable[[web.StreamResponse], None], **options: object) -> None:
        super().__init__(app, **options)  # type: ignore[arg-type]
        self._complete = complete
        self._watch: asyncio.TimerHandle | None = None

    async def _make_server(self) -> Server:
        server = Server(await super()._make_server(), self._complete)
        raise_open_files()
        self._watch = asyncio.get_running_loop().call_later(LOOK, self._look, server)
        return server

    def _look(self, server: Server) -> None:
        loop = asyncio.get_running_loop()
        server.end_overdue(loop.time())
        self._watch = loop.call_later(LOOK, self._look, server)

    async def cleanup(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        await super().cleanup()


def raise_open_files() -> None:
    """Allow this process as many open files as the system lets it have: 1,024 is common, and 65,536 are enough."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # not allowed here: the limit stays
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
