"""Adding a channel: with a folder and a line in the registry everything works there.

The folder is `tests/fakes/dummy_channel`, the recipe is in docs/contributing.md. No file of the product knows of it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from bot import app as wiring
from bot import lifecycle
from bot.app import App
from bot.channels import registry
from bot.channels.events import ErrorMeaning, PlatformEvent, Receipt, UnreadableEvent
from bot.channels.webchat import page as webchat_page
from bot.config import Settings
from bot.console import site
from content.library import Library
from handlers import outgoing
from handlers.message import Action, Parcel, Update, UpdateKind
from storage.channels import channel_facts
from storage.confidential import officers, sessions
from storage.confidential.officers import OfficerState
from storage.database import Database
from storage.people import addresses, servants
from storage.queue import backlog, claims, outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from storage.queue.receipts import DeliveryStatus
from storage.schema import deliveries
from tests import keys
from tests.cast import INSTITUTIONS, Clock
from tests.channels_of import platform_runtime
from tests.fakes.dummy_channel import registration as dummy
from tests.fakes.dummy_channel.channel import CAPABILITIES, RECIPIENT_RATE_LIMIT
from tests.fakes.dummy_channel.parser import parse
from tests.fakes.dummy_channel.registration import DummyRegistration
from tests.fakes.dummy_platform import SECRET, TOKEN, FakeDummy, Phone
from tests.phones.webchat import WebchatPhone
from tests.product import FAST_PAGE

ROOT = Path(__file__).parents[3]


@pytest.fixture
async def platform(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDummy]:
    """The platform, and the one line in the registry that the channel needs."""
    async with FakeDummy() as platform:
        line = DummyRegistration(platform.url, TOKEN, SECRET)
        monkeypatch.setattr(registry, "REGISTRATIONS", (*registry.REGISTRATIONS, line))
        yield platform
        assert platform.refusals == []


@dataclass
class Town:
    """A running product on which the dummy channel and the browser chat are on."""

    app: App
    clock: Clock
    address: str
    platform: FakeDummy

    async def settle(self) -> None:
        while True:
            assert await self.platform.deliver(self.address) == 200
            await self.app.settle()
            if not self.platform.pending:  # the sent messages may have caused receipts
                return

    async def type(self, phone: Phone, text: str) -> None:
        phone.type(text)
        await self.settle()

    async def choose(self, phone: Phone, label: str) -> None:
        phone.choose(label)
        await self.settle()

    async def enrol(self, phone: Phone) -> None:
        await self.type(phone, "ALTA LEON")
        await self.choose(phone, "Acepto")
        await self.choose(phone, "9:00")

    async def get(self, path: str) -> tuple[int, str]:
        async with ClientSession() as session, session.get(self.address + path) as response:
            return response.status, await response.text()

    async def console_page(self) -> str:
        """The page of the channels, as an officer sees it."""
        now = self.clock()
        async with self.app.database.write() as tx:
            invite = await officers.invite(tx, "carmen@ueipci.example", "Carmen", "officer", None, now)
            officer_id = await officers.sign_up(tx, invite, "salt", "hash", OfficerState.ACTIVE, now)
            session = await sessions.begin(tx, self.app.secrets.session, officer_id, "totp", now)
        cookie = {"Cookie": f"{site.SESSION_COOKIE}={session}"}
        async with ClientSession() as web, web.get(f"{self.address}/console/channels", headers=cookie) as response:
            assert response.status == 200
            return await response.text()


async def _no_sleep(_: float) -> None:
    """Return at once: rate limits have tests of their own."""


@pytest.fixture
async def town(
    platform: FakeDummy, database: Database, database_url: str, tmp_path: Path, library: Library, clock: Clock
) -> AsyncIterator[Town]:
    async with database.write() as tx:
        for code, name, sphere in INSTITUTIONS:
            await servants.add_institution(tx, code, name, sphere)
    keys.write(tmp_path)
    settings = Settings.model_validate({"database_url": database_url, "data_dir": tmp_path, "webchat": "on"})
    build = wiring.build(settings, clock, library, _no_sleep, lambda: clock().timestamp())
    async with build as app:
        app.web[webchat_page.TIMING] = FAST_PAGE
        async with TestServer(app.web) as server:
            yield Town(app, clock, str(server.make_url("")).rstrip("/"), platform)


# ---------------------------------------------------------------- a servant


async def test_the_core_journey_from_enrolment_to_leaving(town: Town) -> None:
    ana = town.platform.phone()
    await town.type(ana, "ALTA LEON")
    assert "Aviso de privacidad" in ana.texts[-1]
    assert "1) Acepto" in ana.texts[-1], "replies are numbered"
    await town.choose(ana, "Acepto")
    await town.choose(ana, "9:00")
    await town.choose(ana, "A")
    assert "artículo" in ana.texts[-1]

    town.clock.move(days=1)
    before = len(ana.texts)
    assert await town.app.tick(town.clock()) == 1, "the prompt of the day"
    await town.settle()
    assert list(ana.replies) == ["A", "B", "C"]
    assert len(ana.texts) == before + 1
    await town.choose(ana, "B")
    assert "Qué hacer" in ana.texts[-1]
    assert "artículo" in ana.texts[-1]

    await town.type(ana, "avance")
    assert "2" in ana.texts[-1], "both answers"
    await town.type(ana, "mis datos")
    assert "Canal: Dummy" in "\n".join(ana.texts[before:]), "without a phrase of its own it has its own name"
    await town.type(ana, "salir")
    await town.choose(ana, "Sí, darme de baja")
    assert "borramos" in ana.texts[-1]
    town.clock.move(days=1)
    assert await town.app.tick(town.clock()) == 0


async def test_commands_are_named_as_they_are_typed_there(town: Town) -> None:
    ana = town.platform.phone()
    await town.enrol(ana)
    await town.type(ana, "ayuda")
    assert "«hoy»" in ana.texts[-1]
    assert "/hoy" not in ana.texts[-1]


async def test_a_second_channel_of_the_same_servant(town: Town) -> None:
    ana = town.platform.phone()
    await town.enrol(ana)
    await town.type(ana, "canal")
    await town.choose(ana, "Pedir código")
    code = next(word for word in ana.texts[-1].replace("*", "").split() if len(word) == 9 and word[4] == "-")
    async with WebchatPhone(town.address, town.settle) as web:
        await web.start()
        await web.type(f"/canal {code}")
        await web.type("/canal")
        assert "Dummy" in web.messages()[-1]
        assert "Chat web" in web.messages()[-1]


# ---------------------------------------------------------------- an operator


async def test_metrics_health_and_console_show_it(town: Town) -> None:
    await town.enrol(town.platform.phone())
    _, metrics = await town.get("/metrics")
    assert 'integra_deliveries{channel="dummy",state="sent"}' in metrics
    assert 'integra_refusals_total{channel="dummy"} 0.0' in metrics
    assert (await town.get("/health/ready"))[0] == 200
    page = await town.console_page()
    assert '<h2 id="channel-dummy">Dummy <small class="tally">Funciona</small></h2>' in " ".join(page.split())


@pytest.fixture
def reply_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the channel declare a reply window, outside of which only templates may be sent."""
    monkeypatch.setattr(dummy, "CAPABILITIES", replace(CAPABILITIES, reply_window=timedelta(hours=24)))


