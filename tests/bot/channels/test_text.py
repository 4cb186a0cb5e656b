"""What people type and press means the same on every channel: commands, texts, long texts, payloads of buttons."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.channels.telegram import parser as telegram
from bot.channels.webchat.form import parse_action
from bot.channels.whatsapp import parser as whatsapp
from content.limits import CHOICE_BYTES
from handlers.message import BOLD, MAX_SHORT_TEXT, UNBOLD, Update, UpdateKind
from tests.bot.channels.whatsapp import payloads

Typed = tuple[UpdateKind, str, str]
EMPTY: Typed = (UpdateKind.TEXT, "", "")


def on_telegram(text: str) -> Typed:
    chat = {"id": 5, "type": "private", "first_name": "Ana"}
    user = {"id": 5, "is_bot": False, "first_name": "Ana"}
    update = telegram.parse(
        {"update_id": 1, "message": {"message_id": 9, "date": 1_763_820_000, "chat": chat, "from": user, "text": text}}
    )
    assert update is not None
    return update.kind, update.command, update.text


def on_whatsapp(text: str) -> Typed:
    (update,) = whatsapp.parse(payloads.incoming(payloads.text(text)))
    assert isinstance(update, Update)
    return update.kind, update.command, update.text


def on_webchat(text: str) -> Typed:
    action = parse_action({"text": text})
    return (action.kind, action.command, action.text) if action is not None else EMPTY


CHANNELS: list[Callable[[str], Typed]] = [on_telegram, on_whatsapp, on_webchat]

TYPED: list[tuple[str, Typed]] = [
    ("/hoy", (UpdateKind.COMMAND, "hoy", "")),
    ("  /START@Integra_Bot  LEON-24 ", (UpdateKind.COMMAND, "start", "LEON-24")),
    ("/consulta\nuno\r\ndos", (UpdateKind.COMMAND, "consulta", "uno\ndos")),
    ("/hoy\u200b", (UpdateKind.COMMAND, "hoy", "")),
    ("\u2066/hoy", (UpdateKind.COMMAND, "hoy", "")),
    ("/" + "x" * 32, (UpdateKind.COMMAND, "x" * 32, "")),
    ("/" + "x" * 33, (UpdateKind.TEXT, "", "/" + "x" * 33)),
    ("/hoy@" + "x" * 65, (UpdateKind.TEXT, "", "/hoy@" + "x" * 65)),
    ("/", (UpdateKind.TEXT, "", "/")),
    ("/ hoy", (UpdateKind.TEXT, "", "/ hoy")),
    ("//hoy", (UpdateKind.TEXT, "", "//hoy")),
    ("/ñandú", (UpdateKind.TEXT, "", "/ñandú")),
    ("hoy", (UpdateKind.TEXT, "", "hoy")),
    (f"{BOLD}a{UNBOLD}\x00\ud83d\u202eb", (UpdateKind.TEXT, "", "ab")),
    ("\u200b \n", EMPTY),
    ("x" * MAX_SHORT_TEXT, (UpdateKind.TEXT, "", "x" * MAX_SHORT_TEXT)),
    ("x" * MAX_SHORT_TEXT + "\u200b", (UpdateKind.TEXT, "", "x" * MAX_SHORT_TEXT)),
    ("x" * (MAX_SHORT_TEXT + 1), (UpdateKind.LONG_TEXT, "", "")),
    ("/consulta " + "x" * MAX_SHORT_TEXT, (UpdateKind.LONG_TEXT, "", "")),
    ("\u200b" * (5 * MAX_SHORT_TEXT), (UpdateKind.LONG_TEXT, "", "")),
]


@pytest.mark.parametrize("parse", CHANNELS, ids=lambda parse: parse.__name__.removeprefix("on_"))
@pytest.mark.parametrize(("text", "expected"), TYPED, ids=[ascii(text)[:40] for text, _ in TYPED])
def test_typed_text_is_read_the_same_way_on_every_channel(
    text: str, expected: Typed, parse: Callable[[str], Typed]
) -> None:
    assert parse(text) == expected


PIECES = st.lists(st.sampled_from(["/", "@", " ", "\n", "\r", "\u200b", "\ud83d", "hoy", "Ñ", "_9", "x" * 40, BOLD]))


@given(st.text() | PIECES.map("".join))
@example("/hoy@bot\n")
def test_no_text_is_read_differently_on_two_channels(text: str) -> None:
    assert len({parse(text) for parse in CHANNELS}) == 1


def pressed_on_telegram(payload: str) -> str:
    chat = {"id": 5, "type": "private", "first_name": "Ana"}
    user = {"id": 5, "is_bot": False, "first_name": "Ana"}
    message = {"message_id": 8, "date": 1_763_820_000, "chat": chat}
    press = {"id": "4", "from": user, "chat_instance": "1", "message": message, "data": payload}
    update = telegram.parse({"update_id": 1, "callback_query": press})
    assert update is not None
    assert update.kind is UpdateKind.CHOICE
    return update.choice


def pressed_on_whatsapp(payload: str) -> str:
    (update,) = whatsapp.parse(payloads.reply("button_reply", id=payload))
    assert isinstance(update, Update)
    assert update.kind is UpdateKind.CHOICE
    return update.choice


def pressed_on_webchat(payload: str) -> str:
    action = parse_action({"choice": payload})
    assert action is not None
    assert action.kind is UpdateKind.CHOICE
    return action.choice


PRESSES: list[Callable[[str], str]] = [pressed_on_telegram, pressed_on_whatsapp, pressed_on_webchat]

PAYLOADS = [
    ("answer:17:b", "answer:17:b"),
    ("x" * CHOICE_BYTES, "x" * CHOICE_BYTES),
    ("x" * (CHOICE_BYTES + 1), ""),
    ("'; drop table servants; --", "'; drop table servants; --"),
    (" ", " "),
    ("opción", ""),
    ("answer:1:a\n", ""),
    ("answer:1:\x00", ""),
    ("answer:1:a\u200b", ""),
    ("\ud800", ""),
]


@pytest.mark.parametrize("parse", PRESSES, ids=lambda parse: parse.__name__.removeprefix("pressed_on_"))
@pytest.mark.parametrize(("payload", "choice"), PAYLOADS, ids=[ascii(payload)[:40] for payload, _ in PAYLOADS])
def test_a_pressed_button_has_only_a_payload_that_ours_can_have(
    payload: str, choice: str, parse: Callable[[str], str]
) -> None:
    assert parse(payload) == choice


@given(st.text(min_size=1) | st.text(st.characters(codec="ascii"), min_size=1))
def test_no_payload_is_read_differently_on_two_channels(payload: str) -> None:
    (choice,) = {parse(payload) for parse in PRESSES}
    assert choice in ("", payload)
    assert len(choice.encode()) <= CHOICE_BYTES
