"""Record the answer to a prompt, once, and say why with the article."""

from dataclasses import replace

from content import spacing
from content.law import Citation
from content.library import Library
from content.scenario import LETTERS, Scenario
from content.text import Text, fold
from handlers import daily
from handlers.message import Button, Message, Value
from handlers.visit import Turn, Visit
from storage import progress
from storage.database import Transaction
from storage.progress import Answer, Memory, Prompt

CONFIDENCES = ("sure", "think", "guess")


async def turn(visit: Visit) -> Turn:
    """A button `answer:<prompt>:<letter>`."""
    prompt = await _own_prompt(visit)
    letter = visit.update.choice.rpartition(":")[2]
    scenario = visit.library.scenarios.get(prompt.scenario_id) if prompt else None
    if prompt is None or scenario is None or scenario.option(letter) is None:
        return Turn((Message("help.old_button"),))
    return await _record(visit, prompt, scenario, letter)


async def typed(visit: Visit) -> Turn | None:
    """A letter typed instead of pressed; None: it is no answer to today's prompt."""
    letter = fold(visit.update.text)
    if visit.servant is None or len(letter) != 1 or letter not in LETTERS:
        return None
    prompt = await progress.prompt_of_day(visit.tx, visit.servant.id, visit.today)
    scenario = visit.library.scenarios.get(prompt.scenario_id) if prompt else None
    if prompt is None or scenario is None or scenario.option(letter) is None:
        return None
    return await _record(visit, prompt, scenario, letter)


async def _record(visit: Visit, prompt: Prompt, scenario: Scenario, letter: str) -> Turn:
    assert visit.servant is not None
    option = scenario.option(letter)
    assert option is not None
    given = Answer(
        prompt_id=prompt.id,
        servant_id=visit.servant.id,
        institution_id=visit.servant.institution_id,
        topic_id=visit.library.topic_of[scenario.competency].id,
        competency_id=scenario.competency,
        scenario_id=scenario.id,
        option=letter,
        is_right=option.right,
        confidence=None,
        day=visit.today,
        answered_at=visit.now,
    )
    if not await progress.record(visit.tx, given):
        return await _again(visit, prompt, scenario)
    await remember(visit.tx, visit.servant.id, scenario.competency)
    return Turn((_kept(visit.library, scenario, letter), feedback(visit.library, prompt, scenario, letter)))


def _kept(library: Library, scenario: Scenario, letter: str) -> Message:
    """The scenario as it stands in the chat once it was answered."""
    return Message("prompt.answered", daily.shown(library, scenario, letter), replaces=True, refreshes=True)


async def _again(visit: Visit, prompt: Prompt, scenario: Scenario) -> Turn:
    """Pressed again: the first answer stands; the message is brought up to date."""
    given = await progress.answer(visit.tx, prompt.id)
    assert given is not None
    kept = _kept(visit.library, scenario, given.option)
    if given.option == visit.update.choice.rpartition(":")[2]:
        return Turn((kept,)) if visit.update.ref else Turn()
    return Turn((kept, Message("answer.stands", {"letter": given.option.upper()})))


async def confidence(visit: Visit) -> Turn:
    """A button `sure:<prompt>:<confidence>`: kept once, and the memory is reckoned anew."""
    prompt = await _own_prompt(visit)
    word = visit.update.choice.rpartition(":")[2]
    given = await progress.answer(visit.tx, prompt.id) if prompt else None
    scenario = visit.library.scenarios.get(prompt.scenario_id) if prompt else None
    if prompt is None or given is None or scenario is None or word not in CONFIDENCES:
        return Turn((Message("help.old_button"),))
    if await progress.set_confidence(visit.tx, prompt.id, word):
        await remember(visit.tx, given.servant_id, given.competency_id)
    else:
        word = given.confidence or word
    told = feedback(visit.library, prompt, scenario, given.option)
    noted = {"noted": _noted(visit.library, word)}
    if not visit.manner.edits:  # the reason stands above: it is not said twice
        return Turn((Message("answer.noted_short", noted, ((_others_button(prompt),),)),))
    return Turn((Message("answer.noted", dict(told.values) | noted, told.buttons[1:], replaces=True),))


