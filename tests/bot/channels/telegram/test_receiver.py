"""Updates are stored before they are acknowledged, by polling and by webhook, and no fault blocks the rest."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.channels.channel import Throttled
from bot.channels.events import PlatformEvent, UnreadableEvent
from bot.channels.telegram.channel import Telegram, Webhook
from bot.channels.telegram.client import PollingConflict, TokenRevoked
from bot.channels.telegram.receiver import BODY_LIMIT, PATH, SECRET_HEADER, PollingBackoff, attach, poll
from bot.channels.webhook import EventStore
from bot.inbound.inbox import Inbox
from handlers.message import Update, UpdateKind
from storage.database import DatabaseUnavailable, open_database
from storage.migrate import migrate
from storage.queue.updates import claim
from storage.schema import updates
from tests.fakes.telegram import TOKEN, FakeTelegram

SECRET = "a-Secret_1"


class MemoryInbox:
    """An inbox in memory that can be made to fail."""

    def __init__(self) -> None:
        self.stored: dict[str, PlatformEvent] = {}
        self.failures_left = 0  # how many more calls fail as if the database were unavailable
        self.poison: Callable[[PlatformEvent], bool] = lambda _: False

    async def store(self, events: Iterable[PlatformEvent]) -> int:
        items = list(events)
        if self.failures_left:
            self.failures_left -= 1
            raise DatabaseUnavailable("test")
        if any(map(self.poison, items)):
            raise UnicodeEncodeError("utf-8", "secreto", 0, 1, "test")
        new = {item.key: item for item in items if item.key not in self.stored}
        self.stored.update(new)
        return len(new)

    def texts(self) -> list[str]:
        return [item.text for item in self.stored.values() if isinstance(item, Update)]


class RecordedSleeps:
    """Replaces asyncio.sleep: records the seconds and returns at once; a test can wait for the n-th sleep."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        for count, event in self._waiting:
            if len(self.seconds) >= count:
                event.set()
        await asyncio.sleep(0)

    async def reach(self, count: int) -> None:
        event = asyncio.Event()
        self._waiting.append((count, event))
        if len(self.seconds) < count:
            await event.wait()


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


@pytest.fixture
async def telegram(api: FakeTelegram) -> AsyncIterator[Telegram]:
    channel = Telegram(TOKEN, api.url)
    yield channel
    await channel.close()


@pytest.fixture
def inbox() -> MemoryInbox:
    return MemoryInbox()


