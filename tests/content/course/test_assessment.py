"""The assessment rules compared with an independent transcription on all 3^14 = 4,782,969 sheets.

A set of sheets is one large integer: bit i represents sheet number i, whose base-3 digits are the answers (0 no,
1 unsure, 2 yes), first question first. The transcribed rules thus read like the specification.
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
from content.course.assessment import QUESTIONS, Orientation, Sheet, SheetAnswer, evaluate, next_question
from content.library import Library

pytestmark = pytest.mark.long

ANSWERS = (SheetAnswer.NO, SheetAnswer.UNSURE, SheetAnswer.YES)
SHEETS = 3**14
ALL_SHEETS = (1 << SHEETS) - 1
BYTES = int.from_bytes(b"\1" * SHEETS)
FAULTS = ("gift", "nepotism", "resources", "influence")
NOTES = ("urgent", "inform-in-writing", "interest-without-part", "do-not-act")
FLAGS = ("apparent", "potential", "real", *FAULTS, "needs-ueipci")


# ---------------------------------------------------------------- the rules, transcribed


def step(number: int) -> int:
    """Difference between the numbers of two sheets whose answers to this question differ by one digit."""
    return int(3 ** (14 - number))


@cache
def answered(number: int, digit: int) -> int:
    """The set of sheets in which a question has this answer."""
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
    """The set of sheets that lead to each outcome and note."""
    interest = yes(6) | yes(7) | yes(8)
    doubt = yu(6) | yu(7) | yu(8)
    real = interest & (yes(10) | (yu(9) & yu(10)))
    potential = interest & ~real & (yu(9) | yu(10) | yu(11))
    apparent = ~real & ~potential & (yu(12) | (doubt & (yu(9) | yu(10) | yu(11)))) & ALL_SHEETS
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
    """One byte per sheet; bit n is set if the outcome (or note) number n applies."""
    total = 0
    for place, name in enumerate(names):
        signs = format(rules()[name], f"0{SHEETS}b").encode()
        total |= (int.from_bytes(signs) & BYTES) << place
    return total.to_bytes(SHEETS)[::-1]


@cache
def expected() -> tuple[bytes, bytes]:
    return packed(FLAGS), packed(NOTES)


# ---------------------------------------------------------------- results of the product


def number_of(sheet: Sheet) -> int:
    """The number of a sheet; a question without an answer counts as "no"."""
    return sum(
        ANSWERS.index(sheet.get(question, SheetAnswer.NO)) * step(place) for place, question in enumerate(QUESTIONS, 1)
    )


def bits(names: tuple[str, ...], applied: tuple[str, ...]) -> int:
    return sum(1 << place for place, name in enumerate(names) if name in applied)


def result_bits(orientation: Orientation) -> tuple[int, int]:
    return bits(FLAGS, orientation.outcomes), bits(NOTES, orientation.notes)


@dataclass(frozen=True)
class AllResults:
    """Results of the product for every sheet, as bytes like those of `packed`."""

    flags: bytes
    notes: bytes

    def with_flag(self, place: int) -> int:
        """The set of sheets for which flag number `place` is set."""
        signs = bytes(49 if byte >> place & 1 else 48 for byte in range(256))
        return int(self.flags[::-1].translate(signs), 2)

    @cached_property
    def levels(self) -> tuple[int, int, int]:
        """The sets of sheets at or above each level."""
        apparent, potential, real = (self.with_flag(place) for place in range(3))
        return apparent | potential | real, potential | real, real

    @cached_property
    def faults(self) -> tuple[int, ...]:
        return tuple(self.with_flag(3 + place) for place in range(len(FAULTS)))

    @cached_property
    def needs(self) -> int:
        return self.with_flag(7)

    @cached_property
    def none_seen(self) -> int:
        seen = self.levels[0] | self.needs
        for one in self.faults:
            seen |= one
        return ALL_SHEETS & ~seen


@pytest.fixture(scope="session")
def every(tmp_path_factory: pytest.TempPathFactory) -> AllResults:
    """Results for all sheets, computed by the first xdist worker that needs them; the others read its file."""
    folder = tmp_path_factory.getbasetemp()
    place = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "sheets"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            computed = _all_results()
            place.write_bytes(computed.flags + computed.notes)
    both = place.read_bytes()
    return AllResults(both[:SHEETS], both[SHEETS:])


def _all_results() -> AllResults:
    """Compute each rule state once; `test_results_for_all_sheets_match_evaluate` ties this to `evaluate`."""
    known: dict[object, int] = {}
    states: list[tuple[assessment._RuleState, dict[str, SheetAnswer]]] = []

    def state_number(rule_state: assessment._RuleState, faults: dict[str, SheetAnswer]) -> int:
        number = known.setdefault((rule_state, *faults.values()), len(known))
        if number == len(states):
            states.append((rule_state, faults))
        return number

    layer = [state_number(assessment._RuleState(), {})]
    for question in QUESTIONS:
        moves: dict[int, tuple[int, ...]] = {}
        for state in sorted(set(layer)):
            rule_state, faults = states[state]
            is_fault = question in assessment.FAULT_BY_QUESTION
            next_faults = [faults | ({question: answer} if is_fault else {}) for answer in ANSWERS]
            next_states = (rule_state.after(question, answer) for answer in ANSWERS)
            moves[state] = tuple(map(state_number, next_states, next_faults))
        layer = list(chain.from_iterable(map(moves.__getitem__, layer)))
    ends = {
        state: result_bits(states[state][0].orientation(assessment._faults(states[state][1]))) for state in set(layer)
    }
    flags = {state: end[0] for state, end in ends.items()}
    notes = {state: end[1] for state, end in ends.items()}
    return AllResults(bytes(map(flags.__getitem__, layer)), bytes(map(notes.__getitem__, layer)))


# ---------------------------------------------------------------- every sheet


@pytest.mark.exhaustive
def test_every_sheet_gets_the_orientation_of_the_rules(every: AllResults) -> None:
    flags, notes = expected()
    assert len(every.flags) == len(flags) == SHEETS
    wrong = next((place for place in range(SHEETS) if every.flags[place] != flags[place]), None)
    assert wrong is None, f"sheet {wrong}: {every.flags[wrong]:b} instead of {flags[wrong]:b}"
    assert every.notes == notes


def test_results_for_all_sheets_match_evaluate(every: AllResults) -> None:
    chance = random.Random(14)
    for _ in range(3000):
        weights = chance.choice(((1, 1, 1), (6, 1, 1), (1, 0, 1)))
        sheet = {question: chance.choices(ANSWERS, weights)[0] for question in QUESTIONS}
        number = number_of(sheet)
        assert result_bits(evaluate(sheet)) == (every.flags[number], every.notes[number]), sheet


@pytest.mark.exhaustive
def test_unsure_or_yes_instead_of_no_never_removes_an_outcome(every: AllResults) -> None:
    compared = 0
    for number in range(1, 15):
        without = answered(number, 0)
        for digit in (1, 2):
            compared += without.bit_count()
            for sheets in (*every.levels, *every.faults, every.needs):
                worse = (sheets & without) << digit * step(number)
                assert not worse & ~sheets, f"q{number}"
    assert compared == 44_641_044


@pytest.mark.exhaustive
def test_yes_instead_of_unsure_can_only_remove_the_need_for_an_officer(every: AllResults) -> None:
    dropped = settled = 0
    for number in range(1, 15):
        doubtful = answered(number, 1)
        for sheets in (*every.levels, *every.faults):
            assert not ((sheets & doubtful) << step(number)) & ~sheets, f"q{number}"
        dropping = ((every.needs & doubtful) << step(number)) & ~every.needs
        assert not dropping or 6 <= number <= 12
        dropped += dropping.bit_count()
        settled += (dropping & every.none_seen).bit_count()
    assert (dropped, settled) == (3384, 216)


@pytest.mark.exhaustive
def test_unsure_about_a_fault_or_an_interest_never_ends_in_none_seen(every: AllResults) -> None:
    assert every.none_seen
    for number in range(2, 9):
        assert not every.none_seen & unsure(number)


@pytest.mark.exhaustive
def test_a_level_that_was_not_reported_in_writing_gets_the_note_to_report_it(every: AllResults) -> None:
    flag_set = bytes(49 if byte >> NOTES.index("inform-in-writing") & 1 else 48 for byte in range(256))
    informs = int(every.notes[::-1].translate(flag_set), 2)
    assert informs == every.levels[0] & (answered(13, 0) | answered(13, 1))


@given(st.fixed_dictionaries({question: st.sampled_from(ANSWERS) for question in QUESTIONS}))
def test_every_sheet_ends_in_at_least_one_outcome_and_at_most_one_level(sheet: dict[str, SheetAnswer]) -> None:
    outcomes = evaluate(sheet).outcomes
    assert outcomes
    assert len(set(outcomes)) == len(outcomes)
    assert sum(one in ("real", "potential", "apparent") for one in outcomes) <= 1
    assert ("none-seen" in outcomes) == (outcomes == ("none-seen",))


# ---------------------------------------------------------------- skipped questions


def beginnings() -> Iterator[dict[str, SheetAnswer]]:
    """Answers to q1..q5 with at most one of the four fault questions not answered "no"."""
    for first in ANSWERS:
        plain = {"q1": first} | dict.fromkeys(QUESTIONS[1:5], SheetAnswer.NO)
        yield plain
        for question, answer in product(QUESTIONS[1:5], ANSWERS[1:]):
            yield plain | {question: answer}


def leaves(sheet: dict[str, SheetAnswer]) -> Iterator[dict[str, SheetAnswer]]:
    """The complete sheets that extend `sheet`."""
    waiting = [sheet]
    while waiting:
        sheet = waiting.pop()
        question = next_question(sheet)
        if question is None:
            yield sheet
        else:
            assert question not in sheet
            waiting += [{**sheet, question: answer} for answer in ANSWERS]


@cache
def offsets(skipped: tuple[int, ...]) -> tuple[int, ...]:
    """The differences of sheet numbers for all combinations of answers to skipped questions."""
    return tuple(
        sum(digit * step(number) for digit, number in zip(digits, skipped, strict=True))
        for digits in product(range(3), repeat=len(skipped))
    )


def test_no_answer_to_a_skipped_question_would_change_the_result() -> None:
    flags, notes = expected()
    reached = 0
    for beginning in beginnings():
        for sheet in leaves(beginning):
            skipped = tuple(place for place, question in enumerate(QUESTIONS, 1) if question not in sheet)
            base = number_of(sheet)
            whole = [base + more for more in offsets(skipped)]
            reached += len(whole)
            ends = {(flags[number], notes[number]) for number in whole}
            assert ends == {result_bits(evaluate(sheet))}, sheet
    assert reached == 27 * 3**9, "every sheet with these beginnings is reached by exactly one sequence of questions"


def test_skipped_questions_change_nothing_for_random_beginnings() -> None:
    chance = random.Random(7)
    flags, notes = expected()
    asked_less = 0
    for _ in range(1500):
        whole = {question: chance.choice(ANSWERS) for question in QUESTIONS}
        sheet: dict[str, SheetAnswer] = {}
        while question := next_question(sheet):
            sheet[question] = whole[question]
        number = number_of(whole)
        assert result_bits(evaluate(sheet)) == (flags[number], notes[number]), whole
        asked_less += len(sheet) < len(QUESTIONS)
    assert asked_less > 1000


def test_after_only_no_answers_the_question_about_reporting_is_skipped() -> None:
    # Nothing was answered with yes, so there is nothing to report in writing.
    assert next_question(dict.fromkeys(QUESTIONS[:12], SheetAnswer.NO)) == "q14"
    assert evaluate(dict.fromkeys(QUESTIONS, SheetAnswer.NO)).outcomes == ("none-seen",)


# ---------------------------------------------------------------- texts


OUTCOMES = ("real", "potential", "apparent", *FAULTS, "needs-ueipci", "none-seen")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_a_text_a_verified_article_and_a_step(library: Library, outcome: str) -> None:
    shown = library.assessment.outcome(outcome)
    assert any(library.articles[article].article.mark == "V" for article in shown.articles)
    assert shown.say.es != shown.say.en
    assert shown.steps


def test_no_text_states_that_there_is_no_conflict(library: Library) -> None:
    parts = [part.model_dump_json() for part in (*library.assessment.outcomes, *library.assessment.notes)]
    words = " ".join([*parts, library.assessment.disclaimer.es, library.assessment.disclaimer.en]).casefold()
    for denial in ("no tienes conflicto", "no tienes un conflicto", "no hay conflicto", "you have no conflict"):
        assert denial not in words
    assert "no se advierte" in library.assessment.outcome("none-seen").say.es


def test_the_questions_are_in_order_and_the_intro_states_the_limits(library: Library) -> None:
    assert [question.id for question in library.assessment.questions] == list(QUESTIONS)
    intro = library.assessment.intro.es
    for phrase in ("no es una resolución", "denuncia", "nombres", "no incriminarte", "debe denunciarla"):
        assert phrase in intro
    assert set(library.assessment.intro_articles) == {"lgra-208-ii", "lgra-49-ii"}


def test_every_note_of_the_rules_has_a_text(library: Library) -> None:
    assert {library.assessment.note(note).id for note in NOTES} == set(NOTES)
    assert "no entres en el asunto" in library.assessment.note("interest-without-part").text.es
    assert "Informa por escrito" in library.assessment.note("inform-in-writing").text.es
