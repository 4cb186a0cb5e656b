"""The fake platform's own speed: it must be several times that of any client measured against it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from bench.driver import Driver
from bench.peers import work
from bench.processes import TOKEN, platform_process

HEADROOM = 5


@dataclass(frozen=True, slots=True)
class PlatformSpeed:
    """`accepted`: calls a second from our driver, one at a time on each of 40 connections.

    `own_capacity`: calls per second of the platform's own CPU time, the most that it could accept.
    """

    accepted: float
    own_capacity: float

    def is_enough_for(self, calls: float) -> bool:
        """Whether a client that makes so many calls a second can be measured against it."""
        return self.own_capacity >= HEADROOM * calls


async def measure_platform(count: int) -> PlatformSpeed:
    """Measure with `count` messages in the format of our Telegram client."""
    text = work.prompt()[0]
    requests = [_message(chat, text) for chat in work.chats(count)]
    async with platform_process() as fake:
        driver = Driver()
        await driver.open([fake.url])
        before = fake.cpu()
        latencies = await driver.send_all(requests)
        cpu = fake.cpu() - before
        driver.close()
    return PlatformSpeed(count / max(latencies), count / cpu)


def _message(chat: int, text: str) -> bytes:
    body = urlencode({"chat_id": chat, "text": text, "parse_mode": "HTML", "reply_markup": "{}" * 100}).encode()
    head = (
        f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
