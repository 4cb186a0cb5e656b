"""The rules against a transcription of their own, on all 3^14 = 4,782,969 sheets.

A set of sheets is one large integer: bit number i stands for sheet number i, whose digits to the base 3 are the
answers (0 no, 1 unsure, 2 yes), the first question first. So the rules read as they were written down.
"""

import fcntl
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from content.course import assessment
from content.course.assessment import QUESTIONS, Orientation, Reply, Sheet, evaluate, next_question
from content.library import Library

pytestmark = pytest.mark.long

REPLIES = (Reply.NO, Reply.UNSURE, Reply.YES)
SHEETS = 3**14
EVERY = (1 << SHEETS) - 1
BYTES = int.from_bytes(b"\1" * SHEETS)
FAULTS = ("gift", "nepotism", "resources", "influence")
NOTES = ("urgent", "inform-in-writing", "interest-without-part", "do-not-act")
FLAGS = ("apparent", "potential", "real", *FAULTS, "needs-ueipci")


# ---------------------------------------------------------------- the rules, transcribed


def step(number: int) -> int:
    """How far sheets are apart that differ by one digit of a question."""
    return int(3 ** (14 - number))


@cache
def answered(number: int, digit: int) -> int:
    """All sheets in which a question has this answer."""
    block = "".join(("1" if one == digit else "0") * step(number) for one in (2, 1, 0))
    return int(block * 3 ** (number - 1), 2)


def yes(number: int) -> int:
    return answered(number, 2)


def unsure(number: int) -> int:
    return answered(number, 1)


def yu(number: int) -> int:
    return yes(number) | unsure(number)


def two_or_more_unsure(numbers: range) -> int:
    one = two = 0
    for number in numbers:
        two |= one & unsure(number)
        one |= unsure(number)
    return two


@cache
def rules() -> dict[str, int]:
    """For each outcome and note, the sheets that lead to it."""
    interest = yes(6) | yes(7) | yes(8)
    doubt = yu(6) | yu(7) | yu(8)
    real = interest & (yes(10) | (yu(9) & yu(10)))
    potential = interest & ~real & (yu(9) | yu(10) | yu(11))
    apparent = ~real & ~potential & (yu(12) | (doubt & (yu(9) | yu(10) | yu(11)))) & EVERY
    fault = yes(2) | yes(3) | yes(4) | yes(5)
    needs = unsure(2) | unsure(3) | unsure(4) | unsure(5) | unsure(6) | unsure(7) | unsure(8)
    needs |= two_or_more_unsure(range(2, 13)) | yu(14) | fault | ((real | potential) & yu(1))
    level = real | potential | apparent
    return {
        "apparent": apparent,
        "potential": potential,
        "real": real,
        "gift": yes(2),
        "nepotism": yes(3),
        "resources": yes(4),
        "influence": yes(5),
        "needs-ueipci": needs,
        "urgent": yu(1) & (level | needs),
        "inform-in-writing": level & ~yes(13),
        "interest-without-part": interest & ~(yu(9) | yu(10) | yu(11) | yu(12)),
        "do-not-act": apparent & (unsure(6) | unsure(7) | unsure(8)),
    }


def packed(names: tuple[str, ...]) -> bytes:
    """One byte a sheet; bit number n: the outcome (or note) number n holds."""
    total = 0
    for place, name in enumerate(names):
        signs = format(rules()[name], f"0{SHEETS}b").encode()
        total |= (int.from_bytes(signs) & BYTES) << place
    return total.to_bytes(SHEETS)[::-1]


@cache
def expected() -> tuple[bytes, bytes]:
    return packed(FLAGS), packed(NOTES)


# ---------------------------------------------------------------- the product's own answers


def number_of(sheet: Sheet) -> int:
    """The number of a sheet; a question without an answer counts as "no"."""
    return sum(
        REPLIES.index(sheet.get(question, Reply.NO)) * step(place) for place, question in enumerate(QUESTIONS, 1)
    )


def bits(names: tuple[str, ...], held: tuple[str, ...]) -> int:
    return sum(1 << place for place, name in enumerate(names) if name in held)


def told(orientation: Orientation) -> tuple[int, int]:
    return bits(FLAGS, orientation.outcomes), bits(NOTES, orientation.notes)


