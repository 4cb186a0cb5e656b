"""Rendering of messages, the format of the outbox, and idempotency of triggers."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content import library as shipped
from content import limits
from content.course.assessment import SheetAnswer
from content.library import Library
from content.phrases import Phrases, UnknownPhrase
from content.text import LANGUAGES, Text
from handlers import outgoing
from handlers.context import WorkContext
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, Action, Button, Message, Parcel, RenderedButton
from handlers.orientation import assess
from handlers.outgoing import Recipient, Trigger
from storage.database import Database
from storage.queue import outbox
from tests.cast import MONDAY_NINE
from tests.handlers.conversation import INSTALLATION
from tests.opened_deliveries import opened

LIBRARY = shipped.load()
ANA = Recipient("telegram", "100001", "es")
MARKS = (BOLD, UNBOLD, ITALIC, UNITALIC)
PHRASES = Phrases(
    {
        language: {
            "say.plain": "Hola {name}",
            "say.strong": "**Hola {name}**, __hoy__ y **mañana**",
            "say.long": "x" * 4000,
            "button.go": "Sigue {name}",
        }
        for language in LANGUAGES
    }
)
CHARACTERS = st.one_of(st.sampled_from([*MARKS, *"{}*_<>&"]), st.characters(codec="utf-8"))
VALUES = st.lists(CHARACTERS, max_size=40).map("".join)


@pytest.fixture
def small() -> Library:
    return replace(LIBRARY, articles={}, topics={}, scenarios={}, phrases=PHRASES, institutions=())


def render(library: Library, key: str, *rows: tuple[Button, ...], language: str = "es", **values: str | Text) -> Parcel:
    recipient = Recipient("telegram", "100001", language)
    return outgoing.render(library, recipient, Message(key, values, rows), Action.SEND)


def test_emphasis_is_marked_so_that_a_channel_can_escape_first(small: Library) -> None:
    parcel = render(small, "say.strong", name="Ana")
    assert parcel.text == f"{BOLD}Hola Ana{UNBOLD}, {ITALIC}hoy{UNITALIC} y {BOLD}mañana{UNBOLD}"


@given(VALUES)
def test_no_value_can_bring_emphasis_or_placeholders_of_its_own(value: str) -> None:
    small = replace(LIBRARY, articles={}, topics={}, scenarios={}, phrases=PHRASES, institutions=())
    text = render(small, "say.strong", name=value).text
    assert [character for character in text if character in MARKS] == [BOLD, UNBOLD, ITALIC, UNITALIC, BOLD, UNBOLD]
    inside = text[len(f"{BOLD}Hola ") : text.index(UNBOLD)]
    assert inside == "".join(character for character in value if character not in MARKS)


def test_bilingual_values_are_rendered_in_the_recipients_language(small: Library) -> None:
    name = Text(es="mundo", en="world")
    assert [render(small, "say.plain", name=name, language=language).text for language in LANGUAGES] == [
        "Hola mundo",
        "Hola world",
    ]


def test_a_missing_phrase_raises_an_error_that_names_it(small: Library) -> None:
    with pytest.raises(UnknownPhrase, match=r"say\.nothing"):
        render(small, "say.nothing")
    with pytest.raises(UnknownPhrase, match=r"button\.nothing"):
        render(small, "say.plain", (Button("button.nothing"),), name="x")


def test_texts_over_the_limit_are_cut_with_an_ellipsis(small: Library) -> None:
    button = Button("button.go", "go:1", {"name": "a" * 40})
    cut = render(small, "say.long", (button,))
    assert len(cut.text) == limits.TEXT_WITH_BUTTONS
    assert cut.text.endswith("…")
    ((rendered,),) = cut.rows
    assert rendered.label == "Sigue " + "a" * 13 + "…"
    assert len(render(small, "say.long").text) == 4000


def test_empty_rows_are_left_out(small: Library) -> None:
    assert render(small, "say.plain", (), (Button("button.go", "go", {"name": "x"}),), (), name="x").rows == (
        (RenderedButton("Sigue x", "go"),),
    )


BUTTONS = st.builds(RenderedButton, VALUES, VALUES, VALUES, VALUES)
PARCELS = st.builds(
    Parcel,
    address=st.just("100001"),
    action=st.sampled_from(Action),
    text=VALUES,
    rows=st.lists(st.lists(BUTTONS, max_size=3).map(tuple), max_size=3).map(tuple),
    ref=VALUES,
    press=VALUES,
    token=st.just("daily:1"),
)


@given(PARCELS)
def test_packing_a_parcel_is_reversible(parcel: Parcel) -> None:
    assert outgoing.unpack("100001", "daily:1", outgoing.pack(parcel)) == parcel


async def test_a_trigger_enqueues_its_messages_once(database: Database, library: Library) -> None:
    trigger = Trigger("daily:2026-11-23:1", outbox.DeliveryKind.PROMPT, MONDAY_NINE + timedelta(hours=4))
    messages = [Message("leave.stayed"), Message("leave.done")]
    for _ in range(2):
        async with database.write() as tx:
            await outgoing.enqueue(WorkContext(tx, library, INSTALLATION, MONDAY_NINE), ANA, trigger, messages)
    async with database.read() as tx:
        rows = await opened(tx)
    assert [json.loads(row["body"])[1] for row in rows] == [
        library.phrases.template("es", message.key) for message in messages
    ]
    assert {(row["kind"], row["deadline"]) for row in rows} == {("prompt", MONDAY_NINE + timedelta(hours=4))}


async def test_only_a_replacing_message_edits_the_pressed_one(database: Database, library: Library) -> None:
    messages = [Message("leave.stayed", replaces=True), Message("leave.done")]
    async with database.write() as tx:
        for number, ref in enumerate(("55", "")):
            trigger = Trigger(f"telegram:{number}", outbox.DeliveryKind.REPLY)
            work = WorkContext(tx, library, INSTALLATION, MONDAY_NINE)
            await outgoing.enqueue(work, ANA, trigger, messages, ref=ref)
        parcels = [outgoing.unpack("1", "k", row["body"]) for row in await opened(tx)]
    assert [(parcel.action, parcel.ref) for parcel in parcels] == [
        (Action.REPLACE, "55"),
        (Action.SEND, ""),
        (Action.SEND, ""),
        (Action.SEND, ""),
    ]


async def test_the_acknowledgement_of_a_press_expires_soon(database: Database, library: Library) -> None:
    trigger = Trigger("telegram:1", outbox.DeliveryKind.REPLY)
    async with database.write() as tx:
        work = WorkContext(tx, library, INSTALLATION, MONDAY_NINE)
        await outbox.add(tx, outgoing.acknowledgement(work, ANA, trigger, "press-1"))
        (row,) = await opened(tx)
    assert row["deadline"] == MONDAY_NINE + outgoing.PRESS_LIFETIME
    parcel = outgoing.unpack("1", "k", row["body"])
    assert (parcel.action, parcel.press, parcel.text) == (Action.ACKNOWLEDGE, "press-1", "")


# ---------------------------------------------------------------- the shipped course


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_question_of_the_self_assessment_fits_every_channel(language: str) -> None:
    for question in LIBRARY.assessment.questions:
        sheet = dict.fromkeys(("q1", "q2", "q3"), SheetAnswer.UNSURE)
        parcel = outgoing.render(
            LIBRARY,
            Recipient("telegram", "1", language),
            assess._question(LIBRARY, sheet, question.id),
            Action.SEND,
        )
        assert question.text.in_language(language) in parcel.text
        assert len(parcel.text) < limits.TEXT_WITH_BUTTONS
        assert all(len(button.choice.encode()) <= limits.CHOICE_BYTES for row in parcel.rows for button in row)
