"""The webhook accepts what WhatsApp has signed, stores it before acknowledging it, and logs no personal data."""

import asyncio
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.channels.events import PlatformEvent, UnreadableEvent
from bot.channels.whatsapp.fields import hashed_key
from bot.channels.whatsapp.webhook import BODY_LIMIT, PATH, SIGNATURE_HEADER, attach
from bot.inbound.inbox import Inbox
from handlers.message import Update
from storage.database import Database, DatabaseUnavailable, open_database
from storage.schema import updates
from tests.bot.channels.whatsapp.payloads import (
    ANA,
    LUIS,
    NUMBER_ID,
    OTHER_PHONE,
    OTHER_USER,
    PHONE,
    ROWS,
    USER,
    Json,
    account,
    body,
    change,
    incoming,
    preference,
    status,
    status_updates,
    summary,
    text,
)
from tests.cast import Clock

SECRET = "app-secret"
TOKEN = "verify-token"
CANARY = "zqxcanarioqxz"


class MemoryInbox:
    """An inbox in memory that can be made to fail; `transactions` counts the calls."""

    def __init__(self) -> None:
        self.stored: dict[str, PlatformEvent] = {}
        self.transactions = 0
        self.failures_left = 0  # how many more calls fail as if the database were unavailable
        self.poison: Callable[[PlatformEvent], bool] = lambda _: False

    async def store(self, events: Iterable[PlatformEvent]) -> int:
        items = list(events)
        self.transactions += 1
        if self.failures_left:
            self.failures_left -= 1
            raise DatabaseUnavailable("test")
        if any(map(self.poison, items)):
            raise UnicodeEncodeError("utf-8", CANARY, 0, 1, CANARY)
        new = {item.key: item for item in items if item.key not in self.stored}
        self.stored.update(new)
        return len(new)


@pytest.fixture
def inbox() -> MemoryInbox:
    return MemoryInbox()


@pytest.fixture
async def hook(inbox: MemoryInbox) -> AsyncIterator[str]:
    async with _serving(inbox) as url:
        yield url


class _serving:
    """The webhook on loopback, with an inbox."""

    def __init__(self, inbox: Any) -> None:
        app = web.Application()
        attach(app, inbox, SECRET, TOKEN, NUMBER_ID)
        self._server = TestServer(app)

    async def __aenter__(self) -> str:
        await self._server.start_server(access_log=None)
        return str(self._server.make_url(PATH))

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()


def signature(data: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()


async def post(hook: str, data: bytes | Json, sent_signature: str | None = "", body: Any = None) -> int:
    """Post bytes or JSON with a valid signature, or with `sent_signature` (None: without a signature)."""
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    headers = {} if sent_signature is None else {SIGNATURE_HEADER: sent_signature or signature(data)}
    async with ClientSession() as session, session.post(hook, data=body or io.BytesIO(data), headers=headers) as answer:
        return answer.status


# ---------------------------------------------------------------- verification of the address


GOOD = {"hub.mode": "subscribe", "hub.verify_token": TOKEN, "hub.challenge": "1158201444"}


async def verify(hook: str, **params: str) -> tuple[int, str, str]:
    async with ClientSession() as session, session.get(hook, params=params) as answer:
        return answer.status, answer.content_type, await answer.text()


async def test_the_challenge_is_returned_as_plain_text(hook: str) -> None:
    assert await verify(hook, **GOOD) == (200, "text/plain", "1158201444")


@pytest.mark.parametrize(
    "wrong",
    [
        {"hub.verify_token": "wrong"},
        {"hub.verify_token": TOKEN + "x"},
        {"hub.verify_token": TOKEN.upper()},
        {"hub.verify_token": ""},
        {"hub.verify_token": "ñ\udc80"},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": ""},
        {"hub.challenge": ""},
        {"hub.challenge": "x" * 257},
        {"hub.challenge": "a\nb"},
        {"hub.challenge": "\u202e"},
    ],
)
async def test_a_request_without_the_token_gets_no_information(hook: str, wrong: dict[str, str]) -> None:
    with capture_logs() as logs:
        encoded = {name: value.encode("utf-8", "surrogateescape").decode("latin-1") for name, value in wrong.items()}
        assert await verify(hook, **{**GOOD, **encoded}) == (403, "application/octet-stream", "")
    assert logs == [
        {
            "event": "webhook_refused",
            "channel": "whatsapp",
            "status": 403,
            "kind": "verification",
            "log_level": "warning",
        }
    ]


async def test_a_request_without_parameters_is_refused(hook: str) -> None:
    assert (await verify(hook))[0] == 403


@pytest.mark.parametrize(("secret", "token"), [("", TOKEN), (SECRET, "")])
def test_a_webhook_without_its_secrets_cannot_be_set_up(inbox: MemoryInbox, secret: str, token: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        attach(web.Application(), inbox, secret, token, NUMBER_ID)


# ---------------------------------------------------------------- signatures and bodies


async def test_without_a_signature_nothing_is_accepted(inbox: MemoryInbox, hook: str) -> None:
    assert await post(hook, incoming(text()), sent_signature=None) == 401
    assert not inbox.transactions


@pytest.mark.parametrize(
    "wrong_signature",
    [
        signature(json.dumps(incoming(text())).encode(), "another secret"),
        signature(json.dumps(incoming(text("other"))).encode()),
        signature(json.dumps(incoming(text())).encode() + b"\n"),
        signature(json.dumps(incoming(text())).encode()).removeprefix("sha256="),
        signature(json.dumps(incoming(text())).encode()).replace("sha256", "sha1"),
        signature(json.dumps(incoming(text())).encode())[:-1],
        "sha256=",
        "sha256=" + "0" * 64,
        "sha256=ñ",
        "x" * 4000,
    ],
)
async def test_with_a_wrong_signature_nothing_is_accepted(inbox: MemoryInbox, hook: str, wrong_signature: str) -> None:
    assert await post(hook, incoming(text()), wrong_signature) == 403
    assert not inbox.transactions


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (json.dumps(incoming(text())).encode()[:-7], 400),
        (b"\xff\xfe", 400),
        (b"[1]", 400),
        (b"7", 400),
        (b"null", 400),
        (b"[" * 100_000, 400),
        (b'{"entry":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"entry": 1' + b"0" * 5000 + b"}", 400),
        (b"{" + b" " * BODY_LIMIT + b"}", 413),
        (b"{}" + b" " * (BODY_LIMIT - 2), 200),
        (b"{}", 200),
        (b'{"entry": [NaN, 1e999, {"changes": 5}]}', 200),
        (b'{"unheard_of": 1}', 200),
    ],
)
async def test_signed_bytes_get_their_status(hook: str, data: bytes, status: int) -> None:
    assert await post(hook, data) == status


