"""The guided self-assessment "is this a conflict of interest?": one question at a time, ending in steps to take.

The sheet travels in the buttons and nowhere else: the server keeps no answer of it, before or after. So it can be
left and taken up again whenever the person presses the last question's button, whatever came in between.
"""

from collections.abc import Sequence

from content.course.assessment import QUESTIONS, Orientation, Outcome, Reply, evaluate, next_question
from content.library import Library
from content.text import Text
from handlers.context import Context, Response
from handlers.learning import answer
from handlers.message import Button, Message, Value
from storage.people import servants

SKIPPED = "-"


async def start(context: Context) -> Response:
    """`/consulta`: what this is and is not, before the first question."""
    return Response((_intro(context.library),))


async def turn(context: Context) -> Response:
    """A button `assess:<step>[:<sheet>]`; the sheet holds a letter a question so far, `-` where none was asked."""
    step, _, letters = context.update.choice.partition(":")[2].partition(":")
    if step == "quit":
        return Response((Message("assess.quit", {}, ((Button("button.assess", "assess:start"),),), replaces=True),))
    if step == "start":
        return Response((_intro(context.library),))
    sheet = _sheet(letters)
    if step != "on" or sheet is None:
        return Response((Message("help.old_button"),))
    question = next_question(sheet)
    if question is None:
        return Response(await _outcome(context, sheet))
    return Response((_question(context.library, sheet, question),))


def _intro(library: Library) -> Message:
    rows = ((Button("button.begin", "assess:on:"),), (Button("button.later", "assess:quit"),))
    assessment = library.assessment
    values: dict[str, Value] = {
        "intro": assessment.intro,
        "articles": answer.cited(library, assessment.intro_articles),
    }
    return Message("assess.intro", values, rows, replaces=True)


def _sheet(letters: str) -> dict[str, Reply] | None:
    """The answers of a sheet; None when it is none. Only replies to questions that are asked count."""
    if len(letters) > len(QUESTIONS) or set(letters) - {*Reply, SKIPPED}:
        return None
    sheet: dict[str, Reply] = {}
    for question, letter in zip(QUESTIONS, letters, strict=False):
        if letter != SKIPPED:
            sheet[question] = Reply(letter)
    return sheet


def letters(sheet: dict[str, Reply], until: str | None = None) -> str:
    """The sheet as it travels: up to, and without, the question `until`."""
    asked = QUESTIONS if until is None else QUESTIONS[: QUESTIONS.index(until)]
    return "".join(sheet.get(question, SKIPPED) for question in asked)


def _question(library: Library, sheet: dict[str, Reply], question: str) -> Message:
    before = letters(sheet, question)
    replies = tuple(
        Button(f"button.{reply.name.lower()}", f"assess:on:{before}{reply}")
        for reply in (Reply.YES, Reply.NO, Reply.UNSURE)
    )
    last: list[Button] = [Button("button.quit", "assess:quit", is_aside=True)]
    if sheet:
        back = max(sheet, key=QUESTIONS.index)
        last.insert(0, Button("button.back", f"assess:on:{letters(sheet, back)}", is_aside=True))
    values: dict[str, Value] = {
        "number": QUESTIONS.index(question) + 1,
        "total": len(QUESTIONS),
        "question": library.assessment.question(question).text,
    }
    return Message("assess.question", values, (replies, tuple(last)), replaces=True)


async def _outcome(context: Context, sheet: dict[str, Reply]) -> tuple[Message, ...]:
    orientation = evaluate(sheet)
    library = context.library
    parts = [_told(library, library.assessment.outcome(one)) for one in orientation.outcomes]
    closing: dict[str, Value] = {
        "told": _notes(library, await _note_ids(context, orientation)),
    }
    ask = Button("button.consult", f"consult:start:{letters(sheet)}")
    again = Button("button.again", "assess:on:")
    first, *rest = parts
    messages = [Message("assess.outcome", first, replaces=True), *(Message("assess.outcome", one) for one in rest)]
    return (*messages, Message("assess.closing", closing, ((ask,), (again,))))


async def _note_ids(context: Context, orientation: Orientation) -> Sequence[str]:
    """The rules' notes, and for municipal servants who answers for them (the UEIPCI is of the State)."""
    notes = list(orientation.notes)
    if orientation.needs_officer and context.servant is not None:
        place = await servants.institution(context.tx, context.servant.institution_id)
        if place is not None and place.sphere == "municipal":
            notes.append("municipal")
    return notes


def _told(library: Library, outcome: Outcome) -> dict[str, Value]:
    steps = Text(
        es="\n".join(f"{place}. {step.es}" for place, step in enumerate(outcome.steps, 1)),
        en="\n".join(f"{place}. {step.en}" for place, step in enumerate(outcome.steps, 1)),
    )
    articles = answer.cited(library, outcome.articles)
    return {"title": outcome.title, "say": outcome.say, "steps": steps, "articles": articles}


def _notes(library: Library, notes: Sequence[str]) -> Text:
    """What the rules add to the outcomes, and at the end always the disclaimer."""
    known = {note.id: note for note in library.assessment.notes}
    shown = [*(known[note].text for note in notes if note in known), library.assessment.disclaimer]
    return Text(es="\n\n".join(one.es for one in shown), en="\n\n".join(one.en for one in shown))
