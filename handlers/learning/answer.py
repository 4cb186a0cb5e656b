"""Record the answer to a prompt, once, and say why with the article."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from content.course.law import Citation
from content.course.scenario import LETTERS, Scenario
from content.learning import memory
from content.library import Library
from content.text import Text, fold
from handlers.context import Context, Response
from handlers.learning import daily
from handlers.message import Button, Message, Value
from storage.database import Transaction
from storage.learning import record
from storage.learning.record import Answer, Memory, Prompt
from storage.people.servants import Servant

CONFIDENCES = ("sure", "think", "guess")


@dataclass(frozen=True, slots=True)
class ChosenOption:
    """An option that somebody chose for their own prompt."""

    context: Context
    servant: Servant
    prompt: Prompt
    scenario: Scenario
    letter: str


async def turn(context: Context) -> Response:
    """A button `answer:<prompt>:<letter>`."""
    return (await turns([context]))[0]


async def turns(contexts: Sequence[Context]) -> list[Response]:
    """The same of several people in one transaction, by the same statements."""
    numbers = [_number(context) for context in contexts]
    prompts = await record.prompts_of(contexts[0].tx, {number for number in numbers if number is not None})
    choices = [
        _choice(context, prompts.get(number or 0), context.update.choice.rpartition(":")[2])
        for context, number in zip(contexts, numbers, strict=True)
    ]
    told = iter(await _record([one for one in choices if one is not None]))
    return [Response((Message("help.old_button"),)) if one is None else next(told) for one in choices]


async def typed(context: Context) -> Response | None:
    """A letter typed instead of pressed; None: it is no answer to today's prompt."""
    letter = fold(context.update.text)
    if context.servant is None or len(letter) != 1 or letter not in LETTERS:
        return None
    prompt = await record.prompt_of_day(context.tx, context.servant.id, context.today)
    choice = _choice(context, prompt, letter)
    return None if choice is None else (await _record([choice]))[0]


def _choice(context: Context, prompt: Prompt | None, letter: str) -> ChosenOption | None:
    """None: there is no such prompt of theirs, or no such option."""
    scenario = context.library.scenarios.get(prompt.scenario_id) if prompt else None
    if context.servant is None or prompt is None or prompt.servant_id != context.servant.id:
        return None
    if scenario is None or scenario.option(letter) is None:
        return None
    return ChosenOption(context, context.servant, prompt, scenario, letter)


async def _record(choices: Sequence[ChosenOption]) -> list[Response]:
    """Kept, and told why; whose prompt has an answer already, also by another choice among these, is told so."""
    if not choices:
        return []
    tx = choices[0].context.tx
    firsts: dict[int, ChosenOption] = {}
    for one in choices:
        firsts.setdefault(one.prompt.id, one)
    new = await record.record_all(tx, [_answer(one) for one in firsts.values()])
    kept = [one for one in firsts.values() if one.prompt.id in new]
    await remember_all(tx, {(one.servant.id, one.scenario.competency) for one in kept})
    return [_told(one) if one in kept else await _again(one.context, one.prompt, one.scenario) for one in choices]


def _answer(one: ChosenOption) -> Answer:
    option = one.scenario.option(one.letter)
    assert option is not None
    return Answer(
        prompt_id=one.prompt.id,
        servant_id=one.servant.id,
        institution_id=one.servant.institution_id,
        topic_id=one.context.library.topic_of[one.scenario.competency].id,
        competency_id=one.scenario.competency,
        scenario_id=one.scenario.id,
        option=one.letter,
        is_right=option.right,
        confidence=None,
        day=one.context.today,
        answered_at=one.context.now,
    )


def _told(one: ChosenOption) -> Response:
    library = one.context.library
    told = feedback(library, one.prompt, one.scenario, one.letter)
    return Response((_kept(library, one.scenario, one.letter), told))


def _kept(library: Library, scenario: Scenario, letter: str) -> Message:
    """The scenario as it stands in the chat once it was answered."""
    return Message("prompt.answered", daily.shown(library, scenario, letter), replaces=True, refreshes=True)


async def _again(context: Context, prompt: Prompt, scenario: Scenario) -> Response:
    """Pressed again: the first answer stands; the message is brought up to date."""
    given = await record.answer(context.tx, prompt.id)
    assert given is not None
    kept = _kept(context.library, scenario, given.option)
    if given.option == context.update.choice.rpartition(":")[2]:
        return Response((kept,)) if context.update.ref else Response()
    return Response((kept, Message("answer.stands", {"letter": given.option.upper()})))


async def confidence(context: Context) -> Response:
    """A button `sure:<prompt>:<confidence>`: kept once, and the memory is reckoned anew."""
    prompt = await _own_prompt(context)
    word = context.update.choice.rpartition(":")[2]
    given = await record.answer(context.tx, prompt.id) if prompt else None
    scenario = context.library.scenarios.get(prompt.scenario_id) if prompt else None
    if prompt is None or given is None or scenario is None or word not in CONFIDENCES:
        return Response((Message("help.old_button"),))
    if await record.set_confidence(context.tx, prompt.id, word):
        await remember(context.tx, given.servant_id, given.competency_id)
    else:
        word = given.confidence or word
    told = feedback(context.library, prompt, scenario, given.option)
    noted = {"noted": _noted(context.library, word)}
    if not context.capabilities.edits:  # the reason stands above: it is not said twice
        return Response((Message("answer.noted_short", noted, ((_others_button(prompt),),)),))
    return Response((Message("answer.noted", dict(told.values) | noted, told.buttons[1:], replaces=True),))


async def reason(context: Context) -> Response:
    """A button `why:<prompt>`: the other options, each with its reason."""
    prompt = await _own_prompt(context)
    scenario = context.library.scenarios.get(prompt.scenario_id) if prompt else None
    given = await record.answer(context.tx, prompt.id) if prompt else None
    if given is None or scenario is None:
        return Response((Message("help.old_button"),))
    return Response((Message("answer.others", {"reasons": _others(scenario, given.option)}),))


async def others(context: Context) -> Response:
    """The other options of today's prompt, asked for by a word."""
    prompt = None
    if context.servant is not None:
        prompt = await record.prompt_of_day(context.tx, context.servant.id, context.today)
    if prompt is None or await record.answer(context.tx, prompt.id) is None:
        return await daily.today(context)
    return await reason(replace(context, update=replace(context.update, choice=f"why:{prompt.id}")))


async def _own_prompt(context: Context) -> Prompt | None:
    """The prompt that a button names, if it is this servant's."""
    number = _number(context)
    if context.servant is None or number is None:
        return None
    prompt = await record.prompt(context.tx, number)
    return prompt if prompt is not None and prompt.servant_id == context.servant.id else None


def _number(context: Context) -> int | None:
    """The prompt's number in a button's choice, which anybody may have made up."""
    number = context.update.choice.split(":")[1] if ":" in context.update.choice else ""
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
            memories.append(_memory(servant_id, competency, memory.memory_state(reviews)))
    await record.remember_all(tx, memories)


def _memory(servant_id: int, competency: str, held: memory.MemoryState) -> Memory:
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
