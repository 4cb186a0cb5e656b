"""The pages of the browser chat, as a client without scripts uses them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse

from bot.channels.webchat.channel import Webchat, decrypted
from bot.channels.webchat.form import SubmittedAction, parse_action
from bot.channels.webchat.page import PageTiming
from bot.channels.webchat.rendering import html_text, tree_of
from bot.web.templating import HEADERS, POLICY
from content.library import Library
from handlers.message import (
    BOLD,
    ITALIC,
    MAX_SHORT_TEXT,
    UNBOLD,
    UNITALIC,
    Action,
    Parcel,
    RenderedButton,
    Update,
    UpdateKind,
)
from storage.channels import transcripts
from storage.database import Database, DatabaseUnavailable, open_database
from tests.bot.channels.webchat.product import Product, serving
from tests.cast import Clock
from tests.phones.webchat import WebchatPhone
from tests.phones.webchat_page import ChatPage, html_of

YEAR = 31_536_000  # seconds that a browser keeps the chat and the chosen language

OPTIONS = (
    (
        RenderedButton("A", choice="answer:1:a", hint="Pedir consejo"),
        RenderedButton("B", choice="answer:1:b", hint="Callar"),
    ),
)


async def settled() -> None:
    """Nothing to wait for: the test itself sends the product's messages."""


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    database = open_database(sqlite_url)
    yield database
    await database.close()


@pytest.fixture
async def product(sqlite: Database, library: Library, clock: Clock) -> AsyncIterator[Product]:
    async with serving(sqlite, library, clock) as product:
        yield product


@pytest.fixture
async def phone(product: Product) -> AsyncIterator[WebchatPhone]:
    async with WebchatPhone(product.address, settled) as phone:
        await phone.start("DEMO")
        yield phone


async def own_words(product: Product) -> list[object]:
    async with product.database.read() as tx:
        shown = await transcripts.latest(tx, product.stored[-1].address, 50)
    bodies = [decrypted(bubble.body, product.inbox.box)[0] for bubble in shown if bubble.is_mine]
    return [body.get("text") or body.get("note") for body in bodies]


# ---------------------------------------------------------------- a chat without scripts


async def test_a_first_visit_offers_to_start_and_stores_nothing(product: Product) -> None:
    async with product.browser() as browser, browser.get("/chat?code=DEMO") as answer:
        page = ChatPage(await answer.text())
        assert page.start == "start DEMO"
        assert "Empezar con el código DEMO" in await answer.text()
    assert product.stored == []


async def test_starting_passes_on_the_code(product: Product, phone: WebchatPhone) -> None:
    (update,) = product.stored
    assert (update.channel, update.kind, update.command, update.text) == (
        "webchat",
        UpdateKind.COMMAND,
        "start",
        "DEMO",
    )
    assert phone.own() == ["Empezar"]


async def test_a_message_appears_with_its_buttons(product: Product, phone: WebchatPhone) -> None:
    await product.say("¿Qué haces?", OPTIONS)
    await product.say("Abre el buzón", ((RenderedButton("Abrir", url="/c#token"),),))
    await phone.look()
    assert phone.messages() == ["¿Qué haces?", "Abre el buzón"]
    assert phone.buttons() == ["Abrir"]
    assert phone.url("Abrir") == "/c#token"


async def test_a_press_carries_its_choice_and_its_message(product: Product, phone: WebchatPhone) -> None:
    ref = await product.say("¿Qué haces?", OPTIONS)
    await phone.tap("B")
    update = product.stored[-1]
    assert (update.kind, update.choice, update.ref, update.press) == (UpdateKind.CHOICE, "answer:1:b", ref, update.key)
    assert phone.own() == ["Empezar"]
    assert phone.buttons() == ["A", "B"]


async def test_a_missing_button_is_reported_with_those_that_are_shown(product: Product, phone: WebchatPhone) -> None:
    await product.say("¿Qué haces?", OPTIONS)
    with pytest.raises(AssertionError, match=r"no button 'C'; there are \['A', 'B'\]"):
        await phone.tap("C")


@pytest.mark.parametrize("ref", ["", "1", "424242", "x", "9" * 30])
async def test_a_forged_press_is_passed_on_and_shows_nothing(product: Product, phone: WebchatPhone, ref: str) -> None:
    await phone.post({"choice": "<b>officer:grant</b>" * 9, "ref": ref})
    update = product.stored[-1]
    assert (update.kind, update.choice) == (UpdateKind.CHOICE, "")
    assert phone.own() == ["Empezar"]


