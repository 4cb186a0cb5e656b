from itertools import product

import pytest

from content import limits
from content.course.assessment import QUESTIONS, Reply, evaluate
from content.text import LANGUAGES
from handlers.message import Action, Parcel, UpdateKind
from handlers.orientation import assess
from tests.cast import ANA, BETO, SampleServant
from tests.handlers.conversation import Talk, choices, words

REPLIES = {"y": 0, "n": 1, "u": 2}  # the order of the buttons


async def answer(talk: Talk, who: SampleServant, replies: str) -> list[Parcel]:
    """Begin, and give one reply after the other until there are no more questions."""
    told = await talk.command(who, "consulta")
    told = await talk.press(who, choices(told)[0])
    for reply in replies:
        if not choices(told)[0].startswith("assess:on:") or len(choices(told)) < 4:
            break
        told = await talk.press(who, choices(told)[REPLIES[reply]])
    return told


async def test_first_it_says_what_it_is_not(talk: Talk) -> None:
    told = await talk.command(ANA, "consulta")
    intro = talk.library.assessment.intro.es
    assert intro in words(told)
    assert "LGRA, artículo 208" in words(told)
    assert choices(told) == ["assess:on:", "assess:quit"]


async def test_one_question_at_a_time_and_no_text_is_needed(talk: Talk) -> None:
    told = await answer(talk, BETO, "nn")
    assert talk.library.assessment.question("q3").text.es in words(told)
    assert "Pregunta 3 de 14" in words(told)
    assert choices(told) == ["assess:on:nny", "assess:on:nnn", "assess:on:nnu", "assess:on:n", "assess:quit"]
    assert all(one.act is Action.REPLACE for one in told)


async def test_one_can_go_back_and_change_ones_mind(talk: Talk) -> None:
    told = await answer(talk, ANA, "yyy")
    back = await talk.press(ANA, choices(told)[3])
    assert "Pregunta 3 de 14" in words(back)
    again = await talk.press(ANA, choices(back)[1])
    assert choices(again)[0] == "assess:on:yyny"


async def test_it_can_be_left_and_begun_again(talk: Talk) -> None:
    told = await answer(talk, ANA, "yy")
    left = await talk.press(ANA, choices(told)[-1])
    assert words(left) == talk.phrase("assess.quit")
    assert words(await talk.press(ANA, choices(left)[0])) == words(await talk.command(ANA, "consulta"))


async def test_it_is_taken_up_again_by_the_last_button_whatever_came_between(talk: Talk) -> None:
    await talk.enrol(ANA)
    told = await answer(talk, ANA, "ny")
    await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:a")
    await talk.type(ANA, "hola")
    talk.clock.move(days=2)
    await talk.tick()
    assert "Pregunta 4 de 14" in words(await talk.press(ANA, choices(told)[1]))
    assert len(await talk.answers(ANA)) == 1


async def test_nothing_of_the_sheet_is_kept(talk: Talk) -> None:
    await talk.enrol(ANA)
    tables = ("answers", "memories", "cases", "letters", "links", "prompts")
    before = [await talk.count(table) for table in tables]
    await answer(talk, ANA, "y" * 14)
    assert [await talk.count(table) for table in tables] == before