async def reason(visit: Visit) -> Turn:
    """A button `why:<prompt>`: the other options, each with its reason."""
    prompt = await _own_prompt(visit)
    scenario = visit.library.scenarios.get(prompt.scenario_id) if prompt else None
    given = await progress.answer(visit.tx, prompt.id) if prompt else None
    if given is None or scenario is None:
        return Turn((Message("help.old_button"),))
    return Turn((Message("answer.others", {"reasons": _others(scenario, given.option)}),))


async def others(visit: Visit) -> Turn:
    """The other options of today's prompt, asked for by a word."""
    prompt = None
    if visit.servant is not None:
        prompt = await progress.prompt_of_day(visit.tx, visit.servant.id, visit.today)
    if prompt is None or await progress.answer(visit.tx, prompt.id) is None:
        return await daily.today(visit)
    return await reason(replace(visit, update=replace(visit.update, choice=f"why:{prompt.id}")))


async def _own_prompt(visit: Visit) -> Prompt | None:
    """The prompt that a button names, if it is this servant's."""
    number = visit.update.choice.split(":")[1] if ":" in visit.update.choice else ""
    if visit.servant is None or not number.isascii() or not number.isdecimal() or len(number) > 15:
        return None
    prompt = await progress.prompt(visit.tx, int(number))
    return prompt if prompt is not None and prompt.servant_id == visit.servant.id else None


async def remember(tx: Transaction, servant_id: int, competency: str) -> None:
    """Reckon anew how well a competency is held, from all answers to it."""
    history = [
        spacing.Review(one.day, one.is_right, one.confidence or "")
        for one in await progress.answers_of(tx, servant_id, competency)
    ]
    if not history:
        return
    held = spacing.strength(history)
    await progress.remember(
        tx,
        Memory(
            servant_id,
            competency,
            held.stability,
            held.difficulty,
            held.reviewed_on,
            held.due_on,
            held.repetitions,
        ),
    )


def feedback(library: Library, prompt: Prompt, scenario: Scenario, letter: str) -> Message:
    """Why the chosen option is right or not, with its article; how sure the person was may be said."""
    option = scenario.option(letter)
    assert option is not None
    key = "answer.right" if option.right else "answer.wrong"
    values: dict[str, Value] = {
        "why": option.why,
        "todo": scenario.todo,
        "right": scenario.right_letter.upper(),
        "articles": cited(library, option.articles),
    }
    sure = tuple(Button(f"button.{word}", f"sure:{prompt.id}:{word}") for word in CONFIDENCES)
    return Message(key, values, (sure, (_others_button(prompt),)))


def _others_button(prompt: Prompt) -> Button:
    return Button("button.others", f"why:{prompt.id}", is_aside=True)


def cited(library: Library, articles: tuple[str, ...]) -> Text:
    """The citations, each with its title: what every reason is shown with."""

    def line(citation: Citation, language: str) -> str:
        return f"§ {citation.label(language)}: {citation.article.title.in_language(language)}"

    found = [library.articles[one] for one in articles]
    return Text(
        es="\n".join(line(one, "es") for one in found),
        en="\n".join(line(one, "en") for one in found),
    )


def _noted(library: Library, word: str) -> Text:
    key = f"button.{word}"
    return Text(es=library.phrases.plain("es", key, {}), en=library.phrases.plain("en", key, {}))


def _others(scenario: Scenario, chosen: str) -> Text:
    def told(language: str) -> str:
        return "\n\n".join(
            f"{letter.upper()}) {option.text.in_language(language)}\n{option.why.in_language(language)}"
            for letter, option in zip(LETTERS, scenario.options, strict=False)
            if letter != chosen
        )

    return Text(es=told("es"), en=told("en"))
