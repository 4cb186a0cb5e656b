"""The fake Graph API: what it refuses and posts, compared with Meta's schema and samples and through pywa."""

import asyncio
import importlib
import json
import logging
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.cast import Clock
from tests.fakes import platform_facts
from tests.fakes import whatsapp_rules as rules
from tests.fakes import whatsapp_webhooks as webhooks
from tests.fakes.whatsapp import ACCESS_TOKEN, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, VERIFY_TOKEN, FakeWhatsApp
from tests.fakes.whatsapp_chats import Person

SAMPLES = platform_facts.SPECS / "whatsapp-webhook-samples.json"
Values = dict[str, Any]


@pytest.fixture
async def api(clock: Clock) -> AsyncIterator[FakeWhatsApp]:
    async with FakeWhatsApp(clock) as fake:
        yield fake


@pytest.fixture
def person(api: FakeWhatsApp) -> Person:
    """A user with an open reply window."""
    user = api.person()
    user.say("hola")
    return user


async def ask(
    api: FakeWhatsApp, path: str, body: object = None, token: str = ACCESS_TOKEN, **query: str
) -> tuple[int, Any]:
    """POST with a body, else GET; returns status and response."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request("GET" if body is None else "POST", f"{api.url}/{path}", json=body, params=query) as answer,
    ):
        return answer.status, json.loads(await answer.read())


async def send(api: FakeWhatsApp, content: Values, **envelope: Any) -> tuple[int, Any]:
    whom = {} if "recipient" in envelope else {"to": "+52 477 100-0001"}
    body = {"messaging_product": "whatsapp", **whom, **envelope, **content}
    return await ask(api, f"{PHONE_NUMBER_ID}/messages", body)


async def code(api: FakeWhatsApp, content: Values, **envelope: Any) -> int:
    """The error code of a refused send; 0 if it is accepted."""
    _, answer = await send(api, content, **envelope)
    return int(answer.get("error", {}).get("code", 0))


def text(body: Any = "x", **extra: Any) -> Values:
    return {"type": "text", "text": {"body": body, **extra}}


def interactive(kind: str, action: Any, body: str = "x", **extra: Any) -> Values:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": body}, "action": action, **extra}}


def buttons(*labels: str, ids: str = "abcdefgh", **extra: Any) -> Values:
    replies = [{"id": id, "title": label} for id, label in zip(ids, labels, strict=False)]
    return interactive("button", {"buttons": [{"type": "reply", "reply": reply} for reply in replies]}, **extra)


def row(title: str, **extra: Any) -> Values:
    return {"id": f"r:{title}", "title": title, **extra}


def rows(*there: Values, button: str = "Ver", **extra: Any) -> Values:
    return interactive("list", {"button": button, "sections": [{"rows": list(there)}]}, **extra)


def sections(*there: Values) -> Values:
    return interactive("list", {"button": "Ver", "sections": list(there)})


def link(label: str = "Abrir", url: str = "https://integra.example/b/x", **extra: Any) -> Values:
    return interactive("cta_url", {"name": "cta_url", "parameters": {"display_text": label, "url": url}}, **extra)


def template(*components: Values, name: str = "pregunta_diaria", language: str = "es_MX") -> Values:
    there = {"components": list(components)} if components else {}
    return {"type": "template", "template": {"name": name, "language": {"code": language}, **there}}


def filling(*values: str) -> Values:
    return {"type": "body", "parameters": [{"type": "text", "text": value} for value in values]}


def pressing(index: Any, payload: str) -> Values:
    parameters = [{"type": "payload", "payload": payload}]
    return {"type": "button", "sub_type": "quick_reply", "index": index, "parameters": parameters}


DAILY: list[Values] = [
    {"type": "HEADER", "format": "TEXT", "text": "Integra"},
    {
        "type": "BODY",
        "text": "Hola, {{1}}: ya está la pregunta de hoy sobre {{2}}. ¿Qué harías?",
        "example": {"body_text": [["Ana", "regalos"]]},
    },
    {"type": "FOOTER", "text": "Responde BAJA para dejar de recibirla."},
    {
        "type": "BUTTONS",
        "buttons": [{"type": "QUICK_REPLY", "text": "Ver"}, {"type": "QUICK_REPLY", "text": "Hoy no"}],
    },
]


# ---------------------------------------------------------------- accepted and refused bodies

ACCEPTED: list[Values] = [
    text("x" * 4096),
    text("hola", preview_url=True) | {"recipient_type": "individual"},
    text() | {"biz_opaque_callback_data": "x" * 512, "context": {"message_id": "wamid.x"}},
    buttons("A", "B", "C"),
    buttons("x" * 20, ids="y", body="x" * 1024, footer={"text": "x" * 60}, header={"type": "text", "text": "x" * 60}),
    interactive("button", {"buttons": [{"type": "reply", "reply": {"id": "x" * 256, "title": "👍"}}]}),
    rows(*[row(f"{n:024}", description="x" * 72) for n in range(10)], button="x" * 20, body="x" * 4096),
    rows({"id": "x" * 200, "title": "A"}),
    sections({"title": "x" * 24, "rows": [row("A")]}, {"title": "Dos", "rows": [row("B")]}),
    link("x" * 20, "http://127.0.0.1:8080/buzon#x"),
    text() | {"context": None, "recipient": None},  # null is absent
]


@pytest.mark.parametrize("content", ACCEPTED)
async def test_bodies_within_the_limits_are_accepted(api: FakeWhatsApp, person: Person, content: Values) -> None:
    status, answer = await send(api, content)
    assert (status, api.refusals) == (200, [])
    assert answer["contacts"] == [{"input": "+52 477 100-0001", "wa_id": "5214771000001"}]
    assert answer["messages"] == [{"id": person.read()[-1].wamid}]


REFUSED: list[tuple[Values, int, str]] = [
    ({"type": "text"}, 100, "text is required"),
    (text(""), 100, "text['body']"),
    (text(" \n"), 100, "text['body']"),
    (text(None), 100, "text['body']"),
    (text("x" * 4097), 100, "4096"),
    (text(7), 100, "text['body']"),
    (text("x", preview="x"), 100, 'Unexpected key "preview"'),
    (text() | {"txet": 1}, 100, 'Unexpected key "txet"'),
    (text() | {"messaging_product": "sms"}, 100, "messaging_product"),
    (text() | {"to": ""}, 100, "to is required"),
    (text() | {"recipient_type": "group"}, 131009, "recipient_type"),
    (text() | {"recipient": "MX.é"}, 131009, "business-scoped"),
    (text() | {"biz_opaque_callback_data": "x" * 513}, 131009, "512"),
    (text() | {"biz_opaque_callback_data": 7}, 100, "string"),
    (text() | {"context": {}}, 131008, "message_id"),
    (text() | {"to": "+52 477 000 0000"}, 131021, "sender"),
    (text() | {"to": "+52 477 999 9999"}, 131026, "incapable"),
    ({"type": "sticker", "sticker": {"id": "1"}}, 131051, "sticker"),
    (interactive("flow", {}), 131009, "flow"),
    (interactive("button", None), 100, "action is required"),
    (interactive("button", {"buttons": []}), 131009, "buttons: 3"),
    (buttons("A", body=""), 131009, "Body text"),
    (buttons("A", body="x" * 1025), 131009, "1024"),
    (buttons("A", footer={"text": "x" * 61}), 131009, "Footer text"),
    (buttons("A", header={"type": "text", "text": "x" * 61}), 131009, "Header text"),
    (buttons("A", header={"type": "text", "text": "*x*"}), 131009, "markup"),
    (buttons("A", header={"type": "image", "image": {"id": "1"}}), 131009, "header type"),
    (buttons("A", "B", "C", "D"), 131009, "Max allowed buttons: 3"),
    (buttons("x" * 21), 131009, "Button title length"),
    (buttons(" "), 131009, "Button title length"),
    (buttons("*A*"), 131009, "markup"),
    (buttons("A\nB"), 131009, "line break"),
    (buttons("A", "A"), 131009, "Duplicated button title"),
    (buttons("A", "B", ids="aa"), 131009, "Duplicated button id"),
    (interactive("button", {"buttons": [{"type": "reply", "reply": {"title": "A"}}]}), 131008, "Button id"),
    (interactive("button", {"buttons": [{"type": "reply", "reply": {"id": " a", "title": "A"}}]}), 131009, "blanks"),
    (interactive("button", {"buttons": [{"type": "reply", "reply": {"id": "x" * 257, "title": "A"}}]}), 131009, "256"),
    (interactive("button", {"buttons": [{"type": "url", "reply": {"id": "a", "title": "A"}}]}), 131009, "type"),
    (rows(*[row(str(n)) for n in range(11)]), 131009, "rows"),
    (sections(*[{"title": t, "rows": [row(t + str(n)) for n in range(6)]} for t in "AB"]), 131009, "rows: 10"),
    (sections({"rows": [row("A")]}, {"rows": [row("B")]}), 131008, "Section title"),
    (sections({"title": "x" * 25, "rows": [row("A")]}), 131009, "Section title"),
    (sections({"title": "A", "rows": []}), 131009, "rows"),
    (sections(*[{"title": str(n), "rows": [row(str(n))]} for n in range(11)]), 131009, "sections"),
    (rows(row("x" * 25)), 131009, "Row title"),
    (rows(row("A", description="x" * 73)), 131009, "Row description"),
    (rows({"id": "x" * 201, "title": "A"}), 131009, "Row id"),
    (rows({"id": "a", "title": "A"}, {"id": "a", "title": "B"}), 131009, "Duplicated row id"),
    (rows({"id": "a", "title": "A"}, {"id": "b", "title": "A"}), 131009, "Duplicated row title"),
    (rows(row("_A_")), 131009, "markup"),
    (rows(row("A"), button="x" * 21), 131009, "List button"),
    (rows(row("A"), body="x" * 4097), 131009, "4096"),
    (link("x" * 21), 131009, "display_text"),
    (link(url="integra.example"), 131009, "url"),
    (link(body="x" * 1025), 131009, "1024"),
    (template(name="x" * 513), 131009, "512"),
    (template(filling("x"), name="otra"), 132001, "(otra) does not exist in es_MX"),
    (template(filling("x"), language="es"), 132001, "(pregunta_diaria) does not exist in es"),
    (template(), 132000, "(0) does not match the expected number of params (2)"),
    (template(filling("x")), 132000, "(1) does not match the expected number of params (2)"),
    (template(filling("x", "y", "z")), 132000, "(3)"),
    (template(filling("x", "y"), {"type": "header", "parameters": [{"type": "text", "text": "x"}]}), 132000, "header"),
    (template(filling("x", "")), 131008, "missing text value"),
    (template(filling("x", "a\nb")), 132018, "new-line"),
    (template(filling("x", "a\tb")), 132018, "tab"),
    (template(filling("x", "a    b")), 132018, "consecutive spaces"),
    (template(filling("x", "y" * 1000)), 132005, "too long"),
    (template(filling("x", "y"), pressing("2", "z")), 132000, "no button at index 2"),
    (template(filling("x", "y"), pressing("0", "")), 131008, "payload"),
    (template(filling("x", "y"), pressing("0", "z") | {"sub_type": "url"}), 132012, "sub_type"),
    (template(filling("x", "y"), pressing("0", "z") | {"parameters": []}), 132012, "payload"),
    (template(filling("x", "y"), pressing("ten", "z")), 131009, "index"),
    (template({"type": "body", "parameters": [{"type": "currency"}] * 2}), 132012, "type text"),
    ({"status": "read", "message_id": "wamid.unknown"}, 100, "to"),
]


@pytest.mark.parametrize(("content", "number", "reason"), REFUSED)
async def test_bodies_that_the_graph_api_refuses_are_refused(
    api: FakeWhatsApp, person: Person, content: Values, number: int, reason: str
) -> None:
    api.templates.put("pregunta_diaria", "es_MX", DAILY)
    status, answer = await send(api, content)
    error = answer["error"]
    assert (status, error["code"]) == (rules.CODES[number][0], number)
    assert reason in error["message"] + str(error.get("error_data"))
    assert api.refusals[-1].startswith("messages: ")
    assert not person.read()


@pytest.mark.parametrize("content", ACCEPTED + [content for content, _, _ in REFUSED])
def test_the_limits_cover_metas_schema(content: Values) -> None:
    """Whatever the schema refuses is refused before it is consulted, for a reason that a developer understands."""
    body = {"messaging_product": "whatsapp", "to": "+524771000001", **content}
    try:
        rules.read_message(body)
        reason = ""
    except rules.Refusal as refusal:
        reason = refusal.details
    assert "schema" not in reason


@pytest.mark.parametrize(
    ("path", "body", "token", "status", "number"),
    [
        (f"{PHONE_NUMBER_ID}/messages", {}, "EAAother", 401, 190),
        (f"{PHONE_NUMBER_ID}?fields=id", None, "EAAother", 401, 190),
        (f"{PHONE_NUMBER_ID}?access_token={ACCESS_TOKEN}", None, ACCESS_TOKEN, 401, 190),
        ("1/messages", {}, ACCESS_TOKEN, 400, 100),
        ("1/message_templates", None, ACCESS_TOKEN, 400, 100),
        ("1", None, ACCESS_TOKEN, 400, 100),
        ("1/2/3", None, ACCESS_TOKEN, 400, 100),
        (f"{PHONE_NUMBER_ID}/messages", [], ACCESS_TOKEN, 400, 100),
    ],
)
async def test_a_wrong_token_id_or_body_is_refused(
    api: FakeWhatsApp, path: str, body: object, token: str, status: int, number: int
) -> None:
    answered, answer = await ask(api, path, body, token)
    assert (answered, answer["error"]["code"], answer["error"]["type"]) == (status, number, "OAuthException")
    assert len(api.refusals) == 1


# ---------------------------------------------------------------- reply window and limits


async def test_free_form_messages_need_an_open_reply_window(api: FakeWhatsApp, person: Person, clock: Clock) -> None:
    clock.move(hours=23, minutes=59)
    assert await code(api, text()) == 0
    clock.move(minutes=1)
    assert await code(api, text()) == 131047
    assert await code(api, buttons("A")) == 131047
    person.say("otra vez")
    assert await code(api, buttons("A")) == 0
    clock.move(hours=24)
    person.press("A")
    assert await code(api, text()) == 0


async def test_a_template_is_accepted_outside_the_reply_window(api: FakeWhatsApp, clock: Clock) -> None:
    person = api.person()
    api.templates.put("pregunta_diaria", "es_MX", DAILY)
    body = template(filling("Ana", "regalos"), pressing("0", "daily:7"))
    _, answer = await send(api, body, biz_opaque_callback_data="41")
    message = person.read()[-1]
    assert answer["messages"] == [{"id": message.wamid, "message_status": "accepted"}]
    assert message.text.splitlines()[:2] == [
        "Integra",
        "Hola, Ana: ya está la pregunta de hoy sobre regalos. ¿Qué harías?",
    ]
    assert (message.template, message.tracker, message.category) == ("pregunta_diaria", "41", "utility")
    assert [(label.text, label.id) for label in message.labels] == [("Ver", "daily:7"), ("Hoy no", "Hoy no")]
    person.press("Ver")
    pressed = only_message(api)
    assert (pressed["type"], pressed["button"]) == ("button", {"payload": "daily:7", "text": "Ver"})
    assert pressed["context"]["id"] == message.wamid


@pytest.mark.parametrize(
    ("status", "number"), [("PENDING", 132001), ("REJECTED", 132001), ("PAUSED", 132015), ("DISABLED", 132016)]
)
async def test_a_template_that_is_not_approved_is_refused(api: FakeWhatsApp, status: str, number: int) -> None:
    api.person()
    api.templates.put("pregunta_diaria", "es_MX", DAILY, status)
    assert await code(api, template(filling("Ana", "regalos"))) == number


async def test_the_messaging_limit_counts_recipients_outside_their_window(api: FakeWhatsApp, clock: Clock) -> None:
    api.messaging_limit = 2
    api.templates.put("aviso", "es", [{"type": "BODY", "text": "Hay novedades"}])
    users = [api.person(f"521477100000{n}", f"MX.{n}") for n in range(4)]
    users[3].say("hola")
    aviso = template(name="aviso", language="es")
    codes = [await code(api, aviso, to=f"+{one.phone}") for one in (*users[:3], users[0], users[3])]
    assert codes == [0, 0, 131048, 0, 0]  # a second message, and one inside a window, are not counted
    clock.move(hours=24)
    assert await code(api, aviso, to=f"+{users[2].phone}") == 0


async def test_the_pair_rate_limit(api: FakeWhatsApp, person: Person, clock: Clock) -> None:
    codes = [await code(api, text()) for _ in range(46)]
    assert codes == [0] * 45 + [131056]
    clock.move(seconds=5)
    assert await code(api, text()) == 131056
    clock.move(seconds=1)
    assert [await code(api, text()) for _ in range(2)] == [0, 131056]
    api.pair_rate = False
    assert await code(api, text()) == 0


async def test_phone_numbers_are_normalized(api: FakeWhatsApp, person: Person) -> None:
    for number in ("+524771000001", "+5214771000001", "5214771000001", "+52 (477) 100-0001", "477 100 0001"):
        _, answer = await send(api, text(), to=number)
        assert answer["contacts"] == [{"input": number, "wa_id": "5214771000001"}]
    _, answer = await send(api, text(), recipient="MX.1001")
    assert answer["contacts"] == [{"input": "MX.1001", "user_id": "MX.1001"}]
    _, answer = await send(api, text(), recipient="MX.9", to="+524771000001")  # the number counts
    assert answer["contacts"][0]["wa_id"] == "5214771000001"
    assert await code(api, text(), recipient="MX.9") == 131026


async def test_marketing_is_refused_after_an_opt_out(api: FakeWhatsApp) -> None:
    person = api.person()
    api.templates.put("feria", "es", [{"type": "BODY", "text": "Ven a la feria"}], category="MARKETING")
    api.templates.put("clave", "es", [{"type": "BODY", "text": "Tu clave"}], category="AUTHENTICATION")
    feria = template(name="feria", language="es")
    person.stop_marketing()
    assert await code(api, feria) == 131050
    person.resume_marketing()
    assert await code(api, feria) == 0
    assert await code(api, template(name="clave", language="es"), recipient="MX.1001") == 131062
    changes = [body["entry"][0]["changes"][0] for body in api.pending]
    assert [(change["field"], change["value"]["user_preferences"][0]["value"]) for change in changes] == [
        ("user_preferences", "stop"),
        ("user_preferences", "resume"),
    ]


async def test_a_user_who_left_is_refused_and_one_who_blocked_is_not(api: FakeWhatsApp, person: Person) -> None:
    api.auto_statuses = True
    api.pending.clear()
    person.has_blocked = True
    assert await code(api, text()) == 0
    assert (person.read(), [status["status"] for status in statuses(api)]) == ([], ["sent"])
    person.has_left = True
    assert await code(api, text()) == 131026


async def test_a_message_is_marked_as_read(api: FakeWhatsApp, person: Person) -> None:
    wamid = person.say("¿hola?")
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    path = f"{PHONE_NUMBER_ID}/messages"
    assert await ask(api, path, mark | {"typing_indicator": {"type": "text"}}) == (200, {"success": True})
    assert (person.marked, person.shows_typing) == ([wamid], True)
    await send(api, text())
    assert not person.shows_typing
    for wrong in ({"message_id": "wamid.x"}, {"status": "played"}, {"typing_indicator": {"type": "voice"}}):
        assert (await ask(api, path, mark | wrong))[0] == 400


# ---------------------------------------------------------------- injected faults


async def test_faults_can_be_injected(api: FakeWhatsApp, person: Person) -> None:
    api.fail("messages", code=130429, times=2)
    assert [await code(api, text()) for _ in range(3)] == [130429, 130429, 0]
    api.fail("messages", status=503)
    assert await send(api, text()) == (503, rules.Refusal(131000).answer())
    api.fail("messages", body=b"<html>")
    with pytest.raises(ValueError, match="Expecting value"):
        await send(api, text())
    for done in (False, True):
        api.fail("messages", reset=True, done=done)
        with pytest.raises(aiohttp.ClientConnectionError):
            await send(api, text(str(done)))
    api.fail("messages", latency=0.01)
    assert await code(api, text("slow")) == 0
    assert [message.text for message in person.read()] == ["x", "True", "slow"]
    assert not api.refusals


async def test_a_hanging_request_is_released(api: FakeWhatsApp, person: Person) -> None:
    release = asyncio.Event()
    fault = api.fail("messages", hang=release, done=True)
    sending = asyncio.create_task(send(api, text("x")))
    await fault.met.wait()
    await api.called("messages")
    assert person.last_text() == "x"
    release.set()
    with pytest.raises(aiohttp.ClientConnectionError):
        await sending


# ---------------------------------------------------------------- templates

BODY = DAILY[1]
REPLY, URL = {"type": "QUICK_REPLY"}, {"type": "URL", "text": "B", "url": "https://x.example"}


def changed(index: int, **members: Any) -> list[Values]:
    return [part | members if place == index else part for place, part in enumerate(DAILY)]


def body_of(text: str, *samples: str) -> list[Values]:
    return [{"type": "BODY", "text": text, "example": {"body_text": [list(samples)]}}]


REFUSED_TEMPLATES: list[tuple[Values, int]] = [
    ({"name": "Pregunta"}, 2388043),
    ({"name": "x" * 513}, 2388043),
    ({"language": "español"}, 2388043),
    ({"category": "SERVICE"}, 2388043),
    ({"components": []}, 2388043),
    ({"components": [*DAILY, BODY]}, 2388043),
    ({"components": [DAILY[0]]}, 2388043),
    ({"components": [{"type": "BODY", "text": BODY["text"]}]}, 2388043),
    ({"components": body_of("Hola {{1}} y {{2}}: hay una pregunta más", "Ana")}, 2388043),
    ({"components": body_of("{{1}} tiene una pregunta", "Ana")}, 2388299),
    ({"components": body_of("Hay una pregunta para {{1}}", "Ana")}, 2388299),
    ({"components": body_of("Hola {{1}} y {{3}}, hay una pregunta", "Ana", "x")}, 2388072),
    ({"components": body_of("Hola {{1}}{{2}}, hay una pregunta nueva", "Ana", "x")}, 2388072),
    ({"components": body_of("Hola {{1}, hay una pregunta nueva", "Ana")}, 2388072),
    ({"components": body_of("Hola {{Ana}}, hay una pregunta nueva", "Ana")}, 2388072),
    ({"components": body_of("Hola\n\n\n, hay una pregunta nueva")}, 2388072),
    ({"components": body_of("Hola {{1}} adiós", "Ana")}, 2388293),
    ({"components": body_of("x" * 1025)}, 2388040),
    ({"components": body_of(" ")}, 2388043),
    ({"components": changed(0, text="x" * 61)}, 2388040),
    ({"components": changed(0, text="*Integra*")}, 2388047),
    ({"components": changed(0, format="IMAGE")}, 2388047),
    ({"components": changed(0, text="Hola {{1}}")}, 2388043),
    ({"components": changed(2, text="x" * 61)}, 2388040),
    ({"components": changed(2, text="Hola {{1}}")}, 2388073),
    ({"components": changed(3, buttons=[])}, 2388043),
    ({"components": changed(3, buttons=[REPLY | {"text": "x" * 26}])}, 2388040),
    ({"components": changed(3, buttons=[REPLY | {"text": "A"}] * 2)}, 2388043),
    ({"components": changed(3, buttons=[REPLY | {"text": str(n)} for n in range(11)])}, 2388043),
    ({"components": changed(3, buttons=[REPLY | {"text": "A"}, URL, REPLY | {"text": "C"}])}, 2388043),
    ({"name": "conocida"}, 2388024),
    ({"name": "copia", "components": body_of("Hay novedades en tu consulta")}, 0),
]


@pytest.mark.parametrize(("members", "subcode"), REFUSED_TEMPLATES)
async def test_a_template_that_meta_would_refuse_is_refused(api: FakeWhatsApp, members: Values, subcode: int) -> None:
    api.templates.put("conocida", "es_MX", body_of("Hay novedades en tu consulta"))
    body = {"name": "nueva", "language": "es_MX", "category": "UTILITY", "components": DAILY} | members
    status, answer = await ask(api, f"{BUSINESS_ACCOUNT_ID}/message_templates", body)
    assert (status, answer["error"]["code"], answer["error"].get("error_subcode", 0)) == (400, 100, subcode)
    assert len(api.templates.all) == len(api.refusals) == 1


async def test_template_status_changes_are_posted_and_listed(api: FakeWhatsApp) -> None:
    path = f"{BUSINESS_ACCOUNT_ID}/message_templates"
    body = {"name": "pregunta_diaria", "language": "es_MX", "category": "UTILITY", "components": DAILY}
    _, made = await ask(api, path, body)
    assert made == {"id": api.templates.all[0].id, "status": "PENDING", "category": "UTILITY"}
    api.approve("pregunta_diaria", "es_MX")
    api.templates.rate("pregunta_diaria", "es_MX", "RED")
    api.pause("pregunta_diaria", "es_MX")
    api.disable("pregunta_diaria", "es_MX")
    api.reject("pregunta_diaria", "es_MX")
    api.templates.recategorize("pregunta_diaria", "es_MX", "MARKETING")
    changes = [posted["entry"][0]["changes"][0] for posted in api.pending]
    events = [change["value"].get("event", change["field"].removesuffix("_update")) for change in changes]
    expected = ["APPROVED", "message_template_quality", "PAUSED", "DISABLED", "REJECTED", "template_category"]
    assert events == expected
    assert {change["value"]["message_template_name"] for change in changes} == {"pregunta_diaria"}
    fields = "name,status,category,quality_score,rejected_reason,components"
    _, answer = await ask(api, path, fields=fields, name="pregunta_diaria")
    (there,) = answer["data"]
    assert (there["status"], there["category"], there["quality_score"]["score"]) == ("REJECTED", "MARKETING", "RED")
    assert (there["rejected_reason"], there["components"]) == ("TAG_CONTENT_MISMATCH", DAILY)


async def test_templates_are_listed_page_by_page(api: FakeWhatsApp) -> None:
    for number in range(5):
        api.templates.put(f"t{number}", "es" if number % 2 else "en", body_of("Hola"))
    path = f"{BUSINESS_ACCOUNT_ID}/message_templates"
    seen: list[str] = []
    query = {"limit": "2", "fields": "name"}
    while True:
        _, answer = await ask(api, path, **query)
        seen += [one["name"] for one in answer["data"]]
        if "next" not in answer["paging"]:
            break
        query["after"] = answer["paging"]["cursors"]["after"]
    assert seen == ["t0", "t1", "t2", "t3", "t4"]
    _, answer = await ask(api, path, language="es")
    assert [one["name"] for one in answer["data"]] == ["t1", "t3"]


async def test_the_number_has_its_messaging_tier(api: FakeWhatsApp) -> None:
    wanted = "id,display_phone_number,quality_rating,whatsapp_business_manager_messaging_limit,throughput"
    _, answer = await ask(api, PHONE_NUMBER_ID, fields=wanted)
    assert set(answer) == set(wanted.split(","))
    assert answer["whatsapp_business_manager_messaging_limit"] == "TIER_2K"
    api.set_messaging_limit(None)
    _, answer = await ask(api, PHONE_NUMBER_ID, fields=wanted)
    assert answer["whatsapp_business_manager_messaging_limit"] == "TIER_UNLIMITED"
    assert api.pending[-1]["entry"][0]["changes"][0]["value"] == {"max_daily_conversations_per_business": -1}


# ---------------------------------------------------------------- webhooks


def only_message(api: FakeWhatsApp) -> Values:
    """The message of the newest pending webhook."""
    message: Values = api.pending[-1]["entry"][0]["changes"][0]["value"]["messages"][0]
    return message


def statuses(api: FakeWhatsApp) -> list[Values]:
    changes = [change for posted in api.pending for entry in posted["entry"] for change in entry["changes"]]
    return [status for change in changes for status in change["value"].get("statuses", [])]


class Product:
    """A webhook receiver that checks signatures; responds with the statuses in `answers`, then with 200."""

    def __init__(self) -> None:
        self.bodies: list[Values] = []
        self.answers: list[int] = []
        app = web.Application()
        app.router.add_post(webhooks.PATH, self._receive)
        app.router.add_get(webhooks.PATH, self._verify)
        self.server = TestServer(app)

    async def _receive(self, request: web.Request) -> web.Response:
        content = await request.read()
        if webhooks.signature(content) != request.headers["X-Hub-Signature-256"]:
            return web.Response(status=403)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.bodies.append(json.loads(content))
        return web.Response(status=status)

    async def _verify(self, request: web.Request) -> web.Response:
        fits = request.query["hub.verify_token"] == VERIFY_TOKEN
        return web.Response(text=request.query["hub.challenge"]) if fits else web.Response(status=403)


@pytest.fixture
async def product() -> AsyncIterator[Product]:
    one = Product()
    async with one.server:
        yield one


async def test_pending_webhooks_are_posted_until_acknowledged(api: FakeWhatsApp, product: Product) -> None:
    url = str(product.server.make_url(""))
    texts = ["uno", "dos", "¿añó?/"]
    for typed in texts:
        api.person().say(typed)
    product.answers = [500, 200, 503, 503, 503]
    assert await api.deliver(url) == [500, 200, 503, 503, 503]
    assert len(api.pending) == 2
    assert await api.deliver(url, copies=2) == [200] * 4
    seen = [body["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] for body in product.bodies]
    assert seen == ["uno", "dos", "dos", "¿añó?/", "¿añó?/"]
    assert await api.deliver(url) == []
    async with aiohttp.ClientSession() as session:
        assert await webhooks.post(session, url, b"{}", secret="another") == 403
    assert await webhooks.verify(url) == (200, "1158201444")
    assert (await webhooks.verify(url, token="another"))[0] == 403


async def test_a_batch_has_several_entries_and_changes(api: FakeWhatsApp, product: Product) -> None:
    ana, beto = api.person(), api.person("5214771000002", "MX.1002", has_username=True)
    ana.say("uno")
    beto.say("dos")
    await send(api, text(), biz_opaque_callback_data="7")
    for status in ("sent", "read", "failed"):
        await api.report(ana.read()[-1], status)
    ana.stop_marketing()
    api.push_fault(130429)
    assert await api.deliver(str(product.server.make_url("")), batch=True) == [200]
    (body,) = product.bodies
    changes = [[list(change["value"])[-1] for change in entry["changes"]] for entry in body["entry"]]
    assert changes == [["messages", "statuses"], ["user_preferences", "errors"]]
    value = body["entry"][0]["changes"][0]["value"]
    assert [message["text"]["body"] for message in value["messages"]] == ["uno", "dos"]
    assert [contact["user_id"] for contact in value["contacts"]] == ["MX.1002", "MX.1001"]
    assert [one["status"] for one in body["entry"][0]["changes"][1]["value"]["statuses"]] == ["sent", "read", "failed"]


async def test_a_status_has_the_known_identifiers_of_the_recipient(api: FakeWhatsApp) -> None:
    person = api.person(has_username=True)
    person.say("hola")
    await send(api, text(), biz_opaque_callback_data="41")
    await send(api, text(), recipient="MX.1001")
    by_number, by_id = person.read()
    api.pending.clear()
    for message in (by_number, by_id):
        for status in ("delivered", "failed"):
            await api.report(message, status, 131049)
    identifiers = [{name: one.get(name) for name in ("recipient_id", "recipient_user_id")} for one in statuses(api)]
    assert [tuple(one.values()) for one in identifiers] == [
        ("5214771000001", "MX.1001"),
        ("5214771000001", None),
        (None, "MX.1001"),
        (None, "MX.1001"),
    ]
    assert statuses(api)[1]["errors"][0]["code"] == 131049
    assert [one.get("biz_opaque_callback_data") for one in statuses(api)] == ["41", "41", None, None]
    with_contacts = ["contacts" in posted["entry"][0]["changes"][0]["value"] for posted in api.pending]
    assert with_contacts == [True, False, True, False]


async def test_auto_statuses(api: FakeWhatsApp, person: Person) -> None:
    api.auto_statuses = True
    await send(api, text())
    assert [status["status"] for status in statuses(api)] == ["sent", "delivered"]


async def test_presses_have_the_payload_of_the_button(api: FakeWhatsApp, person: Person) -> None:
    await send(api, buttons("Sí, claro", "No"))
    await send(api, rows(row("Uno", description="Sobre uno")))
    await send(api, link())
    replies = []
    for label in ("Sí", "Uno"):
        person.press(label)
        replies.append(only_message(api)["interactive"])
    assert replies == [
        {"type": "button_reply", "button_reply": {"id": "a", "title": "Sí, claro"}},
        {"type": "list_reply", "list_reply": {"id": "r:Uno", "title": "Uno", "description": "Sobre uno"}},
    ]
    assert person.button("Abrir")[1].url == "https://integra.example/b/x"
    person.forge("x" * 300)
    assert "context" not in only_message(api)


async def test_a_change_of_number_comes_with_a_new_id(api: FakeWhatsApp, person: Person) -> None:
    person.change_number("5214772000002", "MX.2002", also_as_user_id_update=True)
    system, update = (posted["entry"][0]["changes"][0] for posted in api.pending[-2:])
    message = system["value"]["messages"][0]
    assert (message["from"], message["system"]["wa_id"]) == ("5214771000001", "5214772000002")
    assert message["system"]["body"] == "User Ana changed from MX.1001 to MX.2002"
    assert update["value"]["user_id_update"][0]["user_id"] == {"previous": "MX.1001", "current": "MX.2002"}
    assert await code(api, text(), recipient="MX.1001") == 131026
    assert await code(api, text(), recipient="MX.2002") == 0
    old = api.person("5214773000003", "")
    old.change_number("5214773000004")
    assert only_message(api)["system"]["type"] == "user_changed_number"


def shape(value: Any) -> Any:
    """The structure of a body: member names and types, without values."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in sorted(value.items())}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__


