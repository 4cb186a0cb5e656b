"""`integra whatsapp templates` as an administrator types it, against a small Graph API on loopback."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from content.library import Library
from content.text import LANGUAGES
from tests.terminal import CommandResult, Integra, command_line

TOKEN = "EAAGhunter2hunter2"
NUMBER, ACCOUNT = "106540352242922", "102290129340398"
OURS = ("novedades_consulta", "pregunta_completa", "pregunta_diaria")
Command = Callable[..., Awaitable[CommandResult]]


class Meta:
    """Stores templates as Meta does; `refusals` are returned instead of the next responses, in order."""

    def __init__(self) -> None:
        self.templates: list[dict[str, Any]] = []
        self.submitted: list[dict[str, Any]] = []
        self.refusals: dict[str, list[tuple[int, dict[str, Any]]]] = {"GET": [], "POST": []}
        self.assigned_category = ""
        self.url = ""

    def add_ours(self, library: Library, **changes: Any) -> None:
        """Add all of our templates, approved, in both languages."""
        for template in library.templates.values():
            for language in LANGUAGES:
                self.templates.append(self._entry(template.submission(language), **changes))

    def find(self, name: str, code: str) -> dict[str, Any]:
        return next(entry for entry in self.templates if (entry["name"], entry["language"]) == (name, code))

    def refuse(self, method: str, code: int, status: int = 400, **error: Any) -> None:
        self.refusals[method].append((status, {"error": {"message": TOKEN, "code": code} | error}))

    async def listed(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        if self.refusals["GET"]:
            return self._refused("GET")
        first, after = self.templates[:4], self.templates[4:]
        if "after" in request.query or not after:
            return web.json_response({"data": after or first, "paging": {"cursors": {"after": "z"}}})
        return web.json_response({"data": first, "paging": {"cursors": {"after": "c"}, "next": "https://x.example"}})

    async def create(self, request: web.Request) -> web.Response:
        self.submitted.append(await request.json())
        if self.refusals["POST"]:
            return self._refused("POST")
        category = self.assigned_category or self.submitted[-1]["category"]
        self.templates.append(self._entry(self.submitted[-1], status="PENDING", category=category))
        return web.json_response({"id": "7", "status": "PENDING", "category": category})

    def _refused(self, method: str) -> web.Response:
        status, body = self.refusals[method].pop(0)
        return web.json_response(body, status=status) if body["error"]["code"] else web.Response(status=status)

    @staticmethod
    def _entry(submitted: dict[str, Any], **changes: Any) -> dict[str, Any]:
        shown = {key: submitted[key] for key in ("name", "language", "category", "components")}
        return shown | {"id": "7", "status": "APPROVED", "rejected_reason": "NONE"} | changes


@pytest.fixture
async def meta() -> AsyncIterator[Meta]:
    meta = Meta()
    app = web.Application()
    app.router.add_get(f"/v25.0/{ACCOUNT}/message_templates", meta.listed)
    app.router.add_post(f"/v25.0/{ACCOUNT}/message_templates", meta.create)
    async with TestServer(app) as server:
        meta.url = str(server.make_url("/v25.0"))
        yield meta


@pytest.fixture
def settings(meta: Meta, tmp_path: Path) -> dict[str, str]:
    return {
        "DATA_DIR": str(tmp_path / "data"),
        "WHATSAPP_API_URL": meta.url,
        "WHATSAPP_PHONE_NUMBER_ID": NUMBER,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": ACCOUNT,
        "WHATSAPP_ACCESS_TOKEN": TOKEN,
        "WHATSAPP_APP_SECRET": "0123456789abcdef",
        "WHATSAPP_VERIFY_TOKEN": "a-word-of-ours",
    }


@pytest.fixture
def integra(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Integra]:
    with command_line(tmp_path, monkeypatch, capsys, **settings) as integra:
        yield integra


@pytest.fixture
def command(integra: Integra) -> Command:
    """Runs a command in a thread of its own: it has its own event loop, and the Graph API runs on the test's."""

    async def run(*arguments: str, **settings: str) -> CommandResult:
        ended = await asyncio.to_thread(integra, "whatsapp", "templates", *arguments, **settings)
        assert TOKEN not in ended.out + ended.err
        return ended

    return run


