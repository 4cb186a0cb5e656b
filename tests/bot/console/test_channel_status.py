"""The page of the channels shows stopped channels, backlogs and reasons; the monitor warns and links to it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser

from bot.channels.events import ErrorMeaning
from bot.channels.stop_reason import StopCause, code_reason
from bot.channels.whatsapp.channel import capabilities
from bot.channels.whatsapp.errors import BY_CODE
from bot.config import WHATSAPP_SETTINGS, Settings
from bot.console import channel_status as page
from bot.web.app_keys import INSTALLATION, SETTINGS
from content.library import Library
from handlers.context import Installation
from storage.channels import channel_facts
from storage.channels.channel_facts import Interruption
from storage.confidential.officers import OfficerState as Joined
from storage.database import open_database
from storage.people import addresses, refusals, servants
from storage.queue import outbox, refusal_streaks
from storage.queue.outbox import DeliveryKind, DeliveryState, NewDelivery
from tests import delivery_worker
from tests.bot.console.office import SECRET, START, ZONE, Office, OfficerWithKeys
from tests.screen import axe_violations

PAGE, MONITOR = "/console/channels", "/console/monitor"
ALL_ON: dict[str, Any] = dict.fromkeys(WHATSAPP_SETTINGS, "1234") | {"telegram_bot_token": "1:a", "webchat": "on"}
NEVER_SHOWN = ("ana-address", "ana-alias")


@asynccontextmanager
async def opened(url: str, library: Library, **settings: Any) -> AsyncIterator[Office]:
    """The office of an installation with these settings."""
    database = open_database(url)
    office = Office(database, library)
    parsed = Settings(_env_file=None, **{"webchat": "off"} | settings)
    channel_capabilities = {"whatsapp": capabilities("tap")} if parsed.has_whatsapp else {}
    office.app[SETTINGS] = parsed
    office.app[INSTALLATION] = Installation(
        ZONE, "http://127.0.0.1:8080", SECRET.route, 10, channel_capabilities, draw_key=bytes(32)
    )
    async with TestServer(office.app) as server:
        office.address = str(server.make_url("")).rstrip("/")
        yield office
    await database.close()


@pytest.fixture
async def full_office(sqlite_url: str, library: Library) -> AsyncIterator[Office]:
    """The office of an installation with every channel."""
    async with opened(sqlite_url, library, **ALL_ON) as office:
        yield office


async def fetch(
    office: Office, path: str = PAGE, role: str = "officer", state: Joined = Joined.ACTIVE
) -> tuple[int, str]:
    """Status and text of a page for a new officer of this role and state."""
    carmen = OfficerWithKeys("", "Carmen Ríos", "carmen@ueipci.example")
    await office.enrol(carmen, role, state)
    status, text = await (await office.signed_in(carmen)).get(path)
    return status, " ".join(text.split())


def plain(text: str) -> str:
    """The text without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


async def restrict_channels(office: Office) -> None:
    """Stop Telegram with late deliveries; use up WhatsApp's limit of recipients, pause and refile its templates."""
    async with office.database.write() as tx:
        await channel_facts.store(tx, "telegram", channel_facts.STOPPED, "Telegram refuses the bot's token", START)
        await outbox.add(
            tx,
            [
                NewDelivery(
                    f"t{number}", "telegram", f"t{number}", DeliveryKind.REPLY, "[]", START - timedelta(hours=number)
                )
                for number in range(3)
            ],
        )
        for claimed in await delivery_worker.claim(tx, "w", ["telegram"], START - timedelta(hours=2), 1):
            await delivery_worker.finish(tx, claimed.id, DeliveryState.REFUSED, START - timedelta(hours=1))
        await channel_facts.store_recipient_limit(tx, "whatsapp", 2, START)
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        place = await servants.institution_by_code(tx, "LEON")
        assert place is not None
        for number, name in enumerate(("ana-address", "beto", "caro", "dani")):
            await servants.enrol(
                tx,
                "whatsapp",
                name,
                institution_id=place.id,
                language="es",
                hour=9,
                notice_version="1",
                now=START,
                today=START.date(),
                alias="ana-alias" if number == 0 else "",
            )
            if number < 2:
                await addresses.record_template_sent(tx, "whatsapp", name, START)
            else:
                await addresses.defer(tx, "whatsapp", name, START.date())
        for name, code, values in (
            ("pregunta_diaria", "es_MX", {"status": "PAUSED", "category": "MARKETING", "quality": "RED"}),
            ("pregunta_diaria", "en_US", {"status": "APPROVED", "category": "UTILITY", "quality": "GREEN"}),
            ("pregunta_completa", "es_MX", {"status": "REFUSED_132015"}),
            ("pregunta_completa", "en_US", {"status": "IN_APPEAL", "quality": "UNKNOWN"}),
        ):
            await channel_facts.store_template(tx, "whatsapp", name, code, START, **values)