async def acted(api: FakeWhatsApp, act: str, has_username: bool = False, user_id: str = "MX.1001") -> Values:
    """The webhook body that an action causes."""
    person = api.person("5214771000009", user_id, has_username)
    person.say("hola")
    await send(api, buttons("A"), **({"recipient": user_id} if has_username else {"to": f"+{person.phone}"}))
    if act == "press":
        person.press("A")
    elif act == "move":
        person.change_number("5214779999999", "MX.9")
    elif act in ("APPROVED", "REJECTED"):
        api.templates.put("t", "es", body_of("Hola"))
        api.templates.change("t", "es", act)
    elif act in ("stop", "fault"):
        person.stop_marketing() if act == "stop" else api.push_fault(130429)
    elif act != "say":
        await api.report(person.read()[-1], act)
    return api.pending[-1]


BUILT = "constructed-from-documentation"
SAME: list[tuple[str, str, Values, set[str]]] = [  # the last: members that only one of the two has
    (BUILT, "phone-and-bsuid/text", {"act": "say"}, set()),
    (BUILT, "no-bsuid/text", {"act": "say", "user_id": ""}, set()),
    (BUILT, "username-only/text", {"act": "say", "has_username": True}, set()),
    (BUILT, "username-only/button", {"act": "press", "has_username": True}, set()),
    (BUILT, "status/failed-without-contacts", {"act": "failed"}, set()),
    (BUILT, "status/read-without-delivered", {"act": "read"}, {"recipient_user_id"}),  # always, says Meta's page
    (BUILT, "status/delivered-to-bsuid", {"act": "delivered", "has_username": True}, set()),
    (BUILT, "system/user_changed_user_id", {"act": "move"}, set()),
    (BUILT, "errors/account-level", {"act": "fault"}, set()),
    (
        "pywa-tests",
        "message_status/sent",
        {"act": "sent"},
        {"parent_user_id", "recipient_user_id", "conversation", "type"},
    ),
    ("pywa-tests", "template_status_update/approved", {"act": "APPROVED"}, set()),
    ("pywa-tests", "template_status_update/rejected", {"act": "REJECTED"}, {"rejection_info"}),
    ("pywa-tests", "user_marketing_preferences/resume", {"act": "stop"}, {"parent_user_id", "user_id"}),
]


