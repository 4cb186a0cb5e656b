"""Every payload of Telegram's is parsed to an update, ignored on purpose, or raises UnreadablePayload."""

import copy
import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.events import UnreadablePayload
from bot.channels.telegram import parser as telegram_parser
from bot.channels.telegram.parser import _parse_press_fast, parse, update_key
from handlers.message import MAX_SHORT_TEXT, Update, UpdateKind

CHAT = {"id": 5_000_000_001, "type": "private", "first_name": "Ana"}
ANA = {"id": 5_000_000_001, "is_bot": False, "first_name": "Ana", "language_code": "es-MX"}
BOT = {"id": 7, "is_bot": True, "first_name": "Bot", "username": "integra_bot"}


def message(**content: Any) -> dict[str, Any]:
    return {"update_id": 31, "message": {"message_id": 9, "date": 1763820000, "chat": CHAT, "from": ANA, **content}}


def press(**content: Any) -> dict[str, Any]:
    note = {"message_id": 8, "date": 1763820000, "chat": CHAT, "from": BOT, "text": "¿?"}
    query = {"id": "4000000000000000001", "from": ANA, "chat_instance": "-1", "message": note, **content}
    return {"update_id": 32, "callback_query": {name: value for name, value in query.items() if value is not None}}


def membership(status: str, kind: str = "private") -> dict[str, Any]:
    member = {"user": BOT, "status": status, "until_date": 0}
    change = {"chat": {**CHAT, "type": kind, "title": "x"}, "from": ANA, "date": 1763820000}
    old = {"user": BOT, "status": "member"}
    return {"update_id": 33, "my_chat_member": {**change, "old_chat_member": old, "new_chat_member": member}}


def parsed(raw: dict[str, Any]) -> Update:
    update = parse(raw)
    assert update is not None
    return update


@pytest.mark.parametrize(
    ("text", "command", "rest"),
    [
        ("/start", "start", ""),
        ("/start LEON-24", "start", "LEON-24"),
        ("/START@Integra_Bot  LEON-24 ", "start", "LEON-24"),
        ("/Hoy", "hoy", ""),
        ("  /consulta\nuno dos", "consulta", "uno dos"),
        ("/hoy\u200b", "hoy", ""),
        ("/" + "x" * 32, "x" * 32, ""),
    ],
)
def test_commands_are_parsed_whatever_their_case_and_spacing(text: str, command: str, rest: str) -> None:
    update = parsed(message(text=text))
    assert (update.kind, update.command, update.text) == (UpdateKind.COMMAND, command, rest)


@pytest.mark.parametrize("text", ["/", "/ hoy", "/ñandú", "/hoy.", "/" + "x" * 33, "hola /hoy"])
def test_what_only_looks_like_a_command_is_text(text: str) -> None:
    update = parsed(message(text=text))
    assert (update.kind, update.text) == (UpdateKind.TEXT, text)


def test_sender_and_message_id_are_carried_along() -> None:
    assert parsed(message(text="hola")) == Update(
        "telegram", "31", "5000000001", UpdateKind.TEXT, text="hola", language="es-MX", ref="9", at=1763820000
    )


@pytest.mark.parametrize(
    ("replied_to", "quoted"),
    [
        ({"message_id": 7, "date": 1, "chat": {"id": 5000000001, "type": "private"}}, "7"),
        ({"message_id": True}, ""),
        ({"message_id": 2**70}, ""),
        ({"message_id": "7"}, ""),
        ([7], ""),
        (None, ""),
    ],
)
def test_the_message_replied_to_is_carried_along(replied_to: object, quoted: str) -> None:
    assert parsed(message(text="b", reply_to_message=replied_to)).quoted == quoted


