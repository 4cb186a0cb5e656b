"""The guided self-assessment "is this a conflict of interest?": one question at a time, ending in steps to take.

The answers so far (the sheet) are part of each button's payload and stored nowhere else: the server keeps no answer,
before or after. So a user may leave and resume at any time by pressing a button of the last question.
"""

from collections.abc import Sequence

from content.course.assessment import QUESTIONS, Orientation, Outcome, SheetAnswer, evaluate, next_question
from content.library import Library
from content.text import Text
from handlers.context import Context, Response
from handlers.learning import answer
from handlers.message import Button, Message, Value
from storage.people import servants

SKIPPED = "-"  # in a sheet: the question was not asked


async def start(context: Context) -> Response:
    """`/consulta`: explain what the self-assessment is and is not, before the first question."""
    return Response((_intro(context.library),))


async def handle(context: Context) -> Response:
    """A button `assess:<step>[:<sheet>]`; the sheet has a letter for each question so far, `-` if it was not asked."""
    step, _, letters = context.update.choice.partition(":")[2].partition(":")
    if step == "quit":
        return Response((Message("assess.quit", {}, ((Button("button.assess", "assess:start"),),), replaces=True),))
    if step == "start":
        return Response((_intro(context.library),))
    sheet = _decode_sheet(letters)
    if step != "on" or sheet is None:
        return Response((Message("help.old_button"),))
    question = next_question(sheet)
    if question is None:
        return Response(await _outcome_messages(context, sheet))
    return Response((_question(context.library, sheet, question),))


def _intro(library: Library) -> Message:
    rows = ((Button("button.begin", "assess:on:"),), (Button("button.later", "assess:quit"),))
    assessment = library.assessment
    values: dict[str, Value] = {
        "intro": assessment.intro,
        "articles": answer.citations(library, assessment.intro_articles),
    }
    return Message("assess.intro", values, rows, replaces=True)


def _decode_sheet(letters: str) -> dict[str, SheetAnswer] | None:
    """Answers by question, without skipped ones; None: malformed. Only answers to questions that are asked count."""
    if len(letters) > len(QUESTIONS) or set(letters) - {*SheetAnswer, SKIPPED}:
        return None
    sheet: dict[str, SheetAnswer] = {}
    for question, letter in zip(QUESTIONS, letters, strict=False):
        if letter != SKIPPED:
            sheet[question] = SheetAnswer(letter)
    return sheet


def encode_sheet(sheet: dict[str, SheetAnswer], until: str | None = None) -> str:
    """Encode the answers for a payload, up to (and without) the question `until`; None: all questions."""
    asked = QUESTIONS if until is None else QUESTIONS[: QUESTIONS.index(until)]
    return "".join(sheet.get(question, SKIPPED) for question in asked)


def _question(library: Library, sheet: dict[str, SheetAnswer], question: str) -> Message:
    before = encode_sheet(sheet, question)
    answer_buttons = tuple(
        Button(f"button.{sheet_answer.name.lower()}", f"assess:on:{before}{sheet_answer}")
        for sheet_answer in (SheetAnswer.YES, SheetAnswer.NO, SheetAnswer.UNSURE)
    )
    navigation: list[Button] = [Button("button.quit", "assess:quit", is_optional=True)]
    if sheet:
        previous = max(sheet, key=QUESTIONS.index)
        back = Button("button.back", f"assess:on:{encode_sheet(sheet, previous)}", is_optional=True)
        navigation.insert(0, back)
    values: dict[str, Value] = {
        "number": QUESTIONS.index(question) + 1,
        "total": len(QUESTIONS),
        "question": library.assessment.question(question).text,
    }
    return Message("assess.question", values, (answer_buttons, tuple(navigation)), replaces=True)


async def _outcome_messages(context: Context, sheet: dict[str, SheetAnswer]) -> tuple[Message, ...]:
    orientation = evaluate(sheet)
    library = context.library
    outcomes = [_outcome_values(library, library.assessment.outcome(outcome)) for outcome in orientation.outcomes]
    closing: dict[str, Value] = {
        "told": _notes(library, await _note_ids(context, orientation)),
    }
    ask = Button("button.consult", f"consult:start:{encode_sheet(sheet)}")
    again = Button("button.again", "assess:on:")
    first, *rest = outcomes
    messages = [Message("assess.outcome", first, replaces=True)]
    messages += [Message("assess.outcome", values) for values in rest]
    return (*messages, Message("assess.closing", closing, ((ask,), (again,))))


async def _note_ids(context: Context, orientation: Orientation) -> Sequence[str]:
    """The notes that the rules add; for municipal servants also which body advises them (the UEIPCI is the State's)."""
    notes = list(orientation.notes)
    if orientation.needs_officer and context.servant is not None:
        institution = await servants.institution(context.tx, context.servant.institution_id)
        if institution is not None and institution.sphere == "municipal":
            notes.append("municipal")
    return notes


def _outcome_values(library: Library, outcome: Outcome) -> dict[str, Value]:
    steps = Text(
        es="\n".join(f"{number}. {step.es}" for number, step in enumerate(outcome.steps, 1)),
        en="\n".join(f"{number}. {step.en}" for number, step in enumerate(outcome.steps, 1)),
    )
    articles = answer.citations(library, outcome.articles)
    return {"title": outcome.title, "say": outcome.say, "steps": steps, "articles": articles}


def _notes(library: Library, notes: Sequence[str]) -> Text:
    """The texts of the notes, followed by the disclaimer."""
    known = {note.id: note for note in library.assessment.notes}
    shown = [*(known[note].text for note in notes if note in known), library.assessment.disclaimer]
    return Text(es="\n\n".join(text.es for text in shown), en="\n\n".join(text.en for text in shown))