@pytest.mark.parametrize(("group", "name", "act", "ignored"), SAME)
async def test_webhook_bodies_have_the_structure_of_the_samples(
    api: FakeWhatsApp, group: str, name: str, act: Values, ignored: set[str]
) -> None:
    if not SAMPLES.is_file():
        pytest.skip(f"{SAMPLES.name} NOT FOUND: the fake's webhooks are not compared with samples")
    sample = json.loads(SAMPLES.read_text("utf-8"))[group][name]
    made = await acted(api, **act)
    assert shape(without(made, ignored)) == shape(without(sample, ignored))


def without(value: Any, names: set[str]) -> Any:
    """A body without these members at any level."""
    if isinstance(value, dict):
        return {name: without(member, names) for name, member in value.items() if name not in names}
    return [without(item, names) for item in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- through pywa, an independent client


@pytest.fixture(scope="session")
def pywa() -> ModuleType:
    return importlib.import_module("pywa_async")


@pytest.fixture
async def client(pywa: ModuleType, api: FakeWhatsApp) -> AsyncIterator[Any]:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as session:
        client = pywa.WhatsApp(
            phone_id=PHONE_NUMBER_ID,
            waba_id=BUSINESS_ACCOUNT_ID,
            token=ACCESS_TOKEN,
            session=session,
            server=None,
            app_secret=webhooks.APP_SECRET,
            verify_token=VERIFY_TOKEN,
            api_version="25.0",
        )
        session.base_url = httpx.URL(api.url)  # replaces Meta's, which the constructor has set
        yield client


async def test_pywa_sends_every_kind_of_message(
    pywa: ModuleType, api: FakeWhatsApp, client: Any, person: Person
) -> None:
    types = importlib.import_module("pywa_async.types")
    sent = await client.send_message("MX.1001", "*Hola*", tracker="41")
    assert (sent.id, sent.chat.id) == (person.read()[0].wamid, "MX.1001")
    choice = [types.Button(title=label, callback_data=label.lower()) for label in "ABC"]
    sent = await client.send_message("+524771000001", "¿Qué harías?", header="Hoy", footer="Integra", buttons=choice)
    assert sent.chat.id == person.phone
    section = types.Section(
        title=None, rows=[types.SectionRow(title="Uno", callback_data="r:1", description="Sobre uno")]
    )
    await client.send_message("MX.1001", "Elige", buttons=types.SectionList(button_title="Ver", sections=[section]))
    await client.send_message("MX.1001", "Abre", buttons=types.URLButton(title="Abrir", url="https://x.example/"))
    assert [message.text for message in person.read()] == ["*Hola*", "Hoy\n¿Qué harías?\nIntegra", "Elige", "Abre"]
    kinds = [[label.kind for label in message.labels] for message in person.read()]
    assert kinds == [[], ["button_reply"] * 3, ["list_reply"], ["url"]]
    await client.indicate_typing(message_id=person.messages[0].wamid)
    assert person.shows_typing
    assert not api.refusals


async def test_pywa_manages_and_sends_a_template(pywa: ModuleType, api: FakeWhatsApp, client: Any) -> None:
    t = importlib.import_module("pywa_async.types.templates")
    person = api.person()
    parts = [
        t.BodyText("Hola, {{1}}: ya está la pregunta de hoy. ¿Qué harías?", "Ana"),
        t.FooterText(text="Integra"),
        t.Buttons(buttons=[t.QuickReplyButton(text="Ver"), t.QuickReplyButton(text="Hoy no")]),
    ]
    spanish = t.TemplateLanguage.SPANISH_MEX
    made = await client.create_template(
        t.Template(name="diaria", language=spanish, category=t.TemplateCategory.UTILITY, components=parts)
    )
    assert made.status == t.TemplateStatus.PENDING
    api.approve("diaria", "es_MX")
    (there,) = await client.get_templates()
    assert (there.id, there.status, there.name) == (made.id, t.TemplateStatus.APPROVED, "diaria")
    values = [t.BodyText.params("Luz"), t.QuickReplyButton.params(callback_data="daily:7", index=0)]
    await client.send_template("+524771000001", "diaria", spanish, values)
    assert person.last_text() == "Hola, Luz: ya está la pregunta de hoy. ¿Qué harías?\nIntegra"
    number = await client.get_business_phone_number()
    assert (number.id, number.quality_rating) == (PHONE_NUMBER_ID, "GREEN")
    assert not api.refusals


async def test_pywa_parses_every_kind_of_webhook(
    pywa: ModuleType, api: FakeWhatsApp, client: Any, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def remember(*names: str) -> Any:
        async def handler(_: Any, update: Any) -> None:
            seen.append("/".join(str(getattr(update, name)) for name in (*names, "id") if name))

        return handler

    for add, handler in (
        (pywa.handlers.MessageHandler, remember("text")),
        (pywa.handlers.CallbackButtonHandler, remember("data", "title")),
        (pywa.handlers.CallbackSelectionHandler, remember("data", "title", "description")),
        (pywa.handlers.MessageStatusHandler, remember("status", "tracker")),
        (pywa.handlers.TemplateStatusUpdateHandler, remember("new_status", "template_name")),
        (pywa.handlers.UserMarketingPreferencesHandler, remember("value")),
        (pywa.handlers.PhoneNumberChangeHandler, remember("old_wa_id", "new_wa_id", "new_user_id")),
    ):
        client.add_handlers(add(handler))
    await send(api, buttons("Sí"), biz_opaque_callback_data="41")
    await send(api, rows(row("Uno", description="Sobre uno")))
    api.templates.put("t", "es", body_of("Hola"))
    await send(api, template(name="t", language="es"))
    ids = [person.press("Sí"), person.press("Uno")]
    await api.report(person.read()[0], "delivered")
    person.stop_marketing()
    api.pause("t", "es")
    ids.append(person.change_number("5214772000002", "MX.2002"))
    caplog.set_level(logging.WARNING, "pywa")
    for posted in api.pending:
        content = webhooks.raw(posted)
        signed = webhooks.signature(content)
        assert await client.webhook_update_validator(update=content, hmac_header=signed) is None
        assert await client.webhook_update_handler(content) == ("ok", 200)
    assert not caplog.records
    assert seen == [
        f"hola/{person.messages[0].wamid}",
        f"a/Sí/{ids[0]}",
        f"r:Uno/Uno/Sobre uno/{ids[1]}",
        f"delivered/41/{person.read()[0].wamid}",
        f"stop/{BUSINESS_ACCOUNT_ID}",
        f"PAUSED/t/{BUSINESS_ACCOUNT_ID}",
        f"5214771000001/5214772000002/MX.2002/{ids[2]}",
    ]


async def test_pywa_raises_the_matching_errors(
    pywa: ModuleType, api: FakeWhatsApp, client: Any, person: Person, clock: Clock
) -> None:
    errors = importlib.import_module("pywa_async.errors")
    with pytest.raises(errors.MessageUndeliverable):
        await client.send_message("+524779999999", "x")
    clock.move(hours=24)
    with pytest.raises(errors.ReEngagementMessage):
        await client.send_message("MX.1001", "x")
    api.fail("messages", code=130429)
    with pytest.raises(errors.RateLimitHit):
        await client.send_message("MX.1001", "x")