async def test_a_body_of_unknown_length_is_limited_too(inbox: MemoryInbox, hook: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 64 * 1024

    assert await post(hook, b"", body=chunks()) == 413
    assert not inbox.transactions


@pytest.mark.parametrize(("length", "statuses"), [(BODY_LIMIT + 1, {b"413"}), (10, {b"400", b"403"})])
async def test_a_wrong_content_length_is_refused(
    inbox: MemoryInbox, hook: str, length: int, statuses: set[bytes]
) -> None:
    data = json.dumps(incoming(text())).encode()
    host, _, port = hook.removeprefix("http://").partition("/")[0].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{SIGNATURE_HEADER}: {signature(data)}\r\nContent-Length: {length}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    async with asyncio.timeout(10):
        assert (await reader.readline()).split()[1] in statuses
    writer.close()
    await writer.wait_closed()
    assert not inbox.transactions


# ---------------------------------------------------------------- storing


async def test_a_batch_over_entries_and_changes_is_stored_in_one_transaction(inbox: MemoryInbox, hook: str) -> None:
    raw = body(
        change(contacts=[LUIS, ANA], messages=[text("uno", "wamid.1"), text("dos", "wamid.2")]),
        change(statuses=[status("sent"), status("delivered")]),
        account("account_update", event="ACCOUNT_RESTRICTION")["entry"][0]["changes"][0],
    )
    raw["entry"] += preference("stop")["entry"] + incoming(text("tres", "wamid.3"))["entry"]
    assert await post(hook, raw) == 200
    assert inbox.transactions == 1
    assert summary([*inbox.stored.values()]) == (
        "text, text, sent 0, delivered 0, account ACCOUNT_RESTRICTION, preference stop, text"
    )


async def test_a_payload_without_events_is_acknowledged_without_the_database(inbox: MemoryInbox, hook: str) -> None:
    for name, (raw, expected) in ROWS.items():
        if expected == "ignored":
            assert await post(hook, raw) == 200, name
    other = change(messages=[text()], metadata={"phone_number_id": "999"})
    assert await post(hook, body(other)) == 200
    assert inbox.transactions == 0


def large_batch(count: int = 1000) -> Json:
    return body(
        change(contacts=[ANA, LUIS], messages=[text("x", f"wamid.{number}") for number in range(count - 2)]),
        change(statuses=[status()]),
        account("account_update", event="ACCOUNT_RESTRICTION")["entry"][0]["changes"][0],
    )


async def stored_states(database: Database) -> list[str]:
    async with database.read() as tx:
        return [*(await tx.execute(select(updates.c.state))).scalars()]


async def test_a_batch_of_a_thousand_is_stored_and_its_repetition_is_not(database: Database, clock: Clock) -> None:
    inbox = Inbox(database, bytes(32), clock)
    async with _serving(inbox) as hook:
        assert await post(hook, large_batch()) == 200
        assert await stored_states(database) == ["waiting"] * 1000
        assert await post(hook, large_batch()) == 200
        assert len(await stored_states(database)) == 1000


async def test_a_thousand_duplicates_are_stored_once(database: Database, clock: Clock) -> None:
    inbox = Inbox(database, bytes(32), clock)
    async with _serving(inbox) as hook:
        assert await post(hook, incoming(*[text()] * 1000)) == 200
        assert await post(hook, status_updates(*[status()] * 1000)) == 200
        assert await asyncio.gather(*(post(hook, incoming(text())) for _ in range(20))) == [200] * 20
    assert await stored_states(database) == ["waiting"] * 2


async def test_stored_events_have_a_name_of_their_sender_and_a_state(database: Database, clock: Clock) -> None:
    inbox = Inbox(database, bytes(32), clock)
    async with _serving(inbox) as hook:
        for raw, _ in ROWS.values():
            assert await post(hook, raw) == 200
    async with database.read() as tx:
        rows = (await tx.execute(select(updates.c.key, updates.c.address, updates.c.state))).all()
    assert len({row.address for row in rows if row.key == inbox.key_of("whatsapp", hashed_key("wamid.IN1"))}) == 1
    assert not any(USER in row.address for row in rows)
    assert {row.state for row in rows if row.key == inbox.key_of("whatsapp", "none")} == {"aside"}


async def test_one_poison_item_never_stops_the_rest(inbox: MemoryInbox, hook: str) -> None:
    inbox.poison = lambda item: isinstance(item, Update) and item.text == CANARY
    raw = body(change(contacts=[ANA], messages=[text("uno", "wamid.1"), text(CANARY, "wamid.2")], statuses=[status()]))
    with capture_logs() as logs:
        assert await post(hook, raw) == 200
    assert summary([*inbox.stored.values()]) == "text, unreadable: not stored, delivered 0"
    assert inbox.stored[hashed_key("wamid.2")] == UnreadableEvent("whatsapp", hashed_key("wamid.2"), "not stored")
    assert [line["event"] for line in logs] == ["batch_not_stored", "event_not_stored"]


async def test_while_the_database_is_unavailable_nothing_is_acknowledged(inbox: MemoryInbox, hook: str) -> None:
    inbox.failures_left = 2
    assert [await post(hook, incoming(text())) for _ in range(3)] == [503, 503, 200]
    assert len(inbox.stored) == 1


async def test_when_nothing_can_be_stored_nothing_is_acknowledged(inbox: MemoryInbox, hook: str) -> None:
    inbox.poison = lambda _: True
    assert await post(hook, incoming(text(), text("dos", "wamid.2"))) == 503
    assert not inbox.stored


async def test_without_a_database_whatsapp_is_made_to_repeat(clock: Clock) -> None:
    gone = open_database("postgresql+asyncpg://user@/x?host=/nowhere/at/all")
    async with _serving(Inbox(gone, bytes(32), clock)) as hook:
        assert await post(hook, incoming(text())) == 503
    await gone.close()


async def test_the_log_has_kinds_and_counts_and_no_personal_data(inbox: MemoryInbox, hook: str) -> None:
    wamid = "wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQz"  # base64 of, among other things, a phone number
    inbox.poison = lambda item: isinstance(item, Update)
    bad = [text(CANARY, wamid, **{"from": None, "from_user_id": None}), {"id": wamid, "type": CANARY}, CANARY, None]
    broken = {"id": wamid, "type": "text", "from": PHONE, "text": {CANARY: CANARY}}
    raw = body(change(contacts=[ANA, LUIS], messages=[text(CANARY, wamid), *bad, broken], statuses=[{"id": wamid}]))
    raw["entry"] += body(change(messages=[text(CANARY)], metadata={"phone_number_id": "999"}))["entry"]
    with capture_logs() as logs:
        assert await post(hook, raw) == 200
        assert await post(hook, raw, signature(b"")) == 403
        assert await post(hook, f'{{"{CANARY}": '.encode()) == 400
    kinds = {line["event"] for line in logs}
    assert kinds == {
        "whatsapp_payload_unreadable",
        "whatsapp_other_number_ignored",
        "webhook_refused",
        "batch_not_stored",
        "event_not_stored",
    }
    unreadable = {line["fault"]: line["count"] for line in logs if line["event"] == "whatsapp_payload_unreadable"}
    assert unreadable == {"no address": 2, "not an object": 2, "text is not a string": 1, "no status": 1}
    everything = repr(logs)
    for secret in (CANARY, wamid, PHONE, OTHER_PHONE, "4771234567", USER, OTHER_USER, "Ana", SECRET, TOKEN):
        assert secret not in everything
