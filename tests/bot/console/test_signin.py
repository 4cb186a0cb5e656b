"""Sign-up and sign-in at the server: stored hashes, sessions, and equal responses for unknown addresses."""

from typing import Any

import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import select

from bot.console import signin, site
from storage import schema
from storage.confidential import officers, wire_format
from tests.bot.console.office import Office, OfficerWithKeys, Unit

WRAPPED = {"iv": "A" * 16, "body": "A" * 100}
AUTH = wire_format.encode(b"\1" * 32)


class Visitor:
    """A browser without a session: it has loaded a page and holds the gate cookie and the CSRF token."""

    def __init__(self, address: str, client: ClientSession, csrf: str) -> None:
        self.address, self.client, self.csrf = address, client, csrf
        self.cookies: dict[str, str] = {}

    async def post(self, path: str, body: object) -> tuple[int, Any]:
        headers = {"X-CSRF": self.csrf}
        async with self.client.post(self.address + path, json=body, headers=headers) as answer:
            self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
            return answer.status, await answer.json()


async def open_page(office: Office, client: ClientSession, page: str = "signin") -> Visitor:
    """Load the page without a session."""
    async with client.get(f"{office.address}/console/{page}") as answer:
        text = await answer.text()
        gate = answer.cookies[site.GATE_COOKIE].value
    client.headers["Cookie"] = f"{site.GATE_COOKIE}={gate}"
    return Visitor(office.address, client, text.split('data-csrf="')[1].split('"')[0])


@pytest.fixture
async def carmen(office: Office) -> OfficerWithKeys:
    """The first officer; her auth key is known to the test."""
    carmen, unit = OfficerWithKeys("", "Carmen Ríos", "carmen@ueipci.example"), Unit()
    token = await office.invite(carmen.email, carmen.name)
    kdf = Argon2id(salt=b"s" * 16, length=32, iterations=1, lanes=1, memory_cost=64)
    async with office.database.write() as tx:
        carmen.id = (await officers.by_invite(tx, token, office.now)).id
        keys = carmen.keys(auth_hash=kdf.derive_phc_encoded(AUTH.encode()))
        await officers.sign_up(tx, token, keys, officers.OfficerState.ACTIVE, office.now)
    await office.put_in_force(1, unit.sign(1, carmen))
    return carmen


def sign_up_body(token: str, officer: OfficerWithKeys, **changes: object) -> dict[str, object]:
    body = {
        "token": token,
        "salt": wire_format.encode(b"s" * 16),
        "auth": AUTH,
        "reading_key": officer.reader["reading"],
        "signing_key": officer.reader["signing"],
        "bundle": WRAPPED,
        "recovery_bundle": WRAPPED,
    }
    return body | changes


# ---------------------------------------------------------------- sign-in


async def test_the_right_auth_key_opens_a_session_and_returns_the_bundle(
    office: Office, carmen: OfficerWithKeys
) -> None:
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        assert await visitor.post("/console/signin/begin", {"email": carmen.email}) == (
            200,
            {"salt": wire_format.encode(b"s" * 16)},
        )
        status, body = await visitor.post("/console/signin", {"email": " CARMEN@ueipci.example", "auth": AUTH})
    assert (status, body["id"], body["bundle"], body["unit_bundle"]) == (200, carmen.id, "{}", None)
    async with office.database.read() as tx:
        session = await officers.session(tx, visitor.cookies[site.SESSION_COOKIE], office.now)
    assert session is not None
    assert session.officer.id == carmen.id


async def test_a_wrong_key_and_an_unknown_address_are_refused_alike(office: Office, carmen: OfficerWithKeys) -> None:
    wrong = wire_format.encode(b"\2" * 32)
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        answers = [
            await visitor.post("/console/signin", {"email": email, "auth": wrong})
            for email in (carmen.email, "nadie@ueipci.example")
        ]
    assert answers == [(403, {"error": "signin"})] * 2
    assert site.SESSION_COOKIE not in visitor.cookies


