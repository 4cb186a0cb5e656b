"""Who may post to the browser chat and how much: signed cookies, and caps of chats, networks and all."""

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from sqlalchemy import func, select

from bot.channels.webchat import visitors
from bot.channels.webchat.visitors import VisitorCaps, new_cookie
from bot.web.windows import Windows
from content.library import Library
from handlers import caps
from storage import schema
from storage.database import Database, open_database
from tests import keys
from tests.bot.channels.webchat.product import COOKIE_KEY, Product, serving
from tests.cast import Clock

ENROLS = {"choice": "enroll:hour:es:1:9:LEON", "ref": "1"}


@pytest.fixture
async def product(sqlite_url: str, library: Library, clock: Clock) -> AsyncIterator[Product]:
    database = open_database(sqlite_url)
    async with serving(database, library, clock) as product:
        yield product
    await database.close()


async def post(browser: ClientSession, fields: dict[str, str]) -> int:
    async with browser.post("/chat/say", json=fields) as answer:
        return answer.status


async def visitor(product: Product, **headers: str) -> ClientSession:
    """A browser that has opened the page."""
    browser = product.browser(**headers)
    await (await browser.get("/chat")).read()
    return browser


async def number_of_chats(database: Database) -> int:
    async with database.read() as tx:
        count = select(func.count(schema.transcript_messages.c.address.distinct()))
        return int(await tx.scalar(count) or 0)


# ---------------------------------------------------------------- the cookie


@pytest.mark.attack
async def test_a_cookie_that_we_did_not_sign_is_no_chat(product: Product) -> None:
    genuine = new_cookie(COOKIE_KEY)
    secret, proof = genuine.split(".")
    invented = [
        secrets.token_urlsafe(16),
        f"{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(16)}",
        f"{secrets.token_urlsafe(16)}.{proof}",
        f"{secret}.",
        secret,
        genuine + "x",
        genuine.replace(".", "-"),
        new_cookie(bytes(32)),  # of another installation
        "ñ" * 45,
    ]
    for cookie in invented:
        async with product.browser(Cookie=f"chat={cookie}") as browser:
            assert await post(browser, {"text": "x"}) == 403
            assert (await browser.get("/chat/events")).status == 403
    assert product.stored == []
    assert await number_of_chats(product.database) == 0
    async with product.browser(Cookie=f"chat={genuine}") as browser:
        assert await post(browser, {"text": "x"}) == 200


def test_the_key_of_the_cookies_is_of_no_other_use() -> None:
    invented = keys.invented()
    others = [invented.inbox, invented.route, invented.csrf, invented.session, invented.draw]
    assert invented.chat not in others
    assert replace(invented, inbox=b"x" * 32).chat != invented.chat


# ---------------------------------------------------------------- how much


def test_a_network_is_allowed_what_twenty_persons_are() -> None:
    usual = VisitorCaps()
    assert usual.posts.limit == caps.CHAT_POSTS
    assert usual.posts_of_network.limit == 20 * caps.CHAT_POSTS
    assert usual.chats.limit == 20 * caps.CHATS_AN_HOUR
    assert usual.enrolments.limit == 20 * caps.ENROLMENTS_AN_HOUR
    assert usual.all_chats.limit == usual.all_enrolments.limit == 300


async def test_too_many_posts_of_a_chat_are_refused_for_some_seconds(product: Product, clock: Clock) -> None:
    product.app[visitors.CAPS].posts = Windows(3, 10)
    async with await visitor(product, **{"Accept-Language": "en-GB"}) as browser:
        assert [await post(browser, {"text": str(number)}) for number in range(3)] == [200] * 3
        async with browser.post("/chat/say", json={"text": "more"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "10")
            shown = json.loads(await answer.text())
        assert "very fast" in shown["sorry"]
        assert shown["at"] == "2026-11-23T15:00:10+00:00"
        async with await visitor(product) as other:
            assert await post(other, {"text": "I am another user"}) == 200
        clock.move(seconds=9)
        assert await post(browser, {"text": "still"}) == 429
        clock.move(seconds=1)
        assert [await post(browser, {"text": str(number)}) for number in range(4)] == [200, 200, 200, 429]
    assert len(product.stored) == 7


@pytest.mark.attack
async def test_many_chats_of_one_network_do_not_post_more_than_it_may(product: Product) -> None:
    product.app[visitors.CAPS].posts_of_network = Windows(5, 10)
    async with await visitor(product) as one, await visitor(product) as other:
        statuses = [await post(browser, {"text": "x"}) for _ in range(4) for browser in (one, other)]
    assert statuses == [200] * 5 + [429] * 3


@pytest.mark.attack
@pytest.mark.parametrize("name", ["chats", "all_chats"])
async def test_so_many_chats_begin_in_an_hour_and_those_that_began_go_on(
    product: Product, clock: Clock, name: str
) -> None:
    setattr(product.app[visitors.CAPS], name, Windows(2, 3600))
    async with await visitor(product) as one, await visitor(product) as two, await visitor(product) as three:
        assert [await post(browser, {"command": "start"}) for browser in (one, two, three)] == [200, 200, 429]
        assert await number_of_chats(product.database) == 2
        assert await post(one, {"text": "Hola"}) == 200
        async with three.post("/chat/say", json={"text": "Hola"}) as answer:
            assert answer.headers["Retry-After"] == "3600"
            shown = json.loads(await answer.text())
        assert "Después de las 10:00 puedes volver a intentarlo" in shown["sorry"]
        clock.move(seconds=3600)
        assert await post(three, {"text": "Hola"}) == 200


async def test_while_all_together_are_too_many_a_network_uses_up_nothing_of_its_own(
    product: Product, clock: Clock
) -> None:
    product.app[visitors.CAPS].all_chats = Windows(1, 60)
    product.app[visitors.CAPS].chats = Windows(2, 3600)
    async with await visitor(product) as one, await visitor(product) as two:
        assert await post(one, {"text": "Hola"}) == 200
        assert [await post(two, {"text": "Hola"}) for _ in range(3)] == [429] * 3
        clock.move(seconds=60)
        assert await post(two, {"text": "Hola"}) == 200


@pytest.mark.attack
@pytest.mark.parametrize("name", ["enrolments", "all_enrolments"])
async def test_so_many_enrolments_are_taken_in_an_hour_and_other_presses_always(
    product: Product, clock: Clock, name: str
) -> None:
    setattr(product.app[visitors.CAPS], name, Windows(1, 3600))
    async with await visitor(product) as one, await visitor(product) as other:
        assert [await post(browser, ENROLS) for browser in (one, other)] == [200, 429]
        assert [update.choice for update in product.stored] == [ENROLS["choice"]]
        assert await post(other, {"choice": "enroll:yes:es:1:LEON", "ref": "1"}) == 200
        clock.move(seconds=3600)
        assert await post(other, ENROLS) == 200


async def test_without_scripts_the_page_gives_back_what_was_typed(product: Product) -> None:
    product.app[visitors.CAPS].posts = Windows(0, 10)
    async with (
        await visitor(product) as browser,
        browser.post("/chat/say", data={"text": "¿Puedo <aceptar>?"}) as answer,
    ):
        assert answer.status == 429
        assert "¿Puedo &lt;aceptar&gt;?</textarea>" in await answer.text()
