import json
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.channels.channel import Refused
from bot.channels.whatsapp import messages as whatsapp_messages
from content.library import Library
from content.text import LANGUAGES
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, Action, Parcel, RenderedButton, RenderedTemplate
from tests.fakes import whatsapp_rules as rules

USER, PHONE = "MX.13491208655302741918", "+524771000001"
Rows = tuple[tuple[RenderedButton, ...], ...]


def parcel(
    text: str = "hola", *keys: RenderedButton, address: str = USER, menu: str = "Elegir", number: int = 7
) -> Parcel:
    return Parcel(address, Action.SAY, text, tuple((key,) for key in keys), number=number, menu=menu)


def keys(count: int, start: int = 0, *, is_aside: bool = False) -> tuple[RenderedButton, ...]:
    return tuple(
        RenderedButton(f"botón {number}", f"go:{number}", is_aside=is_aside) for number in range(start, start + count)
    )


def taken(body: dict[str, Any]) -> dict[str, Any]:
    """The body, if the Graph API would take it by the limits that are written down in the fake."""
    rules.read_message(json.loads(json.dumps(body)))
    return body


def kind(body: dict[str, Any]) -> str:
    return str(body["interactive"]["type"] if body["type"] == "interactive" else body["type"])


def shown(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Id and title of each button or row."""
    action = body.get("interactive", {}).get("action", {})
    replies = [button["reply"] for button in action.get("buttons", [])]
    rows = [row for section in action.get("sections", []) for row in section["rows"]]
    return [(one["id"], one["title"]) for one in (*replies, *rows)]


def words(body: dict[str, Any]) -> str:
    """What the person reads above the buttons."""
    return str(body["text"]["body"] if body["type"] == "text" else body["interactive"]["body"]["text"])


# ---------------------------------------------------------------- whom


def test_a_person_is_addressed_in_one_way_only() -> None:
    assert taken(whatsapp_messages.free(parcel())) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "recipient": USER,
        "type": "text",
        "text": {"body": "hola", "preview_url": False},
        "biz_opaque_callback_data": "7",
    }
    by_phone = taken(whatsapp_messages.free(parcel(address=PHONE, number=0)))
    assert by_phone["to"] == PHONE
    assert not {"recipient", "biz_opaque_callback_data"} & by_phone.keys()
    assert taken(whatsapp_messages.free(parcel(address="MX.ENT.11815799212886844830")))["recipient"].startswith(
        "MX.ENT"
    )


NO_ADDRESSES = [
    "",
    "524771000001",
    "100001",
    "+52 477 100 0001",
    "+12",
    "mx.1",
    "MX.",
    "MX.1 ",
    f"MX.{'1' * 129}",
    "+٥٢٤",
]


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_an_address_that_is_none_is_refused_without_being_told(address: str) -> None:
    with pytest.raises(Refused) as refused:
        whatsapp_messages.free(parcel(address=address))
    assert not address or address not in str(refused.value)
    with pytest.raises(Refused):
        whatsapp_messages.template(parcel(address=address), RenderedTemplate("pregunta_diaria", "es_MX"))


# ---------------------------------------------------------------- which kind


SHORT, LONG = 1024, 4096
KINDS: dict[str, tuple[int, tuple[RenderedButton, ...], str, int]] = {  # characters, buttons; kind, buttons shown
    "text": (LONG, (), "text", 0),
    "one button": (SHORT, keys(1), "button", 1),
    "three buttons": (SHORT, keys(3), "button", 3),
    "three buttons below a longer text": (SHORT + 1, keys(3), "list", 3),
    "four buttons": (10, keys(4), "list", 4),
    "ten buttons": (LONG, keys(10), "list", 10),
    "three and one aside": (10, (*keys(3), *keys(1, 5, is_aside=True)), "button", 3),
    "two and one aside": (10, (*keys(2), *keys(1, 5, is_aside=True)), "button", 3),
    "two and two aside": (10, (*keys(2), *keys(2, 5, is_aside=True)), "button", 2),
    "asides alone": (10, keys(2, is_aside=True), "button", 2),
    "four asides alone": (10, keys(4, is_aside=True), "text", 0),
    "an aside below a longer text": (SHORT + 1, keys(1, is_aside=True), "text", 0),
    "four and an aside": (10, (*keys(4), *keys(1, 5, is_aside=True)), "list", 5),
}


@pytest.mark.parametrize("name", KINDS)
def test_which_kind_of_message_carries_the_buttons(name: str) -> None:
    length, buttons, expected, count = KINDS[name]
    body = taken(whatsapp_messages.free(parcel("x" * length, *buttons)))
    assert (kind(body), len(shown(body))) == (expected, count)
    assert words(body) == "x" * length
    assert [choice for choice, _ in shown(body)] == [key.choice for key in buttons][:count]


REFUSED: dict[str, Parcel] = {
    "no text": parcel(""),
    "blanks": parcel(" \n "),
    "a text too long": parcel("x" * (LONG + 1)),
    "a text too long with its link": parcel("x" * LONG, RenderedButton("Abrir", url="https://a.mx")),
    "eleven buttons": parcel("hola", *keys(11)),
    "a menu without name": parcel("hola", *keys(4), menu=""),
    "a choice too long for a row": parcel("hola", *keys(3), RenderedButton("otro", "x" * 201)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_message_can_carry_is_refused_before_it_is_sent(name: str) -> None:
    with pytest.raises(Refused):
        whatsapp_messages.free(REFUSED[name])


def test_an_aside_is_left_out_where_a_list_has_no_room_for_it() -> None:
    body = taken(whatsapp_messages.free(parcel("hola", *keys(10), *keys(1, 20, is_aside=True))))
    assert [choice for choice, _ in shown(body)] == [f"go:{number}" for number in range(10)]


# ---------------------------------------------------------------- words and marks


def test_emphasis_becomes_whatsapps_and_titles_have_none() -> None:
    text = f"{BOLD}Hola{UNBOLD}, {ITALIC}hoy{UNITALIC}"
    button = RenderedButton(f"{BOLD}Sí{UNBOLD}", "yes")
    body = taken(whatsapp_messages.free(parcel(text, button)))
    assert words(body) == "*Hola*, _hoy_"
    assert shown(body) == [("yes", "Sí")]


def test_a_link_stands_below_the_text_as_whatsapp_has_no_room_for_it_beside_buttons() -> None:
    body = taken(
        whatsapp_messages.free(parcel("Hay novedades", RenderedButton("Leer", url="https://a.mx/c#l=es"), *keys(1)))
    )
    assert words(body) == "Hay novedades\n\nLeer:\nhttps://a.mx/c#l=es"
    assert [choice for choice, _ in shown(body)] == ["go:0"]


def test_a_longer_text_of_a_button_is_cut_to_its_row() -> None:
    hints = [
        RenderedButton("A", "a:1", hint="corto"),
        RenderedButton("B", "a:2", hint="x" * 72),
        RenderedButton("C", "a:3", hint="y" * 73),
    ]
    body = taken(whatsapp_messages.free(parcel("hola", *hints, RenderedButton("D", "a:4"))))
    (section,) = body["interactive"]["action"]["sections"]
    assert [row.get("description") for row in section["rows"]] == ["corto", "x" * 72, "y" * 71 + "…", None]
    assert body["interactive"]["action"]["button"] == "Elegir"


SAME: dict[str, tuple[tuple[RenderedButton, ...], list[tuple[str, str]]]] = {
    "the same title": (
        (RenderedButton("Sí", "a"), RenderedButton("Sí", "b"), RenderedButton("No", "c")),
        [("a", "Sí"), ("c", "No")],
    ),
    "the same choice": (
        (RenderedButton("Sí", "a"), RenderedButton("Claro", "a"), RenderedButton("No", "c")),
        [("a", "Sí"), ("c", "No")],
    ),
    "all the same": ((RenderedButton("Sí", "a"),) * 4, [("a", "Sí")]),
}


@pytest.mark.parametrize("name", SAME)
def test_of_two_buttons_that_read_or_do_the_same_the_first_stays(name: str) -> None:
    buttons, expected = SAME[name]
    assert shown(taken(whatsapp_messages.free(parcel("hola", *buttons)))) == expected


def test_of_two_that_do_the_same_the_needed_one_stays() -> None:
    body = taken(whatsapp_messages.free(parcel("hola", RenderedButton("Salir", "go:0", is_aside=True), *keys(4))))
    assert {choice for choice, _ in shown(body)} == {"go:0", "go:1", "go:2", "go:3"}


# ---------------------------------------------------------------- templates


def test_a_template_carries_its_values_and_what_its_buttons_bring_back() -> None:
    opening = RenderedTemplate("pregunta_completa", "es_MX", ("Regalos", "Hoy"), ("answer:7:a", "answer:7:b"))
    assert taken(whatsapp_messages.template(parcel(), opening)) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "recipient": USER,
        "type": "template",
        "template": {
            "name": "pregunta_completa",
            "language": {"code": "es_MX"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": one} for one in ("Regalos", "Hoy")]},
                *(
                    {
                        "type": "button",
                        "sub_type": "quick_reply",
                        "index": f"{place}",
                        "parameters": [{"type": "payload", "payload": f"answer:7:{letter}"}],
                    }
                    for place, letter in enumerate("ab")
                ),
            ],
        },
        "biz_opaque_callback_data": "7",
    }


def test_a_template_without_values_and_buttons_has_no_components() -> None:
    body = taken(whatsapp_messages.template(parcel(), RenderedTemplate("novedades_consulta", "es_MX")))
    assert body["template"] == {"name": "novedades_consulta", "language": {"code": "es_MX"}}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_of_ours_can_be_sent_with_its_samples(library: Library, language: str) -> None:
    for one in library.templates.values():
        side = one.translation(language)
        choices = tuple(f"profile:today:{place}" for place, _ in enumerate(side.buttons))
        opening = RenderedTemplate(one.name, one.code(language), one.filled(language, dict(side.samples)), choices)
        body = taken(whatsapp_messages.template(parcel(address=PHONE), opening))
        assert len(body["template"]["components"]) == bool(one.variables) + len(choices)


# ---------------------------------------------------------------- whatever is said


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Co", "Cc")), min_size=1)
HINTS = st.one_of(st.just(""), st.just("x" * 200), WORDS.map(lambda text: text[:110]))
LINK = RenderedButton("Abrir", url="https://integra.guanajuato.gob.mx/c#l=es")
KEYS = st.one_of(
    st.builds(
        lambda title, does, hint: RenderedButton(f"{title}. León", f"answer:{does}:a", hint=hint),
        st.integers(0, 99),
        st.integers(0, 30),
        HINTS,
    ),
    st.integers(0, 9).map(lambda number: RenderedButton(f"Otra {number}", f"why:{number}", is_aside=True)),
    st.just(LINK),
)
TEXTS = st.one_of(
    WORDS,
    st.integers(1, 4200).map(lambda length: "x" * length),
    st.sampled_from([f"{BOLD}a{UNBOLD} {ITALIC}b{UNITALIC}" * 9, "\n\n", "a\n\nb"]),
)
PARCELS = st.builds(
    lambda text, buttons, address, number: parcel(text, *buttons, address=address, number=number),
    TEXTS,
    st.lists(KEYS, max_size=12),
    st.sampled_from([USER, PHONE]),
    st.integers(0, 2**63),
)


@settings(max_examples=100, deadline=None)
@given(PARCELS)
def test_whatever_is_said_is_taken_or_refused_before_it_is_sent(one: Parcel) -> None:
    try:
        body = whatsapp_messages.free(one)
    except Refused:
        choices = {key.choice for row in one.rows for key in row if key.choice}
        assert len(choices) > 10 or len(one.text) > 3000 or not one.text.strip()
        return
    taken(body)
    needed = {key.choice for row in one.rows for key in row if key.choice and not key.is_aside}
    titles = {title for _, title in shown(body)}
    lost = needed - {choice for choice, _ in shown(body)}
    for row in one.rows:
        for key in row:
            assert key.choice not in lost or key.label in titles, "lost, and nothing reads the same"
            assert not key.url or key.url in words(body)
    for mark in (BOLD, UNBOLD, ITALIC, UNITALIC):
        assert mark not in json.dumps(body, ensure_ascii=False)


@settings(max_examples=100, deadline=None)
@given(PARCELS)
def test_whatever_is_said_is_what_metas_schema_describes(one: Parcel) -> None:
    if rules.message_schema() is None:
        pytest.skip(rules.SCHEMA_MISSING)
    try:
        body = whatsapp_messages.free(one)
    except Refused:
        assume(False)
    assert rules.schema_violation(body) == ""


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(WORDS.map(lambda text: text[:200]), max_size=5),
    choices=st.lists(st.integers(0, 10**9).map(lambda number: f"answer:{number}:a"), max_size=3),
    address=st.sampled_from([USER, PHONE]),
)
def test_whatever_fills_a_template_is_what_metas_schema_describes(
    values: list[str], choices: list[str], address: str
) -> None:
    body = whatsapp_messages.template(
        parcel(address=address), RenderedTemplate("pregunta_diaria", "es_MX", tuple(values), tuple(choices))
    )
    taken(body)
    if rules.message_schema() is None:
        pytest.skip(rules.SCHEMA_MISSING)
    assert rules.schema_violation(body) == ""


def test_the_limits_are_those_of_the_platform() -> None:
    ours = whatsapp_messages
    assert (ours.MAX_TEXT, ours.MAX_WITH_BUTTONS) == (rules.TEXT, rules.BODY)
    assert (ours.MAX_TEXT, ours.MAX_ROWS) == (rules.LIST_BODY, rules.ROWS)
    assert (ours.MAX_BUTTONS, ours.MAX_BUTTON) == (rules.BUTTONS, rules.BUTTON_TITLE)
    assert (ours.MAX_ROW_TITLE, ours.MAX_ROW_ABOUT, ours.MAX_ROW_ID) == (
        rules.ROW_TITLE,
        rules.ROW_DESCRIPTION,
        rules.ROW_ID,
    )


@given(st.text(max_size=140))
def test_what_counts_as_a_user_id(text: str) -> None:
    is_one = re.fullmatch(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}", text) is not None
    assert whatsapp_messages.is_scoped(text) is is_one
    assert whatsapp_messages.is_scoped(USER)
