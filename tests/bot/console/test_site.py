"""The console's middleware: sessions, origin and CSRF checks, headers; templates without inline code."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from aiohttp import ClientSession

from bot.console import site
from bot.web.app_keys import INSTALLATION
from bot.web.requests import MAX_BODY
from bot.web.templating import CONSOLE_HEADERS, STATIC, TEMPLATES
from storage.confidential import officers
from storage.confidential.officers import OfficerState
from tests.bot.console.office import Office, OfficerWithKeys
from tests.bot.console.test_signin import open_page

PAGES = [
    "/console/",
    "/console/cases",
    "/console/handover",
    "/console/keys",
    "/console/monitor",
    "/console/course",
    "/console/cases/x",
]


@pytest.fixture
async def carmen(office: Office) -> OfficerWithKeys:
    """The first officer, with a list of readers in force."""
    carmen = OfficerWithKeys("", "Carmen Ríos", "carmen@ueipci.example")
    await office.enrol(carmen)
    return carmen


@pytest.mark.parametrize("path", PAGES)
async def test_without_a_session_every_page_leads_to_the_sign_in(office: Office, path: str) -> None:
    async with ClientSession() as client, client.get(office.address + path, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/console/signin")


@pytest.mark.parametrize(
    "path",
    [
        "/console/cases/x/letters",
        "/console/cases/x/departure",
        "/console/succession",
        "/console/trust?from=1",
        "/console/pulse",
    ],
)
async def test_a_request_for_data_without_a_session_is_refused(office: Office, path: str) -> None:
    headers = {"Accept": "application/json"}
    async with ClientSession() as client, client.get(office.address + path, headers=headers) as answer:
        assert answer.status == 401


RESPONSES = {  # by path, the status for an officer: pages, data, errors
    "/console/cases": 200,
    "/console/handover": 200,
    "/console/keys": 200,
    "/console/monitor": 200,
    "/console/signin": 200,
    "/console/pulse": 204,
    "/console/cases/x/letters": 404,
    "/console/cases/x/departure": 404,
    "/console/trust?from=1": 200,
    "/console/trust?from=x": 422,
    "/console/nothing": 404,
}


async def test_every_page_answer_and_error_has_the_policy_and_is_not_cached(
    office: Office, carmen: OfficerWithKeys
) -> None:
    found = {}
    async with ClientSession(cookies=(await office.signed_in(carmen)).cookie) as client:
        for path in RESPONSES:
            async with client.get(office.address + path, allow_redirects=False) as answer:
                assert {name: answer.headers.get(name) for name in CONSOLE_HEADERS} == CONSOLE_HEADERS, path
                found[path] = answer.status
    assert found == RESPONSES
    async with ClientSession() as stranger:
        for path in ("/console/pulse", "/console/cases/x/letters"):
            async with stranger.get(office.address + path, headers={"Accept": "application/json"}) as answer:
                assert answer.status == 401
                assert {name: answer.headers.get(name) for name in CONSOLE_HEADERS} == CONSOLE_HEADERS, path
        async with stranger.post(office.address + "/console/signout", json={}) as answer:
            assert answer.status == 403
            assert {name: answer.headers.get(name) for name in CONSOLE_HEADERS} == CONSOLE_HEADERS


async def test_the_path_without_a_slash_redirects(office: Office) -> None:
    async with ClientSession() as client, client.get(office.address + "/console", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/console/")


@pytest.mark.attack
async def test_a_post_without_the_pages_token_is_refused(office: Office, carmen: OfficerWithKeys) -> None:
    desk, other = await office.signed_in(carmen), await office.signed_in(carmen)
    assert await desk.post("/console/signout", {}, **{"X-CSRF": ""}) == (403, {"error": "403"})
    assert await desk.post("/console/signout", {}, **{"X-CSRF": other.csrf}) == (403, {"error": "403"})
    assert (await desk.get("/console/pulse"))[0] == 204


@pytest.mark.attack
async def test_the_token_of_a_page_outlives_sessions_and_is_of_one_browser(
    office: Office, carmen: OfficerWithKeys
) -> None:
    """A tab that was open before another one signed in goes on sending; a token from elsewhere is of no use."""
    async with ClientSession() as client:
        before = await open_page(office, client)
    desk = await office.signed_in(carmen)
    for gate, status in ((before.gate, 204), (desk.cookie[site.GATE_COOKIE], 403), ("", 403)):
        desk.cookie[site.GATE_COOKIE] = gate
        assert (await desk.post("/console/signout", {}, **{"X-CSRF": before.csrf}))[0] == status
        desk = await office.signed_in(carmen)


async def test_a_page_that_was_made_for_another_officer_sends_and_gets_nothing(
    office: Office, carmen: OfficerWithKeys
) -> None:
    dora = OfficerWithKeys("", "Dora Luna", "dora@ueipci.example")
    await office.enrol(dora)
    desk, of_carmen = await office.signed_in(dora), {"X-Officer": carmen.id}
    refused = (409, {"error": "officer"})
    assert await desk.post("/console/signout", {}, **of_carmen) == refused
    assert await desk.post("/console/custodians", {"name": "Notaría 7"}, **of_carmen) == refused
    status, body = await desk.get("/console/trust?from=1", **of_carmen)
    assert (status, json.loads(body)) == refused
    assert (await desk.post("/console/signout", {}, **{"X-Officer": dora.id}))[0] == 204
    assert (await desk.post("/console/signout", {}, **of_carmen))[0] == 401, "who is signed out is told so"


@pytest.mark.attack
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "https://127.0.0.1:8080"},
    ],
)
async def test_a_post_from_another_origin_is_refused(
    office: Office, carmen: OfficerWithKeys, headers: dict[str, str]
) -> None:
    desk = await office.signed_in(carmen)
    assert (await desk.post("/console/signout", {}, **headers))[0] == 403
    assert (await desk.post("/console/signout", {}, Origin=office.address))[0] == 204


async def test_a_session_ends_on_the_server_when_idle_or_signed_out(office: Office, carmen: OfficerWithKeys) -> None:
    desk, other = await office.signed_in(carmen), await office.signed_in(carmen)
    for _ in range(3):
        office.advance_clock(minutes=10)
        assert (await desk.get("/console/pulse"))[0] == 204
    assert (await other.get("/console/pulse", Accept="application/json"))[0] == 401
    await desk.post("/console/signout", {})
    assert (await desk.get("/console/pulse", Accept="application/json"))[0] == 401


async def test_an_officer_who_leaves_is_signed_out(office: Office, carmen: OfficerWithKeys) -> None:
    desk = await office.signed_in(carmen)
    async with office.database.write() as tx:
        await officers.leave(tx, [carmen.id])
    assert (await desk.get("/console/cases"))[0] == 303


POSTS: dict[str, dict[str, object]] = {  # by path, what a reader's page posts
    "/console/keys": {"list": {}, "signature": "A" * 86, "succ": []},
    "/console/succession": {"list": {}, "signature": "A" * 86, "succ": [], "unit_key": ""},
    "/console/proofs": {"id": "x", "proof": {}},
    "/console/notebook": {"version": 2, "box": {}},
    "/console/cases/x/letters": {"letter": {}, "access": [], "bell": ""},
}


READERS_ONLY = ("/console/cases", "/console/handover", "/console/keys", "/console/succession", "/console/trust?from=1")


@pytest.mark.parametrize("role", ["liaison", "author"])
async def test_an_officer_who_reads_no_queries_sees_only_the_numbers(office: Office, role: str) -> None:
    officer = OfficerWithKeys("", "Lía Paz", "lia@leon.example")
    await office.enrol(officer, role)
    desk = await office.signed_in(officer)
    for path in (*READERS_ONLY, "/console/cases/x/letters", "/console/cases/x/departure"):
        assert (await desk.get(path))[0] == 403
    for path, body in POSTS.items():
        assert (await desk.post(path, body))[0] == 403
    status, page = await desk.get("/console/monitor")
    assert status == 200
    assert "/console/cases" not in page
    async with ClientSession(cookies=desk.cookie) as client, client.get(office.address + "/console/") as answer:
        assert answer.url.path == "/console/monitor"


async def test_a_pending_officer_sees_neither_cases_nor_numbers(office: Office) -> None:
    dora = OfficerWithKeys("", "Dora Luna", "dora@ueipci.example")
    await office.enrol(dora, state=OfficerState.PENDING)
    desk = await office.signed_in(dora)
    assert [(await desk.get(path))[0] for path in ("/console/", "/console/cases", "/console/monitor")] == [
        200,
        403,
        403,
    ]


async def test_bodies_that_are_too_long_or_malformed_are_refused(office: Office, carmen: OfficerWithKeys) -> None:
    desk = await office.signed_in(carmen)
    path = "/console/cases/x/letters"
    posted = POSTS[path]
    assert (await desk.post(path, posted | {"letter": {"body": "x" * MAX_BODY}}))[0] == 413
    assert (await desk.post(path, posted | {"letter": 3}))[0] == 422
    assert (await desk.post(path, posted | {"more": 1}))[0] == 422
    assert (await desk.post(path, posted, **{"Content-Type": "text/plain"}))[0] == 415


async def test_the_chosen_language_is_remembered(office: Office) -> None:
    async with ClientSession() as client:
        async with client.get(office.address + "/console/signin?lang=en") as answer:
            assert "Your seven words" in await answer.text()
            assert answer.cookies["lang"].value == "en"
        async with client.get(office.address + "/console/signin", headers={"Cookie": "lang=en"}) as answer:
            assert '<html lang="en"' in await answer.text()


async def test_the_cookie_is_closed_to_scripts_and_other_sites(office: Office) -> None:
    async with ClientSession() as client, client.get(office.address + "/console/signin") as answer:
        gate = answer.cookies[site.GATE_COOKIE]
    assert gate["httponly"]
    assert gate["samesite"] == "Strict"
    assert gate["path"] == "/console"
    assert int(gate["max-age"]) >= 180 * 24 * 3600, "pages that stay open keep their token"


def test_templates_hold_no_inline_script_or_style_and_no_other_origin() -> None:
    for path in (TEMPLATES / "console").glob("*.html"):
        source = path.read_text("utf-8")
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://", source), path.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", source), path.name


def test_vendored_files_match_their_checksums() -> None:
    folder: Path = STATIC / "vendor"
    listed = {line.split("  ")[1]: line.split("  ")[0] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert found == listed
    assert {"htmx/LICENSE", "pico/LICENSE.md"} <= listed.keys()


async def test_a_trial_says_so_on_every_page(office: Office, carmen: OfficerWithKeys) -> None:
    desk = await office.signed_in(carmen)
    assert "Esto es una prueba" not in (await desk.get("/console/keys"))[1]
    office.app[INSTALLATION].unit.adopts_itself = True
    for path in ("/console/cases", "/console/keys", "/console/monitor", "/console/course"):
        assert "Esto es una prueba" in (await desk.get(path))[1], path


async def test_the_first_page_after_a_restart_already_warns_of_the_lists_end(
    office: Office, carmen: OfficerWithKeys
) -> None:
    office.advance_clock(days=30)
    desk = await office.signed_in(carmen)
    office.trust.verified = None  # what another process has not seen yet
    assert 'id="expiry"' in (await desk.get("/console/cases"))[1]


async def test_a_damaged_file_of_the_unit_breaks_no_page(office: Office, carmen: OfficerWithKeys) -> None:
    desk = await office.signed_in(carmen)
    assert office.trust.folder is not None
    (office.trust.folder / "unit.pub").write_text("nonsense")
    for path in ("/console/cases", "/console/keys", "/console/trust?from=1", "/c", "/c/keys"):
        assert (await desk.get(path))[0] in (200, 404), path
    token = (await office.invite_without_pin("dora@ueipci.example", "Dora")).split("&")[0]
    status, invited = await desk.post("/console/signup/begin", {"token": token})
    assert (status, invited["is_first"], invited["lists"]) == (200, False, [])