@contextlib.asynccontextmanager
async def polling(
    telegram: Telegram, inbox: EventStore, sleeps: RecordedSleeps | None = None
) -> AsyncIterator[RecordedSleeps]:
    sleeps = sleeps or RecordedSleeps()
    task = asyncio.create_task(poll(telegram, inbox, sleep=sleeps))
    try:
        yield sleeps
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_updates_are_stored_in_order_and_then_confirmed(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    person = api.person()
    for text in ("uno", "dos", "tres"):
        person.say(text)
    async with polling(telegram, inbox):
        await api.drained()
        person.say("cuatro")
        await api.drained()
    assert inbox.texts() == ["uno", "dos", "tres", "cuatro"]


async def test_nothing_is_confirmed_while_the_database_is_unavailable(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    inbox.failures_left = 7
    api.person().say("uno")
    async with polling(telegram, inbox) as sleeps:
        await api.drained()
    assert sleeps.seconds == [1, 2, 4, 8, 16, 30, 30]
    offsets = [values.get("offset") for method, values in api.calls if method == "getUpdates"]
    assert offsets[:9] == [None] * 8 + [api.next_update]
    assert inbox.texts() == ["uno"]


async def test_one_poison_update_never_stops_the_rest(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    person = api.person()
    first = person.say("uno")
    api.push({"update_id": first + 1, "message": {"text": "secreto"}})
    api.next_update = first + 2
    person.say("dos")
    with capture_logs() as logs:
        async with polling(telegram, inbox) as sleeps:
            await api.drained()
    assert sleeps.seconds == []
    assert inbox.texts() == ["uno", "dos"]
    assert inbox.stored[str(first + 1)] == UnreadableEvent("telegram", str(first + 1), "KeyError")
    assert "secreto" not in repr(logs)


async def test_an_update_that_cannot_be_stored_is_set_aside_alone(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    inbox.poison = lambda item: isinstance(item, Update) and item.text == "secreto"
    person = api.person()
    person.say("uno")
    bad = str(person.say("secreto"))
    person.say("dos")
    with capture_logs() as logs:
        async with polling(telegram, inbox):
            await api.drained()
    assert inbox.texts() == ["uno", "dos"]
    assert inbox.stored[bad] == UnreadableEvent("telegram", bad, "not stored")
    assert "secreto" not in repr(logs)


async def test_when_nothing_can_be_stored_nothing_is_confirmed(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    inbox.poison = lambda _: True
    api.person().say("uno")
    async with polling(telegram, inbox) as sleeps:
        await sleeps.reach(3)
        assert len(api.pending) == 1
        inbox.poison = lambda _: False
        await api.drained()
    assert inbox.texts() == ["uno"]


async def test_ignored_updates_are_confirmed(api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox) -> None:
    person = api.person()
    person.say("uno")
    person.edit(person.messages[-1].number, "otro")
    async with polling(telegram, inbox):
        await api.drained()
    assert inbox.texts() == ["uno"]


async def test_presses_attachments_and_blocks_are_stored_too(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    person = api.person()
    person.start("LEON")
    person.forge("answer:1:a")
    person.send_sticker()
    person.send_photo("pie de foto")
    person.send_voice()
    person.block()
    person.unblock()
    async with polling(telegram, inbox):
        await api.drained()
    kinds = [item.kind for item in inbox.stored.values() if isinstance(item, Update)]
    expected = [
        UpdateKind.COMMAND,
        UpdateKind.CHOICE,
        *[UpdateKind.ATTACHMENT] * 3,
        UpdateKind.BLOCKED,
        UpdateKind.UNBLOCKED,
    ]
    assert kinds == expected
    assert not [item for item in inbox.stored.values() if isinstance(item, UnreadableEvent)]


async def test_lower_update_ids_after_an_idle_week_are_not_lost(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    person = api.person()
    person.say("uno")
    async with polling(telegram, inbox) as sleeps:
        await api.drained()
        # The long poll ends with nothing, as after its 25 seconds; the next one has no offset.
        api.fail("getUpdates", body=b'{"ok":true,"result":[]}')
        api.fail("getUpdates", body=b'{"ok":true,"result":[]}')
        api.push({"update_id": api.next_update, "poll": {}})
        await api.drained()
        api.next_update = 5_000
        person.say("dos")
        await api.drained()
    assert sleeps.seconds == []
    assert inbox.texts() == ["uno", "dos"]


async def test_an_update_without_an_id_does_not_make_the_loop_spin(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox
) -> None:
    api.push({"message": {}})
    async with polling(telegram, inbox) as sleeps:
        await sleeps.reach(3)
    assert sleeps.seconds[:3] == [1, 2, 4]
    assert len(inbox.stored) == 1


@pytest.mark.parametrize(
    "failure",
    [{"status": 500}, {"reset": True}, {"body": b"<html>"}, {"body": b'{"ok":true,"result":{}}'}, {"status": 400}],
)
async def test_any_failure_only_delays_the_updates(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox, failure: dict[str, Any]
) -> None:
    api.fail("getUpdates", **failure)
    api.fail("getUpdates", **failure)
    api.person().say("uno")
    async with polling(telegram, inbox) as sleeps:
        await api.drained()
    assert sleeps.seconds in ([1, 2], [1])  # the HTTP library itself repeats a GET whose connection was cut
    assert inbox.texts() == ["uno"]


async def test_a_429_is_waited_out(api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox) -> None:
    api.fail("getUpdates", status=429, retry_after=40)
    api.person().say("uno")
    async with polling(telegram, inbox) as sleeps:
        await api.drained()
    assert sleeps.seconds == [40]


async def test_a_second_consumer_is_logged_once(api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox) -> None:
    api.webhook = {"url": "https://elsewhere.example/hook"}
    api.person().say("uno")
    with capture_logs() as logs:
        async with polling(telegram, inbox) as sleeps:
            await sleeps.reach(5)
            api.webhook = {}
            await api.drained()
    events = [line["event"] for line in logs]
    assert events.count("telegram_polling_conflict") == 1
    assert events[-1] == "telegram_polling_recovered"
    assert inbox.texts() == ["uno"]


async def test_a_refused_token_ends_the_polling(api: FakeTelegram, inbox: MemoryInbox) -> None:
    channel = Telegram("7000000001:revoked", api.url)
    with pytest.raises(TokenRevoked):
        await poll(channel, inbox)
    await channel.close()


def test_each_kind_of_failure_is_logged_once_until_polling_recovers() -> None:
    backoff = PollingBackoff()
    with capture_logs() as logs:
        for fault in (
            DatabaseUnavailable("a"),
            DatabaseUnavailable("a"),
            Throttled(9),
            PollingConflict("b", in_doubt=False),
        ):
            backoff.seconds_after(fault)
        backoff.reset()
        backoff.reset()
        assert backoff.seconds_after(DatabaseUnavailable("a")) == 1
    assert [line["event"] for line in logs] == [
        "telegram_polling_failed",
        "telegram_polling_failed",
        "telegram_polling_conflict",
        "telegram_polling_recovered",
        "telegram_polling_failed",
    ]


@pytest.fixture
async def hook(telegram: Telegram, inbox: MemoryInbox) -> AsyncIterator[str]:
    app = web.Application()
    attach(app, telegram, inbox, SECRET)
    server = TestServer(app)
    await server.start_server(access_log=None)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def post(hook: str, data: Any, secret: str | None = SECRET) -> int:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    async with ClientSession() as session, session.post(hook + PATH, data=data, headers=headers) as answer:
        return answer.status


async def test_the_webhook_stores_what_telegram_posts(
    api: FakeTelegram, telegram: Telegram, inbox: MemoryInbox, hook: str
) -> None:
    channel = Telegram(TOKEN, api.url, webhook=Webhook("https://integra.example" + PATH, SECRET))
    await channel.start()
    api.tunnel = hook
    person = api.person()
    person.say("uno")
    person.forge("x")
    api.push({"update_id": 1, "message": {"text": "secreto"}})
    person.say("dos")
    inbox.failures_left = 2
    assert await api.deliver() == [503, 503, 200, 200, 200, 200]
    assert inbox.texts() == ["uno", "", "dos"]
    await channel.close()


async def test_polling_and_webhook_store_the_same_updates(
    api: FakeTelegram, telegram: Telegram, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    await migrate(url)
    database = open_database(url)
    inbox = Inbox(database, bytes(32), lambda: datetime(2026, 11, 23, 15, tzinfo=UTC))
    person = api.person()
    person.say("uno \ud83d\x00")
    person.send_sticker()
    api.push({"update_id": 1, "message": {"text": "secreto"}})
    pending = list(api.pending)
    async with polling(telegram, inbox):
        await api.drained()
    app = web.Application()
    attach(app, telegram, inbox, SECRET)
    async with TestServer(app) as server:
        hook = str(server.make_url("")).rstrip("/")
        for raw in pending:
            assert await post(hook, json.dumps(raw)) == 200
    async with database.read() as tx:
        rows = (await tx.execute(select(updates.c.key, updates.c.state, updates.c.fault))).all()
        first = await claim(tx)
    await database.close()
    assert [(row.state, row.fault) for row in rows] == [("waiting", None), ("waiting", None), ("aside", "KeyError")]
    assert first is not None
    update = inbox.read(first)
    assert isinstance(update, Update)
    assert (update.text, update.address) == ("uno", str(person.id))


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", "ñ", SECRET.lower()])
async def test_without_the_secret_nothing_is_accepted(inbox: MemoryInbox, hook: str, secret: str | None) -> None:
    assert await post(hook, b'{"update_id": 1}', secret) == 403
    assert not inbox.stored


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"\xff\xfe", 400),
        (b"[1]", 400),
        (b"7", 400),
        (b"[" * 100_000, 400),
        (b'{"update_id": 1' + b"0" * 5000 + b"}", 400),
        (b"{" + b" " * BODY_LIMIT + b"}", 413),
        (b"{}", 200),
        (b'{"update_id": 5, "message": "x"}', 200),
        (b'{"update_id": 5, "unheard_of": 1}', 200),
    ],
)
async def test_bad_bytes_get_their_status(hook: str, data: bytes, status: int) -> None:
    assert await post(hook, io.BytesIO(data)) == status


async def test_a_body_of_unknown_length_is_limited_too(hook: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 64 * 1024

    assert await post(hook, chunks()) == 413


async def test_a_webhook_without_a_secret_cannot_be_set_up(telegram: Telegram, inbox: MemoryInbox) -> None:
    with pytest.raises(ValueError, match="secret"):
        attach(web.Application(), telegram, inbox, "")