# ---------------------------------------------------------------- who sees it


@pytest.mark.parametrize(
    ("role", "state", "status"),
    [
        ("officer", Joined.ACTIVE, 200),
        ("admin", Joined.ACTIVE, 200),
        ("liaison", Joined.ACTIVE, 403),
        ("author", Joined.ACTIVE, 403),
        ("officer", Joined.PENDING, 403),
    ],
)
async def test_the_page_is_for_officers_and_admins(full_office: Office, role: str, state: Joined, status: int) -> None:
    assert (await fetch(full_office, role=role, state=state))[0] == status


@pytest.mark.parametrize(("role", "is_linked"), [("officer", True), ("author", False)])
async def test_menu_and_monitor_link_to_the_page_for_those_who_may_see_it(
    full_office: Office, role: str, is_linked: bool
) -> None:
    await restrict_channels(full_office)
    _, text = await fetch(full_office, MONITOR, role)
    assert (f'<a href="{PAGE}">Canales</a>' in text) is is_linked
    assert ("Hay algo que atender" in text) is is_linked


# ---------------------------------------------------------------- what it shows


async def test_only_enabled_channels_are_shown(sqlite_url: str, library: Library) -> None:
    async with opened(sqlite_url, library, telegram_bot_token="1:a") as office:
        _, text = await fetch(office)
    assert re.findall(r'<h2 id="channel-(\w+)">', text) == ["telegram"]
    assert "Plantilla" not in text


async def test_an_installation_without_channels_is_shown_as_such(office: Office) -> None:
    assert "No hay ningún canal configurado." in (await fetch(office))[1]


async def test_a_channel_without_incoming_updates_shows_since_when_and_why(full_office: Office) -> None:
    async with full_office.database.write() as tx:
        await channel_facts.store(tx, "telegram", channel_facts.NOT_RECEIVING, "connection timed out", START)
    _, text = await fetch(full_office)
    assert plain(text).count("No recibe") == 1
    assert plain(text).count("Funciona") == 2
    assert "no nos llega por este canal" in plain(text)
    assert "connection timed out" in plain(text)


async def test_the_monitor_warns_of_a_channel_without_incoming_updates(full_office: Office) -> None:
    async with full_office.database.write() as tx:
        await channel_facts.store(tx, "telegram", channel_facts.NOT_RECEIVING, "connection timed out", START)
    _, text = await fetch(full_office, MONITOR)
    assert "Hay un canal al que no llegan mensajes." in plain(text)


async def test_without_trouble_nothing_warns(full_office: Office) -> None:
    _, text = await fetch(full_office)
    assert re.findall(r'<h2 id="channel-(\w+)">', text) == ["whatsapp", "telegram", "webchat"]
    assert plain(text).count("Funciona") == 3
    assert "Límite 250 (supuesto: la plataforma aún no lo dice)" in plain(text)
    assert plain(text).count("Aún no se sabe") == 3 * 6
    shown = text.replace('<noscript><p class="note warning">', "").replace('class="note warning" hidden', "")
    assert "note warning" not in shown


async def test_a_stopped_channel_shows_its_reason_backlog_and_losses(full_office: Office) -> None:
    await restrict_channels(full_office)
    _, text = await fetch(full_office)
    shown = plain(text)
    assert "Telegram Detenido Este canal está detenido. Lo supimos el 23/11/2026 a las 10:00." in shown
    assert "La plataforma no acepta la credencial." in shown
    assert "Mensajes que esperan 2 Con retraso desde 23/11/2026 09:00 No entregados en 24 horas 1" in shown


