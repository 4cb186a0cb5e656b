"""Requests to the letterbox: what they answer, store and refuse, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from content.library import Library
from storage import schema
from storage.confidential import routes
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.errors import ProtocolError, Refused
from storage.database import Database, DatabaseUnavailable
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY, Letterbox, running
from tests.fakes.unit import Keyholder, Unit, new_token


@pytest_asyncio.fixture
async def either(database: Database, library: Library) -> AsyncIterator[Letterbox]:
    """The letterbox on SQLite and on PostgreSQL."""
    async with running(database, library) as made:
        yield made


async def test_the_list_of_readers_comes_with_the_day(either: Letterbox) -> None:
    assert await keys(either) == (200, {"list": either.unit.newest, "day": "2026-11-23"})
    newer = either.unit.next_list(adding=[Keyholder("Dora Luna")])
    await either.publish()
    assert await keys(either) == (200, {"list": newer, "day": "2026-11-23"})


async def keys(box: Letterbox) -> tuple[int, dict[str, Any]]:
    async with box.web.get(box.url + "/c/keys") as response:
        return response.status, await response.json()


def closed(reason: str) -> tuple[int, dict[str, Any]]:
    return 404, {"error": "closed", "reason": reason}


async def test_the_letterbox_is_closed_until_a_unit_with_two_readers_is_adopted(
    database: Database, library: Library
) -> None:
    async with running(database, library, is_open=False) as box:
        assert await keys(box) == closed("none")
        box.unit = Unit([Keyholder("Carmen")])
        async with database.write() as tx:
            await box.unit.publish(tx)
        assert await keys(box) == closed("adoption")
        await box.publish()
        assert await keys(box) == closed("readers")
        assert await box.post("/c/cases", Asker(TODAY).posting(box.unit, new_token())) == (409, closed("readers")[1])
        box.unit.next_list(adding=[Keyholder("Dora")])
        await box.publish()
        assert await keys(box) == closed("custody")
        box.unit.next_list(adding=[Keyholder("Respaldo", "recovery")])
        await box.publish()
        assert (await keys(box))[0] == 200


async def test_an_expired_list_takes_no_case_and_threads_go_on(either: Letterbox) -> None:
    asker, token = await either.submit_query(), await either.token()
    either.now += timedelta(days=43)
    assert await keys(either) == closed("expired")
    late = Asker(either.today).posting(either.unit, token)
    assert await either.post("/c/cases", late) == (409, closed("expired")[1])
    await either.answer("Perdón por la espera.")
    assert await either.read(asker) == ["¿Puedo firmar?", "Perdón por la espera."]
    asker.day = either.today
    assert await either.post("/c/letters", asker.reply_body(either.unit)) == (201, {})


@pytest.mark.attack
async def test_lists_of_another_unit_close_the_letterbox(either: Letterbox) -> None:
    asker = await either.submit_query()
    async with either.database.write() as tx:
        await tx.execute(schema.key_lists.delete())
        await Unit(either.unit.readers).publish(tx)
    assert await keys(either) == closed("altered")
    reply = asker.twin().reply_body(either.unit)
    assert await either.post("/c/letters", reply) == (409, closed("altered")[1])
    assert (await either.post("/c/thread", {"locator": asker.locator}))[1]["list"] is None


async def test_a_case_goes_in_and_its_thread_comes_out(either: Letterbox) -> None:
    asker = Asker(TODAY)
    posting = asker.posting(either.unit, await either.token())
    assert await either.post("/c/cases", posting) == (201, {"due_on": "2026-11-26"})
    await either.answer("Excúsate por escrito.")
    status, thread = await either.post("/c/thread", {"locator": asker.locator})
    assert status == 200
    assert {name: thread[name] for name in ("case", "state", "day", "due_on", "version", "today")} == {
        "case": asker.case,
        "state": "answered",
        "day": "2026-11-23",
        "due_on": "2026-11-26",
        "version": 1,
        "today": "2026-11-23",
    }
    assert (thread["box"], thread["list"]) == (posting["box"], either.unit.newest)
    assert thread["letters"][0] == posting["letter"]
    assert thread["access"] in posting["access"]
    assert asker.read(thread) == ["¿Puedo firmar?", "Excúsate por escrito."]
    assert await either.post("/c/seen", asker.seen_body()) == (201, {})
    assert await either.post("/c/letters", asker.reply_body(either.unit, "Gracias.")) == (201, {})
    texts = ["¿Puedo firmar?", "Excúsate por escrito.", "Gracias."]
    assert [content["text"] for content in await either.opened()] == await either.read(asker) == texts
    assert asker.version == 3


async def test_an_answer_with_a_grant_is_read_by_who_it_grants_to(either: Letterbox) -> None:
    asker, dora = await either.submit_query(), Keyholder("Dora Luna")
    either.unit.next_list(adding=[dora])
    await either.publish()
    change = Change(added=(dora.id,), leaves=True)
    await either.answer("Le paso tu consulta a Dora.", kind="hand", change=change)
    await either.answer("Soy Dora.", dora)
    texts = ["¿Puedo firmar?", "Le paso tu consulta a Dora.", "Soy Dora."]
    assert await either.read(asker) == texts
    assert [content["text"] for content in await either.opened(dora)] == texts
    assert await either.post("/c/letters", asker.reply_body(either.unit)) == (201, {})
    with pytest.raises(ProtocolError):
        await either.opened(either.unit.officer)


async def test_a_reply_that_excludes_an_officer_takes_the_key_away(either: Letterbox) -> None:
    dora = Keyholder("Dora Luna")
    either.unit.next_list(adding=[dora])
    await either.publish()
    asker, carmen = await either.submit_query(), either.unit.officer
    body = asker.reply_body(either.unit, change=Change(excluded=(carmen.id,)))
    assert await either.post("/c/letters", body) == (201, {})
    with pytest.raises(ProtocolError):
        await either.opened(carmen)
    assert len(await either.opened(dora)) == 2


async def test_the_longest_letters_for_thirty_readers_fit_into_a_request(box: Letterbox) -> None:
    box.unit.next_list(adding=[Keyholder(f"Oficial {number}") for number in range(28)])
    await box.publish()
    asker, text = Asker(TODAY), "x" * 32_000
    assert (await box.post("/c/cases", asker.posting(box.unit, await box.token(), text)))[0] == 201
    change = Change(excluded=(box.unit.readers[-1].id,))
    assert await box.post("/c/letters", asker.reply_body(box.unit, text, change=change)) == (201, {})
    with pytest.raises(Refused, match="size"):
        asker.reply_body(box.unit, "x" * 32_768)


# ---------------------------------------------------------------- refused


async def test_a_spent_link_is_refused(either: Letterbox) -> None:
    token = await either.token()
    assert (await either.post("/c/cases", Asker(TODAY).posting(either.unit, token)))[0] == 201
    assert await either.post("/c/cases", Asker(TODAY).posting(either.unit, token)) == (409, {"error": "token"})


async def test_an_old_link_is_refused(box: Letterbox) -> None:
    token = await box.token()
    box.now += timedelta(hours=49)
    assert await box.post("/c/cases", Asker(box.today).posting(box.unit, token)) == (409, {"error": "token"})


async def test_a_case_for_an_outdated_list_of_readers_is_refused(either: Letterbox) -> None:
    token = await either.token()
    posting = Asker(TODAY).posting(either.unit, token)
    either.unit.next_list()
    await either.publish()
    assert await either.post("/c/cases", posting) == (409, {"error": "keys"})
    assert (await either.post("/c/cases", Asker(TODAY).posting(either.unit, token)))[0] == 201


async def test_a_case_of_another_day_and_a_known_case_are_refused(either: Letterbox) -> None:
    known, token = await either.submit_query(), await either.token()
    early = Asker(TODAY - timedelta(days=2)).posting(either.unit, token)
    assert await either.post("/c/cases", early) == (409, {"error": "day"})
    twice = Asker(TODAY, case=known.case).posting(either.unit, token)
    assert await either.post("/c/cases", twice) == (409, {"error": "case"})


@pytest.mark.attack
async def test_what_breaks_a_rule_is_refused_by_its_name(either: Letterbox) -> None:
    posting = Asker(TODAY).posting(either.unit, await either.token())
    letter = posting["letter"]
    for spoilt, reason in (
        ({"letter": {**letter, "iv": posting["box"]["iv"]}}, "letter.signature"),
        ({"access": posting["access"][1:]}, "access.rows"),
        ({"signature": letter["signature"]}, "bundle.signature"),
        ({"letter": {**letter, "context": {**letter["context"], "kind": "answer"}}}, "thread.kind"),
        ({"letter": {**letter, "context": {**letter["context"], "v": 1}}}, "posting.letter.context.v"),
    ):
        assert await either.post("/c/cases", {**posting, **spoilt}) == (422, {"error": "shape", "field": reason})
    assert (await either.post("/c/cases", posting))[0] == 201


async def test_unknown_words_open_no_thread(box: Letterbox) -> None:
    known = await box.submit_query()
    stranger = Asker(TODAY).locator
    for path, body in (
        ("/c/thread", {"locator": stranger}),
        ("/c/letters", known.twin().reply_body(box.unit, locator=stranger)),
        ("/c/seen", {**known.twin().seen_body(), "locator": stranger}),
    ):
        assert await box.post(path, body) == (404, {"error": "thread"})


async def test_a_reply_is_refused_with_what_the_page_mends(either: Letterbox) -> None:
    asker = await either.submit_query()
    tab, late = asker.twin(), asker.twin()
    assert await either.post("/c/letters", asker.reply_body(either.unit)) == (201, {})
    assert await either.post("/c/letters", tab.reply_body(either.unit)) == (409, {"error": "seq"})
    assert await either.post("/c/seen", late.seen_body()) == (409, {"error": "version"})
    assert await either.post("/c/letters", asker.twin().reply_body(either.unit, version=2)) == (
        422,
        {"error": "shape", "field": "bundle.signature"},
    )
    outdated = asker.twin().reply_body(either.unit)
    either.unit.next_list()
    await either.publish()
    assert await either.post("/c/letters", outdated) == (409, {"error": "keys"})
    early = asker.twin()
    early.day -= timedelta(days=2)
    assert await either.post("/c/letters", early.reply_body(either.unit)) == (409, {"error": "day"})
    await either.answer("Listo.", kind="close")
    await either.read(asker)
    assert await either.post("/c/letters", asker.reply_body(either.unit)) == (409, {"error": "closed"})


@pytest.mark.attack
async def test_a_stored_row_that_is_none_of_ours_is_called_altered(either: Letterbox) -> None:
    asker = await either.submit_query()
    async with either.database.write() as tx:
        await tx.execute(update(schema.letters).values(letter="nonsense"))
    assert await either.post("/c/thread", {"locator": asker.locator}) == (409, {"error": "altered"})


@pytest.mark.parametrize("path", ["/c/cases", "/c/thread", "/c/letters", "/c/seen"])
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 422),
        (b"not json", {"Content-Type": "application/json"}, 422),
        (b"[" * 60_000, {"Content-Type": "application/json"}, 422),
        (b'{"locator": "x"}', {"Content-Type": "application/json"}, 422),
        (b'{"locator": 7, "letter": null}', {"Content-Type": "application/json"}, 422),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 422),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"a=b", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b" " * (64 * 1024 + 1), {"Content-Type": "application/json"}, 413),
        (b"{}", {"Content-Type": "application/json", "Origin": "https://elsewhere.example"}, 403),
        (b"{}", {"Content-Type": "application/json", "Origin": "null"}, 403),
        (b"{}", {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_malformed_requests_are_refused_and_not_echoed(
    box: Letterbox, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with box.web.post(box.url + path, data=body, headers=headers) as response:
        assert response.status == status
        assert set(await response.json()) <= {"error", "field"}


async def test_a_huge_body_without_a_length_is_refused(box: Letterbox) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 16 * 1024

    headers = {"Content-Type": "application/json"}
    async with box.web.post(box.url + "/c/cases", data=endless(), headers=headers) as response:
        assert response.status == 413


async def test_our_own_origin_is_accepted(box: Letterbox) -> None:
    headers = {"Content-Type": "application/json", "Origin": box.url, "Sec-Fetch-Site": "same-origin"}
    async with box.web.post(box.url + "/c/thread", data=b"{}", headers=headers) as response:
        assert response.status == 422


async def test_two_replies_at_once_keep_their_order(either: Letterbox) -> None:
    asker = await either.submit_query()
    replies = [asker.twin().reply_body(either.unit, "también") for _ in "ab"]
    results = await asyncio.gather(*(either.post("/c/letters", reply) for reply in replies))
    assert sorted(status for status, _ in results) == [201, 409]
    (refused,) = [body["error"] for status, body in results if status == 409]
    assert refused in ("seq", "version")
    assert await either.read(asker) == ["¿Puedo firmar?", "también"]


async def test_an_unavailable_database_is_reported(either: Letterbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("gone")

    posting = Asker(TODAY).posting(either.unit, await either.token())
    monkeypatch.setattr(routes, "redeem_link", fail)
    assert await either.post("/c/cases", posting) == (503, {"error": "unavailable"})
    monkeypatch.undo()
    assert (await either.post("/c/cases", posting))[0] == 201
