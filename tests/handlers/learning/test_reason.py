""" "¿Por qué esta?": one sentence, by the button or typed, that is true of the prompt it is asked about."""

import pytest

from content.learning.selection import Reason
from storage.learning import record
from storage.learning.record import Prompt
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk, text_of
from tests.handlers.learning.year import answer_today


async def prompt_with(talk: Talk, reason: str, number: int = 1) -> int:
    """Store a prompt of today for Ana, as one that was selected for this reason; return its id."""
    known, scenario = await talk.servant(ANA), next(iter(talk.library.askable.values()))[number]
    assert known is not None
    async with talk.database.write() as tx:
        wanted = Prompt(0, known.id, talk.clock().date(), scenario.id, scenario.competency, reason)
        (prompt,) = await record.plan_all(tx, [wanted])
    return prompt.id


async def answered_days_ago(talk: Talk, days: int, is_right: bool) -> None:
    """Ana answers a question about the first rule, and so many days pass."""
    await answer_today(talk, ANA, next(iter(talk.library.askable.values()))[0], is_right)
    talk.clock.move(days=days)


async def test_the_first_question_is_about_a_rule_not_practised_yet(talk: Talk) -> None:
    await talk.enrol(ANA)
    asked = await talk.type(ANA, "¿Por qué esta?")
    assert text_of(asked) == talk.phrase("reason.new")
    assert text_of(await talk.press(ANA, f"reason:{await talk.prompt(ANA)}")) == text_of(asked)


@pytest.mark.parametrize(
    ("reason", "key"),
    [
        (Reason.REVIEW, "review"),
        (Reason.MISTAKE, "mistake"),
        (Reason.CONFIDENT_ERROR, "confident-error"),
        (Reason.UNANSWERED, "unanswered"),
        ("due", "review"),  # noted by older versions
    ],
)
async def test_a_question_that_comes_back_says_why(talk: Talk, reason: str, key: str) -> None:
    await talk.enrol(ANA)
    await answered_days_ago(talk, 12, is_right=False)
    prompt = await prompt_with(talk, reason)
    assert text_of(await talk.press(ANA, f"reason:{prompt}")) == talk.phrase(f"reason.{key}", since="12 días antes")


async def test_the_reason_stays_the_same_after_the_answer(talk: Talk) -> None:
    await talk.enrol(ANA)
    await answered_days_ago(talk, 5, is_right=True)
    prompt = await prompt_with(talk, Reason.REVIEW)
    before = text_of(await talk.type(ANA, "por que esta"))
    feedback = await talk.press(ANA, f"answer:{prompt}:a")
    assert f"reason:{prompt}" in [button.choice for row in feedback[-1].rows for button in row]
    assert text_of(await talk.command(ANA, "porque")) == before == talk.phrase("reason.review", since="5 días antes")


async def test_an_answer_that_came_after_the_choice_is_no_reason_for_it(talk: Talk) -> None:
    """An older prompt of the rule is answered late, after today's was planned: then nothing was known of it."""
    await talk.enrol(ANA)
    talk.clock.move(days=1)
    older, rule = await prompt_with(talk, Reason.NEW, number=0), next(iter(talk.library.askable.values()))
    talk.clock.move(days=1)
    prompt = await prompt_with(talk, Reason.UNANSWERED)
    await talk.press(ANA, f"answer:{older}:{rule[0].right_letter}")
    assert text_of(await talk.press(ANA, f"reason:{prompt}")) == talk.phrase("reason.unanswered")
    talk.clock.move(days=1)
    later = await prompt_with(talk, Reason.REVIEW, number=2)
    expected = talk.phrase("reason.review", since=talk.phrase("reason.yesterday"))
    assert text_of(await talk.press(ANA, f"reason:{later}")) == expected


async def test_a_season_is_named(talk: Talk) -> None:
    gifts = next(id for id, rule in talk.library.competencies.items() if "regalos" in rule.seasons)
    talk.clock.move(days=14)  # December
    await talk.enrol(ANA)
    await answer_today(talk, ANA, talk.library.askable[gifts][0], True)
    talk.clock.move(days=3)
    known = await talk.servant(ANA)
    assert known is not None
    async with talk.database.write() as tx:
        wanted = Prompt(0, known.id, talk.clock().date(), talk.library.askable[gifts][1].id, gifts, Reason.SEASON)
        await record.plan_all(tx, [wanted])
    assert talk.phrase("season.regalos") in text_of(await talk.command(ANA, "porque"))


@pytest.mark.parametrize("number", ["4711", "x", "", "9" * 30])
async def test_a_forged_button_gives_nothing_away(talk: Talk, number: str) -> None:
    await talk.enrol(ANA)
    assert text_of(await talk.press(ANA, f"reason:{number}")) == talk.phrase("help.old_button")


async def test_the_reason_of_another_persons_prompt_is_not_revealed(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.enrol(BETO)
    assert text_of(await talk.press(BETO, f"reason:{await talk.prompt(ANA)}")) == talk.phrase("help.old_button")


async def test_a_stranger_is_led_on(talk: Talk) -> None:
    assert text_of(await talk.type(BETO, "por que esta")).startswith(talk.phrase("help.stranger")[:40])


def test_every_reason_fits_its_column_and_has_a_sentence(talk: Talk) -> None:
    for reason in Reason:
        assert len(reason) <= 20
        assert f"reason.{reason}" in talk.library.phrases.keys