async def test_limits_recipients_and_templates_of_whatsapp_are_shown(full_office: Office) -> None:
    await restrict_channels(full_office)
    _, text = await fetch(full_office)
    shown = plain(text)
    assert "Límite 2 Usados en 24 horas 2 Lugares libres 0 Esperan su pregunta 2" in shown
    assert "Personas que esperan su pregunta: 2. En cuanto haya lugar, van primero." in shown
    assert "pregunta_diaria Español En pausa Marketing La pedimos como utilidad Baja" in shown
    assert "pregunta_diaria Inglés Aprobada Utilidad Alta" in shown
    assert "pregunta_completa Español No se acepta REFUSED_132015 Aún no se sabe" in shown
    assert "pregunta_completa Inglés Otro IN_APPEAL Aún no se sabe Aún no se sabe" in shown
    assert "no recibe la pregunta del día en ese idioma: espera." in shown
    assert "integra whatsapp templates status" in shown
    assert not [secret for secret in NEVER_SHOWN if secret in text]


async def test_a_platform_without_a_limit_shows_no_free_places(full_office: Office) -> None:
    await restrict_channels(full_office)
    async with full_office.database.write() as tx:
        await channel_facts.store_recipient_limit(tx, "whatsapp", None, START)
    shown = plain((await fetch(full_office))[1])
    assert "Límite sin límite Usados en 24 horas 2 Esperan su pregunta 2" in shown


async def test_a_stopped_template_that_announces_no_prompt_holds_none_back(full_office: Office) -> None:
    async with full_office.database.write() as tx:
        await channel_facts.store_template(tx, "whatsapp", "novedades_consulta", "es_MX", START, status="REJECTED")
    shown = plain((await fetch(full_office))[1])
    assert "Lo que sale con ellas espera" in shown
    assert "no recibe la pregunta" not in shown


async def pause_prompts(office: Office) -> None:
    """Let Telegram refuse the prompts of three people with a code that Integra does not know."""
    async with office.database.write() as tx:
        for number in range(3):
            prompt = NewDelivery(f"p{number}", "telegram", f"p{number}", DeliveryKind.PROMPT, "[]", START)
            await outbox.add(tx, [prompt])
            for claimed in await delivery_worker.claim(tx, "w", ["telegram"], START, 1):
                await refusal_streaks.refuse(
                    tx, "w", claimed.id, "telegram", DeliveryKind.PROMPT, "payment required", START
                )


async def test_a_kind_that_pauses_is_shown_with_its_code_and_what_waits(full_office: Office) -> None:
    await pause_prompts(full_office)
    shown = plain((await fetch(full_office))[1])
    assert "Telegram En pausa La plataforma rechaza las preguntas del día con un código que Integra no conoce" in shown
    assert "Código: payment required" in shown
    assert "En espera: 3." in shown


async def test_the_monitor_warns_of_a_kind_that_pauses(full_office: Office) -> None:
    await pause_prompts(full_office)
    monitor = plain((await fetch(full_office, MONITOR))[1])
    assert "Hay envíos en pausa: la plataforma los rechaza con un código desconocido." in monitor


async def test_people_who_were_not_reached_are_counted(full_office: Office) -> None:
    await restrict_channels(full_office)
    async with full_office.database.write() as tx:
        for name in ("ana-address", "beto"):
            await refusals.count(tx, "whatsapp", name, START)
    shown = plain((await fetch(full_office))[1])
    assert "Personas a las que no se llegó y que se intentan otra vez 2" in shown
    assert not [name for name in NEVER_SHOWN if name in shown]


async def test_english_is_complete(full_office: Office) -> None:
    await restrict_channels(full_office)
    shown = plain((await fetch(full_office, PAGE + "?lang=en"))[1])
    assert "Telegram Stopped This channel is stopped. We learned so on 23/11/2026 at 10:00." in shown
    assert "pregunta_diaria Spanish Paused Marketing We filed it as utility Low" in shown


@pytest.mark.parametrize("code", [code for code, row in BY_CODE.items() if row.meaning is ErrorMeaning.CHANNEL_STOPPED])
def test_every_code_that_stops_whatsapp_has_a_cause(code: int) -> None:
    assert page.stop_cause("whatsapp", Interruption(code_reason(code), START)) is not StopCause.OTHER