async def test_an_edit_after_a_press_below_anothers_message_never_reaches_it(
    product: Product, phone: WebchatPhone
) -> None:
    ref = await product.say("¿Qué haces?", OPTIONS)
    async with WebchatPhone(product.address, settled) as other:
        await other.post({"choice": "answer:1:a", "ref": ref})
        assert product.stored[-1].ref == ref
        await product.say("Ese botón ya no sirve", ref=ref)
        await other.look()
        assert other.messages() == ["Ese botón ya no sirve"]
    await phone.look()
    assert phone.messages() == ["¿Qué haces?"]


async def test_a_doubled_press_is_a_repetition(product: Product, phone: WebchatPhone) -> None:
    ref = await product.say("¿Qué haces?", OPTIONS)
    for _ in range(2):
        await phone.post({"choice": "answer:1:a", "ref": ref, "once": "the-same-page"})
    assert [update.choice for update in product.stored[1:]] == ["answer:1:a"]


async def test_texts_and_commands_are_distinguished(product: Product, phone: WebchatPhone) -> None:
    await phone.type("/Hora 9")
    await phone.type("hola 🤝 \u202eabc")
    commanded, typed = product.stored[-2:]
    assert (commanded.kind, commanded.command, commanded.text) == (UpdateKind.COMMAND, "hora", "9")
    assert (typed.kind, typed.text) == (UpdateKind.TEXT, "hola 🤝 abc")
    async with product.database.read() as tx:
        own = await transcripts.find(tx, typed.address, int(typed.ref))
    assert own is not None
    assert phone.own()[-1] == typed.text  # the user sees what they typed ...
    assert "hola" not in str(own.body)  # ... and the database does not contain it


async def test_a_long_text_is_dropped_before_anything_is_stored(product: Product, phone: WebchatPhone) -> None:
    await phone.type("secreto " * 625)
    assert (product.stored[-1].kind, product.stored[-1].text) == (UpdateKind.LONG_TEXT, "")
    assert await own_words(product) == ["start", "long"]
    assert phone.own()[-1] == "Mensaje largo: no se guardó ninguna palabra"


async def test_an_empty_line_is_ignored(product: Product, phone: WebchatPhone) -> None:
    await phone.type("   ")
    assert len(product.stored) == 1


async def test_a_doubled_submit_is_a_repetition_and_a_new_page_is_not(product: Product, phone: WebchatPhone) -> None:
    for _ in range(2):
        await phone.post({"text": "hola", "once": "the-same-page"})
    await phone.post({"text": "otra cosa", "once": "the-same-page"})
    await phone.type("hola")
    assert [update.text for update in product.stored[1:]] == ["hola", "otra cosa", "hola"]
    assert phone.own()[1:] == ["hola", "otra cosa", "hola"]


async def test_no_chat_can_use_up_anothers_key(product: Product, phone: WebchatPhone) -> None:
    await phone.post({"text": "hola", "once": "guessed"})
    async with WebchatPhone(product.address, settled) as other:
        await other.post({"text": "hola", "once": "guessed"})
        assert other.own() == ["hola"]
    assert len({update.key for update in product.stored}) == 3


async def test_a_repetition_completes_a_post_that_crashed_between_bubble_and_update(
    product: Product, phone: WebchatPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Update) -> None:
        product.inbox.stored.pop()
        raise DatabaseUnavailable("gone")

    product.inbox.answer = fail
    with pytest.raises(AssertionError, match="503"):
        await phone.post({"text": "hola", "once": "1"})
    product.inbox.answer = None
    await phone.post({"text": "hola", "once": "1"})
    assert [update.text for update in product.stored[1:]] == ["hola"]
    assert phone.own() == ["Empezar", "hola"]


async def test_buttons_are_shown_in_their_order(product: Product, phone: WebchatPhone) -> None:
    order = ((3, 1, 2), (9,), (8, 7))
    rows = tuple(tuple(RenderedButton(f"{number}", choice=f"go:{number}") for number in row) for row in order)
    await product.say("¿Qué haces?", rows)
    await phone.look()
    assert phone.buttons() == ["3", "1", "2", "9", "8", "7"]


