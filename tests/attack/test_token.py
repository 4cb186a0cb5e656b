"""A11: a link is spent once, only by an accepted letter."""

import asyncio
from datetime import date

import pytest

from content.library import Library
from storage.confidential import cases
from storage.database import Database
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY, running
from tests.fakes.unit import Unit

pytestmark = pytest.mark.attack


async def test_of_fifty_letters_at_once_one_is_accepted(database: Database, library: Library) -> None:
    async with running(database, library) as box:
        token = await box.token()
        postings = [Asker(TODAY).posting(box.unit, token) for _ in range(50)]
        responses = await asyncio.gather(*(box.post("/c/cases", posting) for posting in postings))
        assert sorted(status for status, _ in responses) == [201] + [409] * 49
        assert [body for status, body in responses if status == 409] == [{"error": "token"}] * 49
        async with database.read() as tx:
            assert len(await cases.queue(tx, box.unit.officer.id)) == 1


async def test_requests_without_a_letter_never_spend_a_link(database: Database, library: Library) -> None:
    async with running(database, library) as box:
        url = await box.link()
        token = url.split("#t=")[1].split("&")[0]
        for method in ("get", "head", "options", "post", "put", "delete"):
            for path in ("/c", f"/c?t={token}", f"/c/cases?token={token}", f"/c/{token}"):
                async with box.web.request(method, box.url + path) as response:
                    assert response.status != 201
        assert (await box.post("/c/cases", Asker(TODAY).posting(box.unit, token)))[0] == 201


async def test_refused_letters_never_spend_a_link(database: Database, library: Library) -> None:
    async with running(database, library) as box:
        token = await box.token()
        good = Asker(TODAY).posting(box.unit, token)
        other = Asker(TODAY).posting(box.unit, token)
        newer = Unit(box.unit.readers, box.unit.signing)
        newer.first_list()
        newer.next_list()  # which was not published
        refused = [
            Asker(TODAY).posting(newer, token),
            Asker(TODAY).posting(Unit.with_recovery_key(), token),
            Asker(date(2026, 1, 1)).posting(box.unit, token),
            {**good, "access": good["access"][1:]},
            {**good, "access": other["access"]},
            {**good, "letter": {}},
            {**good, "signature": other["signature"]},
            {name: value for name, value in good.items() if name != "locator_hash"},
        ]
        responses = await asyncio.gather(*(box.post("/c/cases", posting) for posting in refused * 4))
        assert {status for status, _ in responses} <= {409, 422}
        assert (await box.post("/c/cases", good))[0] == 201
