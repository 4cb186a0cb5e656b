"""Sign-up and sign-in at the server: stored hashes, sessions, and equal responses for unknown addresses."""

from dataclasses import asdict
from typing import Any

import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import select, update

from bot.console import auth_keys, site
from storage import schema
from storage.confidential import officers, sessions
from storage.confidential.protocol.canonical import decode, encode
from tests.bot.console.office import SALT, SECRET, WRAPPED, Office, OfficerWithKeys

AUTH = encode(b"\1" * 32)


class Visitor:
    """A browser without a session: it has loaded a page and holds the gate cookie and the CSRF token."""

    def __init__(self, address: str, client: ClientSession, csrf: str, gate: str) -> None:
        self.address, self.client, self.csrf, self.gate = address, client, csrf, gate
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
    return Visitor(office.address, client, text.split('data-csrf="')[1].split('"')[0], gate)


@pytest.fixture
async def carmen(office: Office) -> OfficerWithKeys:
    """The first officer; her auth key is known to the test, and in a trial it is enough."""
    office.trust.adopts_itself = True
    carmen = OfficerWithKeys("", "Carmen Ríos", "carmen@ueipci.example")
    await office.enrol(carmen)
    kdf = Argon2id(salt=b"s" * 16, length=32, iterations=1, lanes=1, memory_cost=64)
    async with office.database.write() as tx:
        await tx.execute(update(schema.officers).values(auth_hash=kdf.derive_phc_encoded(AUTH.encode())))
    return carmen


async def sign_up_body(office: Office, token: str, officer: OfficerWithKeys, **changes: object) -> dict[str, object]:
    """What the browser of a later reader posts."""
    async with office.database.read() as tx:
        officer.id = (await officers.by_invite(tx, token, office.now)).id
    keys = asdict(officer.join(office.unit))
    joining = keys.pop("joining")
    posted = {"joining": {"join": joining["join"], "proof": joining["proofs"][0]}, "list": None, **keys}
    return {"token": token, "salt": SALT, "auth": AUTH, "code_auth": AUTH, **posted, **changes}


async def invite(office: Office, email: str, name: str, role: str = "officer") -> str:
    """The token of an invite."""
    return (await office.invite(email, name, role)).split("&")[0]


# ---------------------------------------------------------------- sign-in


async def test_the_right_auth_key_opens_a_session_and_returns_the_bundle(
    office: Office, carmen: OfficerWithKeys
) -> None:
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        assert await visitor.post("/console/signin/begin", {"email": carmen.email}) == (
            200,
            {"salt": SALT},
        )
        status, body = await visitor.post("/console/signin", {"email": " CARMEN@ueipci.example", "auth": AUTH})
    notebook = {"version": 1, "box": WRAPPED}
    expected = {"id": carmen.id, "state": "active", "reads": True, "bundle": WRAPPED, "notebook": notebook}
    assert (status, body) == (200, expected | {"unit_key": None, "key_of": "", "failures": []})
    async with office.database.read() as tx:
        session = await sessions.by_token(tx, SECRET.session, visitor.cookies[site.SESSION_COOKIE], office.now)
    assert session is not None
    assert session.officer.id == carmen.id