async def test_an_edit_shows_the_new_text(product: Product, phone: WebchatPhone) -> None:
    ref = await product.say("¿Qué haces?", OPTIONS)
    await phone.tap("A")
    await product.say("Elegiste bien", ref=ref)
    await phone.look()
    assert (phone.messages(), phone.buttons()) == (["Elegiste bien"], [])


async def test_a_form_is_redirected_once_the_reply_is_there(sqlite: Database, library: Library, clock: Clock) -> None:
    async with serving(sqlite, library, clock, PageTiming(reply_timeout=60, reply_gap=0.01)) as product:
        replies: list[asyncio.Task[str]] = []

        async def reply(update: Update) -> None:
            replies.append(asyncio.create_task(product.say("Bienvenida", OPTIONS)))

        product.inbox.answer = reply
        async with WebchatPhone(product.address, settled) as phone, asyncio.timeout(20):
            await phone.start()
            assert phone.messages() == ["Bienvenida"]
        await asyncio.gather(*replies)


# ---------------------------------------------------------------- refusals


async def error_page(answer: ClientResponse, status: int) -> str:
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"] == POLICY
    return await answer.text()


async def test_a_million_characters_get_an_error_page(product: Product) -> None:
    async with product.browser() as browser:
        await (await browser.get("/chat")).read()
        async with browser.post("/chat/say", data={"text": "a" * 1_000_000}) as answer:
            assert "no se guardó nada de él" in await error_page(answer, 413)
    assert product.stored == []


async def test_an_endless_body_without_a_length_is_cut_off(product: Product) -> None:
    async def flood() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"text=" + b"a" * 8192

    async with product.browser() as browser:
        await (await browser.get("/chat")).read()
        async with browser.post("/chat/say", data=flood()) as answer:
            await error_page(answer, 413)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_no_bytes_raise(product: Product, kind: str) -> None:
    nonsense = (
        b"",
        b"[1]",
        b"{",
        b"\xff\xfe",
        b"[" * 30_000,
        b'{"text": {"a": 1}, "ref": null}',
        b'{"text": "\\ud800"}',
    )
    async with product.browser(**{"Content-Type": kind}) as browser:
        await (await browser.get("/chat")).read()
        for body in nonsense:
            async with browser.post("/chat/say", data=body, allow_redirects=False) as answer:
                assert answer.status in (200, 303, 400), body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"}, 303),
        ({}, 303),
    ],
)
async def test_only_our_own_page_may_post(product: Product, headers: dict[str, str], status: int) -> None:
    async with product.browser() as browser:
        await (await browser.get("/chat")).read()
        async with browser.post("/chat/say", data={"text": "x"}, headers=headers, allow_redirects=False) as answer:
            assert answer.status == status
    assert len(product.stored) == (status == 303)


