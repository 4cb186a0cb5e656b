"""Latency of acknowledging WhatsApp webhooks (each stored first) while more arrive and are handled.

Open loop: a request's latency counts from when it was due, not from when it was sent. There is no TLS. Also measured is
one webhook body with a thousand items.
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

from bench.processes import WHATSAPP, ServerProcess, integra_process, platform_process

PATH = "/webhooks/whatsapp"
RATE, SECONDS = 100, 10


def text_message(sender: int, number: int, text: str = "ayuda") -> dict[str, Any]:
    """One text message, as it appears in a webhook body."""
    return {
        "from": f"52477{sender:07d}",
        "from_user_id": f"MX.{sender}",
        "id": f"wamid.{sender}.{number}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": text},
    }


def body(messages: list[dict[str, Any]]) -> bytes:
    """A webhook body as Meta sends it."""
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


async def measured(server: ServerProcess, rate: int, seconds: int) -> list[float]:
    """Seconds from when each webhook was due until it was answered 200."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        start = time.perf_counter() + 0.5

        async def post(index: int) -> float:
            due_at = start + index / rate
            await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
            content = body([text_message(index % 500, index)])
            async with session.post(server.url + PATH, data=content, headers=signed(content)) as response:
                assert response.status == 200
            return time.perf_counter() - due_at

        return await asyncio.gather(*(post(index) for index in range(rate * seconds)))


async def post_batch(server: ServerProcess, size: int) -> float:
    """Seconds until one webhook body with `size` items is answered 200."""
    content = body([text_message(9000 + index, 0) for index in range(size)])
    async with aiohttp.ClientSession() as session:
        start = time.perf_counter()
        async with session.post(server.url + PATH, data=content, headers=signed(content)) as response:
            assert response.status == 200
        return time.perf_counter() - start


async def table() -> str:
    """The results as a Markdown table."""
    lines = ["| webhooks a second | median ms | 99 % ms | one body of 1,000 items, ms |", "|---|---|---|---|"]
    async with platform_process() as fake:
        for rate in (RATE // 4, RATE):
            with tempfile.TemporaryDirectory() as folder:
                async with integra_process(fake, Path(folder), {}) as server:
                    latencies = sorted(await measured(server, rate, SECONDS))
                    batch = await post_batch(server, 1000)
            median, slow = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
            lines.append(f"| {rate} | {median * 1e3:.1f} | {slow * 1e3:.1f} | {batch * 1e3:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(asyncio.run(table()))
