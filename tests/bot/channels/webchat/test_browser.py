"""The browser chat in a browser: scripts, keyboard, colours, small screens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Literal

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from bot.web.app_keys import INSTALLATION
from content.library import Library
from handlers.message import BOLD, UNBOLD, RenderedButton, Update, UpdateKind
from storage.confidential import routes
from storage.confidential.addresses import seal_address
from storage.confidential.routes import Route
from storage.database import open_database
from tests.bot.channels.webchat.product import Product, serving
from tests.cast import Clock
from tests.screen import CONTRAST, axe_violations

SITUATION = f"{BOLD}Situación{UNBOLD}\nUna persona proveedora te ofrece dos boletos para un concierto. ¿Qué haces?"
OPTIONS = (
    (
        RenderedButton("A", choice="answer:1:a", hint="Los aceptas: son de poco valor"),
        RenderedButton("B", choice="answer:1:b", hint="Los rechazas y lo informas"),
        RenderedButton("C", choice="answer:1:c", hint="Los regalas a tu equipo"),
    ),
)
SURE = (
    (RenderedButton("Segura", choice="sure:1:1"), RenderedButton("Más o menos", choice="sure:1:2")),
    (RenderedButton("Adiviné", choice="sure:1:3"),),
)


@pytest.fixture
async def product(sqlite_url: str, library: Library, clock: Clock) -> AsyncIterator[Product]:
    database = open_database(sqlite_url)
    async with serving(database, library, clock) as product:
        yield product
    await database.close()


@asynccontextmanager
async def opened(
    browser: Browser,
    product: Product,
    path: str = "/chat?code=DEMO",
    *,
    width: int = 390,
    scheme: Literal["light", "dark"] = "light",
    has_scripts: bool = True,
    language: str = "es-MX",
) -> AsyncIterator[Page]:
    """A page in a browser of its own; any error or warning of the browser fails the test."""
    context = await browser.new_context(
        viewport={"width": width, "height": 844 if width < 600 else 800},
        color_scheme=scheme,
        locale=language,
        java_script_enabled=has_scripts,
        reduced_motion="reduce",
    )
    page = await context.new_page()
    browser_errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            browser_errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda fault: browser_errors.append(str(fault)))
    await page.goto(product.address + path)
    yield page
    await context.close()
    assert browser_errors == []


async def begin(page: Page, product: Product) -> str:
    """Start and be sent the first scenario; return the message's ref."""
    await page.get_by_role("button", name="código DEMO").click()
    await expect(page.locator(".mine")).to_have_count(1)
    ref = await product.say(SITUATION, OPTIONS)
    await expect(page.locator(".said")).to_have_count(1)
    return ref


async def has_pressed(page: Page) -> None:
    """The last press reached the server: the page waits for the reply."""
    await expect(page.locator("#typing")).to_be_visible()


