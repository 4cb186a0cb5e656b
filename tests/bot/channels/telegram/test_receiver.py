"""Updates are kept before they are acknowledged, whichever way they come, and nothing holds them up."""

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
from bot.channels.telegram.client import Contested, TokenRevoked
from bot.channels.telegram.receiver import BODY_LIMIT, PATH, SECRET_HEADER, Pauses, attach, poll
from bot.channels.webhook import Keeper
from bot.inbound.inbox import Inbox
from handlers.message import Update, UpdateKind
from storage.database import DatabaseUnavailable, open_database
from storage.migrate import migrate
from storage.queue.updates import take
from storage.schema import updates
from tests.fakes.telegram import TOKEN, FakeTelegram

SECRET = "a-Secret_1"


class Box:
    """An inbox in memory that fails when told to."""

    def __init__(self) -> None:
        self.kept: dict[str, PlatformEvent] = {}
        self.away = 0  # how many more times the database is away
        self.poison: Callable[[PlatformEvent], bool] = lambda _: False

    async def keep(self, arrivals: Iterable[PlatformEvent]) -> int:
        items = list(arrivals)
        if self.away:
            self.away -= 1
            raise DatabaseUnavailable("test")
        if any(map(self.poison, items)):
            raise UnicodeEncodeError("utf-8", "secreto", 0, 1, "test")
        new = {item.key: item for item in items if item.key not in self.kept}
        self.kept.update(new)
        return len(new)

    def texts(self) -> list[str]:
        return [item.text for item in self.kept.values() if isinstance(item, Update)]