async def test_without_a_cookie_nothing_is_stored_and_the_page_explains_why(product: Product) -> None:
    async with product.browser() as browser:
        async with browser.post("/chat/say", data={"text": "x"}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/chat?cookie=missing")
        async with browser.get("/chat?cookie=missing") as answer:
            assert "Permite las cookies" in await answer.text()
        browser.cookie_jar.clear()
        async with browser.post("/chat/say", json={"text": "x"}) as answer:
            assert "cookie" in json.loads(await error_page(answer, 403))["sorry"]
        async with browser.get("/chat/events") as answer:
            assert answer.status == 403
    assert product.stored == []


# ---------------------------------------------------------------- cookies and pages


async def test_the_cookie_is_hidden_from_scripts_and_other_sites_and_never_stored(product: Product) -> None:
    async with product.browser() as browser:
        async with browser.get("/chat") as answer:
            cookie = answer.cookies["chat"]
            assert (cookie["httponly"], cookie["samesite"], len(cookie.value)) == (True, "Lax", 45)
            assert cookie["max-age"] == str(YEAR)
            assert "Permite las cookies" not in await answer.text()
            assert answer.headers["Content-Security-Policy"] == POLICY
        await (await browser.post("/chat/say", json={"text": "x"})).read()
        assert cookie.value not in product.stored[-1].address
        async with browser.get("/chat") as answer:
            assert "chat" not in answer.cookies


async def test_neither_messages_nor_errors_are_cached(product: Product, phone: WebchatPhone) -> None:
    """The next user of the browser must not find the chat: the page, its stream, what a post returns, errors."""
    page = {**HEADERS, "Referrer-Policy": "same-origin"}
    requests: list[tuple[str, str, dict[str, Any], int, dict[str, str]]] = [
        ("GET", "/chat", {}, 200, page),
        ("GET", "/chat/events?after=1", {}, 200, HEADERS),
        ("POST", "/chat/say", {"json": {"text": "hola"}}, 200, HEADERS),
        ("POST", "/chat/say", {"json": {"text": "hola"}, "headers": {"Origin": "null"}}, 403, HEADERS),
        ("POST", "/chat/say", {"data": {"text": "hola"}, "headers": {"Origin": "null"}}, 403, HEADERS),
    ]
    for method, path, given, status, expected in requests:
        async with phone.session.request(method, product.address + path, **given) as answer:
            assert answer.status == status, (method, path)
            assert {name: answer.headers.get(name) for name in HEADERS} == expected, (method, path)


async def test_the_language_of_the_page_is_chosen_and_remembered(product: Product) -> None:
    async with product.browser(**{"Accept-Language": "es-MX"}) as browser:
        async with browser.get("/chat?lang=en") as answer:
            assert '<html lang="en">' in await answer.text()
            assert answer.cookies["lang"]["max-age"] == str(YEAR)
        async with browser.get("/chat") as answer:
            assert "Trial chat" in await answer.text()
        await (await browser.post("/chat/say", json={"text": "x"})).read()
    assert product.stored[-1].language == "en"


@pytest.mark.parametrize("language", ["es", "en"])
async def test_the_front_page_links_to_chat_letterbox_and_console(product: Product, language: str) -> None:
    async with product.browser() as browser, browser.get(f"/?lang={language}") as answer:
        text = await answer.text()
        assert all(f'href="{path}"' in text for path in ("/chat", "/c", "/console/"))
        assert f'<html lang="{language}">' in text


async def test_earlier_messages_are_behind_a_link(product: Product, phone: WebchatPhone) -> None:
    for number in range(90):
        await product.say(f"Mensaje {number}")
    await phone.look()
    assert len(phone.messages()) == 90
    async with phone.session.get(f"{product.address}/chat") as answer:
        text = await answer.text()
    assert len(ChatPage(text).bubbles) == 80
    assert 'href="/chat?all=1"' in text


# ---------------------------------------------------------------- requests of the script


async def test_changes_stream_in_and_edits_come_as_the_same_bubble(product: Product, phone: WebchatPhone) -> None:
    async with phone.session.get(f"{product.address}/chat/events?after=1") as stream, asyncio.timeout(20):

        async def changed_ids() -> list[int]:
            async for line in stream.content:
                if line.startswith(b"data: "):
                    return [bubble["id"] for bubble in json.loads(line[6:])["bubbles"]]
            raise AssertionError("the stream ended")

        ref = await product.say("Hola", OPTIONS)
        assert await changed_ids() == [int(ref)]
        await product.say("Adiós", ref=ref)
        assert await changed_ids() == [int(ref)]


async def test_a_stream_shows_the_changes_of_its_own_chat_only(product: Product, phone: WebchatPhone) -> None:
    async with WebchatPhone(product.address, settled) as other:
        await other.start()
        for text in ("uno", "dos"):
            await other.type(text)
        async with phone.session.get(f"{product.address}/chat/events?after=0") as stream, asyncio.timeout(20):
            while not (line := await stream.content.readline()).startswith(b"data: "):
                pass
            shown = json.loads(line[6:])
            assert [ChatPage(html_of(bubble["tree"])).bubbles[0].text for bubble in shown["bubbles"]] == phone.own()
            assert shown["revision"] == 1
            await other.type("tres")
            assert product.stored[-1].text == "tres"
            await product.channel.send(Parcel(product.stored[0].address, Action.SEND, "Para ti", token="own"))
            while not (line := await stream.content.readline()).startswith(b"data: "):
                pass
            assert [
                ChatPage(html_of(bubble["tree"])).bubbles[0].text for bubble in json.loads(line[6:])["bubbles"]
            ] == ["Para ti"]
        async with other.session.post(f"{product.address}/chat/say", json={"text": " ", "after": 0}) as answer:
            bubbles = (await answer.json())["bubbles"]
    assert (
        [ChatPage(html_of(bubble["tree"])).bubbles[0].text for bubble in bubbles]
        == other.own()
        == ["Empezar", "uno", "dos", "tres"]
    )


async def test_changes_by_another_process_stream_in_too(database: Database, library: Library, clock: Clock) -> None:
    quick = PageTiming(reply_timeout=0, poll_interval=0.02, heartbeat=0.02)
    async with serving(database, library, clock, quick) as product, WebchatPhone(product.address, settled) as phone:
        await phone.start()
        elsewhere = Webchat(database, clock, product.inbox.box)
        async with phone.session.get(f"{product.address}/chat/events?after=1") as stream, asyncio.timeout(20):
            assert await stream.content.readline() == b":\n"
            await elsewhere.send(Parcel(product.stored[-1].address, Action.SEND, "Hola", token="1"))
            while not (await stream.content.readline()).startswith(b"data: "):
                pass


async def test_a_chat_that_was_emptied_is_reloaded(product: Product, phone: WebchatPhone) -> None:
    async with product.database.write() as tx:
        await transcripts.delete_all(tx, product.stored[-1].address)
    async with phone.session.post(f"{product.address}/chat/say", json={"text": " ", "after": 1}) as answer:
        assert (await answer.json())["reset"] is True


async def test_a_post_by_script_is_answered_with_what_changed(product: Product, phone: WebchatPhone) -> None:
    async with phone.session.post(f"{product.address}/chat/say", json={"long": True, "after": 1}) as answer:
        (shown,) = (await answer.json())["bubbles"]
    assert product.stored[-1].kind is UpdateKind.LONG_TEXT
    assert ChatPage(html_of(shown["tree"])).bubbles[0].is_mine


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        (f"{BOLD}<i>{UNBOLD}\n{ITALIC}x{UNITALIC}", "<strong>&lt;i&gt;</strong>\n<em>x</em>"),
        (f"{BOLD}a{ITALIC}b{UNBOLD}c{UNITALIC}", "<strong>a<em>b</em></strong>c"),
        (f"{UNBOLD}a{BOLD}b", "a<strong>b</strong>"),
    ],
)
def test_emphasis_is_well_nested_and_the_rest_is_escaped(text: str, html: str) -> None:
    assert html_text(text) == html