@pytest.mark.usefixtures("reply_window")
async def test_with_a_reply_window_its_recipients_and_templates_are_shown_too(town: Town) -> None:
    async with town.app.database.write() as tx:
        await channel_facts.store_template(tx, "dummy", "pregunta_diaria", "es_MX", town.clock(), status="PAUSED")
    _, metrics = await town.get("/metrics")
    assert 'integra_recipients_limit{channel="dummy"} 250.0' in metrics
    assert 'integra_template_stopped{channel="dummy",code="es_MX",name="pregunta_diaria"} 1.0' in metrics
    assert "integra dummy templates status" in await town.console_page()


async def test_a_refused_credential_stops_it_alone(town: Town) -> None:
    ana, runtime = town.platform.phone(), platform_runtime(town.app, "dummy")
    await town.enrol(ana)
    before = len(ana.texts)
    town.platform.token = "another"
    await town.type(ana, "avance")
    status, report = await town.get("/health/ready")
    assert (status, '"stopped": ["dummy"]' in report) == (503, True)
    assert 'integra_channel_stopped{channel="dummy"} 1.0' in (await town.get("/metrics"))[1]
    assert "La plataforma no acepta la credencial." in await town.console_page()
    await lifecycle.run_channel(town.app, runtime)  # returns: no retry helps
    async with WebchatPhone(town.address, town.settle) as web:
        await web.start("SALUD")
        assert "Aviso de privacidad" in web.messages()[-1]
    assert len(ana.texts) == before

    town.platform.token = TOKEN
    town.clock.move(minutes=5)
    assert await lifecycle.connect(town.app, runtime) == ""
    await town.settle()
    assert len(ana.texts) == before + 1, "nothing was lost meanwhile"
    assert (await town.get("/health/ready"))[0] == 200


async def test_no_recipient_gets_more_than_it_allows(town: Town) -> None:
    ana, many = town.platform.phone(), RECIPIENT_RATE_LIMIT.count + 1
    body = outgoing.pack(Parcel("ana", Action.SEND, "Hola"))
    async with town.app.database.write() as tx:
        new = [NewDelivery(f"{n}", "dummy", "ana", DeliveryKind.REPLY, body, town.clock()) for n in range(many)]
        await outbox.add(tx, new)
    await town.settle()
    assert len(ana.texts) == RECIPIENT_RATE_LIMIT.count
    town.clock.move(seconds=RECIPIENT_RATE_LIMIT.seconds + 1)
    await town.settle()
    assert len(ana.texts) == many