def rows(ended: CommandResult) -> dict[tuple[str, str], list[str]]:
    """The cells of the table after name and language."""
    assert (ended.code, ended.err) == (0, "")
    found = {}
    for line in ended.out.splitlines():
        if line.startswith("│"):
            name, code, *cells = [cell.strip() for cell in line.strip("│").split("│")]
            found[name, code] = cells
    return found


def error_line(ended: CommandResult) -> str:
    """The single line that a failed command printed."""
    assert ended.code == 1, ended.out
    (line,) = ended.err.splitlines()
    return line


# ---------------------------------------------------------------- help and settings


@pytest.mark.parametrize("arguments", [[], ["templates"], ["templates", "push"], ["templates", "diff"]])
def test_every_command_has_a_help_text(integra: Integra, arguments: list[str]) -> None:
    ended = integra("whatsapp", *arguments, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert "Usage:" in ended.out


async def test_without_settings_the_missing_ones_are_named(integra: Integra, command: Command) -> None:
    names = [
        "WHATSAPP_PHONE_NUMBER_ID",
        "WHATSAPP_BUSINESS_ACCOUNT_ID",
        "WHATSAPP_ACCESS_TOKEN",
        "WHATSAPP_APP_SECRET",
        "WHATSAPP_VERIFY_TOKEN",
    ]
    assert (
        error_line(await command("status", **dict.fromkeys(names, "")))
        == f"{', '.join(names)}: not set; WhatsApp is off"
    )
    line = error_line(await command("diff", WHATSAPP_APP_SECRET=""))
    assert line == "WHATSAPP_APP_SECRET: not set; WhatsApp needs all 5 of its ids and secrets, or none"


async def test_a_broken_template_is_reported_by_push_and_by_check(
    meta: Meta, integra: Integra, command: Command, settings: dict[str, str]
) -> None:
    path = Path(settings["DATA_DIR"]) / "content" / "templates" / "pregunta_diaria.toml"
    path.parent.mkdir(parents=True)
    path.write_text('name = "pregunta_diaria"\n', encoding="utf-8")
    for ended in (await command("push", "--apply"), await asyncio.to_thread(integra, "check")):
        assert ended.code == 1
        assert "data/content/templates/pregunta_diaria.toml: es: Field required" in ended.err
    assert meta.submitted == []


# ---------------------------------------------------------------- status


async def test_status_shows_ours_beside_metas_templates(meta: Meta, command: Command, library: Library) -> None:
    meta.add_ours(library)
    meta.templates.remove(meta.find("pregunta_completa", "en_US"))
    meta.find("pregunta_diaria", "es_MX").update(category="MARKETING", quality_score={"score": "YELLOW", "date": 1})
    meta.find("pregunta_diaria", "en_US").update(status="REJECTED", rejected_reason="INVALID_FORMAT")
    meta.templates.append({"name": "hello_world", "language": "en_US", "status": "APPROVED", "category": "UTILITY"})
    found = rows(await command("status"))
    assert found["novedades_consulta", "es_MX"] == ["same", "APPROVED", "UTILITY", "", ""]
    assert found["pregunta_completa", "es_MX"] == ["same", "APPROVED", "UTILITY", "", ""]
    assert found["pregunta_completa", "en_US"] == ["yes", "missing", "UTILITY", "", ""]
    assert found["pregunta_diaria", "es_MX"] == ["differs", "APPROVED", "MARKETING (ours: UTILITY)", "YELLOW", ""]
    assert found["pregunta_diaria", "en_US"] == ["same", "REJECTED", "UTILITY", "", "INVALID_FORMAT"]
    assert found["hello_world", "en_US"] == ["no", "APPROVED", "UTILITY", "", ""]
    assert len(found) == 7


async def test_metas_texts_are_printed_literally_without_control_characters(
    meta: Meta, command: Command, library: Library
) -> None:
    meta.templates = [{"name": "[red]x[/red]\x1b[2J", "language": "es", "status": 7, "quality_score": "?"}, {}]
    ended = await command("status")
    assert "[red]x[/red]" in ended.out
    assert "\x1b" not in ended.out


# ---------------------------------------------------------------- diff


async def test_diff_shows_both_texts_of_differing_fields(meta: Meta, command: Command, library: Library) -> None:
    meta.add_ours(library)
    meta.templates.remove(meta.find("novedades_consulta", "en_US"))
    meta.templates.append({"name": "hello_world", "language": "en_US", "components": []})
    other = meta.find("pregunta_diaria", "es_MX")
    other["components"] = [
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Hola, hoy toca {{1}}.\nToca el botón."},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Ver", "url": "https://x.example"}, "?"]},
    ]
    ended = await command("diff")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert "pregunta_completa es_MX: same" in lines
    assert "novedades_consulta en_US: missing at Meta" in lines
    assert lines[-1] == "hello_world en_US: only at Meta"
    start = lines.index("pregunta_diaria es_MX: differs in header, body, footer, buttons")
    assert lines[start + 1 : start + 18] == [
        "  header here:",
        "    (none)",
        "  header at Meta:",
        "    IMAGE",
        "  body here:",
        f"    {library.templates['pregunta_diaria'].numbered('es')}",
        "  body at Meta:",
        "    Hola, hoy toca {{1}}.",
        "    Toca el botón.",
        "  footer here:",
        "    Escribe PAUSA para descansar o BAJA para salir.",
        "  footer at Meta:",
        "    (none)",
        "  buttons here:",
        "    Ver la pregunta",
        "  buttons at Meta:",
        "    Ver (URL)",
    ]


