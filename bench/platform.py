"""The platforms as far as a benchmark needs them: a process that takes sendings at once, after a while, or not at all.

Hand-written HTTP/1.1 on one event loop, so that it is several times faster than whatever is measured against it. It
speaks both tongues: `/bot<token>/<method>` is Telegram, `/<version>/<id>/messages` is WhatsApp. `GET /stats` tells what
was seen, and `POST /rules` sets latency and limit.
Run: python -m bench.platform --port 9000
"""

import argparse
import asyncio
import json
import re
from collections import Counter, deque
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import parse_qs

LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


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
    refused: int = 0
    first: float = 0.0
    last: float = 0.0

    def told(self) -> dict[str, object]:
        doubled = sum(count - 1 for count in self.sent.values())
        return {
            "calls": dict(self.calls),
            "sent": sum(self.sent.values()),
            "distinct": len(self.sent),
            "doubled": doubled,
            "refused": self.refused,
            "seconds": self.last - self.first,
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
        if name in ("sendMessage", "messages", "editMessageText"):
            return self._take(name, body)
        return 200, self._plain(name)

    def _take(self, name: str, body: bytes) -> tuple[int, bytes]:
        now = monotonic()
        wait = self._wait(now)
        if wait:
            self.seen.refused += 1
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
    form = parse_qs(body.decode())
    return f"{form.get('chat_id', [''])[0]}|{form.get('message_id', [''])[0]}|{form.get('text', [''])[0]}"


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


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it come one after the other."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = LENGTH.search(head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._buffer) < whole:
                return
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            method, path, _ = head.split(b" ", 2)
            status, content = self._platform.answer(method.decode(), path.decode(), body)
            raw = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
                status,
                len(content),
            )
            if self._platform.rules.latency:
                asyncio.get_running_loop().call_later(self._platform.rules.latency, self._write, raw + content)
            else:
                self._write(raw + content)

    def _write(self, raw: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(raw)


async def serve(port: int, rules: Rules) -> None:
    platform = Platform(rules)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(platform), "127.0.0.1", port, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--limit", type=int, default=0, help="messages in any sliding second")
    given = parser.parse_args()
    asyncio.run(serve(given.port, Rules(given.latency, given.limit)))
