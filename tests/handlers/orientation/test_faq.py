"""A short question typed in the chat is answered from the FAQ; other texts are handled as without it."""

import json
from itertools import combinations

import pytest
from sqlalchemy import select

from content import limits
from content.course.faq import FaqEntry
from content.library import Library
from content.text import LANGUAGES
from handlers import outgoing
from handlers.message import BOLD, ITALIC, UNBOLD, UNITALIC, Action, Parcel, UpdateKind
from handlers.orientation import faq
from handlers.outgoing import Recipient
from storage import schema
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk, choices, text_of
from tests.handlers.test_router import with_notice

GIFT = "puedo aceptar un regalo de un proveedor"


def entry(library: Library, name: str) -> FaqEntry:
    return library.faq.entries[name]


async def test_a_question_gets_the_two_best_entries_and_the_self_assessment(talk: Talk) -> None:
    await talk.enrol(ANA)
    (reply,) = await talk.type(ANA, GIFT)
    text = text_of([reply])
    first, second = talk.library.faq.find(GIFT, "es")
    for found in (first, second):
        assert found.question.es in text
        assert found.answer.es in text
        for article in found.articles:
            assert talk.library.articles[article].label("es") in text
    assert text.index(first.question.es) < text.index(second.question.es)
    assert choices([reply]) == ["assess:start"]


async def test_a_question_with_one_good_entry_gets_that_one(talk: Talk) -> None:
    await talk.enrol(ANA)
    faq = talk.library.faq
    question = next(known.question.es for known in faq.entries.values() if len(faq.find(known.question.es, "es")) == 1)
    (only,) = faq.find(question, "es")
    (reply,) = await talk.type(ANA, question)
    assert only.answer.es in reply.text
    assert choices([reply]) == ["assess:start"]


async def test_the_answer_is_in_the_language_that_the_servant_reads(talk: Talk) -> None:
    await talk.enrol(ANA, language="en")
    gift = entry(talk.library, "aceptar-regalo")
    assert gift.answer.en in text_of(await talk.type(ANA, GIFT))
    assert gift.answer.en in text_of(await talk.type(ANA, "can I accept a gift from a supplier?"))


async def test_a_stranger_may_ask_too_and_is_not_enrolled_by_it(talk: Talk) -> None:
    gift = entry(talk.library, "aceptar-regalo")
    assert gift.answer.es in text_of(await talk.type(BETO, GIFT))
    assert await talk.servant(BETO) is None


OTHER_TEXTS = [
    ("hola", "enroll.back"),
    ("gracias", "help.text"),
    ("mi primo trabaja en obra pública", "help.text"),
    ("¿a qué hora abre el banco?", "help.text"),
    ("¿quién ganó el partido de ayer?", "help.text"),
    ("ayuda", "help.servant"),
    ("¿ayuda?", "help.servant"),
    ("tengo una duda", "assess.intro"),
    ("conflicto de interés", "assess.intro"),
    ("¿Pregunta del día?", "prompt.ask"),
]


@pytest.mark.parametrize(("text", "key"), OTHER_TEXTS)
async def test_a_text_that_is_no_question_or_matches_no_entry_is_handled_as_other_text(
    talk: Talk, text: str, key: str
) -> None:
    await talk.enrol(ANA)
    beginning = talk.library.phrases.template("es", key).replace("**", "").split("{")[0].strip()
    assert beginning in text_of(await talk.type(ANA, text))


async def test_a_long_text_is_dropped_even_if_it_asks(talk: Talk) -> None:
    await talk.enrol(ANA)
    erased, reply = await talk.send_update(ANA, UpdateKind.LONG_TEXT, ref="77")
    assert erased.action is Action.ERASE
    assert reply.text == talk.phrase("help.long_text")


async def test_a_stranger_who_names_an_institution_or_a_code_still_joins(talk: Talk) -> None:
    for text in ("LEON", "¿LEON?", "león"):
        assert "enroll:" in choices(await talk.type(BETO, text))[0], text


