"""Asking to stop and distress, as typed: the confirmation or the doors, at once and in every state of the record."""

import pytest

from handlers.context import Context
from handlers.orientation import faq
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk, choices, text_of
from tests.handlers.test_router import with_notice

STOPS = [
    "Stop. Gracias",
    "ya no quiero recibir mensajes",
    "quiero darme de baja",
    "ya no",
    "basta",
    "please unsubscribe me",
]
THREAT = "mi jefe me amenaza con correrme"
BOTH = "ya no quiero mensajes, mi jefe me amenaza"
DOORS = "Hay quien puede ayudarte; estas son las puertas"


async def test_asking_to_stop_gets_the_confirmation_and_does_nothing_by_itself(talk: Talk) -> None:
    await talk.enrol(ANA)
    before = await talk.servant(ANA)
    for text in STOPS:
        replies = await talk.type(ANA, text)
        assert text_of(replies) == talk.phrase("leave.ask"), text
        assert choices(replies)[:2] == ["leave:yes", "leave:no"]
        assert await talk.servant(ANA) == before
        await talk.press(ANA, "leave:no")
        assert await talk.servant(ANA) == before
    await talk.press(ANA, "leave:yes")
    assert await talk.servant(ANA) is None


async def test_a_pause_is_offered_beside_the_confirmation(talk: Talk) -> None:
    await talk.enrol(ANA)
    assert choices(await talk.type(ANA, "ya no me manden mensajes")) == ["leave:yes", "leave:no", "profile:pause"]
    assert "profile:pause:7" in choices(await talk.press(ANA, "profile:pause"))


async def test_before_a_newer_notice_stopping_and_help_are_possible(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    assert choices(await talk.type(ANA, "ya no quiero recibir mensajes")) == ["leave:yes", "leave:no"], "no pause yet"
    assert DOORS in text_of(await talk.type(ANA, THREAT))
    await talk.press(ANA, "leave:yes")
    assert await talk.servant(ANA) is None


async def test_who_is_not_enrolled_hears_that_no_questions_come(talk: Talk) -> None:
    for text in ("ya no me manden mensajes", "Stop. Gracias"):
        assert text_of(await talk.type(BETO, text)) == talk.phrase("leave.stranger"), text
    assert await talk.servant(BETO) is None
    assert await talk.tick() == 0


async def test_distress_gets_the_doors_and_never_the_self_assessment(talk: Talk) -> None:
    await talk.enrol(ANA)
    for text in (THREAT, "me obligan a firmar", "since I reported it they moved me", "me acosan"):
        for who in (ANA, BETO):
            replies = await talk.type(who, text)
            shown = text_of(replies)
            assert shown.startswith(DOORS), text
            assert all(door.line("es") in shown for door in talk.library.doors)
            assert "Ningún hecho es demasiado poco y no tienes que encarar a nadie" in shown
            assert choices(replies) == ["consult:start"]


async def test_distress_in_english_has_its_first_line(talk: Talk) -> None:
    await talk.enrol(ANA, language="en")
    assert text_of(await talk.type(ANA, "my boss is threatening me")).startswith("There is help; these are the doors")


async def test_being_forced_is_answered_without_sending_anyone_to_their_superior(talk: Talk) -> None:
    await talk.enrol(ANA)
    shown = text_of(await talk.type(ANA, "me obligan a dar una parte de mi quincena"))
    assert talk.library.faq.entries["me-obligan"].answer.es in shown


async def test_distress_comes_before_stopping_which_is_offered_below(talk: Talk) -> None:
    assert choices(await talk.type(BETO, BOTH)) == ["consult:start"], "nothing to leave"
    await talk.enrol(ANA)
    replies = await talk.type(ANA, BOTH)
    assert text_of(replies).startswith(DOORS)
    assert choices(replies) == ["consult:start", "leave:ask"]
    assert choices(await talk.press(ANA, "leave:ask"))[:2] == ["leave:yes", "leave:no"]


async def test_neither_reaches_the_questions_and_their_counters(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    await talk.enrol(ANA)
    before = {name: await talk.count(name) for name in ("prompts", "answers", "packed_memories", "servants")}
    asked: list[str] = []

    async def counted(context: Context) -> None:
        asked.append(context.update.text)

    for handle in ("handle_text", "handle_support"):
        monkeypatch.setattr(faq, handle, counted)
    for text in (THREAT, BOTH, "ya no quiero recibir mensajes", "¿a quién acudo si me acosan?"):
        for who in (ANA, BETO):
            await talk.type(who, text)
    assert asked == []
    await talk.type(ANA, "¿qué es un conflicto?")
    assert asked == ["¿qué es un conflicto?"], "the others would have been seen"
    assert {name: await talk.count(name) for name in before} == before


async def test_where_to_turn_is_named_where_queries_are_closed(talk: Talk) -> None:
    await talk.type(BETO, THREAT)
    closed = text_of(await talk.press(BETO, "consult:start"))
    for office in ("órgano interno de control", "comité de ética"):
        assert office in closed
        assert office in talk.library.phrases.template("es", "letterbox.closed")
    assert "no tienes que hablarlo antes con tu jefatura" in closed