def test_an_empty_line_between_emphasised_words_reaches_the_script() -> None:
    text = html_text(f"{BOLD}Villa Ejemplo{UNBOLD}\n\n{BOLD}Aviso{UNBOLD}")
    tree = tree_of(f"<div>\n  <p>{text}</p>\n</div>")
    assert tree == ["div", {}, ["p", {}, ["strong", {}, "Villa Ejemplo"], "\n\n", ["strong", {}, "Aviso"]]]


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        ({"text": "/hoy"}, SubmittedAction(UpdateKind.COMMAND, command="hoy")),
        ({"text": " /HOY@integra_bot  ya "}, SubmittedAction(UpdateKind.COMMAND, command="hoy", text="ya")),
        ({"command": "start DEMO"}, SubmittedAction(UpdateKind.COMMAND, command="start", text="DEMO")),
        ({"command": "//"}, SubmittedAction(UpdateKind.TEXT, text="//")),
        ({"text": "/ hola"}, SubmittedAction(UpdateKind.TEXT, text="/ hola")),
        ({"text": "/" + "x" * 40}, SubmittedAction(UpdateKind.TEXT, text="/" + "x" * 40)),
        ({"text": "x" * MAX_SHORT_TEXT}, SubmittedAction(UpdateKind.TEXT, text="x" * MAX_SHORT_TEXT)),
        ({"text": "x" * (MAX_SHORT_TEXT + 1)}, SubmittedAction(UpdateKind.LONG_TEXT)),
        ({"text": "/start " + "x" * MAX_SHORT_TEXT}, SubmittedAction(UpdateKind.LONG_TEXT)),
        ({"choice": "a:1", "ref": "007", "text": "x"}, SubmittedAction(UpdateKind.CHOICE, choice="a:1", ref="7")),
        ({}, None),
    ],
)
def test_a_post_is_parsed(fields: dict[str, str], action: SubmittedAction | None) -> None:
    assert parse_action(fields) == action
