from dataclasses import replace

import pytest

from content.course.scenario import Scenario
from content.learning import memory
from handlers.message import Action
from storage.learning import record
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk, choices, words


async def asked(talk: Talk) -> tuple[int, Scenario]:
    """Ana's prompt of today, right after she joined, with its scenario."""
    await talk.enrol(ANA)
    number = await talk.prompt(ANA)
    async with talk.database.read() as tx:
        prompt = await record.prompt(tx, number)
    assert prompt is not None
    return number, talk.library.scenarios[prompt.scenario_id]


def letters(scenario: Scenario) -> tuple[str, str]:
    """The right option and a wrong one."""
    return scenario.right_letter, next(letter for letter in "abc" if letter != scenario.right_letter)


async def test_an_answer_is_recorded_with_all_that_is_counted(talk: Talk) -> None:
    number, scenario = await asked(talk)
    right, _ = letters(scenario)
    kept, told = await talk.press(ANA, f"answer:{number}:{right}")
    (given,) = await talk.answers(ANA)
    assert (given.prompt_id, given.option, given.is_right, given.confidence) == (number, right, True, None)
    assert (given.scenario_id, given.competency_id) == (scenario.id, scenario.competency)
    assert given.day.isoformat() == "2026-11-23"
    assert given.answered_at == talk.now
    assert kept.act is Action.REPLACE
    assert kept.rows == ()
    assert f"➤ {right.upper()})" in kept.text
    option = scenario.option(right)
    assert option is not None
    assert option.why.es in told.text
    assert scenario.todo.es in told.text
    assert talk.library.articles[option.articles[0]].label("es") in told.text


async def test_a_wrong_answer_names_the_better_one(talk: Talk) -> None:
    number, scenario = await asked(talk)
    right, wrong = letters(scenario)
    told = words(await talk.press(ANA, f"answer:{number}:{wrong}"))
    assert f"Conviene otra opción: {right.upper()}." in told
    (given,) = await talk.answers(ANA)
    assert not given.is_right


async def test_the_first_answer_stands(talk: Talk) -> None:
    number, scenario = await asked(talk)
    right, wrong = letters(scenario)
    await talk.press(ANA, f"answer:{number}:{wrong}")
    first = await talk.answers(ANA)
    told = await talk.press(ANA, f"answer:{number}:{right}")
    assert talk.phrase("answer.stands", letter=wrong.upper()) in words(told)
    assert "Bien elegido" not in words(told)
    (again,) = await talk.press(ANA, f"answer:{number}:{wrong}")  # the same button, pressed twice
    assert again.act is Action.REPLACE
    assert talk.phrase("answer.stands", letter=wrong.upper()) in words(await talk.type(ANA, right))
    assert await talk.answers(ANA) == first
    async with talk.database.read() as tx:
        (remembered,) = (await record.memories_of(tx, first[0].servant_id)).values()
    assert remembered.repetitions == 1


async def test_nobody_answers_another_persons_prompt(talk: Talk) -> None:
    number, scenario = await asked(talk)
    await talk.enrol(BETO)
    await talk.press(ANA, f"answer:{number}:{scenario.right_letter}")
    old = talk.phrase("help.old_button")
    for choice in (f"answer:{number}:a", f"sure:{number}:guess", f"why:{number}"):
        assert words(await talk.press(BETO, choice)) == old
    theirs = await talk.prompt(BETO)
    for choice in (f"answer:{theirs}:a", f"sure:{theirs}:guess", f"why:{theirs}"):
        assert words(await talk.press(ANA, choice)) == old
    (given,) = await talk.answers(ANA)
    assert (given.prompt_id, given.confidence) == (number, None)
    assert await talk.answers(BETO) == []


async def test_confidence_is_kept_once_and_weighs(talk: Talk) -> None:
    number, scenario = await asked(talk)
    told = await talk.press(ANA, f"answer:{number}:{scenario.right_letter}")
    assert choices(told) == [*(f"sure:{number}:{word}" for word in ("sure", "think", "guess")), f"why:{number}"]
    (noted,) = await talk.press(ANA, f"sure:{number}:guess")
    assert noted.act is Action.REPLACE
    assert "Anotado: Adiviné" in words([noted])
    assert choices([noted]) == [f"why:{number}"]
    assert "Anotado: Adiviné" in words(await talk.press(ANA, f"sure:{number}:sure"))
    (given,) = await talk.answers(ANA)
    assert given.confidence == "guess"
    held = memory.memory_state([memory.Review(given.day, True, "guess")])
    async with talk.database.read() as tx:
        remembered = (await record.memories_of(tx, given.servant_id))[scenario.competency]
    assert remembered.stability == pytest.approx(held.stability)
    assert remembered.due_on == held.due_on


async def test_confidence_without_an_answer_is_nothing(talk: Talk) -> None:
    number, _ = await asked(talk)
    for choice in (f"sure:{number}:sure", f"why:{number}"):
        assert words(await talk.press(ANA, choice)) == talk.phrase("help.old_button")
    assert await talk.answers(ANA) == []


async def test_the_other_options_are_told_with_their_reasons(talk: Talk) -> None:
    number, scenario = await asked(talk)
    right, _ = letters(scenario)
    await talk.press(ANA, f"answer:{number}:{right}")
    told = words(await talk.press(ANA, f"why:{number}"))
    for letter, option in zip("abcd", scenario.options, strict=False):
        assert (option.why.es in told) is (letter != right)


@pytest.mark.parametrize("text", ["{}", "{})", " {}. ", "¡{}!"])
async def test_a_letter_may_be_typed_instead_of_pressed(talk: Talk, text: str) -> None:
    number, scenario = await asked(talk)
    told = words(await talk.type(ANA, text.format(scenario.right_letter.upper())))
    assert "Bien elegido" in told
    (given,) = await talk.answers(ANA)
    assert (given.prompt_id, given.option) == (number, scenario.right_letter)


async def test_a_letter_that_is_no_option_or_has_no_prompt_is_answered_with_the_ways_on(talk: Talk) -> None:
    await asked(talk)
    for text in ("e", "z", "ab", "1", "d"):
        told = words(await talk.type(ANA, text))
        assert talk.phrase("help.text") in told, text
    talk.clock.move(days=1)  # no prompt of that day yet
    assert talk.phrase("help.text") in words(await talk.type(ANA, "a"))
    assert await talk.answers(ANA) == []


async def test_a_prompt_of_days_ago_can_still_be_answered_on_the_day_it_is(talk: Talk) -> None:
    number, _ = await asked(talk)
    talk.clock.move(days=2)
    await talk.press(ANA, f"answer:{number}:a")
    (given,) = await talk.answers(ANA)
    assert given.day.isoformat() == "2026-11-25"


async def test_the_button_of_a_scenario_that_is_gone_is_old(talk: Talk) -> None:
    number, scenario = await asked(talk)
    left = {name: one for name, one in talk.library.scenarios.items() if name != scenario.id}
    talk.library = replace(talk.library, scenarios=left)
    assert words(await talk.press(ANA, f"answer:{number}:a")) == talk.phrase("help.old_button")
    assert words(await talk.command(ANA, "hoy")) == talk.phrase("prompt.answered_today")
    assert await talk.answers(ANA) == []