@dataclass(frozen=True)
class Every:
    """What the product's rules give on every sheet, as bytes like those of `packed`."""

    flags: bytes
    notes: bytes

    def having(self, place: int) -> int:
        """The sheets whose flag number `place` holds."""
        signs = bytes(49 if byte >> place & 1 else 48 for byte in range(256))
        return int(self.flags[::-1].translate(signs), 2)

    @cached_property
    def levels(self) -> tuple[int, int, int]:
        """The sheets at least at each level above none."""
        apparent, potential, real = (self.having(place) for place in range(3))
        return apparent | potential | real, potential | real, real

    @cached_property
    def faults(self) -> tuple[int, ...]:
        return tuple(self.having(3 + place) for place in range(len(FAULTS)))

    @cached_property
    def needs(self) -> int:
        return self.having(7)

    @cached_property
    def nothing(self) -> int:
        seen = self.levels[0] | self.needs
        for one in self.faults:
            seen |= one
        return EVERY & ~seen


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> Every:
    """All sheets, reckoned by the first worker who needs them and left on the disk for the others."""
    folder = tmp_path_factory.getbasetemp()
    place = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "sheets"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            reckoned = _reckon()
            place.write_bytes(reckoned.flags + reckoned.notes)
    both = place.read_bytes()
    return Every(both[:SHEETS], both[SHEETS:])


def _reckon() -> Every:
    """With shared beginnings reckoned once: `test_a_sheet_alone...` ties this to `evaluate`."""
    known: dict[object, int] = {}
    states: list[tuple[assessment._Reckoning, dict[str, Reply]]] = []

    def keep(reckoning: assessment._Reckoning, faults: dict[str, Reply]) -> int:
        place = known.setdefault((reckoning, *faults.values()), len(known))
        if place == len(states):
            states.append((reckoning, faults))
        return place

    layer = [keep(assessment._Reckoning(), {})]
    for question in QUESTIONS:
        moves: dict[int, tuple[int, ...]] = {}
        for state in sorted(set(layer)):
            reckoning, faults = states[state]
            kept = [faults | ({question: reply} if question in assessment.FAULTS else {}) for reply in REPLIES]
            moves[state] = tuple(map(keep, (reckoning.after(question, reply) for reply in REPLIES), kept))
        layer = list(chain.from_iterable(map(moves.__getitem__, layer)))
    ends = {state: told(states[state][0].orientation(assessment._faults(states[state][1]))) for state in set(layer)}
    flags = {state: end[0] for state, end in ends.items()}
    notes = {state: end[1] for state, end in ends.items()}
    return Every(bytes(map(flags.__getitem__, layer)), bytes(map(notes.__getitem__, layer)))


# ---------------------------------------------------------------- every sheet


@pytest.mark.exhaustive
def test_every_sheet_is_oriented_as_the_rules_say(every: Every) -> None:
    flags, notes = expected()
    assert len(every.flags) == len(flags) == SHEETS
    wrong = next((place for place in range(SHEETS) if every.flags[place] != flags[place]), None)
    assert wrong is None, f"sheet {wrong}: {every.flags[wrong]:b} instead of {flags[wrong]:b}"
    assert every.notes == notes


def test_a_sheet_alone_is_evaluated_as_among_all_sheets(every: Every) -> None:
    chance = random.Random(14)
    for _ in range(3000):
        weights = chance.choice(((1, 1, 1), (6, 1, 1), (1, 0, 1)))
        sheet = {question: chance.choices(REPLIES, weights)[0] for question in QUESTIONS}
        number = number_of(sheet)
        assert told(evaluate(sheet)) == (every.flags[number], every.notes[number]), sheet


@pytest.mark.exhaustive
def test_doubt_or_a_yes_instead_of_a_no_never_takes_anything_back(every: Every) -> None:
    compared = 0
    for number in range(1, 15):
        without = answered(number, 0)
        for digit in (1, 2):
            compared += without.bit_count()
            for held in (*every.levels, *every.faults, every.needs):
                worse = (held & without) << digit * step(number)
                assert not worse & ~held, f"q{number}"
    assert compared == 44_641_044


@pytest.mark.exhaustive
def test_a_yes_instead_of_doubt_only_settles_who_has_to_look(every: Every) -> None:
    dropped = settled = 0
    for number in range(1, 15):
        doubtful = answered(number, 1)
        for held in (*every.levels, *every.faults):
            assert not ((held & doubtful) << step(number)) & ~held, f"q{number}"
        dropping = ((every.needs & doubtful) << step(number)) & ~every.needs
        assert not dropping or 6 <= number <= 12
        dropped += dropping.bit_count()
        settled += (dropping & every.nothing).bit_count()
    assert (dropped, settled) == (3384, 216)


@pytest.mark.exhaustive
def test_no_doubt_about_a_fault_or_an_interest_ends_in_none_seen(every: Every) -> None:
    assert every.nothing
    for number in range(2, 9):
        assert not every.nothing & unsure(number)


@pytest.mark.exhaustive
def test_a_level_not_reported_in_writing_says_to_report_it(every: Every) -> None:
    told_to = bytes(49 if byte >> NOTES.index("inform-in-writing") & 1 else 48 for byte in range(256))
    informs = int(every.notes[::-1].translate(told_to), 2)
    assert informs == every.levels[0] & (answered(13, 0) | answered(13, 1))