@pytest.mark.parametrize("language", ["es", "en"])
def test_the_console_has_a_phrase_for_exactly_the_causes(library: Library, language: str) -> None:
    named = {key for key in library.phrases.section(language, "console") if key.startswith("channels.cause_")}
    assert named == {f"channels.cause_{cause}" for cause in StopCause}


@pytest.mark.parametrize(
    ("channel", "reason", "cause"),
    [
        ("whatsapp", "code 190", "token"),
        ("whatsapp", "code 200", "permission"),
        ("whatsapp", "code 131042", "payment"),
        ("whatsapp", "DISABLED_UPDATE DISABLE", "account"),
        ("whatsapp", "code 999999", "other"),
        ("whatsapp", "code 190 or so", "account"),
        ("telegram", "Telegram refuses the bot's token", "token"),
        ("webchat", "", "other"),
        ("pigeon", "code 190", "other"),
    ],
)
def test_a_reason_is_classified_by_its_cause(channel: str, reason: str, cause: str) -> None:
    assert page.stop_cause(channel, Interruption(reason, START)) == cause


@pytest.mark.parametrize(
    ("field", "value", "suffix"),
    [
        ("status", "", "unknown"),
        ("status", "FLAGGED", "flagged"),
        ("status", "REFUSED_132015", "refused"),
        ("status", "LIMIT_EXCEEDED", "other"),
        ("category", "AUTHENTICATION", "other"),
        ("quality", "UNKNOWN", "unknown"),
        ("quality", "GREEN", "green"),
    ],
)
def test_a_value_of_the_platform_has_its_phrase_or_is_shown_as_it_is(field: str, value: str, suffix: str) -> None:
    assert page.phrase_suffix(field, value) == suffix


# ---------------------------------------------------------------- the monitor's warning


@pytest.mark.parametrize("trouble", ["nothing", "channel off", "channel", "template", "people"])
async def test_the_monitor_warns_of_each_trouble_and_of_nothing_else(full_office: Office, trouble: str) -> None:
    await restrict_channels(full_office)
    async with full_office.database.write() as tx:
        if trouble != "channel":
            await channel_facts.clear(tx, "telegram", channel_facts.STOPPED)
        if trouble == "channel off":
            await channel_facts.store(tx, "pigeon", channel_facts.STOPPED, "code 1", START)
        if trouble != "template":
            await channel_facts.delete_absent_templates(tx, "whatsapp", [])
        if trouble != "people":
            for name in ("caro", "dani"):
                await addresses.record_template_sent(tx, "whatsapp", name, START)
    shown = plain((await fetch(full_office, MONITOR))[1])
    sentences = {
        "channel": "Hay algo que atender en los canales. Canales detenidos: 1. Ver los canales",
        "template": "Hay algo que atender en los canales. Hay plantillas que no se pueden enviar. Ver los canales",
        "people": "Hay algo que atender en los canales. Personas que esperan su pregunta: 2. Ver los canales",
    }
    assert [name for name, sentence in sentences.items() if sentence in shown] == [trouble][: trouble in sentences]
    assert ("Hay algo que atender" in shown) is (trouble in sentences)


# ---------------------------------------------------------------- in a browser


@pytest.mark.parametrize(("width", "language"), [(360, "es"), (1280, "en")])
async def test_the_page_is_readable_on_a_phone_and_a_desktop(
    full_office: Office, browser: Browser, width: int, language: str
) -> None:
    await restrict_channels(full_office)
    await pause_prompts(full_office)
    carmen = OfficerWithKeys("", "Carmen Ríos", "carmen@ueipci.example")
    await full_office.enrol(carmen)
    desk = await full_office.signed_in(carmen)
    context = await browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    await context.add_cookies(
        [{"name": name, "value": value, "url": full_office.address} for name, value in desk.cookie.items()]
    )
    tab = await context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    for path in (PAGE, MONITOR):
        await tab.goto(f"{full_office.address}{path}?lang={language}")
        assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await axe_violations(tab) == []
    assert complaints == []
    await context.close()
