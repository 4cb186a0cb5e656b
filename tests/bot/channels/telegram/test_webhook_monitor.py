"""A webhook that Telegram accepted and no longer reaches: logged once, and visible from outside while it lasts."""

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
from tests.channels_of import platform_runtime, telegram_of
from tests.fakes.telegram import TOKEN, FakeTelegram

THEN = datetime(2026, 11, 23, 15, tzinfo=UTC)
LATER = THEN + timedelta(minutes=1)
TIMED_OUT = "Connection timed out"


@pytest.mark.parametrize(
    ("before", "now", "failing", "recovered"),
    [
        (PendingUpdates(0, None, ""), PendingUpdates(0, None, ""), False, True),
        (PendingUpdates(2, THEN, "x"), PendingUpdates(2, LATER, "x"), True, False),
        (PendingUpdates(2, None, ""), PendingUpdates(5, LATER, "x"), True, False),
        pytest.param(
            PendingUpdates(0, THEN, "x"), PendingUpdates(3, LATER, "x"), False, False, id="nothing was pending at first"
        ),
        pytest.param(PendingUpdates(9, THEN, "x"), PendingUpdates(8, LATER, "x"), False, True, id="one was delivered"),
        pytest.param(PendingUpdates(2, THEN, "x"), PendingUpdates(2, THEN, "x"), False, False, id="not tried since"),
        pytest.param(
            PendingUpdates(2, THEN, "x"), PendingUpdates(7, None, ""), False, False, id="the failure was cleared"
        ),
        pytest.param(
            PendingUpdates(2, None, ""), PendingUpdates(7, None, ""), False, False, id="many pending, no failure"
        ),
    ],
)
def test_the_webhook_fails_where_telegram_tried_and_nothing_was_delivered(
    before: PendingUpdates, now: PendingUpdates, failing: bool, recovered: bool
) -> None:
    assert (webhook_monitor.is_failing(before, now), webhook_monitor.has_recovered(before, now)) == (failing, recovered)


@pytest.fixture
async def fake() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


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


def fail_delivery(fake: FakeTelegram, at: datetime) -> None:
    fake.person(5).say("hola")
    fake.last_failure = {"last_error_date": int(at.timestamp()), "last_error_message": TIMED_OUT}


async def run_checks(app: wiring.App, times: int, prepare: Callable[[int], None] = lambda _: None) -> None:
    state = None
    for number in range(times):
        prepare(number)
        state = await webhook_monitor.check(app.database, telegram_of(app), app.web[CLOCK], state)


async def failing_channels(app: wiring.App) -> dict[str, str]:
    async with app.database.read() as tx:
        return dict(await channel_facts.not_receiving(tx))


async def test_a_failure_is_logged_once_and_recorded_until_an_update_is_delivered(
    app: wiring.App, fake: FakeTelegram, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_checks(app, 4, lambda number: fail_delivery(fake, THEN + number * timedelta(minutes=1)))
    assert await failing_channels(app) == {"telegram": TIMED_OUT.lower()}
    log = capsys.readouterr().out
    assert log.count("channel_receiving_failed") == 1
    assert "PUBLIC_URL" in log
    async with app.database.read() as tx:
        (status,) = await channel_status.channel_statuses(app.work(tx), ["telegram"])
        assert status.troubles == {Trouble.NOT_RECEIVING}
        assert await channel_facts.stopped(tx) == {}, "sending is not stopped"
    async with TestClient(TestServer(app.web)) as client:
        metrics = await (await client.get("/metrics")).text()
    assert 'integra_channel_not_receiving{channel="telegram"} 1' in metrics
    await run_checks(app, 2, lambda _: fake.pending.clear())
    assert await failing_channels(app) == {}
    assert "channel_receiving_recovered" in capsys.readouterr().out


async def test_a_failure_stays_recorded_while_telegram_backs_off(app: wiring.App, fake: FakeTelegram) -> None:
    await run_checks(app, 2, lambda number: fail_delivery(fake, THEN + number * timedelta(minutes=1)))
    await run_checks(app, 3)
    assert await failing_channels(app) == {"telegram": TIMED_OUT.lower()}


async def test_a_check_that_fails_changes_nothing(app: wiring.App, fake: FakeTelegram) -> None:
    state = PendingUpdates(1, THEN, "")
    fake.fail("getWebhookInfo", status=502)
    assert await webhook_monitor.check(app.database, telegram_of(app), app.web[CLOCK], state) is state
    assert await failing_channels(app) == {}


async def test_a_worker_checks_periodically(
    app: wiring.App, fake: FakeTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_monitor, "CHECK_INTERVAL", 0.01)
    task = asyncio.create_task(lifecycle.run_channel(app, platform_runtime(app, "telegram")))
    while [name for name, _ in fake.calls].count("getWebhookInfo") < 3:
        await fake.changed()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