@pytest.mark.attack
async def test_an_unknown_address_is_checked_against_an_equally_slow_hash(
    office: Office, carmen: OfficerWithKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    original = signin._matches

    async def record(auth: str, auth_hash: str) -> bool:
        checked.append(auth_hash)
        return await original(auth, auth_hash)

    monkeypatch.setattr(signin, "_matches", record)
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        for _ in range(2):
            await visitor.post("/console/signin", {"email": "nadie@ueipci.example", "auth": AUTH})
    assert len(checked) == 2
    assert all(auth_hash.startswith(f"$argon2id$v=19$m={signin.MEMORY_KIB},t=2,p=1$") for auth_hash in checked)


@pytest.mark.attack
async def test_an_unknown_address_gets_a_stable_salt_of_its_own(office: Office, carmen: OfficerWithKeys) -> None:
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        salts = [
            (await visitor.post("/console/signin/begin", {"email": email}))[1]["salt"]
            for email in ("a@x.mx", "A@x.mx ", "b@x.mx")
        ]
    assert salts[0] == salts[1] != salts[2]
    assert {len(wire_format.decode(salt)) for salt in salts} == {16}


async def test_signing_in_again_ends_the_previous_session(office: Office, carmen: OfficerWithKeys) -> None:
    desk = await office.signed_in(carmen)
    status, _ = await desk.post("/console/signin", {"email": carmen.email, "auth": AUTH})
    assert status == 200
    assert (await desk.get("/console/pulse", Accept="application/json"))[0] == 401


async def test_an_open_page_signs_in_again_after_its_session_went_idle(office: Office, carmen: OfficerWithKeys) -> None:
    desk = await office.signed_in(carmen)
    office.advance_clock(minutes=20)
    assert (await desk.post("/console/signin", {"email": carmen.email, "auth": AUTH}))[0] == 200


# ---------------------------------------------------------------- sign-up


async def test_only_signing_up_spends_an_invite(office: Office, carmen: OfficerWithKeys) -> None:
    token, dora = await office.invite("dora@ueipci.example", "Dora Luna"), OfficerWithKeys("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        for _ in range(2):
            status, body = await visitor.post("/console/signup/begin", {"token": token})
            assert (status, body["name"], body["role"], body["is_first"]) == (200, "Dora Luna", "officer", False)
        assert await visitor.post("/console/signup", sign_up_body(token, dora)) == (201, {"state": "pending"})
        assert await visitor.post("/console/signup", sign_up_body(token, dora)) == (409, {"error": "token"})
        assert await visitor.post("/console/signup/begin", {"token": token}) == (409, {"error": "token"})


@pytest.mark.attack
async def test_the_auth_key_is_stored_as_a_slow_hash_only(office: Office, carmen: OfficerWithKeys) -> None:
    token, dora = await office.invite("dora@ueipci.example", "Dora Luna"), OfficerWithKeys("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        await visitor.post("/console/signup", sign_up_body(token, dora))
    async with office.database.read() as tx:
        rows = (await tx.execute(select(schema.officers))).all()
    stored = [str(cell) for row in rows for cell in row]
    assert not [cell for cell in stored if AUTH in cell]
    assert [cell for cell in stored if cell.startswith("$argon2id$") and "m=19456" in cell]


async def test_a_liaison_is_active_at_once_and_posts_no_list(office: Office, carmen: OfficerWithKeys) -> None:
    token, lia = await office.invite("lia@leon.example", "Lía Paz", "liaison"), OfficerWithKeys("", "Lía Paz", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        refused = await visitor.post("/console/signup", sign_up_body(token, lia, unit_bundle=WRAPPED))
        assert refused == (409, {"error": "keys"})
        assert await visitor.post("/console/signup", sign_up_body(token, lia)) == (201, {"state": "active"})


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
async def test_a_malformed_sign_up_is_refused_and_spends_nothing(
    office: Office, carmen: OfficerWithKeys, changes: dict[str, object]
) -> None:
    token, dora = await office.invite("dora@ueipci.example", "Dora Luna"), OfficerWithKeys("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        assert (await visitor.post("/console/signup", sign_up_body(token, dora, **changes)))[0] == 422
        assert (await visitor.post("/console/signup/begin", {"token": token}))[0] == 200
