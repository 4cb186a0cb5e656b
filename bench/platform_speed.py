"""How fast the fake platform is by itself: it must be several times faster than whatever is measured against it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from bench.driver import Driver
from bench.peers import work
from bench.processes import TOKEN, platform

TIMES = 5


@dataclass(frozen=True, slots=True)
class Gauge:
    """`taken` calls a second as our driver brought them, one at a time on each of 40 connections; `own` calls for each
    second of the platform's own processor time, which is what it could take at most."""

    taken: float
    own: float

    def is_enough_for(self, calls: float) -> bool:
        """For something that makes so many calls a second."""
        return self.own >= TIMES * calls


async def gauge(count: int) -> Gauge:
    """Measured with messages as our sender writes them."""
    text = work.question()[0]
    raws = [_message(chat, text) for chat in work.chats(count)]
    async with platform() as fake:
        driver = Driver()
        await driver.open([fake.url])
        before = fake.cpu()
        taken = await driver.pour(raws)
        cpu = fake.cpu() - before
        driver.close()
    return Gauge(count / max(taken), count / cpu)


def _message(chat: int, text: str) -> bytes:
    body = urlencode({"chat_id": chat, "text": text, "parse_mode": "HTML", "reply_markup": "{}" * 100}).encode()
    head = (
        f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
