"""`/avance` and `/constancia`: true after right answers, wrong ones, forgetting, and on the first day."""

from collections.abc import Sequence

import pytest

from tests.cast import ANA
from tests.handlers.conversation import Talk, text_of
from tests.handlers.learning.year import answer_today

HELD, FADING, PRACTISING, UNMET = "●", "◑", "◔", "○"
COMMANDS = ("avance", "constancia")


async def marks(talk: Talk, command: str = "avance") -> str:
    """The marks of all competencies that are not unmet, in the order of the topics."""
    lines = text_of(await talk.command(ANA, command)).splitlines()
    topics = [topic.name.es for topic in talk.library.topics.values()]
    bars = [line.partition(" ")[0] for line in lines if any(name in line for name in topics)]
    assert sum(len(bar) for bar in bars) == len(talk.library.competencies)
    return "".join(bars).replace(UNMET, "")


async def practise(talk: Talk, competency: str, rights: Sequence[bool], every: int = 3) -> None:
    """Answer so many prompts about one competency, each with another scenario, some days apart."""
    for number, is_right in enumerate(rights):
        await answer_today(talk, ANA, talk.library.askable[competency][number], is_right)
        talk.clock.move(days=every)


@pytest.fixture
def competency(talk: Talk) -> str:
    return next(iter(talk.library.askable))


@pytest.mark.parametrize("command", COMMANDS)
async def test_before_the_first_answer_nothing_is_praised(talk: Talk, command: str) -> None:
    await talk.enrol(ANA)
    assert await marks(talk, command) == ""
    assert talk.phrase("progress.level.none") in text_of(await talk.command(ANA, command))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("is_right", [True, False])
async def test_one_answer_is_practice_whether_right_or_wrong(
    talk: Talk, competency: str, is_right: bool, command: str
) -> None:
    await talk.enrol(ANA)
    await practise(talk, competency, [is_right], every=0)
    assert await marks(talk, command) == PRACTISING
    talk.clock.move(days=1)
    assert await marks(talk, command) == PRACTISING


async def test_two_different_situations_answered_right_are_held_and_fade_with_time(talk: Talk, competency: str) -> None:
    await talk.enrol(ANA)
    await practise(talk, competency, [True, True, True])
    assert await marks(talk) == HELD
    assert talk.phrase("progress.level.held", number=1) in text_of(await talk.command(ANA, "avance"))
    talk.clock.move(days=2000)
    assert await marks(talk) == FADING


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_wrong_answer_is_never_praised_however_much_was_right_before(
    talk: Talk, competency: str, command: str
) -> None:
    await talk.enrol(ANA)
    await practise(talk, competency, [True, True, True, False], every=5)
    for _ in range(3):  # on the day, the day after, and later
        assert await marks(talk, command) == PRACTISING
        talk.clock.move(days=1)


async def test_the_same_situation_twice_is_one_situation(talk: Talk, competency: str) -> None:
    await talk.enrol(ANA)
    for _ in range(3):
        await answer_today(talk, ANA, talk.library.askable[competency][0], True)
        talk.clock.move(days=3)
    assert await marks(talk) == PRACTISING


async def test_progress_is_said_in_the_language_of_the_servant(talk: Talk, competency: str) -> None:
    await talk.enrol(ANA, language="en")
    await practise(talk, competency, [False])
    said = text_of(await talk.command(ANA, "progress", language="en"))
    assert talk.phrase("progress.level.practising", "en", number=1) in said


async def test_what_was_guessed_right_today_is_not_held_for_being_fresh(talk: Talk, competency: str) -> None:
    """On the day itself everything is remembered: the level is that of another day."""
    await talk.enrol(ANA)
    scenarios = talk.library.askable[competency]
    for number in range(8):
        await answer_today(talk, ANA, scenarios[number % 4], is_right=False)
        talk.clock.move(days=1)
    for number in range(2):
        talk.clock.move(days=30)
        prompt = await answer_today(talk, ANA, scenarios[number], is_right=True)
        await talk.press(ANA, f"sure:{prompt}:guess")
    assert await marks(talk) == FADING
