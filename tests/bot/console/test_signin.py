"""Joining and signing in as the server sees it: hashes in, sessions out, and nothing to tell strangers apart by."""

from typing import Any

import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import select

from bot.console import signin, site
from storage import schema
from storage.confidential import officers, wire_format
from tests.bot.console.office import Office, Person, Unit

WRAPPED = {"iv": "A" * 16, "body": "A" * 100}
AUTH = wire_format.encode(b"\1" * 32)


class Visitor:
    """A browser without a session: it has loaded a page and holds the gate's cookie and token."""

    def __init__(self, address: str, client: ClientSession, csrf: str) -> None:
        self.address, self.client, self.csrf = address, client, csrf
        self.cookies: dict[str, str] = {}

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        headers = {"X-CSRF": self.csrf}
        async with self.client.post(self.address + path, json=body, headers=headers) as answer:
            self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
            return answer.status, await answer.json()


async def context(office: Office, client: ClientSession, page: str = "signin") -> Visitor:
    async with client.get(f"{office.address}/console/{page}") as answer:
        text = await answer.text()
        gate = answer.cookies[site.GATE].value
    client.headers["Cookie"] = f"{site.GATE}={gate}"
    return Visitor(office.address, client, text.split('data-csrf="')[1].split('"')[0])


@pytest.fixture
async def carmen(office: Office) -> Person:
    """The first officer; her auth key is known to the test."""
    carmen, unit = Person("", "Carmen Ríos", "carmen@ueipci.example"), Unit()
    token = await office.invite(carmen.email, carmen.name)
    kdf = Argon2id(salt=b"s" * 16, length=32, iterations=1, lanes=1, memory_cost=64)
    async with office.database.write() as tx:
        carmen.id = (await officers.invited(tx, token, office.now)).id
        keys = carmen.keys(auth_hash=kdf.derive_phc_encoded(AUTH.encode()))
        await officers.sign_up(tx, token, keys, officers.OfficerState.ACTIVE, office.now)
    await office.put_in_force(1, unit.sign(1, carmen))
    return carmen


def sign_up_form(token: str, person: Person, **changes: object) -> dict[str, object]:
    form = {
        "token": token,
        "salt": wire_format.encode(b"s" * 16),
        "auth": AUTH,
        "reading_key": person.reader["reading"],
        "signing_key": person.reader["signing"],
        "bundle": WRAPPED,
        "recovery_bundle": WRAPPED,
    }
    return form | changes


# ---------------------------------------------------------------- signing in


async def test_the_right_auth_key_opens_a_session_and_hands_the_bundle_back(office: Office, carmen: Person) -> None:
    async with ClientSession() as client:
        visitor = await context(office, client)
        assert await visitor.post("/console/signin/begin", {"email": carmen.email}) == (
            200,
            {"salt": wire_format.encode(b"s" * 16)},
        )
        status, body = await visitor.post("/console/signin", {"email": " CARMEN@ueipci.example", "auth": AUTH})
    assert (status, body["id"], body["bundle"], body["unit_bundle"]) == (200, carmen.id, "{}", None)
    async with office.database.read() as tx:
        session = await officers.session(tx, visitor.cookies[site.COOKIE], office.now)
    assert session is not None
    assert session.officer.id == carmen.id


async def test_a_wrong_key_and_an_unknown_address_are_refused_alike(office: Office, carmen: Person) -> None:
    wrong = wire_format.encode(b"\2" * 32)
    async with ClientSession() as client:
        visitor = await context(office, client)
        answers = [
            await visitor.post("/console/signin", {"email": email, "auth": wrong})
            for email in (carmen.email, "nadie@ueipci.example")
        ]
    assert answers == [(403, {"error": "signin"})] * 2
    assert site.COOKIE not in visitor.cookies


