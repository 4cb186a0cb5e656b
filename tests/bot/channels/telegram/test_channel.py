"""The Telegram channel: the messages it sends, failure it starts, and which error each failure becomes."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.channels import http_client
from bot.channels.channel import (
    Blocked,
    Channel,
    ChannelError,
    NotReached,
    Refused,
    Throttled,
    UnknownRefusal,
    Unreachable,
)
from bot.channels.telegram.channel import MENU_COMMANDS, ProfileTexts, Telegram, Webhook, markup
from bot.channels.telegram.client import TokenRevoked
from content import phrases
from content.problems import Problem
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, Action, Parcel, RenderedButton
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


@pytest.fixture
async def telegram(api: FakeTelegram) -> AsyncIterator[Channel]:
    channel = Telegram(TOKEN, api.url)
    yield channel
    await channel.close()


@pytest.fixture
def person(api: FakeTelegram) -> Person:
    person = api.person()
    person.start()
    return person


def say(person: Person, text: str = "Hola", **more: Any) -> Parcel:
    return Parcel(address=str(person.id), action=Action.SEND, text=text, **more)


def test_words_are_escaped_before_emphasis_becomes_tags() -> None:
    text = f"{BOLD}1 < 2{UNBOLD} & {ITALIC}</b>\"'{UNITALIC}"
    assert markup(text) == "<b>1 &lt; 2</b> &amp; <i>&lt;/b&gt;\"'</i>"


async def test_a_message_arrives_with_its_emphasis_and_buttons(telegram: Channel, person: Person) -> None:
    rows = (
        (RenderedButton("Sí", choice="answer:7:a"), RenderedButton("No", choice="answer:7:b")),
        (RenderedButton("Abrir", url="http://127.0.0.1:8/c"),),
    )
    number = await telegram.send(say(person, f"{BOLD}A & B{UNBOLD} <c>", rows=rows))
    note = person.read()[-1]
    assert (str(note.number), note.text) == (number, "A & B <c>")
    assert note.content["entities"] == [{"type": "bold", "offset": 0, "length": 5}]
    assert note.rows == [
        [{"text": "Sí", "callback_data": "answer:7:a"}, {"text": "No", "callback_data": "answer:7:b"}],
        [{"text": "Abrir", "url": "http://127.0.0.1:8/c"}],
    ]


async def test_buttons_are_shown_in_their_order_in_each_row(telegram: Channel, person: Person) -> None:
    order = ((3, 1, 2), (9,), (8, 7))
    rows = tuple(tuple(RenderedButton(f"{number}", choice=f"go:{number}") for number in row) for row in order)
    await telegram.send(say(person, rows=rows))
    shown = tuple(tuple(int(button["text"]) for button in row) for row in person.read()[-1].rows)
    assert shown == order
    ref = str(person.read()[-1].number)
    await telegram.send(Parcel(str(person.id), Action.REPLACE, "Hola", rows[::-1], ref=ref))
    assert [[int(button["text"]) for button in row] for row in person.read()[-1].rows] == [[8, 7], [9], [3, 1, 2]]


async def test_links_have_no_preview_and_can_be_shared(api: FakeTelegram, telegram: Channel, person: Person) -> None:
    await telegram.send(say(person))
    _, values = api.calls[-1]
    assert values["link_preview_options"] == {"is_disabled": True}
    assert "protect_content" not in values


async def test_a_replaced_message_loses_its_buttons(telegram: Channel, person: Person) -> None:
    ref = await telegram.send(say(person, rows=((RenderedButton("A", choice="a"),),)))
    assert await telegram.send(Parcel(str(person.id), Action.REPLACE, text="Listo", ref=ref)) == ref
    note = person.read()[-1]
    assert (note.text, note.rows, len(person.read())) == ("Listo", [], 1)


async def test_an_edit_that_changes_nothing_is_done(telegram: Channel, person: Person) -> None:
    ref = await telegram.send(say(person))
    assert await telegram.send(Parcel(str(person.id), Action.REPLACE, text="Hola", ref=ref)) == ref


@pytest.mark.parametrize("ref", ["999999", "", "abc", "theirs"])
async def test_what_cannot_be_edited_is_sent_as_a_new_message(telegram: Channel, person: Person, ref: str) -> None:
    if ref == "theirs":
        ref = str(person.messages[0].number)
    number = await telegram.send(Parcel(str(person.id), Action.REPLACE, text="Nuevo", ref=ref))
    assert [str(note.number) for note in person.read()] == [number]


async def test_a_press_is_acknowledged_and_late_acknowledgements_do_no_harm(
    api: FakeTelegram, telegram: Channel, person: Person
) -> None:
    person.forge("a")
    person.forge("b")
    early, late = api.unanswered
    acknowledge = Parcel(str(person.id), Action.ACKNOWLEDGE, press=early)
    assert await telegram.send(acknowledge) == ""
    assert await telegram.send(acknowledge) == ""  # a second time
    api.advance(3600)
    await telegram.send(Parcel(str(person.id), Action.ACKNOWLEDGE, press=late))
    await telegram.send(Parcel(str(person.id), Action.ACKNOWLEDGE, press="forged"))
    assert api.unanswered == [late]


async def test_a_users_own_message_is_erased(telegram: Channel, person: Person) -> None:
    person.say("algo delicado")
    number = person.messages[-1].number
    await telegram.send(Parcel(str(person.id), Action.ERASE, ref=str(number)))
    assert person.message(number) is None
    await telegram.send(Parcel(str(person.id), Action.ERASE, ref=str(number)))  # already gone
    await telegram.send(Parcel(str(person.id), Action.ERASE, ref=""))


async def test_a_message_too_old_to_erase_is_left(api: FakeTelegram, telegram: Channel, person: Person) -> None:
    number = person.messages[-1].number
    api.advance(49 * 3600)
    await telegram.send(Parcel(str(person.id), Action.ERASE, ref=str(number)))
    assert person.message(number) is not None


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", ()),
        (f"{BOLD} {UNBOLD}", ()),
        ("x" * 4097, ()),
        ("x", ((RenderedButton("A", choice="é" * 33),),)),
        ("x", (tuple(RenderedButton(str(n), choice="a") for n in range(9)),)),
        ("x", tuple((RenderedButton(str(n), choice="a"),) for n in range(101))),
    ],
)
async def test_what_telegram_would_refuse_is_not_even_sent(
    api: FakeTelegram, telegram: Channel, person: Person, text: str, rows: Any
) -> None:
    with pytest.raises(Refused):
        await telegram.send(say(person, text, rows=rows))
    assert not api.calls


async def test_limits_are_reached_and_not_passed(telegram: Channel, person: Person) -> None:
    rows = ((RenderedButton("A", choice="é" * 32),), tuple(RenderedButton(str(n), choice="a") for n in range(8)))
    await telegram.send(say(person, f"{BOLD}{'&' * 4096}{UNBOLD}", rows=rows))
    assert len(person.read()[-1].text) == 4096


async def test_a_user_who_blocked_us_is_reported_as_blocked(telegram: Channel, person: Person) -> None:
    person.block()
    with pytest.raises(Blocked):
        await telegram.send(say(person))
    person.unblock()
    await telegram.send(say(person))


async def test_a_user_who_is_gone_is_reported_as_not_reached_which_may_pass(telegram: Channel, person: Person) -> None:
    person.is_deactivated = True
    with pytest.raises(NotReached):
        await telegram.send(say(person))
    for action in (Action.SEND, Action.REPLACE, Action.ERASE):
        with pytest.raises(NotReached):
            await telegram.send(Parcel("424242", action, text="Hola", ref="1"))
    with pytest.raises(Refused):
        await telegram.send(Parcel("unknown", Action.SEND, text="Hola"))


DESCRIPTIONS = [
    (403, "Forbidden: bot was blocked by the user", Blocked),
    (400, "Bad Request: USER_IS_BLOCKED", Blocked),
    (403, "Forbidden: user is deactivated", NotReached),
    (403, "Forbidden: bot can't initiate conversation with a user", NotReached),
    (400, "Bad Request: chat not found", NotReached),
    (400, "Bad Request: PEER_ID_INVALID", NotReached),
    (400, "Bad Request: can't parse entities: Unexpected end tag at byte offset 7", Refused),
    (400, "Bad Request: message is too long", Refused),
    (400, "Bad Request: BUTTON_DATA_INVALID", Refused),
    (400, "Bad Request: PAYMENT_REQUIRED", UnknownRefusal),
    (403, "Forbidden: the account is frozen", UnknownRefusal),
]


@pytest.mark.parametrize(("status", "description", "expected"), DESCRIPTIONS)
async def test_each_description_has_its_error(
    telegram: Channel, api: FakeTelegram, person: Person, status: int, description: str, expected: type[Exception]
) -> None:
    body = json.dumps({"ok": False, "error_code": status, "description": description}).encode()
    api.fail("sendMessage", status=status, body=body)
    with pytest.raises(expected) as raised:
        await telegram.send(say(person))
    assert type(raised.value) is expected


ODD_BODY = b'{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":"soon"}}'


@pytest.mark.parametrize(
    ("failure", "seconds"),
    [
        ({"status": 429, "retry_after": 17}, 17),
        ({"status": 429}, 5),
        ({"status": 429, "body": b"<html>"}, 5),
        ({"status": 429, "body": ODD_BODY}, 5),
    ],
)
async def test_a_rate_limit_carries_its_wait(
    api: FakeTelegram, telegram: Channel, person: Person, failure: dict[str, Any], seconds: float
) -> None:
    api.fail("sendMessage", **failure)
    with pytest.raises(Throttled) as caught:
        await telegram.send(say(person))
    assert caught.value.retry_after == seconds
    await telegram.send(say(person))


@pytest.mark.parametrize(
    ("failure", "in_doubt", "reason"),
    [
        ({"status": 500}, False, "status 500"),
        ({"status": 502, "body": b"<html>Bad Gateway"}, False, "status 502"),
        ({"status": 504}, True, "status 504"),
        ({"reset": True}, True, "ServerDisconnectedError"),
        ({"reset": True, "done": True}, True, "ServerDisconnectedError"),
        ({"body": b"<html>welcome to the hotel"}, True, "unreadable response"),
        ({"body": b"[]"}, True, "unreadable response"),
        ({"body": b'{"ok": true}'}, True, "unreadable response"),
        ({"body": b'{"ok": true, "result": {}}'}, True, "unreadable response"),
        ({"status": 302, "body": b""}, False, "unexpected status"),
    ],
)
async def test_network_failures_may_be_retried(
    api: FakeTelegram, telegram: Channel, person: Person, failure: dict[str, Any], in_doubt: bool, reason: str
) -> None:
    api.fail("sendMessage", **failure)
    with pytest.raises(Unreachable) as caught:
        await telegram.send(say(person))
    assert caught.value.in_doubt is in_doubt
    assert str(caught.value).partition(":")[0] == reason, "it stands in the log and beside the delivery"
    await telegram.send(say(person))


async def test_a_response_that_never_comes_leaves_the_delivery_in_doubt(
    api: FakeTelegram, telegram: Channel, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "READ_SECONDS", 0.05)
    api.fail("sendMessage", hang=asyncio.Event(), done=True)
    with pytest.raises(Unreachable) as caught:
        await telegram.send(say(person))
    assert caught.value.in_doubt
    assert person.last_text() == "Hola"


async def test_a_refused_connection_leaves_no_doubt() -> None:
    async with FakeTelegram() as closed:
        url = closed.url
    channel = Telegram(TOKEN, url)
    with pytest.raises(Unreachable) as caught:
        await channel.send(Parcel("1", Action.SEND, text="Hola"))
    assert not caught.value.in_doubt
    await channel.close()


@pytest.mark.parametrize("token", ["7000000001:another", "no-token"])
async def test_a_refused_token_stops_the_channel(api: FakeTelegram, token: str) -> None:
    channel = Telegram(token, api.url)
    with pytest.raises(TokenRevoked):
        await channel.start()
    with pytest.raises(TokenRevoked):
        await channel.send(Parcel("1", Action.SEND, text="Hola"))
    await channel.close()


def test_an_empty_token_is_refused_without_a_request() -> None:
    with pytest.raises(TokenRevoked):
        Telegram("")


async def test_a_chat_that_became_a_group_is_refused(api: FakeTelegram, telegram: Channel, person: Person) -> None:
    body = b'{"ok":false,"description":"Bad Request: upgraded","parameters":{"migrate_to_chat_id":-1001}}'
    api.fail("sendMessage", status=400, body=body)
    with pytest.raises(Refused):
        await telegram.send(say(person))


FAILURES = [
    {"status": 400, "body": f'{{"description": "Bad Request: unparsable: secret /bot{TOKEN}/x"}}'.encode()},
    {"status": 403, "body": f"<html>/bot{TOKEN}/sendMessage".encode()},
    {"status": 404, "body": f"<html>/bot{TOKEN}/sendMessage".encode()},
    {"status": 400, "body": b"[1]"},
    {"body": f"<html>/bot{TOKEN}/sendMessage".encode()},
    {"status": 502, "body": f"<html>/bot{TOKEN}/sendMessage".encode()},
    {"reset": True},
    {"status": 429},
]


@pytest.mark.parametrize("failure", FAILURES)
async def test_no_failure_reveals_the_token_or_the_text(
    api: FakeTelegram, telegram: Channel, person: Person, failure: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.fail("sendMessage", **failure)
    parcel = say(person, "palabras delicadas")
    with pytest.raises(ChannelError) as caught, capture_logs() as logs:
        await telegram.send(parcel)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text + repr(logs)
    assert caught.value.__context__ is None
    assert TOKEN not in shown
    assert "palabras" not in shown
    assert "secret" not in shown


PROFILE_TEXTS = {
    "es": ProfileTexts("Hola", "Corto", [("hoy", "La de hoy")]),
    "en": ProfileTexts("Hello", "Short", [("hoy", "Today's")]),
}


async def test_the_start_sets_menus_in_both_languages(api: FakeTelegram) -> None:
    channel = Telegram(TOKEN, api.url, profile_texts=PROFILE_TEXTS)
    await channel.start()
    es, en = [("hoy", "La de hoy")], [("hoy", "Today's")]
    assert api.menus == {"": es, "es": es, "en": en}
    assert api.descriptions == {"": "Hola", "es": "Hola", "en": "Hello"}
    assert api.short_descriptions == {"": "Corto", "es": "Corto", "en": "Short"}
    await channel.close()


async def test_a_menu_that_telegram_refuses_now_stops_nothing(api: FakeTelegram) -> None:
    channel = Telegram(TOKEN, api.url, profile_texts=PROFILE_TEXTS)
    api.fail("setMyCommands", status=429, retry_after=9000)
    with capture_logs() as logs:
        await channel.start()
    assert [line["event"] for line in logs] == ["telegram_menu_not_set"]
    assert set(api.menus) == {"es", "en"}
    await channel.close()


async def test_a_token_revoked_during_the_start_is_raised(api: FakeTelegram) -> None:
    channel = Telegram(TOKEN, api.url, profile_texts=PROFILE_TEXTS)
    api.fail("setMyDescription", status=401, body=b'{"ok":false,"description":"Unauthorized"}')
    with pytest.raises(TokenRevoked):
        await channel.start()
    await channel.close()


async def test_the_webhook_is_set_or_deleted_at_the_start(api: FakeTelegram) -> None:
    hook = Webhook("https://integra.example/webhooks/telegram", "a-Secret_1")
    with_webhook, polling = Telegram(TOKEN, api.url, webhook=hook), Telegram(TOKEN, api.url)
    await with_webhook.start()
    assert api.webhook["secret_token"] == "a-Secret_1"
    assert api.webhook["allowed_updates"] == ["message", "edited_message", "callback_query", "my_chat_member"]
    await polling.start()
    assert api.webhook == {}
    await with_webhook.close()
    await polling.close()


async def test_a_failed_start_may_be_retried(api: FakeTelegram) -> None:
    channel = Telegram(TOKEN, api.url)
    api.fail("getMe", status=502)
    with pytest.raises(Unreachable):
        await channel.start()
    await channel.start()
    await channel.close()


async def test_our_menus_and_descriptions_fit_the_limits(api: FakeTelegram) -> None:
    root = Path(phrases.__file__).parent
    problems: list[Problem] = []
    catalogs = phrases.load(root / "messages", root, problems)
    profile_texts = {language: ProfileTexts.of(catalogs.section(language, "telegram")) for language in ("es", "en")}
    channel = Telegram(TOKEN, api.url, profile_texts=profile_texts)
    await channel.start()
    assert not api.refusals
    assert [command for command, _ in api.menus["en"]] == list(MENU_COMMANDS)
    assert api.menus["en"] != api.menus["es"]
    await channel.close()
