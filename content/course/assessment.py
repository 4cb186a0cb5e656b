"""The guided self-assessment: its texts are loaded from a file, its rules are here.

The rules map a sheet of fourteen answers (yes, no, unsure) to an orientation: at most one level of conflict of
interest (none < apparent < potential < real), any number of faults, and whether an officer should look at it.
A question is asked only while its answer can still change the orientation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from content.text import ContentModel, Identifier, Text

QUESTIONS = tuple(f"q{number}" for number in range(1, 15))
FAULT_BY_QUESTION = {"q2": "gift", "q3": "nepotism", "q4": "resources", "q5": "influence"}

OutcomeId = Literal[
    "real", "potential", "apparent", "gift", "nepotism", "resources", "influence", "needs-ueipci", "none-seen"
]
NoteId = Literal["urgent", "inform-in-writing", "interest-without-part", "do-not-act", "municipal"]


class SheetAnswer(StrEnum):
    """One answer of the sheet; the value is used in button payloads and in the sealed letter."""

    YES = "y"
    NO = "n"
    UNSURE = "u"


class Level(IntEnum):
    """Level of conflict of interest according to the answers."""

    NONE = 0
    APPARENT = 1
    POTENTIAL = 2
    REAL = 3


LEVEL_IDS = {Level.APPARENT: "apparent", Level.POTENTIAL: "potential", Level.REAL: "real"}

Sheet = Mapping[str, SheetAnswer]


@dataclass(frozen=True, slots=True)
class Orientation:
    """Result of an assessment."""

    level: Level
    faults: tuple[str, ...]
    needs_officer: bool
    notes: tuple[str, ...]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Ids of the outcomes in the order in which they are shown; never empty."""
        level = (LEVEL_IDS[self.level],) if self.level else ()
        officer = ("needs-ueipci",) if self.needs_officer else ()
        return (*level, *self.faults, *officer) or ("none-seen",)


@dataclass(frozen=True, slots=True)
class _RuleState:
    """What the rules derive from the answers so far, except the faults, which do not depend on other answers."""

    urgent: bool = False
    needs_officer: bool = False
    one_unsure: bool = False  # one "unsure" in q9..q12 so far: a second one needs an officer
    interest: bool = False  # "yes" in q6..q8
    doubtful_interest: bool = False  # "unsure" in q6..q8
    q9: SheetAnswer = SheetAnswer.NO
    q10: SheetAnswer = SheetAnswer.NO
    q11: bool = False
    q12: bool = False
    informed: bool = False

    def after(self, question: str, answer: SheetAnswer) -> "_RuleState":
        """The state once `question` is answered with `answer`."""
        yes, maybe = answer is SheetAnswer.YES, answer is not SheetAnswer.NO
        match question:
            case "q1":
                return replace(self, urgent=maybe)
            case "q2" | "q3" | "q4" | "q5":
                return replace(self, needs_officer=self.needs_officer or maybe)
            case "q6" | "q7" | "q8":
                unsure = answer is SheetAnswer.UNSURE
                return replace(
                    self,
                    interest=self.interest or yes,
                    doubtful_interest=self.doubtful_interest or unsure,
                    needs_officer=self.needs_officer or unsure,
                )
            case "q13":
                return replace(self, informed=yes)
            case "q14":
                return replace(self, needs_officer=self.needs_officer or maybe)
        return self._count_unsure(answer)._record(question, answer)

    def _count_unsure(self, answer: SheetAnswer) -> "_RuleState":
        if answer is not SheetAnswer.UNSURE:
            return self
        return replace(self, one_unsure=True, needs_officer=self.needs_officer or self.one_unsure)

    def _record(self, question: str, answer: SheetAnswer) -> "_RuleState":
        """Store the answer to q9, q10, q11 or q12."""
        maybe = answer is not SheetAnswer.NO
        match question:
            case "q9":
                return replace(self, q9=answer)
            case "q10":
                return replace(self, q10=answer)
            case "q11":
                return replace(self, q11=maybe)
        return replace(self, q12=maybe)

    @property
    def level(self) -> Level:
        q9, q10 = self.q9 is not SheetAnswer.NO, self.q10 is not SheetAnswer.NO
        if self.interest and (self.q10 is SheetAnswer.YES or (q9 and q10)):
            return Level.REAL
        involved = q9 or q10 or self.q11
        if self.interest and involved:
            return Level.POTENTIAL
        if self.q12 or ((self.interest or self.doubtful_interest) and involved):
            return Level.APPARENT
        return Level.NONE

    def orientation(self, faults: tuple[str, ...]) -> Orientation:
        level = self.level
        needs_officer = self.needs_officer or bool(faults) or (level >= Level.POTENTIAL and self.urgent)
        notes = {
            "urgent": self.urgent and (needs_officer or bool(level)),
            "do-not-act": level is Level.APPARENT and self.doubtful_interest,
            "inform-in-writing": bool(level) and not self.informed,
            "interest-without-part": self.interest and level is Level.NONE,
        }
        return Orientation(level, faults, needs_officer, tuple(note for note, applies in notes.items() if applies))