async def test_receipts_settle_deliveries(town: Town) -> None:
    beto = town.platform.phone("beto")
    await town.enrol(beto)
    async with town.app.database.read() as tx:
        counts = await backlog.counts(tx, town.clock() - timedelta(hours=1))
        statuses = set((await tx.execute(select(deliveries.c.platform_status))).scalars())
    assert counts.keys() == {("dummy", "sent")}
    assert statuses == {"delivered"}
    town.platform.lost.add("beto")
    await town.type(beto, "hoy")  # it shows a prompt: the rows of other replies do not tell to whom they went
    async with town.app.database.read() as tx:
        assert (await backlog.counts(tx, town.clock() - timedelta(hours=1)))["dummy", "failed"] == 1
        gone = await addresses.find(tx, "dummy", "beto")
    assert gone is not None
    assert gone.has_refusals, "the channel says that this means that the recipient is not there now"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_after_a_crash_its_claims_wait_for_receipts(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it declares `confirms_deliveries`; other claims of a dead process are released at once."""
    monkeypatch.setattr(lifecycle, "tune_garbage_collector", lambda: None)
    now = town.clock()
    async with town.app.database.write() as tx:
        for name in ("dummy", "webchat"):
            await outbox.add(tx, [NewDelivery(name, name, "ana", DeliveryKind.REPLY, "[]", now)])
            await claims.claim(tx, "dead", name, now, 1)
    started = asyncio.Event()

    async def ready(_: int) -> None:
        started.set()

    serving = asyncio.create_task(lifecycle.serve(town.app, ready, serves=False, works=False))
    await started.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    async with town.app.database.read() as tx:
        counts = await backlog.counts(tx, now)
    assert counts == {("dummy", "claimed"): 1, ("webchat", "waiting"): 1}


@pytest.mark.process
async def test_the_command_prints_its_line_at_the_start(platform: FakeDummy, tmp_path: Path) -> None:
    """A real process: `integra run` with the channel registered, no setting of its own, every other channel off."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    settings = {"DATA_DIR": str(tmp_path), "WEBCHAT": "off", "HTTP_PORT": "0"}
    arguments = ("-m", "tests.fakes.dummy_channel", platform.url, TOKEN, SECRET, "run", "--demo")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=tmp_path,
        env=environment | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = []
    while line := (await process.stdout.readline()).decode().rstrip():
        lines.append(line)
        if line.startswith("Ctrl-C"):
            process.send_signal(signal.SIGTERM)
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert [line for line in lines if "Dummy" in line] == [
        "  Dummy:           on, webhook http://127.0.0.1:8080/webhooks/dummy"
    ]
    assert not [line for line in lines if line.strip().startswith(("Chat:", "Telegram:", "WhatsApp:"))]


# ---------------------------------------------------------------- what the platform sends

PAYLOADS: dict[str, tuple[object, list[PlatformEvent]]] = {
    "a text": (
        {"events": [{"id": "1", "from": "ana", "text": " Hola "}]},
        [Update("dummy", "1", "ana", UpdateKind.TEXT, text="Hola")],
    ),
    "a command": (
        {"events": [{"id": "1", "from": "ana", "text": "/start LEON"}]},
        [Update("dummy", "1", "ana", UpdateKind.COMMAND, text="LEON", command="start")],
    ),
    "a long text, without its words": (
        {"events": [{"id": "1", "from": "ana", "text": "secreto " * 100}]},
        [Update("dummy", "1", "ana", UpdateKind.LONG_TEXT)],
    ),
    "a number that was chosen": (
        {"events": [{"id": "1", "from": "ana", "reply": "answer:1:b", "message": "message 7"}]},
        [Update("dummy", "1", "ana", UpdateKind.CHOICE, choice="answer:1:b", ref="message 7")],
    ),
    "a picture": (
        {"events": [{"id": "1", "from": "ana", "picture": "..."}]},
        [Update("dummy", "1", "ana", UpdateKind.ATTACHMENT)],
    ),
    "a receipt": (
        {"events": [{"id": "2", "status": "arrived", "message": "message 7", "reference": 12}]},
        [Receipt("dummy", "2", "message 7", DeliveryStatus.DELIVERED, 12)],
    ),
    "a message that was lost": (
        {"events": [{"id": "2", "status": "lost", "message": "message 7", "reference": True}]},
        [Receipt("dummy", "2", "message 7", DeliveryStatus.FAILED, meaning=ErrorMeaning.RECIPIENT_GONE)],
    ),
    "broken events between good ones": (
        {"events": [{"id": "1"}, 7, {"id": "2", "status": "?"}, {"id": "3", "from": "ana", "text": "hoy"}]},
        [
            UnreadableEvent("dummy", "1", "no sender"),
            UnreadableEvent("dummy", "none", "no id"),
            UnreadableEvent("dummy", "2", "unknown status"),
            Update("dummy", "3", "ana", UpdateKind.TEXT, text="hoy"),
        ],
    ),
    "no events": ([], [UnreadableEvent("dummy", "none", "no list of events")]),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_what_a_payload_means(name: str) -> None:
    payload, events = PAYLOADS[name]
    assert parse(payload) == events


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_webhook_without_the_secret_is_refused(town: Town) -> None:
    ana = town.platform.phone()
    ana.type("ALTA LEON")
    assert await town.platform.deliver(town.address, secret="guessed") == 403
    await town.app.settle()
    assert ana.texts == []
    await town.settle()
    assert len(ana.texts) == 1
