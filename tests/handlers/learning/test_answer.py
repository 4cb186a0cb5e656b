"""Answers by button and by letter, their feedback, confidence and effect on the memory."""

from dataclasses import replace

import pytest

from content.course.scenario import Scenario
from content.learning.memories import Review, replay
from handlers.learning.memories import review_of
from handlers.message import Action
from storage.learning import memories, record
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk, choices, text_of


async def enrolled_prompt(talk: Talk) -> tuple[int, Scenario]:
    """Enrol Ana; return the id of her first prompt and its scenario."""
    await talk.enrol(ANA)
    number = await talk.prompt(ANA)
    async with talk.database.read() as tx:
        prompt = await record.prompt(tx, number)
    assert prompt is not None
    return number, talk.library.scenarios[prompt.scenario_id]


def letters(scenario: Scenario) -> tuple[str, str]:
    """The right option and a wrong one."""
    return scenario.right_letter, next(letter for letter in "abc" if letter != scenario.right_letter)


async def test_an_answer_is_recorded_with_all_fields_of_the_reports(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    right, _ = letters(scenario)
    refreshed, reply = await talk.press(ANA, f"answer:{number}:{right}")
    (given,) = await talk.answers(ANA)
    assert (given.prompt_id, given.option, given.is_right, given.confidence) == (number, right, True, None)
    assert (given.scenario_id, given.competency_id) == (scenario.id, scenario.competency)
    assert given.day.isoformat() == "2026-11-23"
    assert given.answered_at == talk.now
    assert refreshed.action is Action.REPLACE
    assert refreshed.rows == ()
    assert f"➤ {right.upper()})" in refreshed.text
    option = scenario.option(right)
    assert option is not None
    assert option.why.es in reply.text
    assert scenario.todo.es in reply.text
    assert talk.library.articles[option.articles[0]].label("es") in reply.text


async def test_a_wrong_answer_names_the_better_one(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    right, wrong = letters(scenario)
    text = text_of(await talk.press(ANA, f"answer:{number}:{wrong}"))
    assert f"Conviene otra opción: {right.upper()}." in text
    (given,) = await talk.answers(ANA)
    assert not given.is_right


async def test_the_first_answer_stands(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    right, wrong = letters(scenario)
    await talk.press(ANA, f"answer:{number}:{wrong}")
    first = await talk.answers(ANA)
    replies = await talk.press(ANA, f"answer:{number}:{right}")
    assert talk.phrase("answer.stands", letter=wrong.upper()) in text_of(replies)
    assert "Bien elegido" not in text_of(replies)
    (refreshed,) = await talk.press(ANA, f"answer:{number}:{wrong}")  # the same button, pressed twice
    assert refreshed.action is Action.REPLACE
    assert talk.phrase("answer.stands", letter=wrong.upper()) in text_of(await talk.type(ANA, right))
    assert await talk.answers(ANA) == first
    async with talk.database.read() as tx:
        (remembered,) = (await memories.of(tx, [first[0].servant_id])).values()
    assert [remembered.memory] == replay([[review_of(first[0])]])


async def test_a_servant_cannot_answer_anothers_prompt(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    await talk.enrol(BETO)
    await talk.press(ANA, f"answer:{number}:{scenario.right_letter}")
    old = talk.phrase("help.old_button")
    for choice in (f"answer:{number}:a", f"sure:{number}:guess", f"why:{number}"):
        assert text_of(await talk.press(BETO, choice)) == old
    theirs = await talk.prompt(BETO)
    for choice in (f"answer:{theirs}:a", f"sure:{theirs}:guess", f"why:{theirs}"):
        assert text_of(await talk.press(ANA, choice)) == old
    (given,) = await talk.answers(ANA)
    assert (given.prompt_id, given.confidence) == (number, None)
    assert await talk.answers(BETO) == []


async def test_confidence_is_stored_once_and_changes_the_memory(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    replies = await talk.press(ANA, f"answer:{number}:{scenario.right_letter}")
    assert choices(replies) == [
        *(f"sure:{number}:{word}" for word in ("sure", "think", "guess")),
        f"why:{number}",
        f"reason:{number}",
    ]
    (noted,) = await talk.press(ANA, f"sure:{number}:guess")
    assert noted.action is Action.REPLACE
    assert "Anotado: Adiviné" in text_of([noted])
    assert choices([noted]) == [f"why:{number}", f"reason:{number}"]
    assert "Anotado: Adiviné" in text_of(await talk.press(ANA, f"sure:{number}:sure"))
    (given,) = await talk.answers(ANA)
    assert given.confidence == "guess"
    review = Review(given.day, scenario.competency, scenario.id, True, "guess")
    async with talk.database.read() as tx:
        remembered = (await memories.of(tx, [given.servant_id]))[given.servant_id]
    assert [remembered.memory] == replay([[review]]) != replay([[replace(review, confidence="")]])


async def test_confidence_without_an_answer_is_refused(talk: Talk) -> None:
    number, _ = await enrolled_prompt(talk)
    for choice in (f"sure:{number}:sure", f"why:{number}"):
        assert text_of(await talk.press(ANA, choice)) == talk.phrase("help.old_button")
    assert await talk.answers(ANA) == []


async def test_the_other_options_are_shown_with_their_explanations(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    right, _ = letters(scenario)
    await talk.press(ANA, f"answer:{number}:{right}")
    text = text_of(await talk.press(ANA, f"why:{number}"))
    for letter, option in zip("abcd", scenario.options, strict=False):
        assert (option.why.es in text) is (letter != right)


@pytest.mark.parametrize("text", ["{}", "{})", " {}. ", "¡{}!"])
async def test_a_letter_may_be_typed_instead_of_pressed(talk: Talk, text: str) -> None:
    number, scenario = await enrolled_prompt(talk)
    reply_text = text_of(await talk.type(ANA, text.format(scenario.right_letter.upper())))
    assert "Bien elegido" in reply_text
    (given,) = await talk.answers(ANA)
    assert (given.prompt_id, given.option) == (number, scenario.right_letter)


async def test_a_letter_without_option_or_prompt_gets_help(talk: Talk) -> None:
    await enrolled_prompt(talk)
    for text in ("e", "z", "ab", "1", "d"):
        reply_text = text_of(await talk.type(ANA, text))
        assert talk.phrase("help.text") in reply_text, text
    talk.clock.move(days=9)  # nothing was sent in the last seven days
    assert talk.phrase("help.text") in text_of(await talk.type(ANA, "a"))
    assert await talk.answers(ANA) == []


async def test_an_old_prompt_can_be_answered_and_counts_on_the_day_of_the_answer(talk: Talk) -> None:
    number, _ = await enrolled_prompt(talk)
    talk.clock.move(days=2)
    await talk.press(ANA, f"answer:{number}:a")
    (given,) = await talk.answers(ANA)
    assert given.day.isoformat() == "2026-11-25"


async def test_the_button_of_a_removed_scenario_is_an_old_button(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    others = {name: other for name, other in talk.library.scenarios.items() if name != scenario.id}
    talk.library = replace(talk.library, scenarios=others)
    assert text_of(await talk.press(ANA, f"answer:{number}:a")) == talk.phrase("help.old_button")
    assert text_of(await talk.command(ANA, "hoy")) == talk.phrase("prompt.answered_today")
    assert await talk.answers(ANA) == []


async def test_the_buttons_below_an_answer_are_old_ones_when_its_scenario_was_removed(talk: Talk) -> None:
    number, scenario = await enrolled_prompt(talk)
    await talk.press(ANA, f"answer:{number}:a")
    others = {name: other for name, other in talk.library.scenarios.items() if name != scenario.id}
    talk.library = replace(talk.library, scenarios=others)
    for choice in (f"why:{number}", f"sure:{number}:sure"):
        assert text_of(await talk.press(ANA, choice)) == talk.phrase("help.old_button"), choice