@cache
def _outcome_tree(index: int, state: _RuleState) -> object:
    """Canonical form of the orientations that the answers from question `index` on can lead to.

    Two states with equal trees lead to equal orientations whatever is answered next. An answer that changes nothing is
    left out of the tree; inner nodes are interned to numbers, so that comparing trees is cheap.
    """
    if index == len(QUESTIONS):
        return state.orientation(())
    subtrees = tuple(_outcome_tree(index + 1, state.after(QUESTIONS[index], answer)) for answer in SheetAnswer)
    return subtrees[0] if subtrees[0] == subtrees[1] == subtrees[2] else _interned((index, subtrees))


_node_ids: dict[object, int] = {}


def _interned(node: object) -> object:
    return _node_ids.setdefault(node, len(_node_ids))


def evaluate(sheet: Sheet) -> Orientation:
    """The orientation for a sheet; questions that were not asked count as "no" (see `next_question`)."""
    state = _RuleState()
    for question in QUESTIONS:
        state = state.after(question, sheet.get(question, SheetAnswer.NO))
    return state.orientation(_faults(sheet))


def next_question(sheet: Sheet) -> str | None:
    """The first unanswered question whose answer can still change the orientation; None when the sheet is complete.

    Questions have to be answered in the order in which this function returns them.
    """
    state = _RuleState()
    for index, question in enumerate(QUESTIONS):
        if question in sheet:
            state = state.after(question, sheet[question])
        elif question in FAULT_BY_QUESTION:
            return question
        else:
            trees = {_outcome_tree(index + 1, state.after(question, answer)) for answer in SheetAnswer}
            if len(trees) > 1:
                return question
    return None


def _faults(sheet: Sheet) -> tuple[str, ...]:
    return tuple(fault for question, fault in FAULT_BY_QUESTION.items() if sheet.get(question) is SheetAnswer.YES)


class Question(ContentModel):
    """One of the fourteen questions, shown one at a time."""

    id: Identifier
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    text: Text


class Outcome(ContentModel):
    """Guidance for one outcome: text, cited articles and steps to take."""

    id: OutcomeId
    title: Text
    say: Text
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    steps: Annotated[tuple[Text, ...], Field(min_length=1)]


class Note(ContentModel):
    """A text that the rules add to the outcomes."""

    id: NoteId
    text: Text
    articles: tuple[Identifier, ...] = ()


class Kinship(ContentModel):
    """One row of the table of relatives and degrees of kinship."""

    relative: Text
    kind: Literal["blood", "affinity", "marriage", "none"]
    degree: Annotated[int, Field(ge=0, le=9)]
    inside_63_bis: bool
    note: Text | None = None


class Assessment(ContentModel):
    """The texts of the self-assessment; every change of wording gets a new version."""

    id: Identifier
    version: str
    intro: Text
    intro_articles: tuple[Identifier, ...]
    disclaimer: Text
    questions: tuple[Question, ...]
    outcomes: tuple[Outcome, ...]
    notes: tuple[Note, ...]
    kinship: tuple[Kinship, ...] = ()

    def question(self, question_id: str) -> Question:
        return next(question for question in self.questions if question.id == question_id)

    def outcome(self, outcome_id: str) -> Outcome:
        return next(outcome for outcome in self.outcomes if outcome.id == outcome_id)

    def note(self, note_id: str) -> Note:
        return next(note for note in self.notes if note.id == note_id)
