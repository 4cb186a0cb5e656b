"""Typed text means the same on every channel, whether a command, a text or one that is too long."""

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.channels.telegram import parser as telegram
from bot.channels.webchat.form import parse_action
from bot.channels.whatsapp import parser as whatsapp
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
