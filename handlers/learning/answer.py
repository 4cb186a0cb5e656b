"""Record the answer to a prompt once, on the day on which it was given, and explain it with the cited articles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from content.course.law import Citation
from content.course.scenario import LETTERS, Scenario
from content.library import Library
from content.text import Text
from handlers.context import Context, Response
from handlers.learning import daily, memories, reason
from handlers.message import Button, Message, Value
from storage.channels import contact
from storage.learning import lanes, record
from storage.learning.record import Answer, Prompt
from storage.people.servants import Servant

CONFIDENCES = ("sure", "think", "guess")
ANSWERABLE = timedelta(days=7)
"""How long after the day of a prompt its answer counts."""


@dataclass(frozen=True, slots=True)
class ChosenOption:
    """An option that a servant chose for a prompt of theirs, checked against the course."""

    context: Context
    servant: Servant
    prompt: Prompt
    scenario: Scenario
    letter: str
    day: date  # local, on which the servant chose

    @property
    def is_late(self) -> bool:
        """Whether it comes too late to count."""
        return self.day - self.prompt.day > ANSWERABLE


async def handle(context: Context) -> Response:
    """A button `answer:<prompt>:<letter>`."""
    return (await handle_all([context]))[0]


async def handle_all(contexts: Sequence[Context]) -> list[Response]:
    """Answers of several servants in one transaction, recorded by one statement per table; responses in their order."""
    prompt_ids = [daily.prompt_id(context) for context in contexts]
    known_ids = {prompt_id for prompt_id in prompt_ids if prompt_id is not None}
    prompts = await record.prompts_of(contexts[0].tx, known_ids)
    choices = [
        await _chosen_option(context, prompts.get(prompt_id or 0), context.update.choice.rpartition(":")[2])
        for context, prompt_id in zip(contexts, prompt_ids, strict=True)
    ]
    recorded = iter(await _record([choice for choice in choices if choice is not None]))
    return [Response((Message("help.old_button"),)) if choice is None else next(recorded) for choice in choices]


async def record_choice(context: Context, prompt: Prompt, letter: str) -> Response | None:
    """The answer to a prompt that was not pressed but typed; None: the prompt has no such option."""
    choice = await _chosen_option(context, prompt, letter)
    return None if choice is None else (await _record([choice]))[0]


async def _day(context: Context, prompt: Prompt) -> date:
    """The local day on which the servant acted: not before the day of the prompt, unless that is still to come.

    Where the platform reports no time and could not reach us over midnight, the day nearest to the prompt's own.
    """
    day = context.acted_on
    if day > prompt.day and not context.update.at:
        away_since = await contact.away_since(context.tx, context.update.channel, context.acted_at)
        if away_since is not None:
            day = max(prompt.day, context.local_day(away_since))
    return max(day, prompt.day) if prompt.day <= context.today else day


async def _chosen_option(context: Context, prompt: Prompt | None, letter: str) -> ChosenOption | None:
    """None: the prompt does not exist or is another servant's, or it has no such option."""
    scenario = context.library.scenarios.get(prompt.scenario_id) if prompt else None
    if context.servant is None or prompt is None or prompt.servant_id != context.servant.id:
        return None
    if scenario is None or scenario.option(letter) is None:
        return None
    return ChosenOption(context, context.servant, prompt, scenario, letter, await _day(context, prompt))


async def _record(choices: Sequence[ChosenOption]) -> list[Response]:
    """Record the choices and explain them; of several for one prompt the first counts, an earlier answer stands."""
    if not choices:
        return []
    tx = choices[0].context.tx
    firsts: dict[int, ChosenOption] = {}
    for choice in choices:
        if not choice.is_late:
            firsts.setdefault(choice.prompt.id, choice)
    given = [_answer_record(choice) for choice in firsts.values()]
    drawn = await lanes.with_lanes(tx, choices[0].context.installation.draw_key, given)
    new_ids = await record.add_answers(tx, drawn)
    recorded = [choice for choice in firsts.values() if choice.prompt.id in new_ids]
    await memories.add_answers(tx, [answer for answer in drawn if answer.prompt_id in new_ids])
    return [_feedback_response(choice) if choice in recorded else await _not_recorded(choice) for choice in choices]


def _answer_record(choice: ChosenOption) -> Answer:
    option = choice.scenario.option(choice.letter)
    assert option is not None
    return Answer(
        prompt_id=choice.prompt.id,
        servant_id=choice.servant.id,
        institution_id=choice.prompt.institution_id or choice.servant.institution_id,
        topic_id=choice.context.library.topic_of[choice.scenario.competency].id,
        competency_id=choice.scenario.competency,
        scenario_id=choice.scenario.id,
        option=choice.letter,
        is_right=option.right,
        confidence=None,
        day=choice.day,
        answered_at=choice.context.acted_at,
    )


def _feedback_response(choice: ChosenOption) -> Response:
    library = choice.context.library
    feedback = feedback_message(library, choice.prompt, choice.scenario, choice.letter)
    return Response((_answered_message(library, choice.scenario, choice.letter), feedback))