@pytest.mark.attack
async def test_words_that_are_replaced_while_they_are_compared_open_no_session(
    office: Office, carmen: OfficerWithKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparing takes a while, longer where many sign in: who had the old words would keep a session."""

    async def meanwhile(auth: str, auth_hash: str | None) -> bool:
        async with office.database.write() as tx:
            await tx.execute(update(schema.officers).values(auth_hash="another"))
        return True

    monkeypatch.setattr(auth_keys, "matches", meanwhile)
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        refused = await visitor.post("/console/signin", {"email": carmen.email, "auth": AUTH})
    assert refused == (403, {"error": "signin"})
    assert site.SESSION_COOKIE not in visitor.cookies


@pytest.mark.attack
@pytest.mark.parametrize("path", ["signin/begin", "signin", "lost/begin"])
async def test_an_address_that_no_database_stores_is_refused(office: Office, path: str) -> None:
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        body = {"email": "a\u0000@b", "auth": AUTH}
        assert (await visitor.post(f"/console/{path}", body))[0] == 422


async def test_a_wrong_key_and_an_unknown_address_are_refused_alike(office: Office, carmen: OfficerWithKeys) -> None:
    wrong = encode(b"\2" * 32)
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
    original = Argon2id.verify_phc_encoded

    def record(auth: bytes, auth_hash: str) -> None:
        checked.append(auth_hash)
        original(auth, auth_hash)

    monkeypatch.setattr(Argon2id, "verify_phc_encoded", record)
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        for _ in range(2):
            await visitor.post("/console/signin", {"email": "nadie@ueipci.example", "auth": AUTH})
    assert len(checked) == 2
    assert all(auth_hash.startswith(f"$argon2id$v=19$m={auth_keys.MEMORY_KIB},t=2,p=1$") for auth_hash in checked)


@pytest.mark.attack
async def test_an_unknown_address_gets_a_stable_salt_of_its_own(office: Office, carmen: OfficerWithKeys) -> None:
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        salts = [
            (await visitor.post("/console/signin/begin", {"email": email}))[1]["salt"]
            for email in ("a@x.mx", "A@x.mx ", "b@x.mx")
        ]
    assert salts[0] == salts[1] != salts[2]
    assert {len(decode(salt)) for salt in salts} == {16}


async def test_unlocking_goes_on_with_the_session_that_other_tabs_use_too(
    office: Office, carmen: OfficerWithKeys
) -> None:
    desk = await office.signed_in(carmen)
    assert (await desk.post("/console/signin", {"email": carmen.email, "auth": AUTH}))[0] == 200
    assert site.SESSION_COOKIE not in desk.received
    assert (await desk.get("/console/pulse"))[0] == 204
    async with office.database.read() as tx:
        assert len((await tx.execute(select(schema.sessions))).all()) == 1


async def test_another_officer_who_signs_in_ends_the_session_of_this_browser(
    office: Office, carmen: OfficerWithKeys
) -> None:
    dora = OfficerWithKeys("", "Dora Luna", "dora@ueipci.example")
    await office.enrol(dora)
    desk = await office.signed_in(dora)
    assert (await desk.post("/console/signin", {"email": carmen.email, "auth": AUTH}))[0] == 200
    assert (await desk.get("/console/pulse", Accept="application/json"))[0] == 401
    desk.cookie[site.SESSION_COOKIE] = desk.received[site.SESSION_COOKIE]
    assert (await desk.get("/console/pulse", **{"X-Officer": carmen.id}))[0] == 204


async def test_an_open_page_signs_in_again_after_its_session_went_idle(office: Office, carmen: OfficerWithKeys) -> None:
    desk = await office.signed_in(carmen)
    office.advance_clock(minutes=20)
    assert (await desk.post("/console/signin", {"email": carmen.email, "auth": AUTH}))[0] == 200


# ---------------------------------------------------------------- sign-up


async def test_only_signing_up_spends_an_invite(office: Office, carmen: OfficerWithKeys) -> None:
    token, dora = await invite(office, "dora@ueipci.example", "Dora Luna"), OfficerWithKeys("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        for _ in range(2):
            status, body = await visitor.post("/console/signup/begin", {"token": token})
            assert (status, body["name"], body["role"], body["is_first"]) == (200, "Dora Luna", "officer", False)
            assert (body["reads"], body["lists"]) == (True, office.unit.lists)
        posted = await sign_up_body(office, token, dora)
        assert await visitor.post("/console/signup", posted) == (201, {"state": "pending"})
        assert await visitor.post("/console/signup", posted) == (409, {"error": "token"})
        assert await visitor.post("/console/signup/begin", {"token": token}) == (409, {"error": "token"})


@pytest.mark.attack
async def test_the_auth_key_is_stored_as_a_slow_hash_only(office: Office, carmen: OfficerWithKeys) -> None:
    token, dora = await invite(office, "dora@ueipci.example", "Dora Luna"), OfficerWithKeys("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        assert (await visitor.post("/console/signup", await sign_up_body(office, token, dora)))[0] == 201
    async with office.database.read() as tx:
        rows = (await tx.execute(select(schema.officers))).all()
    stored = [str(cell) for row in rows for cell in row]
    assert not [cell for cell in stored if AUTH in cell]
    assert len([cell for cell in stored if cell.startswith("$argon2id$") and "m=19456" in cell]) == 2, "words and code"


async def test_a_liaison_is_active_at_once_and_has_no_keys(office: Office, carmen: OfficerWithKeys) -> None:
    token, lia = await invite(office, "lia@leon.example", "Lía Paz", "liaison"), OfficerWithKeys("", "Lía Paz", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        _, body = await visitor.post("/console/signup/begin", {"token": token})
        assert (body["reads"], body["lists"]) == (False, [])
        refused = await visitor.post("/console/signup", await sign_up_body(office, token, lia))
        assert refused == (409, {"error": "keys"})
        account = {"token": token, "salt": SALT, "auth": AUTH}
        assert await visitor.post("/console/signup", account) == (201, {"state": "active"})


@pytest.mark.attack
@pytest.mark.parametrize("field", ["joining", "unit_key", "list"])
async def test_a_later_reader_brings_keys_of_the_own_name_and_no_unit(
    office: Office, carmen: OfficerWithKeys, field: str
) -> None:
    token, dora = await invite(office, "dora@ueipci.example", "Dora Luna"), OfficerWithKeys("", "Dora Luna", "")
    posted = await sign_up_body(office, token, dora)
    other = OfficerWithKeys(dora.id, "Otra Persona", "")
    join = asdict(other.join(office.unit))["joining"]
    unlawful = {
        "joining": {"join": join["join"], "proof": join["proofs"][0]},
        "unit_key": "A" * 270,
        "list": office.unit.newest,
    }
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        refused = await visitor.post("/console/signup", posted | {field: unlawful[field]})
        assert refused == (409, {"error": "keys"})
        assert (await visitor.post("/console/signup/begin", {"token": token}))[0] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"auth": "short"},
        {"code_auth": None},
        {"salt": "A" * 21},
        {"joining": {"join": {}}},
        {"joining": {"join": {}, "proof": {}, "more": 1}},
        {"bundle": {"iv": "A" * 16}},
        {"notebook": {"iv": "A" * 16, "body": "="}},
        {"notebook": None},
        {"more": 1},
    ],
)
async def test_a_malformed_sign_up_is_refused_and_spends_nothing(
    office: Office, carmen: OfficerWithKeys, changes: dict[str, object]
) -> None:
    token, dora = await invite(office, "dora@ueipci.example", "Dora Luna"), OfficerWithKeys("", "Dora Luna", "")
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        assert (await visitor.post("/console/signup", await sign_up_body(office, token, dora, **changes)))[0] == 422
        assert (await visitor.post("/console/signup/begin", {"token": token}))[0] == 200