@pytest.mark.parametrize(
    ("typed", "cleaned"),
    [
        ("a\u200bb\u202ec\u2066d\ufeff", "abcd"),
        ("\u0000x\u001b[1m", "x[1m"),
        ("\ue000negrita\ue001", "negrita"),
        ("\ud83d half", "half"),
        ("👩‍💻 ñ مرحبا", "👩💻 ñ مرحبا"),
        ("\u200b\u200d", ""),
        ("x" * MAX_SHORT_TEXT, "x" * MAX_SHORT_TEXT),
    ],
)
def test_invisible_characters_are_removed(typed: str, cleaned: str) -> None:
    update = parsed(message(text=typed))
    assert (update.kind, update.text) == (UpdateKind.TEXT, cleaned)


@pytest.mark.parametrize(
    "text", ["x" * (MAX_SHORT_TEXT + 1), "secreto " * 600, "s" * 1_000_000, "/consulta " + "secreto " * 60]
)
def test_a_long_text_is_dropped(text: str) -> None:
    update = parsed(message(text=text))
    assert (update.kind, update.text, update.command, update.ref) == (UpdateKind.LONG_TEXT, "", "", "9")


PHOTO = [{"file_id": "A", "file_unique_id": "B", "width": 9, "height": 9}]
FILE = {"file_id": "A", "file_unique_id": "B"}


@pytest.mark.parametrize(
    "content",
    [
        {"photo": PHOTO, "caption": "muy secreto"},
        {"voice": {**FILE, "duration": 3}},
        {"document": FILE, "caption": "secreto"},
        {"contact": {"phone_number": "secreto", "first_name": "secreto"}},
        {"location": {"latitude": 21.0, "longitude": -101.2}},
        {"dice": {"emoji": "🎲", "value": 3}},
        {"sticker": {**FILE, "type": "regular", "width": 1, "height": 1, "is_animated": False, "is_video": False}},
        {"rich_message": {"blocks": []}},
    ],
)
def test_no_content_of_an_attachment_is_carried_on(content: dict[str, Any]) -> None:
    update = parsed(message(**content))
    assert (update.kind, update.text, update.ref) == (UpdateKind.ATTACHMENT, "", "9")
    assert "secreto" not in repr(update)


def test_a_press_carries_its_choice_and_message() -> None:
    update = parsed(press(data="answer:17:b"))
    assert (update.kind, update.choice, update.ref, update.press) == (
        UpdateKind.CHOICE, "answer:17:b", "8", "4000000000000000001",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content", "choice"),
    [
        ({"data": "x" * 64}, "x" * 64),
        ({"data": "x" * 65}, ""),
        ({"data": "é" * 33}, ""),
        ({"data": ""}, ""),
        ({"data": "answer:1:\u0000"}, ""),
        ({"data": "\ud800"}, ""),
        ({"data": "'; drop table servants; --"}, "'; drop table servants; --"),
        ({"game_short_name": "tetris"}, ""),
        ({"message": {"message_id": 8, "date": 0, "chat": CHAT}, "data": "answer:1:a"}, "answer:1:a"),
    ],
)
def test_any_press_has_a_choice_and_can_be_acknowledged(content: dict[str, Any], choice: str) -> None:
    update = parsed(press(**content))
    assert (update.kind, update.choice, update.press) == (UpdateKind.CHOICE, choice, "4000000000000000001")


def test_blocking_and_unblocking_are_parsed() -> None:
    assert parsed(membership("kicked")).kind is UpdateKind.BLOCKED
    assert parsed(membership("member")).kind is UpdateKind.UNBLOCKED


