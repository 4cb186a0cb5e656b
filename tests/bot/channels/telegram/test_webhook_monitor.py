"""A webhook that Telegram took and does not reach any more: told once, seen from outside, while it lasts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from bot import app as wiring
from bot import lifecycle
from bot.channels.telegram import webhook_monitor
from bot.channels.telegram.channel import PendingUpdates
from bot.config import Settings
from bot.web.app_keys import CLOCK
from content.library import Library
from handlers.administration import channel_status
from handlers.administration.channel_status import Trouble
from storage.channels import channel_facts
from tests.cast import Clock
from tests.channels_of import telegram_of
from tests.fakes.telegram import TOKEN, FakeTelegram

THEN = datetime(2026, 11, 23, 15, tzinfo=UTC)
LATER = THEN + timedelta(minutes=1)
TIMED_OUT = "Connection timed out"


@pytest.mark.parametrize(
    ("before", "now", "deaf", "heard"),
    [
        (PendingUpdates(0, None, ""), PendingUpdates(0, None, ""), False, True),
        (PendingUpdates(2, THEN, "x"), PendingUpdates(2, LATER, "x"), True, False),
        (PendingUpdates(2, None, ""), PendingUpdates(5, LATER, "x"), True, False),
        pytest.param(
            PendingUpdates(0, THEN, "x"), PendingUpdates(3, LATER, "x"), False, False, id="nothing waited at first"
        ),
        pytest.param(PendingUpdates(9, THEN, "x"), PendingUpdates(8, LATER, "x"), False, True, id="one came through"),
        pytest.param(
            PendingUpdates(2, THEN, "x"), PendingUpdates(2, THEN, "x"), False, False, id="it was not tried since"
        ),
        pytest.param(
            PendingUpdates(2, None, ""), PendingUpdates(7, None, ""), False, False, id="much to do, no failure"
        ),
    ],
)
def test_deaf_is_where_telegram_tried_and_nothing_came_through(
    before: PendingUpdates, now: PendingUpdates, deaf: bool, heard: bool
) -> None:
    assert (webhook_monitor.is_deaf(before, now), webhook_monitor.is_heard(before, now)) == (deaf, heard)


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as one:
        yield one


@pytest.fixture
async def app(
    fake: FakeTelegram, sqlite_url: str, tmp_path: Path, library: Library, clock: Clock
) -> AsyncIterator[wiring.App]:
    settings = Settings(
        database_url=sqlite_url,
        data_dir=tmp_path,
        telegram_bot_token=SecretStr(TOKEN),
        telegram_api_url=fake.url,
        public_url="https://integra.example.mx",
    )
    async with wiring.build(settings, clock, library) as app:
        await telegram_of(app).start()
        yield app


def fails(fake: FakeTelegram, at: datetime) -> None:
    fake.person(5).say("hola")
    fake.last_failure = {"last_error_date": int(at.timestamp()), "last_error_message": TIMED_OUT}


async def looks(app: wiring.App, times: int, happens: Callable[[int], None] = lambda _: None) -> None:
    seen = None
    for number in range(times):
        happens(number)
        seen = await webhook_monitor.look(app.database, telegram_of(app), app.web[CLOCK], seen)


async def deaf(app: wiring.App) -> dict[str, str]:
    async with app.database.read() as tx:
        return dict(await channel_facts.deaf(tx))


async def test_it_is_told_once_and_noted_until_something_comes_through(
    app: wiring.App, fake: FakeTelegram, capsys: pytest.CaptureFixture[str]
) -> None:
    await looks(app, 4, lambda number: fails(fake, THEN + number * timedelta(minutes=1)))
    assert await deaf(app) == {"telegram": TIMED_OUT.lower()}
    said = capsys.readouterr().out
    assert said.count("channel_deaf") == 1
    assert "PUBLIC_URL" in said
    async with app.database.read() as tx:
        (standing,) = await channel_status.channel_statuses(
            tx, app.library, app.installation, ["telegram"], app.web[CLOCK]()
        )
        assert standing.troubles == {Trouble.DEAF}
        assert await channel_facts.stopped(tx) == {}, "we may send"
    async with TestClient(TestServer(app.web)) as client:
        measured = await (await client.get("/metrics")).text()
    assert 'integra_channel_deaf{channel="telegram"} 1' in measured
    await looks(app, 2, lambda _: fake.pending.clear())
    assert await deaf(app) == {}
    assert "channel_hears" in capsys.readouterr().out


async def test_what_is_deaf_stays_so_while_telegram_waits_longer_between_its_tries(
    app: wiring.App, fake: FakeTelegram
) -> None:
    await looks(app, 2, lambda number: fails(fake, THEN + number * timedelta(minutes=1)))
    await looks(app, 3)
    assert await deaf(app) == {"telegram": TIMED_OUT.lower()}


async def test_a_telegram_that_does_not_say_changes_nothing(app: wiring.App, fake: FakeTelegram) -> None:
    seen = PendingUpdates(1, THEN, "")
    fake.fail("getWebhookInfo", status=502)
    assert await webhook_monitor.look(app.database, telegram_of(app), app.web[CLOCK], seen) is seen
    assert await deaf(app) == {}


async def test_one_who_works_looks_again_and_again(
    app: wiring.App, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_monitor, "LOOK", 0.01)
    life = asyncio.create_task(lifecycle.run_channel(app, app.channels["telegram"]))
    while [name for name, _ in fake.calls].count("getWebhookInfo") < 3:
        await fake.changed()
    life.cancel()
    await asyncio.wait([life])
    assert life.cancelled()