async def test_start_to_feedback_happens_without_a_reload(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        await page.evaluate("window.isTheSamePage = true")
        ref = await begin(page, product)
        await page.get_by_role("button", name="B: Los rechazas y lo informas").click()
        await has_pressed(page)
        await product.say(SITUATION, ref=ref)
        await expect(page.locator(".key")).to_have_count(0)
        await product.say("Bien: informar te protege (LGRA 7).", SURE)
        await expect(page.get_by_role("button", name="Adiviné")).to_be_in_viewport()
        await expect(page.locator(".said")).to_have_count(2)
        assert await page.evaluate("window.isTheSamePage") is True
    assert [update.kind for update in product.stored] == [UpdateKind.COMMAND, UpdateKind.CHOICE]


async def test_a_message_appears_by_itself_at_the_end(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        await begin(page, product)
        for number in range(12):
            await product.say(f"Mensaje {number}\n" * 4)
        await expect(page.get_by_text("Mensaje 11")).to_be_in_viewport()
        await page.reload()
        await expect(page.get_by_text("Mensaje 11")).to_be_in_viewport()


async def test_an_open_page_says_at_the_quarter_of_an_hour_that_there_are_news(
    browser: Browser, product: Product, clock: Clock
) -> None:
    async with opened(browser, product) as page:
        await begin(page, product)
        await flag_news(product)
        await product.say("Un mensaje más")
        await expect(page.locator(".said")).to_have_count(2)
        await expect(page.locator("#news")).to_be_hidden()
        clock.move(minutes=15)
        await product.say("Y otro")
        await expect(page.locator("#news")).to_contain_text("Hay novedades en tu consulta")
        await page.reload()
        letterbox = page.locator("#news button")
        await expect(letterbox).to_be_in_viewport()
        assert await axe_violations(page) == []
        await letterbox.click()
        await expect(page).to_have_url(f"{product.address}/c#l=es")
        await page.goto(f"{product.address}/chat")
        await expect(page.locator("#news")).to_be_hidden()


async def flag_news(product: Product) -> None:
    """An officer has answered a query of this chat."""
    place = {"channel": "webchat", "address": product.stored[-1].address, "language": "es"}
    async with product.database.write() as tx:
        sealed = seal_address(product.app[INSTALLATION].route_key, place, "row")
        await routes.add_route(tx, Route("row", sealed), date(2027, 5, 22))
        await routes.flag_news(tx, "row")


async def test_an_edit_does_not_scroll_the_page_and_a_reply_does(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        ref = await begin(page, product)
        for number in range(12):
            await product.say(f"Mensaje {number}\n" * 4)
        await expect(page.get_by_text("Mensaje 11")).to_be_in_viewport()
        await page.get_by_role("button", name="A: Los aceptas").click()
        await has_pressed(page)
        await product.say("Elegiste A", ref=ref)
        await expect(page.get_by_text("Elegiste A")).to_be_in_viewport()
        await product.say("Esto es lo que conviene saber")
        await expect(page.get_by_text("Esto es lo que conviene saber")).to_be_in_viewport()


async def test_a_reply_taller_than_the_window_is_shown_from_its_beginning(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        await begin(page, product)
        await page.get_by_role("button", name="A: Los aceptas").click()
        await has_pressed(page)
        await product.say("Empieza aquí\n" + "y sigue\n" * 60 + "y aquí termina")
        await expect(page.locator(".said").last).to_contain_text("termina")
        top = await page.locator(".said").last.evaluate(
            "(one) => one.getBoundingClientRect().top - document.querySelector('.scroller').getBoundingClientRect().top"
        )
        assert 0 <= top < 100


async def test_everything_works_without_scripts(browser: Browser, product: Product) -> None:
    async def reply(update: Update) -> None:
        await product.say(f"Recibí {update.command or update.choice or update.text}", OPTIONS)

    product.inbox.answer = reply
    async with opened(browser, product, has_scripts=False) as page:
        await page.get_by_role("button", name="código DEMO").click()
        await page.get_by_role("button", name="C: Los regalas").click()
        await expect(page.get_by_text("Recibí answer:1:c")).to_be_in_viewport()
        await page.get_by_label("Escribe un mensaje").fill("hola")
        await page.get_by_role("button", name="Enviar").click()
        await page.locator("summary").click()
        await page.get_by_role("button", name="Mi avance").click()
        await expect(page.get_by_text("Recibí avance")).to_be_in_viewport()
        assert page.url.endswith("/chat#end")


async def test_the_keyboard_alone_is_enough(browser: Browser, product: Product) -> None:
    async with opened(browser, product, "/chat") as page:
        start = page.get_by_role("button", name="Empezar")
        await start.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".mine")).to_have_count(1)
        ref = await product.say(SITUATION, OPTIONS)
        await page.get_by_role("button", name="A: Los aceptas").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Space")
        await has_pressed(page)
        await product.say("¿Qué tan segura es tu respuesta?", SURE, ref=ref)
        await expect(page.get_by_role("button", name="Segura")).to_be_focused()
        await page.get_by_label("Escribe un mensaje").focus()
        await page.keyboard.type("hola")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Escribe un mensaje")).to_have_value("")
        await expect(page.get_by_label("Escribe un mensaje")).to_be_focused()
        await page.locator("summary").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Ayuda")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("summary")).to_be_focused()
    assert [update.text or update.choice for update in product.stored] == ["", "answer:1:b", "hola"]


async def test_the_words_of_a_long_text_never_leave_the_browser(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        await begin(page, product)
        await page.get_by_label("Escribe un mensaje").fill("secreto " * 2_500)
        async with page.expect_request("**/chat/say") as sent:
            await page.get_by_role("button", name="Enviar").click()
        assert "secreto" not in ((await sent.value).post_data or "")
        await expect(page.locator(".mine .note").last).to_have_text("Mensaje largo: no se guardó ninguna palabra")
    assert product.stored[-1].kind is UpdateKind.LONG_TEXT


async def test_what_people_type_is_never_markup(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        await begin(page, product)
        await page.get_by_label("Escribe un mensaje").fill("<img src=x onerror=alert(1)> & “hola”")
        await page.keyboard.press("Enter")
        await expect(page.locator(".mine .text")).to_have_text(["<img src=x onerror=alert(1)> & “hola”"])
        await expect(page.locator("#log img")).to_have_count(0)


async def test_two_windows_of_one_chat_show_the_same(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        await begin(page, product)
        other = await page.context.new_page()
        await other.goto(product.address + "/chat")
        await other.get_by_label("Escribe un mensaje").fill("hola")
        await other.keyboard.press("Enter")
        await expect(page.locator(".mine .text")).to_have_text(["hola"])


async def test_a_link_opens_beside_the_chat(browser: Browser, product: Product) -> None:
    async with opened(browser, product) as page:
        await begin(page, product)
        await product.say("Abre el buzón", ((RenderedButton("Abrir el buzón", url=product.address + "/?lang=en"),),))
        async with page.context.expect_page() as opening:
            await page.get_by_role("link", name="Abrir el buzón (se abre en otra pestaña)").click()
        assert await (await opening.value).evaluate("window.opener") is None


@pytest.mark.parametrize(
    ("width", "scheme", "rules"), [(360, "light", ()), (360, "dark", CONTRAST), (1280, "light", ())]
)
async def test_it_is_accessible_and_fits_the_screen(
    browser: Browser, product: Product, width: int, scheme: Literal["light", "dark"], rules: tuple[str, ...]
) -> None:
    async with opened(browser, product, width=width, scheme=scheme) as page:
        assert await axe_violations(page, *rules) == []
        await begin(page, product)
        await product.say("Abre el buzón " + "muylargo" * 30, ((RenderedButton("Abrir", url="/c#token"),), *SURE))
        await page.get_by_label("Escribe un mensaje").fill("hola")
        await page.keyboard.press("Enter")
        await page.locator("summary").click()
        await expect(page.locator(".mine")).to_have_count(2)
        assert await axe_violations(page, *rules) == []
        for target in await page.locator("button:visible, summary:visible, a:visible").all():
            box = await target.bounding_box()
            assert box
            assert box["height"] >= 44
            assert 0 <= box["x"] <= box["x"] + box["width"] <= width
        assert await page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("path", "scheme", "rules"), [("/", "light", ()), ("/?lang=en", "dark", CONTRAST)])
async def test_the_front_page_is_accessible(
    browser: Browser, product: Product, path: str, scheme: Literal["light", "dark"], rules: tuple[str, ...]
) -> None:
    async with opened(browser, product, path, scheme=scheme) as page:
        assert await axe_violations(page, *rules) == []
        await page.get_by_role("link", name="chat").click()
        await expect(page.get_by_role("button", name="Start" if "en" in path else "Empezar")).to_be_visible()
