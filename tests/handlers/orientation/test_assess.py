"""The guided self-assessment: questions, navigation, outcomes, and that no reply is stored."""

from itertools import product

import pytest

from content import limits
from content.course.assessment import QUESTIONS, SheetAnswer, evaluate
from content.text import LANGUAGES
from handlers.message import Action, Parcel, UpdateKind
from handlers.orientation import assess
from tests.cast import ANA, BETO, SampleServant
from tests.handlers.conversation import Talk, choices, text_of

REPLIES = {"y": 0, "n": 1, "u": 2}  # the order of the buttons


async def answer(talk: Talk, who: SampleServant, replies: str) -> list[Parcel]:
    """Start and reply to one question after the other, until there are no more replies or questions."""
    messages = await talk.command(who, "consulta")
    messages = await talk.press(who, choices(messages)[0])
    for reply in replies:
        if not choices(messages)[0].startswith("assess:on:") or len(choices(messages)) < 4:
            break
        messages = await talk.press(who, choices(messages)[REPLIES[reply]])
    return messages


async def test_the_intro_explains_what_the_assessment_is_not(talk: Talk) -> None:
    replies = await talk.command(ANA, "consulta")
    intro = talk.library.assessment.intro.es
    assert intro in text_of(replies)
    assert "LGRA, artículo 208" in text_of(replies)
    assert choices(replies) == ["assess:on:", "assess:quit"]


async def test_one_question_at_a_time_and_no_text_is_needed(talk: Talk) -> None:
    replies = await answer(talk, BETO, "nn")
    assert talk.library.assessment.question("q3").text.es in text_of(replies)
    assert "Pregunta 3 de 14" in text_of(replies)
    assert choices(replies) == ["assess:on:nny", "assess:on:nnn", "assess:on:nnu", "assess:on:n", "assess:quit"]
    assert all(reply.action is Action.REPLACE for reply in replies)


async def test_a_user_can_go_back_and_change_a_reply(talk: Talk) -> None:
    replies = await answer(talk, ANA, "yyy")
    back = await talk.press(ANA, choices(replies)[3])
    assert "Pregunta 3 de 14" in text_of(back)
    again = await talk.press(ANA, choices(back)[1])
    assert choices(again)[0] == "assess:on:yyny"


async def test_the_assessment_can_be_left_and_restarted(talk: Talk) -> None:
    replies = await answer(talk, ANA, "yy")
    left = await talk.press(ANA, choices(replies)[-1])
    assert text_of(left) == talk.phrase("assess.quit")
    assert [parcel.action for parcel in left] == [Action.REPLACE], "the question is gone"
    assert text_of(await talk.press(ANA, choices(left)[0])) == text_of(await talk.command(ANA, "consulta"))


async def test_the_assessment_resumes_by_the_last_button_after_other_updates(talk: Talk) -> None:
    await talk.enrol(ANA)
    replies = await answer(talk, ANA, "ny")
    await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:a")
    await talk.type(ANA, "hola")
    talk.clock.move(days=2)
    await talk.tick()
    assert "Pregunta 4 de 14" in text_of(await talk.press(ANA, choices(replies)[1]))
    assert len(await talk.answers(ANA)) == 1


async def test_no_reply_is_stored(talk: Talk) -> None:
    await talk.enrol(ANA)
    tables = ("answers", "packed_memories", "cases", "letters", "links", "prompts")
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
async def test_it_ends_in_outcomes_with_law_steps_disclaimer_and_a_way_to_ask(
    talk: Talk, replies: str, outcomes: list[str], steps: list[str]
) -> None:
    """`replies` answers all fourteen questions; the product asks only some of them."""
    sheet: dict[str, SheetAnswer] = {}
    messages = await talk.press(ANA, "assess:on:")
    while choices(messages)[-1] == "assess:quit":
        index = len(choices(messages)[0]) - len("assess:on:") - 1
        sheet[QUESTIONS[index]] = SheetAnswer(replies[index])
        messages = await talk.press(ANA, choices(messages)[REPLIES[replies[index]]])
    assessment, text = talk.library.assessment, text_of(messages)
    assert messages[0].action is Action.REPLACE
    for parcel, outcome in zip(messages, outcomes, strict=False):
        shown = assessment.outcome(outcome)
        assert shown.say.es in parcel.text
        assert all(step.es in parcel.text for step in shown.steps)
        citations = [talk.library.articles[article] for article in shown.articles]
        assert any(cited.article.mark == "V" and cited.label("es") in parcel.text for cited in citations)
    assert len(messages) == len(outcomes) + 1
    for note in steps:
        assert assessment.note(note).text.es in text
    assert assessment.disclaimer.es in messages[-1].text
    ask, again = choices(messages)
    assert ask.startswith("consult:start:")
    assert len(ask.partition("start:")[2]) == 14
    assert again == "assess:on:"
    assert "no tienes conflicto" not in text.casefold()


async def test_municipal_servants_see_which_body_advises_them(talk: Talk) -> None:
    await talk.enrol(ANA)  # León
    await talk.enrol(BETO)  # the State
    note = talk.library.assessment.note("municipal").text.es
    assert note in text_of(await answer(talk, ANA, "y" * 14))
    assert note not in text_of(await answer(talk, BETO, "y" * 14))


async def test_a_malformed_sheet_is_an_old_button(talk: Talk) -> None:
    for choice in ("assess:on:x", "assess:on:" + "n" * 15, "assess:on:Y", "assess:on:ñ", "assess:off:n", "assess"):
        assert text_of(await talk.press(ANA, choice)) == talk.phrase("help.old_button"), choice


async def test_a_forged_sheet_is_asked_its_missing_question(talk: Talk) -> None:
    replies = await talk.press(ANA, "assess:on:y-y")
    assert "Pregunta 2 de 14" in text_of(replies)


async def test_every_outcome_with_every_note_fits_every_channel(talk: Talk) -> None:
    """All combinations of replies to the deciding questions: no text is cut."""
    seen = set()
    for tail in product("ynu", repeat=3):
        replies = "yyyyyu" + "yn" + "".join(tail) + "ynu"
        orientation = evaluate(
            {question: SheetAnswer(reply) for question, reply in zip(QUESTIONS, replies, strict=True)}
        )
        if orientation in seen:
            continue
        seen.add(orientation)
        for language in LANGUAGES:
            messages = await talk.send_update(
                ANA, UpdateKind.CHOICE, choice=f"assess:on:{replies}", language=language, ref="1"
            )
            assert len(messages) == len(orientation.outcomes) + 1
            for parcel in messages:
                limit = limits.TEXT_WITH_BUTTONS if parcel.rows else limits.TEXT
                assert len(parcel.text) < limit
                assert all(len(button.choice.encode()) <= limits.CHOICE_BYTES for row in parcel.rows for button in row)
    assert len(seen) >= 3


def test_encoding_a_sheet_is_reversible() -> None:
    for replies in ("", "y", "yn-u", "ynuynuynuynuyn"):
        sheet = assess._decode_sheet(replies)
        assert sheet is not None
        assert assess.encode_sheet(sheet).rstrip("-") == replies
        assert assess._decode_sheet(assess.encode_sheet(sheet)) == sheet
