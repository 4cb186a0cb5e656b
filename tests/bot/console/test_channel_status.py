"""The page of the channels says what stands still, what waits and why; the monitor leads there when it should."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser

from bot.channels.whatsapp.channel import capabilities
from bot.channels.whatsapp.errors import MEANINGS, Meaning
from bot.config import WHATSAPP, Settings
from bot.console import channel_status as page
from bot.web.app_keys import INSTALLATION, SETTINGS
from content.library import Library
from handlers.context import Installation
from storage.channels import channel_facts
from storage.channels.channel_facts import Stop
from storage.confidential.officers import OfficerState as Joined
from storage.database import open_database
from storage.people import addresses, servants
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, DeliveryState, NewDelivery
from tests import delivery_worker
from tests.bot.console.office import SECRET, START, ZONE, Office, Person
from tests.screen import faults

PAGE, MONITOR = "/console/channels", "/console/monitor"
ALL_ON: dict[str, Any] = dict.fromkeys(WHATSAPP, "1234") | {"telegram_bot_token": "1:a", "webchat": "on"}
NEVER_SAID = ("ana-address", "ana-alias")


@asynccontextmanager
async def opened(url: str, library: Library, **settings: Any) -> AsyncIterator[Office]:
    """The office of a house with these settings."""
    database = open_database(url)
    office = Office(database, library)
    given = Settings(_env_file=None, **{"webchat": "off"} | settings)
    manners = {"whatsapp": capabilities("tap")} if given.has_whatsapp else {}
    office.app[SETTINGS] = given
    office.app[INSTALLATION] = Installation(ZONE, "http://127.0.0.1:8080", SECRET.route, 10, manners)
    async with TestServer(office.app) as server:
        office.address = str(server.make_url("")).rstrip("/")
        yield office
    await database.close()


@pytest.fixture
async def whole(sqlite_url: str, library: Library) -> AsyncIterator[Office]:
    """An office of a house with every channel."""
    async with opened(sqlite_url, library, **ALL_ON) as office:
        yield office


async def read(
    office: Office, path: str = PAGE, role: str = "officer", state: Joined = Joined.ACTIVE
) -> tuple[int, str]:
    carmen = Person("", "Carmen Ríos", "carmen@ueipci.example")
    await office.enrol(carmen, role, state)
    status, text = await (await office.signed_in(carmen)).get(path)
    return status, " ".join(text.split())


def plain(text: str) -> str:
    """What is read, without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


async def hold(office: Office) -> None:
    """Telegram stopped with late deliveries; on WhatsApp nobody more may be asked, templates are paused and refiled."""
    async with office.database.write() as tx:
        await channel_facts.note(tx, "telegram", channel_facts.STOPPED, "Telegram refuses the bot's token", START)
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
        await channel_facts.note(tx, "whatsapp", channel_facts.PEOPLE, "2", START)
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
                await addresses.put_off(tx, "whatsapp", name, START.date())
        for name, code, told in (
            ("pregunta_diaria", "es_MX", {"status": "PAUSED", "category": "MARKETING", "quality": "RED"}),
            ("pregunta_diaria", "en_US", {"status": "APPROVED", "category": "UTILITY", "quality": "GREEN"}),
            ("pregunta_completa", "es_MX", {"status": "REFUSED_132015"}),
            ("pregunta_completa", "en_US", {"status": "IN_APPEAL", "quality": "UNKNOWN"}),
        ):
            await channel_facts.note_template(tx, "whatsapp", name, code, START, **told)


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
async def test_the_page_is_for_officers_and_admins(whole: Office, role: str, state: Joined, status: int) -> None:
    assert (await read(whole, role=role, state=state))[0] == status


@pytest.mark.parametrize(("role", "is_led"), [("officer", True), ("author", False)])
async def test_the_menu_and_the_monitor_lead_whoever_may_see_it(whole: Office, role: str, is_led: bool) -> None:
    await hold(whole)
    _, text = await read(whole, MONITOR, role)
    assert (f'<a href="{PAGE}">Canales</a>' in text) is is_led
    assert ("Hay algo que atender" in text) is is_led