class Naps:
    """Stands for asyncio.sleep: notes how long, and wakes whoever waits for the next nap."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._waiting: list[tuple[int, asyncio.Event]] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        for count, event in self._waiting:
            if len(self.taken) >= count:
                event.set()
        await asyncio.sleep(0)

    async def reach(self, count: int) -> None:
        event = asyncio.Event()
        self._waiting.append((count, event))
        if len(self.taken) < count:
            await event.wait()


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


@pytest.fixture
async def telegram(api: FakeTelegram) -> AsyncIterator[Telegram]:
    channel = Telegram(TOKEN, api.url)
    yield channel
    await channel.stop()


@pytest.fixture
def box() -> Box:
    return Box()


@contextlib.asynccontextmanager
async def polling(telegram: Telegram, box: Keeper, naps: Naps | None = None) -> AsyncIterator[Naps]:
    naps = naps or Naps()
    task = asyncio.create_task(poll(telegram, box, sleep=naps))
    try:
        yield naps
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_updates_are_kept_in_order_and_then_confirmed(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    person = api.person()
    for text in ("uno", "dos", "tres"):
        person.say(text)
    async with polling(telegram, box):
        await api.drained()
        person.say("cuatro")
        await api.drained()
    assert box.texts() == ["uno", "dos", "tres", "cuatro"]


async def test_nothing_is_confirmed_while_the_database_is_away(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    box.away = 7
    api.person().say("uno")
    async with polling(telegram, box) as naps:
        await api.drained()
    assert naps.taken == [1, 2, 4, 8, 16, 30, 30]
    offsets = [values.get("offset") for method, values in api.calls if method == "getUpdates"]
    assert offsets[:9] == [None] * 8 + [api.next_update]
    assert box.texts() == ["uno"]


async def test_one_poison_update_never_stops_the_rest(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    person = api.person()
    first = person.say("uno")
    api.push({"update_id": first + 1, "message": {"text": "secreto"}})
    api.next_update = first + 2
    person.say("dos")
    with capture_logs() as logs:
        async with polling(telegram, box) as naps:
            await api.drained()
    assert naps.taken == []
    assert box.texts() == ["uno", "dos"]
    assert box.kept[str(first + 1)] == UnreadableEvent("telegram", str(first + 1), "KeyError")
    assert "secreto" not in repr(logs)


async def test_an_update_that_cannot_be_kept_is_set_aside_alone(
    api: FakeTelegram, telegram: Telegram, box: Box
) -> None:
    box.poison = lambda item: isinstance(item, Update) and item.text == "secreto"
    person = api.person()
    person.say("uno")
    bad = str(person.say("secreto"))
    person.say("dos")
    with capture_logs() as logs:
        async with polling(telegram, box):
            await api.drained()
    assert box.texts() == ["uno", "dos"]
    assert box.kept[bad] == UnreadableEvent("telegram", bad, "not kept")
    assert "secreto" not in repr(logs)


async def test_when_nothing_at_all_can_be_kept_nothing_is_confirmed(
    api: FakeTelegram, telegram: Telegram, box: Box
) -> None:
    box.poison = lambda _: True
    api.person().say("uno")
    async with polling(telegram, box) as naps:
        await naps.reach(3)
        assert len(api.pending) == 1
        box.poison = lambda _: False
        await api.drained()
    assert box.texts() == ["uno"]


async def test_what_we_ignore_is_confirmed_all_the_same(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    person = api.person()
    person.say("uno")
    person.edit(person.notes[-1].number, "otro")
    async with polling(telegram, box):
        await api.drained()
    assert box.texts() == ["uno"]


async def test_blocks_and_presses_come_the_same_way(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    person = api.person()
    person.start("LEON")
    person.forge("answer:1:a")
    person.send_sticker()
    person.send_photo("pie de foto")
    person.send_voice()
    person.block()
    person.unblock()
    async with polling(telegram, box):
        await api.drained()
    kinds = [item.kind for item in box.kept.values() if isinstance(item, Update)]
    expected = [
        UpdateKind.COMMAND,
        UpdateKind.CHOICE,
        *[UpdateKind.ATTACHMENT] * 3,
        UpdateKind.BLOCKED,
        UpdateKind.UNBLOCKED,
    ]
    assert kinds == expected
    assert not [item for item in box.kept.values() if isinstance(item, UnreadableEvent)]


async def test_after_a_quiet_time_lower_numbers_are_not_lost(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    person = api.person()
    person.say("uno")
    async with polling(telegram, box) as naps:
        await api.drained()
        # The waiting call ends with nothing, as after its 25 seconds; the next one carries no offset.
        api.fail("getUpdates", body=b'{"ok":true,"result":[]}')
        api.fail("getUpdates", body=b'{"ok":true,"result":[]}')
        api.push({"update_id": api.next_update, "poll": {}})
        await api.drained()
        api.next_update = 5_000
        person.say("dos")
        await api.drained()
    assert naps.taken == []
    assert box.texts() == ["uno", "dos"]


async def test_an_update_without_a_number_does_not_make_the_loop_spin(
    api: FakeTelegram, telegram: Telegram, box: Box
) -> None:
    api.push({"message": {}})
    async with polling(telegram, box) as naps:
        await naps.reach(3)
    assert naps.taken[:3] == [1, 2, 4]
    assert len(box.kept) == 1


@pytest.mark.parametrize(
    "how",
    [{"status": 500}, {"reset": True}, {"body": b"<html>"}, {"body": b'{"ok":true,"result":{}}'}, {"status": 400}],
)
async def test_trouble_of_any_kind_only_delays(
    api: FakeTelegram, telegram: Telegram, box: Box, how: dict[str, Any]
) -> None:
    api.fail("getUpdates", **how)
    api.fail("getUpdates", **how)
    api.person().say("uno")
    async with polling(telegram, box) as naps:
        await api.drained()
    assert naps.taken in ([1, 2], [1])  # the HTTP library itself repeats a GET whose connection was cut
    assert box.texts() == ["uno"]


async def test_a_429_is_waited_for(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    api.fail("getUpdates", status=429, retry_after=40)
    api.person().say("uno")
    async with polling(telegram, box) as naps:
        await api.drained()
    assert naps.taken == [40]


async def test_a_second_consumer_is_told_once_and_clearly(api: FakeTelegram, telegram: Telegram, box: Box) -> None:
    api.webhook = {"url": "https://elsewhere.example/hook"}
    api.person().say("uno")
    with capture_logs() as logs:
        async with polling(telegram, box) as naps:
            await naps.reach(5)
            api.webhook = {}
            await api.drained()
    events = [line["event"] for line in logs]
    assert events.count("telegram_contested") == 1
    assert events[-1] == "telegram_polling_again"
    assert box.texts() == ["uno"]


async def test_a_refused_token_ends_the_polling(api: FakeTelegram, box: Box) -> None:
    channel = Telegram("7000000001:revoked", api.url)
    with pytest.raises(TokenRevoked):
        await poll(channel, box)
    await channel.stop()


def test_each_kind_of_trouble_is_told_once_until_it_is_over() -> None:
    pauses = Pauses()
    with capture_logs() as logs:
        for fault in (
            DatabaseUnavailable("a"),
            DatabaseUnavailable("a"),
            Throttled(9),
            Contested("b", in_doubt=False),
        ):
            pauses.after(fault)
        pauses.reset()
        pauses.reset()
        assert pauses.after(DatabaseUnavailable("a")) == 1
    assert [line["event"] for line in logs] == [
        "telegram_polling_failed",
        "telegram_polling_failed",
        "telegram_contested",
        "telegram_polling_again",
        "telegram_polling_failed",
    ]


@pytest.fixture
async def hook(telegram: Telegram, box: Box) -> AsyncIterator[str]:
    app = web.Application()
    attach(app, telegram, box, SECRET)
    server = TestServer(app)
    await server.start_server(access_log=None)
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def post(hook: str, data: Any, secret: str | None = SECRET) -> int:
    headers = {} if secret is None else {SECRET_HEADER: secret}
    async with ClientSession() as session, session.post(hook + PATH, data=data, headers=headers) as answer:
        return answer.status


async def test_the_webhook_keeps_what_telegram_brings(
    api: FakeTelegram, telegram: Telegram, box: Box, hook: str
) -> None:
    channel = Telegram(TOKEN, api.url, webhook=Webhook("https://integra.example" + PATH, SECRET))
    await channel.start()
    api.tunnel = hook
    person = api.person()
    person.say("uno")
    person.forge("x")
    api.push({"update_id": 1, "message": {"text": "secreto"}})
    person.say("dos")
    box.away = 2
    assert await api.deliver() == [503, 503, 200, 200, 200, 200]
    assert box.texts() == ["uno", "", "dos"]
    await channel.stop()


async def test_both_ways_end_in_the_same_stored_updates(api: FakeTelegram, telegram: Telegram, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    await migrate(url)
    database = open_database(url)
    inbox = Inbox(database, bytes(32), lambda: datetime(2026, 11, 23, 15, tzinfo=UTC))
    person = api.person()
    person.say("uno \ud83d\x00")
    person.send_sticker()
    api.push({"update_id": 1, "message": {"text": "secreto"}})
    brought = list(api.pending)
    async with polling(telegram, inbox):
        await api.drained()
    app = web.Application()
    attach(app, telegram, inbox, SECRET)
    async with TestServer(app) as server:
        hook = str(server.make_url("")).rstrip("/")
        for raw in brought:
            assert await post(hook, json.dumps(raw)) == 200
    async with database.read() as tx:
        rows = (await tx.execute(select(updates.c.key, updates.c.state, updates.c.fault))).all()
        first = await take(tx)
    await database.close()
    assert [(row.state, row.fault) for row in rows] == [("waiting", None), ("waiting", None), ("aside", "KeyError")]
    assert first is not None
    kept = inbox.read(first)
    assert isinstance(kept, Update)
    assert (kept.text, first.address) == ("uno", str(person.id))


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", "ñ", SECRET.lower()])
async def test_without_the_secret_nothing_is_taken(box: Box, hook: str, secret: str | None) -> None:
    assert await post(hook, b'{"update_id": 1}', secret) == 403
    assert not box.kept


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
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 64 * 1024

    assert await post(hook, pieces()) == 413


async def test_a_webhook_without_a_secret_cannot_be_set_up(telegram: Telegram, box: Box) -> None:
    with pytest.raises(ValueError, match="secret"):
        attach(web.Application(), telegram, box, "")