@pytest.mark.parametrize(
    "raw",
    [
        message(text="hola", chat={"id": -5, "type": "group", "title": "x"}),
        message(text="/start", chat={"id": -1005, "type": "supergroup", "title": "x"}),
        message(text="hola", **{"from": BOT}),
        message(pinned_message={"message_id": 1, "date": 0, "chat": CHAT}),
        message(message_auto_delete_timer_changed={"message_auto_delete_time": 1}),
        {"update_id": 1, "edited_message": message(text="x")["message"]},
        {"update_id": 1, "channel_post": message(text="x")["message"]},
        {"update_id": 1, "poll_answer": {"poll_id": "1", "option_ids": [0], "user": ANA}},
        {"update_id": 1, "something_of_2031": {"a": 1}},
        {"update_id": 1},
        press(data="x", message=None, inline_message_id="AAA"),
        membership("kicked", "group"),
        membership("left"),
    ],
)
def test_what_is_not_for_us_is_ignored(raw: dict[str, Any]) -> None:
    assert parse(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "text",
        {},
        {"update_id": "7", "message": {}},
        {"update_id": True},
        {"update_id": -1},
        {"update_id": 10**30},
        {"update_id": 1, "message": {"text": "secreto"}},
        {"update_id": 1, "message": "secreto"},
        message(text={"secreto": 1}),
        message(text="x", chat={**CHAT, "id": "secreto"}),
        message(text="x", date="secreto"),
        press(id="x" * 5000),
        press(id=7),
    ],
)
def test_an_unreadable_update_is_reported_by_kind_only(raw: Any) -> None:
    with pytest.raises(UnreadablePayload) as caught:
        parse(raw)
    assert caught.value.__context__ is None
    assert "secreto" not in str(caught.value)
    assert (str(caught.value) == "not an object") is not isinstance(raw, dict)
    assert update_key(raw) in ("", "1", "31", "32")


SAMPLES = [
    message(text="/start LEON"),
    message(text="hola", entities=[{"type": "bold", "offset": 0, "length": 4}]),
    message(photo=PHOTO, caption="x", reply_to_message=message(text="y")["message"]),
    message(contact={"phone_number": "1", "first_name": "x"}, forward_origin={"type": "hidden_user", "date": 1}),
    press(data="answer:1:a"),
    press(game_short_name="x"),
    membership("kicked"),
    {"update_id": 1, "edited_message": message(text="x")["message"]},
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["private", "member", "kicked", 2**70, -(2**70), "\ud800", "x" * 300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, item in inner for found in _paths(item, (*path, key))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    raw = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        if not (paths := _paths(raw)):
            break
        *parents, last = draw(st.sampled_from(paths))
        node = raw
        for key in parents:
            node = node[key]
        if draw(st.booleans()):
            node[last] = draw(JSON)
        else:
            del node[last]
    return raw


def assert_storable(update: Update) -> None:
    texts = (update.key, update.address, update.text, update.command, update.choice, update.language)
    for text in (*texts, update.ref, update.press):
        assert isinstance(text, str)
        text.encode()  # no lone surrogates, which no database can store
        assert "\x00" not in text
    assert int(update.address)
    assert int(update.key) >= 0
    assert len(update.text) <= MAX_SHORT_TEXT
    assert len(update.choice.encode()) <= 64


@settings(max_examples=600, deadline=None)
@given(mutated())
def test_no_mutation_raises_anything_else(raw: Any) -> None:
    before = json.dumps(raw)
    try:
        update = parse(raw)
    except UnreadablePayload as fault:
        reason = str(fault)
    else:
        reason = ""
        if update is not None:
            assert_storable(update)
    assert len(reason) < 60
    assert json.dumps(raw) == before


@settings(max_examples=600, deadline=None)
@given(mutated() | st.builds(press, data=st.text(max_size=70)))
def test_the_fast_path_parses_a_press_as_the_library_does(raw: Any) -> None:
    fast = _parse_press_fast(update_key(raw), raw) if isinstance(raw, dict) and update_key(raw) else None
    with mock.patch.object(telegram_parser, "_parse_press_fast", return_value=None):
        assert fast is None or fast == parse(raw)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=250), st.sampled_from(["text", "data"]))
def test_any_typed_text_and_any_button_can_be_stored(text: str, where: str) -> None:
    update = parse(message(text=text) if where == "text" else press(data=text))
    assert update is not None
    assert_storable(update)
