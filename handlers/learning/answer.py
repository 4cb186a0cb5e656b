"""Record the answer to a prompt, once, and say why with the article."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from content.course.law import Citation
from content.course.scenario import LETTERS, Scenario
from content.learning import memory
from content.library import Library
from content.text import Text, fold
from handlers.context import Turn, Visit
from handlers.learning import daily
from handlers.message import Button, Message, Value
from storage.database import Transaction
from storage.learning import record
from storage.learning.record import Answer, Memory, Prompt
from storage.people.servants import Servant

CONFIDENCES = ("sure", "think", "guess")


@dataclass(frozen=True, slots=True)
class Choice:
    """An option that somebody chose for their own prompt."""

    visit: Visit
    servant: Servant
    prompt: Prompt
    scenario: Scenario
    letter: str


async def turn(visit: Visit) -> Turn:
    """A button `answer:<prompt>:<letter>`."""
    return (await turns([visit]))[0]


async def turns(visits: Sequence[Visit]) -> list[Turn]:
    """The same of several people in one transaction, by the same statements."""
    numbers = [_number(visit) for visit in visits]
    prompts = await record.prompts_of(visits[0].tx, {number for number in numbers if number is not None})
    choices = [
        _choice(visit, prompts.get(number or 0), visit.update.choice.rpartition(":")[2])
        for visit, number in zip(visits, numbers, strict=True)
    ]
    told = iter(await _record([one for one in choices if one is not None]))
    return [Turn((Message("help.old_button"),)) if one is None else next(told) for one in choices]


async def typed(visit: Visit) -> Turn | None:
    """A letter typed instead of pressed; None: it is no answer to today's prompt."""
    letter = fold(visit.update.text)
    if visit.servant is None or len(letter) != 1 or letter not in LETTERS:
        return None
    prompt = await record.prompt_of_day(visit.tx, visit.servant.id, visit.today)
    choice = _choice(visit, prompt, letter)
    return None if choice is None else (await _record([choice]))[0]


def _choice(visit: Visit, prompt: Prompt | None, letter: str) -> Choice | None:
    """None: there is no such prompt of theirs, or no such option."""
    scenario = visit.library.scenarios.get(prompt.scenario_id) if prompt else None
    if visit.servant is None or prompt is None or prompt.servant_id != visit.servant.id:
        return None
    if scenario is None or scenario.option(letter) is None:
        return None
    return Choice(visit, visit.servant, prompt, scenario, letter)


async def _record(choices: Sequence[Choice]) -> list[Turn]:
    """Kept, and told why; whose prompt has an answer already, also by another choice among these, is told so."""
    if not choices:
        return []
    tx = choices[0].visit.tx
    firsts: dict[int, Choice] = {}
    for one in choices:
        firsts.setdefault(one.prompt.id, one)
    new = await record.record_all(tx, [_answer(one) for one in firsts.values()])
    kept = [one for one in firsts.values() if one.prompt.id in new]
    await remember_all(tx, {(one.servant.id, one.scenario.competency) for one in kept})
    return [_told(one) if one in kept else await _again(one.visit, one.prompt, one.scenario) for one in choices]


def _answer(one: Choice) -> Answer:
    option = one.scenario.option(one.letter)
    assert option is not None
    return Answer(
        prompt_id=one.prompt.id,
        servant_id=one.servant.id,
        institution_id=one.servant.institution_id,
        topic_id=one.visit.library.topic_of[one.scenario.competency].id,
        competency_id=one.scenario.competency,
        scenario_id=one.scenario.id,
        option=one.letter,
        is_right=option.right,
        confidence=None,
        day=one.visit.today,
        answered_at=one.visit.now,
    )


def _told(one: Choice) -> Turn:
    library = one.visit.library
    told = feedback(library, one.prompt, one.scenario, one.letter)
    return Turn((_kept(library, one.scenario, one.letter), told))


def _kept(library: Library, scenario: Scenario, letter: str) -> Message:
    """The scenario as it stands in the chat once it was answered."""
    return Message("prompt.answered", daily.shown(library, scenario, letter), replaces=True, refreshes=True)


async def _again(visit: Visit, prompt: Prompt, scenario: Scenario) -> Turn:
    """Pressed again: the first answer stands; the message is brought up to date."""
    given = await record.answer(visit.tx, prompt.id)
    assert given is not None
    kept = _kept(visit.library, scenario, given.option)
    if given.option == visit.update.choice.rpartition(":")[2]:
        return Turn((kept,)) if visit.update.ref else Turn()
    return Turn((kept, Message("answer.stands", {"letter": given.option.upper()})))


async def confidence(visit: Visit) -> Turn:
    """A button `sure:<prompt>:<confidence>`: kept once, and the memory is reckoned anew."""
    prompt = await _own_prompt(visit)
    word = visit.update.choice.rpartition(":")[2]
    given = await record.answer(visit.tx, prompt.id) if prompt else None
    scenario = visit.library.scenarios.get(prompt.scenario_id) if prompt else None
    if prompt is None or given is None or scenario is None or word not in CONFIDENCES:
        return Turn((Message("help.old_button"),))
    if await record.set_confidence(visit.tx, prompt.id, word):
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
    given = await record.answer(visit.tx, prompt.id) if prompt else None
    if given is None or scenario is None:
        return Turn((Message("help.old_button"),))
    return Turn((Message("answer.others", {"reasons": _others(scenario, given.option)}),))


async def others(visit: Visit) -> Turn:
    """The other options of today's prompt, asked for by a word."""
    prompt = None
    if visit.servant is not None:
        prompt = await record.prompt_of_day(visit.tx, visit.servant.id, visit.today)
    if prompt is None or await record.answer(visit.tx, prompt.id) is None:
        return await daily.today(visit)
    return await reason(replace(visit, update=replace(visit.update, choice=f"why:{prompt.id}")))


async def _own_prompt(visit: Visit) -> Prompt | None:
    """The prompt that a button names, if it is this servant's."""
    number = _number(visit)
    if visit.servant is None or number is None:
        return None
    prompt = await record.prompt(visit.tx, number)
    return prompt if prompt is not None and prompt.servant_id == visit.servant.id else None


def _number(visit: Visit) -> int | None:
    """The prompt's number in a button's choice, which anybody may have made up."""
    number = visit.update.choice.split(":")[1] if ":" in visit.update.choice else ""
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= 15 else None


async def remember(tx: Transaction, servant_id: int, competency: str) -> None:
    """Reckon anew how well a competency is held, from all answers to it."""
    await remember_all(tx, {(servant_id, competency)})


async def remember_all(tx: Transaction, held: Collection[tuple[int, str]]) -> None:
    """The same for pairs of a servant and a competency."""
    memories = []
    for (servant_id, competency), past in (await record.pasts(tx, held)).items():
        if past:
            reviews = [memory.Review(one.day, one.is_right, one.confidence or "") for one in past]
            memories.append(_memory(servant_id, competency, memory.strength(reviews)))
    await record.remember_all(tx, memories)


def _memory(servant_id: int, competency: str, held: memory.Strength) -> Memory:
    days = (held.reviewed_on, held.due_on)
    return Memory(servant_id, competency, held.stability, held.difficulty, *days, held.repetitions)


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
