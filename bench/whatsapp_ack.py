"""How soon a WhatsApp webhook is acknowledged (stored first) while they keep coming and are being handled.

An open-loop driver: a request's clock starts when it was due, not when it was sent. TLS is left out. Beside it the
time of one body with a thousand items.
Run: python -m bench.whatsapp_ack
"""

import asyncio
import hashlib
import hmac
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.processes import WHATSAPP, House, house, platform

PATH = "/webhooks/whatsapp"
RATE, SECONDS = 100, 10


def text_of(person: int, number: int, text: str = "ayuda") -> dict[str, Any]:
    """One message of a person."""
    return {
        "from": f"52477{person:07d}",
        "from_user_id": f"MX.{person}",
        "id": f"wamid.{person}.{number}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": text},
    }


def body(messages: list[dict[str, Any]]) -> bytes:
    """A webhook as Meta sends it."""
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "524770000000", "phone_number_id": WHATSAPP["WHATSAPP_PHONE_NUMBER_ID"]},
        "messages": messages,
    }
    entry = {"id": WHATSAPP["WHATSAPP_BUSINESS_ACCOUNT_ID"], "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def signed(content: bytes) -> dict[str, str]:
    mac = hmac.new(WHATSAPP["WHATSAPP_APP_SECRET"].encode(), content, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={mac}", "Content-Type": "application/json"}


async def measured(one: House, rate: int, seconds: int) -> list[float]:
    """Seconds from when each webhook was due until it was answered 200."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        start = time.perf_counter() + 0.5

        async def post(place: int) -> float:
            due = start + place / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            content = body([text_of(place % 500, place)])
            async with session.post(one.url + PATH, data=content, headers=signed(content)) as answer:
                assert answer.status == 200
            return time.perf_counter() - due

        return await asyncio.gather(*(post(place) for place in range(rate * seconds)))


async def batch(one: House, size: int) -> float:
    content = body([text_of(9000 + place, 0) for place in range(size)])
    async with aiohttp.ClientSession() as session:
        start = time.perf_counter()
        async with session.post(one.url + PATH, data=content, headers=signed(content)) as answer:
            assert answer.status == 200
        return time.perf_counter() - start


async def table() -> str:
    """Markdown."""
    lines = ["| webhooks a second | median ms | 99 % ms | one body of 1,000 items, ms |", "|---|---|---|---|"]
    async with platform() as fake:
        for rate in (RATE // 4, RATE):
            with tempfile.TemporaryDirectory() as folder:
                async with house(fake, Path(folder), {}) as one:
                    taken = sorted(await measured(one, rate, SECONDS))
                    whole = await batch(one, 1000)
            last = taken[int(len(taken) * 0.99)]
            lines.append(f"| {rate} | {statistics.median(taken) * 1e3:.1f} | {last * 1e3:.1f} | {whole * 1e3:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(asyncio.run(table()))
