"""The guided self-assessment: its questions and words from a file, its rules here.

The rules read a sheet of fourteen answers (yes, no, unsure) and give an orientation: at most one level
(none < apparent < potential < real), any number of fault paths, and whether a person should look at it.
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
FAULTS = {"q2": "gift", "q3": "nepotism", "q4": "resources", "q5": "influence"}

OutcomeId = Literal[
    "real", "potential", "apparent", "gift", "nepotism", "resources", "influence", "needs-ueipci", "none-seen"
]
NoteId = Literal["urgent", "inform-in-writing", "interest-without-part", "do-not-act", "municipal"]


class Reply(StrEnum):
    """One answer on the sheet; the letter travels in buttons and in the sealed letter."""

    YES = "y"
    NO = "n"
    UNSURE = "u"


class Level(IntEnum):
    """How near a conflict of interest is, as far as the answers tell."""

    NONE = 0
    APPARENT = 1
    POTENTIAL = 2
    REAL = 3


LEVEL_IDS = {Level.APPARENT: "apparent", Level.POTENTIAL: "potential", Level.REAL: "real"}

Sheet = Mapping[str, Reply]


@dataclass(frozen=True, slots=True)
class Orientation:
    """What the answers lead to."""

    level: Level
    faults: tuple[str, ...]
    needs_officer: bool
    notes: tuple[str, ...]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Ids of the outcomes in the order in which they are shown; never empty."""
        level = (LEVEL_IDS[self.level],) if self.level else ()
        person = ("needs-ueipci",) if self.needs_officer else ()
        return (*level, *self.faults, *person) or ("none-seen",)


@dataclass(frozen=True, slots=True)
class _Reckoning:
    """All that the rules remember of the answers so far; the fault paths aside, which only add up."""

    urgent: bool = False
    needs_officer: bool = False
    one_unsure: bool = False  # one unsure in q9..q12 so far: a second one needs a person
    interest: bool = False
    doubtful_interest: bool = False
    q9: Reply = Reply.NO
    q10: Reply = Reply.NO
    q11: bool = False
    q12: bool = False
    informed: bool = False

    def after(self, question: str, reply: Reply) -> "_Reckoning":
        yes, maybe = reply is Reply.YES, reply is not Reply.NO
        match question:
            case "q1":
                return replace(self, urgent=maybe)
            case "q2" | "q3" | "q4" | "q5":
                return replace(self, needs_officer=self.needs_officer or maybe)
            case "q6" | "q7" | "q8":
                unsure = reply is Reply.UNSURE
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
        return self._counting(reply)._placing(question, reply)

    def _counting(self, reply: Reply) -> "_Reckoning":
        if reply is not Reply.UNSURE:
            return self
        return replace(self, one_unsure=True, needs_officer=self.needs_officer or self.one_unsure)

    def _placing(self, question: str, reply: Reply) -> "_Reckoning":
        maybe = reply is not Reply.NO
        match question:
            case "q9":
                return replace(self, q9=reply)
            case "q10":
                return replace(self, q10=reply)
            case "q11":
                return replace(self, q11=maybe)
        return replace(self, q12=maybe)

    @property
    def level(self) -> Level:
        part = self.q9 is not Reply.NO
        hands = self.q10 is not Reply.NO
        if self.interest and (self.q10 is Reply.YES or (part and hands)):
            return Level.REAL
        near = part or hands or self.q11
        if self.interest and near:
            return Level.POTENTIAL
        if self.q12 or ((self.interest or self.doubtful_interest) and near):
            return Level.APPARENT
        return Level.NONE

    def orientation(self, faults: tuple[str, ...]) -> Orientation:
        level = self.level
        needs = self.needs_officer or bool(faults) or (level >= Level.POTENTIAL and self.urgent)
        notes = {
            "urgent": self.urgent and (needs or bool(level)),
            "do-not-act": level is Level.APPARENT and self.doubtful_interest,
            "inform-in-writing": bool(level) and not self.informed,
            "interest-without-part": self.interest and level is Level.NONE,
        }
        return Orientation(level, faults, needs, tuple(note for note, holds in notes.items() if holds))


@cache
def _fate(place: int, reckoning: _Reckoning) -> object:
    """What can still become of `reckoning`: equal fates mean that no later answer can tell the two apart."""
    if place == len(QUESTIONS):
        return reckoning.orientation(())
    fates = tuple(_fate(place + 1, reckoning.after(QUESTIONS[place], reply)) for reply in Reply)
    return fates[0] if fates[0] == fates[1] == fates[2] else _interned((place, fates))


_known: dict[object, int] = {}


def _interned(fate: object) -> object:
    return _known.setdefault(fate, len(_known))


def evaluate(sheet: Sheet) -> Orientation:
    """The orientation of a sheet; questions that were not asked count as "no" (see `next_question`)."""
    reckoning = _Reckoning()
    for question in QUESTIONS:
        reckoning = reckoning.after(question, sheet.get(question, Reply.NO))
    return reckoning.orientation(_faults(sheet))


def next_question(sheet: Sheet) -> str | None:
    """The first question, in order, whose answer can still change the orientation; None: the sheet is complete.

    Answers have to be given in this order.
    """
    reckoning = _Reckoning()
    for place, question in enumerate(QUESTIONS):
        if question in sheet:
            reckoning = reckoning.after(question, sheet[question])
        elif question in FAULTS:
            return question
        else:
            fates = {_fate(place + 1, reckoning.after(question, reply)) for reply in Reply}
            if len(fates) > 1:
                return question
    return None


def _faults(sheet: Sheet) -> tuple[str, ...]:
    return tuple(fault for question, fault in FAULTS.items() if sheet.get(question) is Reply.YES)


class Question(ContentModel):
    """One of the fourteen questions, shown one at a time."""

    id: Identifier
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    text: Text


class Outcome(ContentModel):
    """What is said for one outcome, on which law, and the steps to take."""

    id: OutcomeId
    title: Text
    say: Text
    articles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    steps: Annotated[tuple[Text, ...], Field(min_length=1)]


class Note(ContentModel):
    """A text that a rule adds to the outcomes."""

    id: NoteId
    text: Text
    articles: tuple[Identifier, ...] = ()


class Kinship(ContentModel):
    """One row of the table of relatives."""

    relative: Text
    kind: Literal["blood", "affinity", "marriage", "none"]
    degree: Annotated[int, Field(ge=0, le=9)]
    inside_63_bis: bool
    note: Text | None = None


class Assessment(ContentModel):
    """The words of the self-assessment; a change of wording is a new version."""

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