async def test_trailing_blanks_and_other_line_ends_are_no_difference(
    meta: Meta, command: Command, library: Library
) -> None:
    meta.add_ours(library)
    body = meta.find("pregunta_completa", "es_MX")["components"][0]
    body["text"] = body["text"].replace("\n", "\r\n") + "\n"
    assert {line.partition(": ")[2] for line in (await command("diff")).out.splitlines()} == {"same"}


async def test_another_category_is_a_difference(meta: Meta, command: Command, library: Library) -> None:
    meta.add_ours(library, category="MARKETING")
    ended = await command("diff")
    assert (
        ended.out.count(": differs in category\n  category here:\n    UTILITY\n  category at Meta:\n    MARKETING") == 6
    )


# ---------------------------------------------------------------- push


async def test_push_without_apply_only_lists_what_it_would_submit(meta: Meta, command: Command) -> None:
    ended = await command("push")
    assert (ended.code, ended.err, meta.submitted) == (0, "", [])
    *lines, total, note = ended.out.splitlines()
    assert lines == [f"{name} {code}: would be submitted" for name in OURS for code in ("es_MX", "en_US")]
    assert total == "6 missing, 0 the same, 0 differing."
    assert note == "Nothing was submitted; submit it with --apply."


async def test_push_submits_what_is_missing_once(meta: Meta, command: Command, library: Library) -> None:
    ended = await command("push", "--apply")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        *(f"{name} {code}: submitted, PENDING" for name in OURS for code in ("es_MX", "en_US")),
        "6 submitted, 0 the same, 0 differing.",
    ]
    assert meta.submitted == [library.templates[name].submission(language) for name in OURS for language in LANGUAGES]
    again = await command("push", "--apply")
    assert again.out == "0 submitted, 6 the same, 0 differing.\n"
    assert len(meta.submitted) == 6


async def test_push_can_be_limited_to_one_template(meta: Meta, command: Command) -> None:
    await command("push", "--apply", "--only", "pregunta_diaria")
    assert [(submitted["name"], submitted["language"]) for submitted in meta.submitted] == [
        ("pregunta_diaria", "es_MX"),
        ("pregunta_diaria", "en_US"),
    ]
    line = error_line(await command("push", "--only", "pregunta"))
    assert line == f"--only: no such template (seen: 'pregunta'); there are: {', '.join(OURS)}"


async def test_templates_that_differ_are_reported_and_not_changed(
    meta: Meta, command: Command, library: Library
) -> None:
    meta.add_ours(library)
    meta.find("pregunta_diaria", "es_MX")["components"][0]["text"] = "Otra cosa {{1}} muy distinta"
    meta.find("pregunta_diaria", "en_US")["status"] = "PAUSED"
    before = [dict(entry) for entry in meta.templates]
    ended = await command("push", "--apply")
    assert (ended.code, meta.submitted, meta.templates) == (0, [], before)
    assert ended.out.splitlines() == [
        "pregunta_diaria es_MX: differs in body; not changed. Make them the same at Meta or here.",
        "0 submitted, 5 the same, 1 differing.",
    ]