# ---------------------------------------------------------------- what it says


async def test_only_channels_that_are_on_are_told(sqlite_url: str, library: Library) -> None:
    async with opened(sqlite_url, library, telegram_bot_token="1:a") as office:
        _, text = await read(office)
    assert re.findall(r'<h2 id="channel-(\w+)">', text) == ["telegram"]
    assert "Plantilla" not in text


async def test_a_house_without_channels_says_so(office: Office) -> None:
    assert "No hay ningún canal configurado." in (await read(office))[1]


async def test_a_channel_that_hears_nothing_says_since_when_and_why(whole: Office) -> None:
    async with whole.database.write() as tx:
        await channel_facts.note(tx, "telegram", channel_facts.DEAF, "connection timed out", START)
    _, text = await read(whole)
    assert plain(text).count("No recibe") == 1
    assert plain(text).count("Funciona") == 2
    assert "no nos llega por este canal" in plain(text)
    assert "connection timed out" in plain(text)


async def test_the_monitor_tells_of_a_channel_that_hears_nothing(whole: Office) -> None:
    async with whole.database.write() as tx:
        await channel_facts.note(tx, "telegram", channel_facts.DEAF, "connection timed out", START)
    _, text = await read(whole, MONITOR)
    assert "Hay un canal al que no llegan mensajes." in plain(text)


async def test_where_all_is_well_nothing_warns(whole: Office) -> None:
    _, text = await read(whole)
    assert re.findall(r'<h2 id="channel-(\w+)">', text) == ["whatsapp", "telegram", "webchat"]
    assert plain(text).count("Funciona") == 3
    assert "Límite 250 (supuesto: la plataforma aún no lo dice)" in plain(text)
    assert plain(text).count("Aún no se sabe") == 3 * 6
    assert "note warning" not in text.replace('<noscript><p class="note warning">', "")


async def test_what_stands_still_waits_and_was_lost_is_told_with_its_reason(whole: Office) -> None:
    await hold(whole)
    _, text = await read(whole)
    said = plain(text)
    assert "Telegram Detenido Este canal está detenido. Lo supimos el 23/11/2026 a las 10:00." in said
    assert "La plataforma no acepta la credencial." in said
    assert "Mensajes que esperan 2 Con retraso desde 23/11/2026 09:00 No entregados en 24 horas 1" in said


async def test_limits_people_and_templates_of_whatsapp_are_told(whole: Office) -> None:
    await hold(whole)
    _, text = await read(whole)
    said = plain(text)
    assert "Límite 2 Usados en 24 horas 2 Lugares libres 0 Esperan su pregunta 2" in said
    assert "Personas que esperan su pregunta: 2. En cuanto haya lugar, van primero." in said
    assert "pregunta_diaria Español En pausa Marketing La pedimos como utilidad Baja" in said
    assert "pregunta_diaria Inglés Aprobada Utilidad Alta" in said
    assert "pregunta_completa Español No se acepta REFUSED_132015 Aún no se sabe" in said
    assert "pregunta_completa Inglés Otro IN_APPEAL Aún no se sabe Aún no se sabe" in said
    assert "no recibe la pregunta del día en ese idioma: espera." in said
    assert "integra whatsapp templates status" in said
    assert not [secret for secret in NEVER_SAID if secret in text]


async def test_a_platform_without_a_limit_has_no_places_to_count(whole: Office) -> None:
    await hold(whole)
    async with whole.database.write() as tx:
        await channel_facts.note(tx, "whatsapp", channel_facts.PEOPLE, "-1", START)
    said = plain((await read(whole))[1])
    assert "Límite sin límite Usados en 24 horas 2 Esperan su pregunta 2" in said


