"""A fake of both platforms' APIs for benchmarks: a process that accepts messages at once, after a latency, or not.

Hand-written HTTP/1.1 on sockets, so that it is several times faster than any client measured against it. It serves both
APIs: `/bot<token>/<method>` is Telegram, `/<version>/<id>/messages` is WhatsApp. `GET /stats` returns the statistics,
and `POST /rules` sets latency and rate limit.
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
    """At most `limit` messages in any sliding second; a client over it is refused for `penalty` seconds, and each
    call that it makes meanwhile prolongs that."""

    latency: float = 0.0
    limit: int = 0  # 0: no limit
    penalty: float = 3.0


@dataclass
class Traffic:
    """What the platform has received. Times are of the monotonic clock, which all processes of a machine share."""

    calls: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)  # how often, by address and text
    refused: list[float] = field(default_factory=list)  # times
    first: float = 0.0
    last: float = 0.0
    longest_gap: float = 0.0  # seconds between two accepted messages, at most
    last_call: float = 0.0  # of any method

    def stats(self) -> dict[str, object]:
        duplicated = sum(count - 1 for count in self.sent.values())
        return {
            "calls": dict(self.calls),
            "sent": sum(self.sent.values()),
            "distinct": len(self.sent),
            "duplicated": duplicated,
            "refused": len(self.refused),
            "refused_after": [round(moment - self.first, 3) for moment in self.refused[:20]],  # seconds
            "seconds": self.last - self.first,
            "longest_gap": self.longest_gap,
            "first": self.first,
            "last_call": self.last_call,
        }


class FakePlatform:
    """The state and rules of the platform, shared by all connections."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.traffic = Traffic()
        self._recent: deque[float] = deque()
        self._refused_until = 0.0
        self._number = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the response to one request."""
        if path == "/stats":
            return 200, json.dumps(self.traffic.stats()).encode()
        if path == "/rules":
            self.rules, self.traffic = Rules(**json.loads(body)), Traffic()
            self._recent.clear()
            self._refused_until = 0.0
            return 200, b"{}"
        method_name = path.partition("?")[0].rpartition("/")[2]
        self.traffic.calls[method_name] += 1
        self.traffic.last_call = monotonic()
        if method_name in ("sendMessage", "messages", "editMessageText"):
            return self._accept(method_name, body)
        return 200, self._other(method_name)

    def _accept(self, name: str, body: bytes) -> tuple[int, bytes]:
        now = monotonic()
        wait = self._wait(now)
        if wait:
            self.traffic.refused.append(now)
            return _rate_limit_error(name, wait)
        self._number += 1
        self.traffic.sent[_message_key(name, body)] += 1
        self.traffic.first = self.traffic.first or now
        self.traffic.longest_gap = max(self.traffic.longest_gap, now - (self.traffic.last or now))
        self.traffic.last = now
        if name == "messages":
            return 200, b'{"messaging_product":"whatsapp","messages":[{"id":"wamid.%d"}]}' % self._number
        return 200, (
            b'{"ok":true,"result":{"message_id":%d,"date":1795300000,"chat":{"id":1,"type":"private"}}}' % self._number
        )

    def _wait(self, now: float) -> float:
        """Seconds until another message is accepted; 0.0: now."""
        if not self.rules.limit:
            return 0.0
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if now < self._refused_until:
            self._refused_until += 0.1  # each further call prolongs it
            return self._refused_until - now
        if len(self._recent) >= self.rules.limit:
            self._refused_until = now + self.rules.penalty
            return self.rules.penalty
        self._recent.append(now)
        return 0.0

    @staticmethod
    def _other(name: str) -> bytes:
        if name == "getMe":
            return b'{"ok":true,"result":{"id":1,"is_bot":true,"first_name":"b","username":"bench_bot"}}'
        if name == "message_templates":
            return b'{"data":[]}'
        return b'{"ok":true,"result":true,"display_phone_number":"+52 477 000 0000"}'


def _message_key(name: str, body: bytes) -> str:
    """Recipient and text, which identify a message sent twice."""
    if body[:1] == b"{":
        content = json.loads(body)
        recipient = content.get("to") or content.get("recipient") or content.get("chat_id")
        text = content.get("biz_opaque_callback_data") or content.get("text", "")
        return f"{recipient}|{text}"
    form = b"&" + body  # compared as encoded: equal messages have equal encodings
    return "|".join(form.partition(name)[2].partition(b"&")[0].decode() for name in FIELDS)


def _rate_limit_error(name: str, wait: float) -> tuple[int, bytes]:
    if name == "messages":
        return 400, b'{"error":{"message":"Rate limit hit","code":130429}}'
    error = {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests",
        "parameters": {"retry_after": int(wait) + 1},
    }
    return 429, json.dumps(error).encode()


class Connection:
    """One keep-alive connection; its requests are answered in order."""

    def __init__(self, client: socket.socket, server: "Server") -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client = client
        self._server = server
        self._buffer = b""

    def receive(self, data: bytes) -> None:
        """Answer the requests that `data` completes: any number of them, or none yet."""
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
            self._server.respond(self, raw + content)

    def send(self, raw: bytes) -> None:
        with suppress(OSError):  # the client has disconnected
            self.client.sendall(raw)


class Server:
    """An epoll loop over readable connections and responses that are due; asyncio would take most of the CPU time."""

    def __init__(self, port: int, rules: Rules) -> None:
        self.platform = FakePlatform(rules)
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._poll = select.epoll()
        self._poll.register(self.listener.fileno(), select.EPOLLIN)
        self._open: dict[int, Connection] = {}
        self._delayed: deque[tuple[float, Connection, bytes]] = deque()  # one latency for all: the oldest is due first

    def respond(self, connection: Connection, raw: bytes) -> None:
        latency = self.platform.rules.latency
        if latency:
            self._delayed.append((monotonic() + latency, connection, raw))
        else:
            connection.send(raw)

    def run(self) -> None:
        while True:
            wait = max(0.0, self._delayed[0][0] - monotonic()) if self._delayed else -1
            for number, _ in self._poll.poll(wait):
                if number == self.listener.fileno():
                    self._accept()
                else:
                    self._read(self._open[number])
            while self._delayed and self._delayed[0][0] <= monotonic():
                _, connection, raw = self._delayed.popleft()
                connection.send(raw)

    def _accept(self) -> None:
        client, _ = self.listener.accept()
        self._open[client.fileno()] = Connection(client, self)
        self._poll.register(client.fileno(), select.EPOLLIN)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.client.recv(65536)
        except OSError:
            data = b""
        if data:
            connection.receive(data)
            return
        del self._open[connection.client.fileno()]
        connection.client.close()  # which also removes it from epoll


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--limit", type=int, default=0, help="messages in any sliding second")
    options = parser.parse_args()
    with suppress(OSError):  # a real platform has its own CPU; if delayed, this one would see false bursts
        os.nice(-10)
    server = Server(options.port, Rules(options.latency, options.limit))
    print(server.listener.getsockname()[1], flush=True)
    server.run()