def _answered_message(library: Library, scenario: Scenario, letter: str) -> Message:
    """The prompt once it is answered: the chosen option is marked and the buttons are gone."""
    return Message("prompt.answered", daily.prompt_values(library, scenario, letter), replaces=True, refreshes=True)


async def _not_recorded(choice: ChosenOption) -> Response:
    """A prompt answered before keeps its first answer, and the message is brought up to date; or it is too late."""
    library, scenario = choice.context.library, choice.scenario
    given = await record.answer(choice.context.tx, choice.prompt.id)
    if given is None:
        values = feedback_message(library, choice.prompt, scenario, choice.letter).values
        return Response((Message("answer.too_late", values),))
    refreshed = _answered_message(library, scenario, given.option)
    if given.option == choice.letter:
        return Response((refreshed,)) if choice.context.update.ref else Response()
    return Response((refreshed, Message("answer.stands", {"letter": given.option.upper()})))


async def record_confidence(context: Context) -> Response:
    """A button `sure:<prompt>:<confidence>`: store the confidence once and recompute the memory."""
    prompt = await daily.own_prompt(context)
    word = context.update.choice.rpartition(":")[2]
    given = await record.answer(context.tx, prompt.id) if prompt else None
    scenario = context.library.scenarios.get(prompt.scenario_id) if prompt else None
    if prompt is None or given is None or scenario is None or word not in CONFIDENCES:
        return Response((Message("help.old_button"),))
    if await _day(context, prompt) - prompt.day > ANSWERABLE:
        return Response((Message("answer.confidence_too_late"),))
    if await record.set_confidence(context.tx, prompt.id, word):
        await memories.add_confidence(context.tx, replace(given, confidence=word))
    else:
        word = given.confidence or word
    feedback = feedback_message(context.library, prompt, scenario, given.option)
    noted = {"noted": _confidence_label(context.library, word)}
    if not context.capabilities.can_edit:  # the feedback stays visible above: do not repeat it
        return Response((Message("answer.noted_short", noted, ((_others_button(prompt),),)),))
    return Response((Message("answer.noted", dict(feedback.values) | noted, feedback.buttons[1:], replaces=True),))


async def explain_other_options(context: Context) -> Response:
    """A button `why:<prompt>`: the options that were not chosen, each with its explanation."""
    prompt = await daily.own_prompt(context)
    scenario = context.library.scenarios.get(prompt.scenario_id) if prompt else None
    given = await record.answer(context.tx, prompt.id) if prompt else None
    if given is None or scenario is None:
        return Response((Message("help.old_button"),))
    return Response((Message("answer.others", {"reasons": _other_options(scenario, given.option)}),))


async def other_options_command(context: Context) -> Response:
    """`/otras`: the options not chosen in the last answer of that day, each with its explanation."""
    servant = context.servant
    given = None if servant is None else await record.last_answer_of_day(context.tx, servant.id, context.acted_on)
    if given is None:
        return await daily.today(context)
    named = replace(context.update, choice=f"why:{given.prompt_id}")
    return await explain_other_options(replace(context, update=named))


def feedback_message(library: Library, prompt: Prompt, scenario: Scenario, letter: str) -> Message:
    """Why the chosen option is right or wrong, with its articles, and buttons for the confidence."""
    option = scenario.option(letter)
    assert option is not None
    key = "answer.right" if option.right else "answer.wrong"
    values: dict[str, Value] = {
        "why": option.why,
        "todo": scenario.todo,
        "right": scenario.right_letter.upper(),
        "articles": citations(library, option.articles),
    }
    confidences = tuple(Button(f"button.{word}", f"sure:{prompt.id}:{word}") for word in CONFIDENCES)
    return Message(key, values, (confidences, (_others_button(prompt), reason.button(prompt))))


def _others_button(prompt: Prompt) -> Button:
    return Button("button.others", f"why:{prompt.id}", is_optional=True)


def citations(library: Library, articles: tuple[str, ...]) -> Text:
    """The cited articles, one a line: label and title. Every explanation is shown with them."""

    def line(citation: Citation, language: str) -> str:
        return f"§ {citation.label(language)}: {citation.article.title.in_language(language)}"

    found = [library.articles[article] for article in articles]
    return Text(
        es="\n".join(line(citation, "es") for citation in found),
        en="\n".join(line(citation, "en") for citation in found),
    )


def _confidence_label(library: Library, word: str) -> Text:
    key = f"button.{word}"
    return Text(es=library.phrases.plain("es", key, {}), en=library.phrases.plain("en", key, {}))


def _other_options(scenario: Scenario, chosen: str) -> Text:
    def lines(language: str) -> str:
        return "\n\n".join(
            f"{letter.upper()}) {option.text.in_language(language)}\n{option.why.in_language(language)}"
            for letter, option in zip(LETTERS, scenario.options, strict=False)
            if letter != chosen
        )

    return Text(es=lines("es"), en=lines("en"))
