"""What a process does as its role says, and with its channels: a refused credential stops one of them alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from bot import app as wiring
from bot import lifecycle
from bot.channels.channel import Channel, Stopped
from bot.channels.registration import PlatformRuntime
from bot.channels.webchat.channel import Webchat
from bot.cli.run import ProcessRole
from bot.config import Settings
from content.library import Library
from handlers.message import Update, UpdateKind
from storage.channels import channel_facts
from storage.people import servants
from tests.cast import Clock

LONGEST = 20  # seconds after which a test that waits for ever fails


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
    settings = Settings(database_url=sqlite_url, data_dir=tmp_path, webchat="on", http_port=0)
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


# ---------------------------------------------------------------- roles

ADDRESS = "w" + "0" * 32


@pytest.mark.parametrize(
    ("role", "serves", "works"), [("all", True, True), ("web", True, False), ("worker", False, True)]
)
async def test_a_process_opens_a_port_plans_answers_sends_and_announces_as_its_role_says(
    app: wiring.App, monkeypatch: pytest.MonkeyPatch, role: str, serves: bool, works: bool
) -> None:
    monkeypatch.setattr(lifecycle, "tune_garbage_collector", lambda: None)  # of the whole process
    await _enrol(app)
    announced = asyncio.Event()

    async def announce() -> int:
        app.news_sender.due.clear()
        announced.set()
        return 0

    monkeypatch.setattr(app.news_sender, "drain", announce)
    channel = app.channels["webchat"].channel
    assert isinstance(channel, Webchat)
    with channel.changes.subscribe(ADDRESS) as chat:
        async with running(app, ProcessRole(role)) as port:
            assert (port > 0) is serves
            if serves:
                async with ClientSession() as browser, browser.get(f"http://127.0.0.1:{port}/health/live") as response:
                    assert response.status == 200
            if works:
                assert await chat.wait(LONGEST), "today's question"
                await asyncio.wait_for(announced.wait(), LONGEST)
            await app.inbox.store([Update("webchat", "1", ADDRESS, UpdateKind.COMMAND, command="ayuda")])
            if works:
                assert await chat.wait(LONGEST), "the reply"
            else:
                assert await app.update_worker.drain() == 1, "it waits for a process that works"
                assert not announced.is_set()


@asynccontextmanager
async def running(app: wiring.App, role: ProcessRole) -> AsyncIterator[int]:
    """A process of a role, until the block ends; its port, or 0."""
    opened: asyncio.Queue[int] = asyncio.Queue()
    process = asyncio.create_task(lifecycle.serve(app, opened.put, serves=role.serves, works=role.works))
    try:
        yield await asyncio.wait_for(opened.get(), LONGEST)
    finally:
        process.cancel()
        with suppress(asyncio.CancelledError):
            await process


async def _enrol(app: wiring.App) -> None:
    """A servant on the browser chat whose question is due."""
    async with app.database.write() as tx:
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        place = await servants.institution_by_code(tx, "LEON")
        assert place is not None
        await servants.enrol(
            tx,
            "webchat",
            ADDRESS,
            institution_id=place.id,
            language="es",
            hour=9,
            notice_version=app.library.phrases.template("es", "notice.version"),
            now=app.clock(),
            today=app.clock().date(),
        )


@pytest.mark.parametrize(("webchat", "is_linked"), [("on", True), ("off", False)])
async def test_the_landing_page_links_to_the_chat_where_it_is_on(
    sqlite_url: str, tmp_path: Path, library: Library, clock: Clock, webchat: str, is_linked: bool
) -> None:
    settings = Settings.model_validate({"database_url": sqlite_url, "data_dir": tmp_path, "webchat": webchat})
    async with wiring.build(settings, clock, library) as app, TestClient(TestServer(app.web)) as client:
        page = await (await client.get("/")).text()
    assert ('href="/chat"' in page) is is_linked
    assert 'href="/c"' in page
