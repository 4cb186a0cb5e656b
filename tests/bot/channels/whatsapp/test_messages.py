"""Cloud API messages built from parcels are within the limits of the platform and carry every button they can."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bot.channels.channel import Refused
from bot.channels.whatsapp import messages as whatsapp_messages
from bot.channels.whatsapp.fields import UNRECORDED
from content.library import Library
from content.text import LANGUAGES
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, Action, Parcel, RenderedButton, RenderedTemplate
from tests.fakes import whatsapp_rules as rules

USER, PHONE = "MX.13491208655302741918", "+524771000001"
Rows = tuple[tuple[RenderedButton, ...], ...]


def parcel(
    text: str = "hola", *keys: RenderedButton, address: str = USER, menu: str = "Elegir", number: int = 7
) -> Parcel:
    return Parcel(address, Action.SEND, text, tuple((key,) for key in keys), number=number, menu=menu)


def keys(count: int, start: int = 0, *, is_optional: bool = False) -> tuple[RenderedButton, ...]:
    return tuple(
        RenderedButton(f"botón {number}", f"go:{number}", is_optional=is_optional)
        for number in range(start, start + count)
    )


def accepted(body: dict[str, Any]) -> dict[str, Any]:
    """The body, if the Graph API would accept it by the limits in the fake."""
    rules.read_message(json.loads(json.dumps(body)))
    return body


def kind(body: dict[str, Any]) -> str:
    return str(body["interactive"]["type"] if body["type"] == "interactive" else body["type"])


def shown_buttons(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Id and title of each button or row."""
    action = body.get("interactive", {}).get("action", {})
    replies = [button["reply"] for button in action.get("buttons", [])]
    rows = [row for section in action.get("sections", []) for row in section["rows"]]
    return [(item["id"], item["title"]) for item in (*replies, *rows)]


def body_text(body: dict[str, Any]) -> str:
    """The text above the buttons."""
    return str(body["text"]["body"] if body["type"] == "text" else body["interactive"]["body"]["text"])


# ---------------------------------------------------------------- recipient


def test_the_recipient_is_given_in_one_field_only() -> None:
    assert accepted(whatsapp_messages.free_form(parcel())) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "recipient": USER,
        "type": "text",
        "text": {"body": "hola", "preview_url": False},
        "biz_opaque_callback_data": "7",
    }
    by_phone = accepted(whatsapp_messages.free_form(parcel(address=PHONE, number=0)))
    assert by_phone["to"] == PHONE
    assert not {"recipient", "biz_opaque_callback_data"} & by_phone.keys()
    unrecorded = accepted(whatsapp_messages.free_form(replace(parcel(number=0), leaves_no_row=True)))
    assert unrecorded["biz_opaque_callback_data"] == UNRECORDED, "returned with its receipts, which are ignored by it"
    assert accepted(whatsapp_messages.free_form(parcel(address="MX.ENT.11815799212886844830")))["recipient"].startswith(
        "MX.ENT"
    )


