"""The platforms as far as a benchmark needs them: a process that takes sendings at once, after a while, or not at all.

Hand-written HTTP/1.1 on sockets, so that it is several times faster than whatever is measured against it. It
speaks both tongues: `/bot<token>/<method>` is Telegram, `/<version>/<id>/messages` is WhatsApp. `GET /stats` tells what
was seen, and `POST /rules` sets latency and limit.
Run: python -m bench.platform --port 9000
"""

import argparse
import json
import os
import re
import select
import socket
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
FIELDS = (b"&chat_id=", b"&message_id=", b"&text=")


@dataclass
class Rules:
    """`limit` messages in any sliding second; whoever pushes on is refused for `penalty` seconds and longer."""

    latency: float = 0.0
    limit: int = 0  # 0: none
    penalty: float = 3.0


@dataclass
class Seen:
    """What reached the platform."""

    calls: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)  # by address and text: how often
    refused: list[float] = field(default_factory=list)  # moments
    first: float = 0.0
    last: float = 0.0
    last_call: float = 0.0  # of whatever kind; moments are of the clock that all processes of a machine share

    def told(self) -> dict[str, object]:
        doubled = sum(count - 1 for count in self.sent.values())
        return {
            "calls": dict(self.calls),
            "sent": sum(self.sent.values()),
            "distinct": len(self.sent),
            "doubled": doubled,
            "refused": len(self.refused),
            "refused_after": [round(moment - self.first, 3) for moment in self.refused[:20]],  # seconds
            "seconds": self.last - self.first,
            "first": self.first,
            "last_call": self.last_call,
        }


class Platform:
    """All connections share it."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.seen = Seen()
        self._recent: deque[float] = deque()
        self._held_until = 0.0
        self._number = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body for one request."""
        if path == "/stats":
            return 200, json.dumps(self.seen.told()).encode()
        if path == "/rules":
            self.rules, self.seen = Rules(**json.loads(body)), Seen()
            self._recent.clear()
            self._held_until = 0.0
            return 200, b"{}"
        name = path.partition("?")[0].rpartition("/")[2]
        self.seen.calls[name] += 1
        self.seen.last_call = monotonic()
        if name in ("sendMessage", "messages", "editMessageText"):
            return self._take(name, body)
        return 200, self._plain(name)

    def _take(self, name: str, body: bytes) -> tuple[int, bytes]:
        now = monotonic()
        wait = self._wait(now)
        if wait:
            self.seen.refused.append(now)
            return _refusal(name, wait)
        self._number += 1
        self.seen.sent[_what(name, body)] += 1
        self.seen.first = self.seen.first or now
        self.seen.last = now
        if name == "messages":
            return 200, b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.%d"}]}' % self._number
        return 200, (
            b'{"ok":true,"result":{"message_id":%d,"date":1795300000,"chat":{"id":1,"type":"private"}}}' % self._number
        )

    def _wait(self, now: float) -> float:
        """Seconds until another message is taken; 0.0: at once."""
        if not self.rules.limit:
            return 0.0
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if now < self._held_until:
            self._held_until += 0.1  # pushing on prolongs it
            return self._held_until - now
        if len(self._recent) >= self.rules.limit:
            self._held_until = now + self.rules.penalty
            return self.rules.penalty
        self._recent.append(now)
        return 0.0

    @staticmethod
    def _plain(name: str) -> bytes:
        if name == "getMe":
            return b'{"ok":true,"result":{"id":1,"is_bot":true,"first_name":"b","username":"bench_bot"}}'
        if name == "message_templates":
            return b'{"data":[]}'
        return b'{"ok":true,"result":true,"display_phone_number":"+52 477 000 0000"}'


def _what(name: str, body: bytes) -> str:
    """Whom and what: enough to see a doubled message."""
    if body[:1] == b"{":
        content = json.loads(body)
        whom = content.get("to") or content.get("recipient") or content.get("chat_id")
        text = content.get("biz_opaque_callback_data") or content.get("text", "")
        return f"{whom}|{text}"
    form = b"&" + body  # as it was encoded: equal is equal
    return "|".join(form.partition(name)[2].partition(b"&")[0].decode() for name in FIELDS)


def _refusal(name: str, wait: float) -> tuple[int, bytes]:
    if name == "messages":
        return 400, b'{"error":{"message":"Rate limit hit","code":130429}}'
    told = {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests",
        "parameters": {"retry_after": int(wait) + 1},
    }
    return 429, json.dumps(told).encode()


class Connection:
    """One keep-alive connection; requests on it come one after the other."""

    def __init__(self, line: socket.socket, server: "Server") -> None:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.line = line
        self._server = server
        self._buffer = b""

    def take(self, data: bytes) -> None:
        """What came over the line: any number of requests, or a part of one."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = LENGTH.search(head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            method, path, _ = head.split(b" ", 2)
            status, content = self._server.platform.answer(method.decode(), path.decode(), body)
            raw = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
                status,
                len(content),
            )
            self._server.say(self, raw + content)

    def say(self, raw: bytes) -> None:
        with suppress(OSError):  # the other side went away
            self.line.sendall(raw)


class Server:
    """Waits for whatever can be read, and for answers that are due; without asyncio, which would cost the most."""

    def __init__(self, port: int, rules: Rules) -> None:
        self.platform = Platform(rules)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._poll = select.epoll()
        self._poll.register(self.listener.fileno(), select.EPOLLIN)
        self._open: dict[int, Connection] = {}
        self._later: deque[tuple[float, Connection, bytes]] = deque()  # all wait equally long: the oldest is first

    def say(self, connection: Connection, raw: bytes) -> None:
        latency = self.platform.rules.latency
        if latency:
            self._later.append((monotonic() + latency, connection, raw))
        else:
            connection.say(raw)

    def run(self) -> None:
        while True:
            wait = max(0.0, self._later[0][0] - monotonic()) if self._later else -1
            for number, _ in self._poll.poll(wait):
                if number == self.listener.fileno():
                    self._accept()
                else:
                    self._read(self._open[number])
            while self._later and self._later[0][0] <= monotonic():
                _, connection, raw = self._later.popleft()
                connection.say(raw)

    def _accept(self) -> None:
        line, _ = self.listener.accept()
        self._open[line.fileno()] = Connection(line, self)
        self._poll.register(line.fileno(), select.EPOLLIN)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.line.recv(65536)
        except OSError:
            data = b""
        if data:
            connection.take(data)
            return
        del self._open[connection.line.fileno()]
        connection.line.close()  # and epoll forgets it


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--limit", type=int, default=0, help="messages in any sliding second")
    given = parser.parse_args()
    with suppress(OSError):  # a platform shares no processor with us: kept waiting, it would see bursts that are none
        os.nice(-10)
    server = Server(given.port, Rules(given.latency, given.limit))
    print(server.listener.getsockname()[1], flush=True)
    server.run()
