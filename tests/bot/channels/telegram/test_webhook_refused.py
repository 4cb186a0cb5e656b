"""A webhook's address that Telegram does not take: told once, seen from outside, and we go on sending."""

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
from tests.channels_of import telegram_of
from tests.fakes.telegram import TOKEN, FakeTelegram


@pytest.fixture
async def app(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[wiring.App]:
    """A house whose PUBLIC_URL has a port to which Telegram brings nothing."""
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


async def deaf(app: wiring.App) -> dict[str, str]:
    async with app.database.read() as tx:
        assert await channel_facts.stopped(tx) == {}, "we may send"
        return dict(await channel_facts.deaf(tx))


async def test_it_is_told_once_and_noted_until_telegram_takes_it(
    app: wiring.App, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = await lifecycle.connect(app, app.channels["telegram"], "")
    assert reason == "bad webhook"
    assert await deaf(app) == {"telegram": reason}
    assert await lifecycle.connect(app, app.channels["telegram"], reason) == reason
    said = capsys.readouterr().out
    assert said.count("channel_deaf") == 1
    assert "PUBLIC_URL" in said
    assert TOKEN not in said
    hook = telegram_of(app)._webhook
    assert hook is not None
    telegram_of(app)._webhook = type(hook)("https://integra.example.mx/webhooks/telegram", hook.secret)
    assert await lifecycle.connect(app, app.channels["telegram"], reason) == ""
    assert await deaf(app) == {}