async def test_a_category_other_than_the_submitted_one_is_reported(meta: Meta, command: Command) -> None:
    meta.assigned_category = "MARKETING"
    ended = await command("push", "--apply", "--only", "novedades_consulta")
    assert (
        ended.out.splitlines()[0]
        == "novedades_consulta es_MX: submitted, PENDING, filed as MARKETING and not as UTILITY"
    )


async def test_a_refused_template_does_not_stop_the_others(meta: Meta, command: Command) -> None:
    meta.refuse(
        "POST",
        100,
        error_subcode=2388293,
        error_user_title="Too many variables",
        error_user_msg=f"For its length\n\x1b[2J {TOKEN}",
    )
    meta.refuse("POST", 131000, 500)
    ended = await command("push", "--apply")
    assert ended.code == 1
    assert ended.err == "2 refused.\n"
    first, second, *rest = ended.out.splitlines()
    assert first == (
        "novedades_consulta es_MX: refused (code 100, subcode 2388293, status 400): "
        "Too many variables: For its length [2J [token]"
    )
    assert second == "novedades_consulta en_US: refused (code 131000, subcode 0, status 500)"
    assert len(rest) == 5
    assert rest[-1] == "4 submitted, 0 the same, 0 differing."


async def test_a_missing_response_ends_the_push_with_a_warning(meta: Meta, command: Command) -> None:
    meta.refuse("POST", 0, 504)
    line = error_line(await command("push", "--apply"))
    assert line.startswith("novedades_consulta es_MX: no answer (status 504); it may be there all the same")
    assert len(meta.submitted) == 1


# ---------------------------------------------------------------- refusals of the API

REFUSALS = [
    ({"code": 190, "error_subcode": 463, "status": 401}, r"WHATSAPP_ACCESS_TOKEN: Meta refuses it \(code 190, subcode"),
    ({"code": 200, "status": 403}, r"WHATSAPP_ACCESS_TOKEN: a permission is missing \(code 200, .*business_management"),
    ({"code": 10}, r"WHATSAPP_ACCESS_TOKEN: a permission is missing \(code 10,"),
    ({"code": 100, "error_subcode": 33}, r"WHATSAPP_BUSINESS_ACCOUNT_ID: not an account that this token can see"),
    ({"code": 368}, r"Meta refuses \(code 368, "),
    ({"code": 80008}, r"Meta has had too many calls from us \(code 80008, .*try again in an hour"),
]


@pytest.mark.parametrize("arguments", [["status"], ["diff"], ["push"]], ids=lambda arguments: arguments[0])
@pytest.mark.parametrize(("error", "line"), REFUSALS)
async def test_a_refused_request_is_reported_in_one_line(
    meta: Meta, command: Command, arguments: list[str], error: dict[str, Any], line: str
) -> None:
    meta.refuse("GET", **error)
    ended = await command(*arguments)
    assert re.match(line, error_line(ended)), ended.err
    assert ended.out == ""


@pytest.mark.parametrize(("error", "line"), REFUSALS)
async def test_a_refusal_that_concerns_every_template_ends_a_push(
    meta: Meta, command: Command, error: dict[str, Any], line: str
) -> None:
    meta.refuse("POST", **error)
    assert re.match(line, error_line(await command("push", "--apply")))
    assert len(meta.submitted) == 1


async def test_other_refusals_are_reported_with_metas_detail(meta: Meta, command: Command) -> None:
    meta.refuse("GET", 368, error_user_msg="Blocked for policies")
    assert error_line(await command("status")) == "Meta refuses (code 368, subcode 0, status 400): Blocked for policies"


async def test_an_unreachable_api_is_reported_in_one_line(command: Command) -> None:
    url = f"http://127.0.0.1:{unused_port()}/v25.0"
    line = error_line(await command("status", WHATSAPP_API_URL=url))
    assert line == f"WHATSAPP_API_URL: no answer from {url} (ClientConnectorError); try again"