@pytest.mark.attack
async def test_an_unknown_address_is_checked_against_a_hash_that_costs_as_much(
    office: Office, carmen: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    real = signin._fits

    async def listening(auth: str, auth_hash: str) -> bool:
        tried.append(auth_hash)
        return await real(auth, auth_hash)

    monkeypatch.setattr(signin, "_fits", listening)
    async with ClientSession() as client:
        visitor = await context(office, client)
        for _ in range(2):
            await visitor.post("/console/signin", {"email": "nadie@ueipci.example", "auth": AUTH})
    assert len(tried) == 2
    assert all(one.startswith(f"$argon2id$v=19$m={signin.MEMORY_KIB},t=2,p=1$") for one in tried)


@pytest.mark.attack
async def test_an_unknown_address_gets_a_stable_salt_of_its_own(office: Office, carmen: Person) -> None:
    async with ClientSession() as client:
        visitor = await context(office, client)
        salts = [
            (await visitor.post("/console/signin/begin", {"email": email}))[1]["salt"]
            for email in ("a@x.mx", "A@x.mx ", "b@x.mx")
        ]
    assert salts[0] == salts[1] != salts[2]
    assert {len(wire_format.decode(salt)) for salt in salts} == {16}


async def test_signing_in_anew_ends_the_session_before(office: Office, carmen: Person) -> None:
    desk = await office.signed_in(carmen)
    status, _ = await desk.post("/console/signin", {"email": carmen.email, "auth": AUTH})
    assert status == 200
    assert (await desk.get("/console/pulse", Accept="application/json"))[0] == 401


async def test_an_open_page_signs_in_again_after_its_session_went_idle(office: Office, carmen: Person) -> None:
    desk = await office.signed_in(carmen)
    office.advance_clock(minutes=20)
    assert (await desk.post("/console/signin", {"email": carmen.email, "auth": AUTH}))[0] == 200


# ---------------------------------------------------------------- joining


async def test_looking_at_an_invite_spends_nothing_and_joining_spends_it(office: Office, carmen: Person) -> None:
    token, dora = await office.invite("dora@ueipci.example", "Dora Luna"), Person("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await context(office, client, "signup")
        for _ in range(2):
            status, body = await visitor.post("/console/signup/begin", {"token": token})
            assert (status, body["name"], body["role"], body["is_first"]) == (200, "Dora Luna", "officer", False)
        assert await visitor.post("/console/signup", sign_up_form(token, dora)) == (201, {"state": "pending"})
        assert await visitor.post("/console/signup", sign_up_form(token, dora)) == (409, {"error": "token"})
        assert await visitor.post("/console/signup/begin", {"token": token}) == (409, {"error": "token"})


@pytest.mark.attack
async def test_the_auth_key_is_stored_as_a_slow_hash_only(office: Office, carmen: Person) -> None:
    token, dora = await office.invite("dora@ueipci.example", "Dora Luna"), Person("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await context(office, client, "signup")
        await visitor.post("/console/signup", sign_up_form(token, dora))
    async with office.database.read() as tx:
        rows = (await tx.execute(select(schema.officers))).all()
    kept = [str(cell) for row in rows for cell in row]
    assert not [cell for cell in kept if AUTH in cell]
    assert [cell for cell in kept if cell.startswith("$argon2id$") and "m=19456" in cell]


async def test_a_liaison_is_active_at_once_and_brings_no_list(office: Office, carmen: Person) -> None:
    token, lia = await office.invite("lia@leon.example", "Lía Paz", "liaison"), Person("", "Lía Paz", "")
    async with ClientSession() as client:
        visitor = await context(office, client, "signup")
        refused = await visitor.post("/console/signup", sign_up_form(token, lia, unit_bundle=WRAPPED))
        assert refused == (409, {"error": "keys"})
        assert await visitor.post("/console/signup", sign_up_form(token, lia)) == (201, {"state": "active"})


@pytest.mark.parametrize(
    "changes",
    [
        {"auth": "short"},
        {"salt": "A" * 21},
        {"reading_key": "A" * 86},
        {"bundle": {"iv": "A" * 16}},
        {"bundle": {"iv": "A" * 16, "body": "A" * 5000}},
        {"more": 1},
        {"keys": {"body": "{}", "signature": "x"}},
    ],
)
async def test_a_form_of_another_shape_is_refused_and_spends_nothing(
    office: Office, carmen: Person, changes: dict[str, object]
) -> None:
    token, dora = await office.invite("dora@ueipci.example", "Dora Luna"), Person("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await context(office, client, "signup")
        assert (await visitor.post("/console/signup", sign_up_form(token, dora, **changes)))[0] == 422
        assert (await visitor.post("/console/signup/begin", {"token": token}))[0] == 200