@given(st.fixed_dictionaries({question: st.sampled_from(REPLIES) for question in QUESTIONS}))
def test_every_sheet_ends_in_at_least_one_outcome_and_at_most_one_level(sheet: dict[str, Reply]) -> None:
    outcomes = evaluate(sheet).outcomes
    assert outcomes
    assert len(set(outcomes)) == len(outcomes)
    assert sum(one in ("real", "potential", "apparent") for one in outcomes) <= 1
    assert ("none-seen" in outcomes) == (outcomes == ("none-seen",))


# ---------------------------------------------------------------- what is not asked


def beginnings() -> Iterator[dict[str, Reply]]:
    """Answers to q1..q5 with at most one of the four fault paths not "no"."""
    for first in REPLIES:
        plain = {"q1": first} | dict.fromkeys(QUESTIONS[1:5], Reply.NO)
        yield plain
        for question, reply in product(QUESTIONS[1:5], REPLIES[1:]):
            yield plain | {question: reply}


def leaves(sheet: dict[str, Reply]) -> Iterator[dict[str, Reply]]:
    """The sheets on which no further question is asked."""
    waiting = [sheet]
    while waiting:
        sheet = waiting.pop()
        question = next_question(sheet)
        if question is None:
            yield sheet
        else:
            assert question not in sheet
            waiting += [{**sheet, question: reply} for reply in REPLIES]


@cache
def offsets(left_out: tuple[int, ...]) -> tuple[int, ...]:
    """By how much the number of a sheet grows with each answer to questions that were left out."""
    return tuple(
        sum(digit * step(number) for digit, number in zip(digits, left_out, strict=True))
        for digits in product(range(3), repeat=len(left_out))
    )


def test_no_answer_to_a_question_left_out_would_have_changed_anything() -> None:
    flags, notes = expected()
    reached = 0
    for beginning in beginnings():
        for sheet in leaves(beginning):
            left_out = tuple(place for place, question in enumerate(QUESTIONS, 1) if question not in sheet)
            base = number_of(sheet)
            whole = [base + more for more in offsets(left_out)]
            reached += len(whole)
            ends = {(flags[number], notes[number]) for number in whole}
            assert ends == {told(evaluate(sheet))}, sheet
    assert reached == 27 * 3**9, "every sheet with these beginnings is reached by exactly one way of asking"


def test_whatever_the_beginning_what_is_left_out_changes_nothing() -> None:
    chance = random.Random(7)
    flags, notes = expected()
    asked_less = 0
    for _ in range(1500):
        whole = {question: chance.choice(REPLIES) for question in QUESTIONS}
        sheet: dict[str, Reply] = {}
        while question := next_question(sheet):
            sheet[question] = whole[question]
        number = number_of(whole)
        assert told(evaluate(sheet)) == (flags[number], notes[number]), whole
        asked_less += len(sheet) < len(QUESTIONS)
    assert asked_less > 1000


def test_whoever_says_no_to_everything_is_not_asked_what_no_longer_matters() -> None:
    assert next_question(dict.fromkeys(QUESTIONS[:12], Reply.NO)) == "q14"  # there is nothing to report in writing
    assert evaluate(dict.fromkeys(QUESTIONS, Reply.NO)).outcomes == ("none-seen",)


# ---------------------------------------------------------------- the words


OUTCOMES = ("real", "potential", "apparent", *FAULTS, "needs-ueipci", "none-seen")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_says_something_on_a_law_that_was_read_with_a_step_to_take(
    library: Library, outcome: str
) -> None:
    shown = library.assessment.outcome(outcome)
    assert any(library.articles[article].article.mark == "V" for article in shown.articles)
    assert shown.say.es != shown.say.en
    assert shown.steps


def test_nobody_is_ever_told_that_there_is_no_conflict(library: Library) -> None:
    parts = [part.model_dump_json() for part in (*library.assessment.outcomes, *library.assessment.notes)]
    words = " ".join([*parts, library.assessment.disclaimer.es, library.assessment.disclaimer.en]).casefold()
    for denial in ("no tienes conflicto", "no tienes un conflicto", "no hay conflicto", "you have no conflict"):
        assert denial not in words
    assert "no se advierte" in library.assessment.outcome("none-seen").say.es


def test_the_fourteen_questions_stand_in_order_and_before_them_what_this_is_not(library: Library) -> None:
    assert [question.id for question in library.assessment.questions] == list(QUESTIONS)
    intro = library.assessment.intro.es
    for said in ("no es una resolución", "denuncia", "nombres", "no incriminarte", "debe denunciarla"):
        assert said in intro
    assert set(library.assessment.intro_articles) == {"lgra-208-ii", "lgra-49-ii"}


def test_every_note_of_the_rules_has_its_words(library: Library) -> None:
    assert {library.assessment.note(note).id for note in NOTES} == set(NOTES)
    assert "no entres en el asunto" in library.assessment.note("interest-without-part").text.es
    assert "Informa por escrito" in library.assessment.note("inform-in-writing").text.es
