"""What a process does with its channels: links to their pages, and a refused credential stops one channel alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot import app as wiring
from bot import lifecycle
from bot.channels.channel import Channel, Stopped
from bot.channels.registration import PlatformRuntime
from bot.config import Settings
from content.library import Library
from storage.channels import channel_facts
from tests.cast import Clock


class RefusedRuntime(PlatformRuntime):
    """A channel whose credential is refused: when it connects, later while it receives, or never."""

    def __init__(self, channel: Channel, when: str) -> None:
        super().__init__(channel)
        self._when = when

    async def connect(self) -> str:
        return self._refuse("connect")

    async def receive(self) -> None:
        self._refuse("receive")

    def _refuse(self, now: str) -> str:
        if now == self._when:
            raise Stopped("token refused")
        return ""


@pytest.fixture
async def app(sqlite_url: str, tmp_path: Path, library: Library, clock: Clock) -> AsyncIterator[wiring.App]:
    settings = Settings(database_url=sqlite_url, data_dir=tmp_path, webchat="on")
    async with wiring.build(settings, clock, library) as app:
        yield app


@pytest.mark.parametrize("when", ["connect", "receive"])
async def test_a_refused_credential_ends_its_channel_and_stops_sending_there(app: wiring.App, when: str) -> None:
    await lifecycle.run_channel(app, RefusedRuntime(app.channels["webchat"].channel, when))
    async with app.database.read() as tx:
        assert await channel_facts.stopped(tx) == {"webchat": "token refused"}


async def test_a_channel_that_connects_again_is_no_longer_stopped(app: wiring.App) -> None:
    await lifecycle.run_channel(app, RefusedRuntime(app.channels["webchat"].channel, "connect"))
    await lifecycle.run_channel(app, RefusedRuntime(app.channels["webchat"].channel, "never"))
    async with app.database.read() as tx:
        assert await channel_facts.stopped(tx) == {}


@pytest.mark.parametrize(("webchat", "is_linked"), [("on", True), ("off", False)])
async def test_the_landing_page_links_to_the_chat_where_it_is_on(
    sqlite_url: str, tmp_path: Path, library: Library, clock: Clock, webchat: str, is_linked: bool
) -> None:
    settings = Settings.model_validate({"database_url": sqlite_url, "data_dir": tmp_path, "webchat": webchat})
    async with wiring.build(settings, clock, library) as app, TestClient(TestServer(app.web)) as client:
        page = await (await client.get("/")).text()
    assert ('href="/chat"' in page) is is_linked
    assert 'href="/c"' in page