async def test_a_stopped_template_that_announces_no_prompt_holds_none(whole: Office) -> None:
    async with whole.database.write() as tx:
        await channel_facts.note_template(tx, "whatsapp", "novedades_consulta", "es_MX", START, status="REJECTED")
    said = plain((await read(whole))[1])
    assert "Lo que sale con ellas espera" in said
    assert "no recibe la pregunta" not in said


async def test_english_is_complete(whole: Office) -> None:
    await hold(whole)
    said = plain((await read(whole, PAGE + "?lang=en"))[1])
    assert "Telegram Stopped This channel is stopped. We learned so on 23/11/2026 at 10:00." in said
    assert "pregunta_diaria Spanish Paused Marketing We filed it as utility Low" in said


@pytest.mark.parametrize("code", [code for code, what in MEANINGS.items() if what is Meaning.CHANNEL_STOPPED])
def test_every_code_that_stops_whatsapp_has_a_cause(code: int) -> None:
    assert page.cause("whatsapp", Stop(f"code {code}", START)) != "other"


@pytest.mark.parametrize(
    ("channel", "reason", "cause"),
    [
        ("whatsapp", "code 190", "token"),
        ("whatsapp", "code 200", "permission"),
        ("whatsapp", "code 131042", "payment"),
        ("whatsapp", "DISABLED_UPDATE DISABLE", "account"),
        ("whatsapp", "code 999999", "other"),
        ("telegram", "Telegram refuses the bot's token", "token"),
        ("webchat", "", "other"),
    ],
)
def test_a_reason_is_told_by_its_cause(channel: str, reason: str, cause: str) -> None:
    assert page.cause(channel, Stop(reason, START)) == cause


@pytest.mark.parametrize(
    ("field", "word", "end"),
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
def test_a_word_of_the_platform_has_its_phrase_or_is_shown_as_it_is(field: str, word: str, end: str) -> None:
    assert page.told(field, word) == end


# ---------------------------------------------------------------- the monitor's warning


@pytest.mark.parametrize("trouble", ["nothing", "channel off", "channel", "template", "people"])
async def test_the_monitor_warns_of_what_is_wrong_and_of_nothing_else(whole: Office, trouble: str) -> None:
    await hold(whole)
    async with whole.database.write() as tx:
        if trouble != "channel":
            await channel_facts.clear(tx, "telegram", channel_facts.STOPPED)
        if trouble == "channel off":
            await channel_facts.note(tx, "pigeon", channel_facts.STOPPED, "code 1", START)
        if trouble != "template":
            await channel_facts.forget_templates(tx, "whatsapp", [])
        if trouble != "people":
            for name in ("caro", "dani"):
                await addresses.record_template_sent(tx, "whatsapp", name, START)
    said = plain((await read(whole, MONITOR))[1])
    sentences = {
        "channel": "Hay algo que atender en los canales. Canales detenidos: 1. Ver los canales",
        "template": "Hay algo que atender en los canales. Hay plantillas que no se pueden enviar. Ver los canales",
        "people": "Hay algo que atender en los canales. Personas que esperan su pregunta: 2. Ver los canales",
    }
    assert [name for name, sentence in sentences.items() if sentence in said] == [trouble][: trouble in sentences]
    assert ("Hay algo que atender" in said) is (trouble in sentences)


# ---------------------------------------------------------------- as it looks


@pytest.mark.parametrize(("width", "language"), [(360, "es"), (1280, "en")])
async def test_the_page_is_readable_on_a_phone_and_a_desk(
    whole: Office, browser: Browser, width: int, language: str
) -> None:
    await hold(whole)
    carmen = Person("", "Carmen Ríos", "carmen@ueipci.example")
    await whole.enrol(carmen)
    desk = await whole.signed_in(carmen)
    context = await browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    await context.add_cookies([{"name": name, "value": one, "url": whole.address} for name, one in desk.cookie.items()])
    tab = await context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda one: complaints.append(one.text) if one.type in ("error", "warning") else None)
    for path in (PAGE, MONITOR):
        await tab.goto(f"{whole.address}{path}?lang={language}")
        assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await faults(tab) == []
    assert complaints == []
    await context.close()
