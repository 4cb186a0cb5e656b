"""A webhook address that Telegram refuses: logged once, visible from outside, and sending goes on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot import app as wiring
from bot import lifecycle
from bot.config import Settings
from content.library import Library
from storage.channels import channel_facts
from tests.cast import Clock
from tests.channels_of import platform_runtime, telegram_of
from tests.fakes.telegram import TOKEN, FakeTelegram


@pytest.fixture
async def app(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[wiring.App]:
    """An installation whose PUBLIC_URL has a port that Telegram does not support."""
    async with FakeTelegram() as fake:
        settings = Settings(
            database_url=sqlite_url,
            data_dir=tmp_path,
            telegram_bot_token=SecretStr(TOKEN),
            telegram_api_url=fake.url,
            public_url="https://integra.example.mx:9443",
        )
        async with wiring.build(settings, clock, library) as app:
            yield app


async def failing_channels(app: wiring.App) -> dict[str, str]:
    async with app.database.read() as tx:
        assert await channel_facts.stopped(tx) == {}, "sending is not stopped"
        return dict(await channel_facts.not_receiving(tx))


async def test_a_refusal_is_logged_once_and_recorded_until_telegram_accepts_the_address(
    app: wiring.App, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = await lifecycle.connect(app, platform_runtime(app, "telegram"), "")
    assert reason == "bad webhook"
    assert await failing_channels(app) == {"telegram": reason}
    assert await lifecycle.connect(app, platform_runtime(app, "telegram"), reason) == reason
    log = capsys.readouterr().out
    assert log.count("channel_receiving_failed") == 1
    assert "PUBLIC_URL" in log
    assert TOKEN not in log
    hook = telegram_of(app)._webhook
    assert hook is not None
    telegram_of(app)._webhook = type(hook)("https://integra.example.mx/webhooks/telegram", hook.secret)
    assert await lifecycle.connect(app, platform_runtime(app, "telegram"), reason) == ""
    assert await failing_channels(app) == {}