async def test_a_letter_still_answers_the_prompt(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.type(ANA, "a")
    assert len(await talk.answers(ANA)) == 1


async def test_a_newer_notice_comes_before_an_answer(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    assert text_of(await talk.type(ANA, GIFT)) == talk.phrase("enroll.renew")


async def test_the_question_is_neither_stored_nor_repeated(talk: Talk) -> None:
    await talk.enrol(ANA)
    canary = "zqxcanarioqxz"
    replies = await talk.type(ANA, f"¿puedo aceptar un regalo del proveedor {canary}?")
    assert entry(talk.library, "aceptar-regalo").answer.es in text_of(replies)
    async with talk.database.read() as tx:
        for table in schema.metadata.sorted_tables:
            rows = [tuple(row) for row in await tx.execute(select(table))]
            assert canary not in json.dumps(rows, default=str, ensure_ascii=False), table.name
    assert canary not in repr(vars(talk.library.faq))


# ---------------------------------------------------------------- harassment, threats, reprisals

SUPPORTED = [
    ("me acosan", "me-acosan"),
    ("Acoso", "me-acosan"),
    ("mi jefe me acosa", "mi-jefatura-me-hostiga"),
    ("hostigamiento", "mi-jefatura-me-hostiga"),
    ("vi que acosan a una compañera", "vi-que-acosan"),
    ("alguien de mi equipo se queja de acoso, ¿qué hago?", "recibo-queja-de-acoso"),
    ("mi jefe me humilla enfrente de todos", "violencia-en-el-trabajo"),
    ("me amenazaron por denunciar", "represalias"),
    ("mi jefe me amenaza con correrme si digo algo", "violencia-en-el-trabajo"),
    ("me obligan a firmar", "me-obligan"),
    ("tengo miedo", "violencia-en-el-trabajo"),
    ("harassment", "me-acosan"),
    ("el comité de ética me puede ayudar con un problema de acoso", "mi-jefatura-me-hostiga"),
]


@pytest.mark.parametrize(("text", "name"), SUPPORTED)
async def test_support_comes_with_the_doors_and_without_the_conflict_test(talk: Talk, text: str, name: str) -> None:
    await talk.enrol(ANA)
    replies = await talk.type(ANA, text)
    shown = text_of(replies)
    found = entry(talk.library, name)
    assert shown.startswith("Hay quien puede ayudarte")
    assert found.answer.es in shown
    assert all(door.line("es") in shown for door in talk.library.doors)
    assert all(talk.library.articles[article].label("es") in shown for article in found.articles)
    assert choices(replies) == ["consult:start"], "no self-assessment"
    assert "debe denunciar" in shown, "the limit of a query"


async def test_support_is_given_to_a_stranger_and_before_a_newer_notice(talk: Talk) -> None:
    assert "Hay quien puede ayudarte" in text_of(await talk.type(BETO, "mi jefa me acosa"))
    assert await talk.servant(BETO) is None
    await talk.enrol(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    assert "Hay quien puede ayudarte" in text_of(await talk.type(ANA, "me acosan"))


async def test_no_institution_is_taken_for_a_call_for_help(talk: Talk) -> None:
    names = {part for one in talk.library.institutions for part in (one.code, one.name, one.name.split()[-1])}
    assert not [name for name in names if any(found.path for found in talk.library.faq.find(name, "es"))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_answer_on_harassment_sends_anyone_to_their_superior_or_to_the_test(library: Library, language: str) -> None:
    found = [one for one in library.faq.entries.values() if one.path]
    assert {one.id for one in found} >= {
        "me-acosan",
        "mi-jefatura-me-hostiga",
        "vi-que-acosan",
        "recibo-queja-de-acoso",
    }
    for one in found:
        answer = one.answer.in_language(language).lower()
        assert not any(word in answer for word in ("autoevaluación", "self-assessment", "informa a tu jefatura"))
        parcels = [
            outgoing.render(library, Recipient("web", "1", language), message, Action.SEND)
            for message in faq.support_messages(library, one)
        ]
        assert not any(parcel.text.endswith("…") for parcel in parcels)


def rendered(library: Library, found: tuple[FaqEntry, ...], language: str) -> Parcel:
    return outgoing.render(library, Recipient("web", "1", language), faq.entries_message(library, found), Action.SEND)


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_two_entries_fit_one_message_with_a_button(library: Library, language: str) -> None:
    entries = [found for found in library.faq.entries.values() if found.path is None]
    entries.sort(key=lambda found: len(rendered(library, (found,), language).text), reverse=True)
    pairs = [*((found,) for found in entries), *combinations(entries[:6], 2)]
    for pair in pairs:
        parcel = rendered(library, pair, language)
        assert not parcel.text.endswith("…")
        assert len(parcel.text) <= limits.TEXT_WITH_BUTTONS
        assert all(found.answer.in_language(language) in parcel.text for found in pair)
        assert parcel.text.count(BOLD) == parcel.text.count(UNBOLD) == len(pair)
        assert parcel.text.count(ITALIC) == parcel.text.count(UNITALIC) == 1