@pytest.mark.parametrize(
    ("replies", "outcomes", "steps"),
    [
        ("n" * 14, ["none-seen"], []),
        ("nnnnnynnyyynnn", ["real"], ["inform-in-writing"]),
        ("nnnnnynnynnnnn", ["potential"], ["inform-in-writing"]),
        ("nnnnnnnnnnnynn", ["apparent"], ["inform-in-writing"]),
        ("nynnnnnnnnnnnn", ["gift", "needs-ueipci"], []),
        ("nnnnnynnnnnnnn", ["none-seen"], ["interest-without-part"]),
        ("nnnnnunnynnnnn", ["apparent", "needs-ueipci"], ["inform-in-writing", "do-not-act"]),
        ("y" * 14, ["real", "gift", "nepotism", "resources", "influence", "needs-ueipci"], ["urgent"]),
    ],
)
async def test_it_ends_in_outcomes_with_law_steps_disclaimer_and_a_person_to_ask(
    talk: Talk, replies: str, outcomes: list[str], steps: list[str]
) -> None:
    """The replies to all fourteen; those that are not asked are passed over by the product."""
    sheet: dict[str, Reply] = {}
    told = await talk.press(ANA, "assess:on:")
    while choices(told)[-1] == "assess:quit":
        place = len(choices(told)[0]) - len("assess:on:") - 1
        sheet[QUESTIONS[place]] = Reply(replies[place])
        told = await talk.press(ANA, choices(told)[REPLIES[replies[place]]])
    assessment, said = talk.library.assessment, words(told)
    assert told[0].act is Action.REPLACE
    for parcel, outcome in zip(told, outcomes, strict=False):
        shown = assessment.outcome(outcome)
        assert shown.say.es in parcel.text
        assert all(step.es in parcel.text for step in shown.steps)
        cited = [talk.library.articles[one] for one in shown.articles]
        assert any(one.article.mark == "V" and one.label("es") in parcel.text for one in cited)
    assert len(told) == len(outcomes) + 1
    for note in steps:
        assert assessment.note(note).text.es in said
    assert assessment.disclaimer.es in told[-1].text
    ask, again = choices(told)
    assert ask.startswith("consult:start:")
    assert len(ask.partition("start:")[2]) == 14
    assert again == "assess:on:"
    assert "no tienes conflicto" not in said.casefold()


async def test_municipal_servants_are_told_who_answers_for_them(talk: Talk) -> None:
    await talk.enrol(ANA)  # León
    await talk.enrol(BETO)  # the State
    note = talk.library.assessment.note("municipal").text.es
    assert note in words(await answer(talk, ANA, "y" * 14))
    assert note not in words(await answer(talk, BETO, "y" * 14))


async def test_a_sheet_that_is_none_is_an_old_button(talk: Talk) -> None:
    for choice in ("assess:on:x", "assess:on:" + "n" * 15, "assess:on:Y", "assess:on:ñ", "assess:off:n", "assess"):
        assert words(await talk.press(ANA, choice)) == talk.phrase("help.old_button"), choice


async def test_a_forged_sheet_is_only_asked_what_it_lacks(talk: Talk) -> None:
    told = await talk.press(ANA, "assess:on:y-y")
    assert "Pregunta 2 de 14" in words(told)


async def test_every_outcome_with_every_note_fits_every_channel(talk: Talk) -> None:
    """All sheets of yes and doubt about the questions that decide: none of what is said is cut."""
    seen = set()
    for tail in product("ynu", repeat=3):
        replies = "yyyyyu" + "yn" + "".join(tail) + "ynu"
        orientation = evaluate({q: Reply(one) for q, one in zip(QUESTIONS, replies, strict=True)})
        if orientation in seen:
            continue
        seen.add(orientation)
        for language in LANGUAGES:
            told = await talk.hears(ANA, UpdateKind.CHOICE, choice=f"assess:on:{replies}", language=language, ref="1")
            assert len(told) == len(orientation.outcomes) + 1
            for parcel in told:
                limit = limits.TEXT_WITH_BUTTONS if parcel.rows else limits.TEXT
                assert len(parcel.text) < limit
                assert all(len(key.choice.encode()) <= limits.CHOICE_BYTES for row in parcel.rows for key in row)
    assert len(seen) >= 3


def test_the_sheet_travels_and_comes_back() -> None:
    for replies in ("", "y", "yn-u", "ynuynuynuynuyn"):
        sheet = assess._sheet(replies)
        assert sheet is not None
        assert assess.letters(sheet).rstrip("-") == replies
        assert assess._sheet(assess.letters(sheet)) == sheet