INVALID_ADDRESSES = [
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


@pytest.mark.parametrize("address", INVALID_ADDRESSES)
def test_an_invalid_address_is_refused_and_not_quoted(address: str) -> None:
    with pytest.raises(Refused) as refused:
        whatsapp_messages.free_form(parcel(address=address))
    assert not address or address not in str(refused.value)
    with pytest.raises(Refused):
        whatsapp_messages.template(parcel(address=address), RenderedTemplate("pregunta_diaria", "es_MX"))


# ---------------------------------------------------------------- message types


SHORT, LONG = 1024, 4096
KINDS: dict[str, tuple[int, tuple[RenderedButton, ...], str, int]] = {  # characters, buttons; kind, buttons shown
    "text": (LONG, (), "text", 0),
    "one button": (SHORT, keys(1), "button", 1),
    "three buttons": (SHORT, keys(3), "button", 3),
    "three buttons below a longer text": (SHORT + 1, keys(3), "list", 3),
    "four buttons": (10, keys(4), "list", 4),
    "ten buttons": (LONG, keys(10), "list", 10),
    "three and one aside": (10, (*keys(3), *keys(1, 5, is_optional=True)), "button", 3),
    "two and one aside": (10, (*keys(2), *keys(1, 5, is_optional=True)), "button", 3),
    "two and two aside": (10, (*keys(2), *keys(2, 5, is_optional=True)), "button", 2),
    "asides alone": (10, keys(2, is_optional=True), "button", 2),
    "four asides alone": (10, keys(4, is_optional=True), "text", 0),
    "an aside below a longer text": (SHORT + 1, keys(1, is_optional=True), "text", 0),
    "four and an aside": (10, (*keys(4), *keys(1, 5, is_optional=True)), "list", 5),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_message_type_follows_from_text_and_buttons(name: str) -> None:
    length, buttons, expected, count = KINDS[name]
    body = accepted(whatsapp_messages.free_form(parcel("x" * length, *buttons)))
    assert (kind(body), len(shown_buttons(body))) == (expected, count)
    assert body_text(body) == "x" * length
    assert [choice for choice, _ in shown_buttons(body)] == [key.choice for key in buttons][:count]


def option(number: int, *, is_aside: bool = False) -> RenderedButton:
    return RenderedButton(f"botón {number}", f"go:{number}", is_optional=is_aside)


ORDERS: dict[str, tuple[int, list[RenderedButton], str, list[int]]] = {  # characters, options; kind, numbers shown
    "buttons": (10, [option(2), option(1), option(3)], "button", [2, 1, 3]),
    "buttons, an aside first": (10, [option(3, is_aside=True), option(2), option(1)], "button", [3, 2, 1]),
    "buttons without asides": (
        10,
        [option(9, is_aside=True), option(2), option(8, is_aside=True), option(1)],
        "button",
        [2, 1],
    ),
    "a list": (SHORT + 1, [option(number) for number in (5, 3, 4)], "list", [5, 3, 4]),
    "a list, an aside in its middle": (
        10,
        [option(5), option(3), option(9, is_aside=True), option(4), option(1)],
        "list",
        [5, 3, 9, 4, 1],
    ),
    "a list without asides": (
        10,
        [option(20, is_aside=True), *(option(number) for number in range(9, -1, -1))],
        "list",
        list(range(9, -1, -1)),
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_options_are_shown_in_the_order_in_which_they_are_given(name: str) -> None:
    length, buttons, expected, numbers = ORDERS[name]
    body = accepted(whatsapp_messages.free_form(parcel("x" * length, *buttons)))
    assert kind(body) == expected
    assert shown_buttons(body) == [(f"go:{number}", f"botón {number}") for number in numbers]


def test_options_of_one_row_are_shown_in_their_order_and_before_the_next_row() -> None:
    rows = ((option(3), option(1)), (option(2),))
    body = accepted(whatsapp_messages.free_form(Parcel(USER, Action.SEND, "hola", rows, menu="Elegir")))
    assert [choice for choice, _ in shown_buttons(body)] == ["go:3", "go:1", "go:2"]


def test_several_links_are_written_in_their_order() -> None:
    links = [RenderedButton(label, url=f"https://{label.lower()}.mx") for label in ("Ver", "Abrir", "Leer")]
    body = accepted(whatsapp_messages.free_form(parcel("Hay", *links)))
    assert body_text(body) == "Hay\n\nVer:\nhttps://ver.mx\n\nAbrir:\nhttps://abrir.mx\n\nLeer:\nhttps://leer.mx"


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
def test_a_parcel_that_fits_no_message_is_refused_before_it_is_sent(name: str) -> None:
    with pytest.raises(Refused):
        whatsapp_messages.free_form(REFUSED[name])


def test_an_aside_is_left_out_where_a_list_has_no_room_for_it() -> None:
    body = accepted(whatsapp_messages.free_form(parcel("hola", *keys(10), *keys(1, 20, is_optional=True))))
    assert [choice for choice, _ in shown_buttons(body)] == [f"go:{number}" for number in range(10)]


# ---------------------------------------------------------------- texts and emphasis


def test_emphasis_is_written_as_whatsapp_does_and_removed_from_titles() -> None:
    text = f"{BOLD}Hola{UNBOLD}, {ITALIC}hoy{UNITALIC}"
    button = RenderedButton(f"{BOLD}Sí{UNBOLD}", "yes")
    body = accepted(whatsapp_messages.free_form(parcel(text, button)))
    assert body_text(body) == "*Hola*, _hoy_"
    assert shown_buttons(body) == [("yes", "Sí")]


def test_a_link_is_written_below_the_text_as_it_cannot_be_a_button() -> None:
    body = accepted(
        whatsapp_messages.free_form(
            parcel("Hay novedades", RenderedButton("Leer", url="https://a.mx/c#l=es"), *keys(1))
        )
    )
    assert body_text(body) == "Hay novedades\n\nLeer:\nhttps://a.mx/c#l=es"
    assert [choice for choice, _ in shown_buttons(body)] == ["go:0"]


def test_a_hint_is_cut_to_the_length_of_a_row_description() -> None:
    hints = [
        RenderedButton("A", "a:1", hint="corto"),
        RenderedButton("B", "a:2", hint="x" * 72),
        RenderedButton("C", "a:3", hint="y" * 73),
    ]
    body = accepted(whatsapp_messages.free_form(parcel("hola", *hints, RenderedButton("D", "a:4", hint=" "))))
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
def test_of_two_buttons_with_the_same_title_or_choice_the_first_is_used(name: str) -> None:
    buttons, expected = SAME[name]
    assert shown_buttons(accepted(whatsapp_messages.free_form(parcel("hola", *buttons)))) == expected


def test_of_two_with_the_same_choice_the_required_one_is_used() -> None:
    body = accepted(
        whatsapp_messages.free_form(parcel("hola", RenderedButton("Salir", "go:0", is_optional=True), *keys(4)))
    )
    assert shown_buttons(body)[0] == ("go:0", "botón 0")
    assert [choice for choice, _ in shown_buttons(body)] == ["go:0", "go:1", "go:2", "go:3"]


# ---------------------------------------------------------------- templates


def test_a_template_carries_its_values_and_the_payloads_of_its_buttons() -> None:
    rendered = RenderedTemplate("pregunta_completa", "es_MX", ("Regalos", "Hoy"), ("answer:7:b", "answer:7:a"))
    assert accepted(whatsapp_messages.template(parcel(), rendered)) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "recipient": USER,
        "type": "template",
        "template": {
            "name": "pregunta_completa",
            "language": {"code": "es_MX"},
            "components": [
                {"type": "body", "parameters": [{"type": "text", "text": value} for value in ("Regalos", "Hoy")]},
                *(
                    {
                        "type": "button",
                        "sub_type": "quick_reply",
                        "index": f"{index}",
                        "parameters": [{"type": "payload", "payload": f"answer:7:{letter}"}],
                    }
                    for index, letter in enumerate("ba")
                ),
            ],
        },
        "biz_opaque_callback_data": "7",
    }


def test_a_template_without_values_and_buttons_has_no_components() -> None:
    body = accepted(whatsapp_messages.template(parcel(), RenderedTemplate("novedades_consulta", "es_MX")))
    assert body["template"] == {"name": "novedades_consulta", "language": {"code": "es_MX"}}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_of_ours_can_be_sent_with_its_samples(library: Library, language: str) -> None:
    for template in library.templates.values():
        side = template.translation(language)
        choices = tuple(f"profile:today:{index}" for index, _ in enumerate(side.buttons))
        values = template.filled(language, dict(side.samples))
        rendered = RenderedTemplate(template.name, template.code(language), values, choices)
        body = accepted(whatsapp_messages.template(parcel(address=PHONE), rendered))
        assert len(body["template"]["components"]) == bool(template.variables) + len(choices)


# ---------------------------------------------------------------- properties


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
    st.integers(0, 9).map(lambda number: RenderedButton(f"Otra {number}", f"why:{number}", is_optional=True)),
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
def test_any_parcel_is_accepted_or_refused_before_it_is_sent(parcel: Parcel) -> None:
    try:
        body = whatsapp_messages.free_form(parcel)
    except Refused:
        choices = {key.choice for row in parcel.rows for key in row if key.choice}
        assert len(choices) > 10 or len(parcel.text) > 3000 or not parcel.text.strip()
        return
    accepted(body)
    required = {key.choice for row in parcel.rows for key in row if key.choice and not key.is_optional}
    titles = {title for _, title in shown_buttons(body)}
    lost = required - {choice for choice, _ in shown_buttons(body)}
    for row in parcel.rows:
        for key in row:
            assert key.choice not in lost or key.label in titles, "lost, and no other button has its title"
            assert not key.url or key.url in body_text(body)
    for mark in (BOLD, UNBOLD, ITALIC, UNITALIC):
        assert mark not in json.dumps(body, ensure_ascii=False)


@settings(max_examples=100, deadline=None)
@given(PARCELS)
def test_any_message_matches_metas_schema(parcel: Parcel) -> None:
    try:
        body = whatsapp_messages.free_form(parcel)
    except Refused:
        assume(False)
    assert rules.schema_violation(body) == ""


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(WORDS.map(lambda text: text[:200]), max_size=5),
    choices=st.lists(st.integers(0, 10**9).map(lambda number: f"answer:{number}:a"), max_size=3),
    address=st.sampled_from([USER, PHONE]),
)
def test_any_template_message_matches_metas_schema(values: list[str], choices: list[str], address: str) -> None:
    body = whatsapp_messages.template(
        parcel(address=address), RenderedTemplate("pregunta_diaria", "es_MX", tuple(values), tuple(choices))
    )
    accepted(body)
    assert rules.schema_violation(body) == ""


def test_the_limits_are_those_of_the_platform() -> None:
    ours = whatsapp_messages
    assert (ours.MAX_TEXT, ours.MAX_WITH_BUTTONS) == (rules.TEXT, rules.BODY)
    assert (ours.MAX_TEXT, ours.MAX_ROWS) == (rules.LIST_BODY, rules.ROWS)
    assert (ours.MAX_BUTTONS, ours.MAX_BUTTON) == (rules.BUTTONS, rules.BUTTON_TITLE)
    assert (ours.MAX_ROW_TITLE, ours.MAX_ROW_DESCRIPTION, ours.MAX_ROW_ID) == (
        rules.ROW_TITLE,
        rules.ROW_DESCRIPTION,
        rules.ROW_ID,
    )


@given(st.text(max_size=140))
def test_what_counts_as_a_user_id(text: str) -> None:
    expected = re.fullmatch(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}", text) is not None
    assert whatsapp_messages.is_user_id(text) is expected
    assert whatsapp_messages.is_user_id(USER)
