"""What a person remembers of each rule, as one packed value: recorded from answers, read for prompts and reports.

A rule is a competency of the course, a text one of its scenarios. Days are local calendar days.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

from content.learning import course_index, curve, packing
from content.learning.arrays import Array, DType, np
from content.learning.cohort import PACE_PRIOR, PRIOR, Cohort
from content.learning.packing import MemoryFormatError, Records, calendar_day, find_or_add, hashes, stored_day
from content.library import Library

__all__ = [
    "MemoryFormatError",
    "Review",
    "RuleMemory",
    "after_answers",
    "are_last",
    "replay",
    "rules",
    "with_confidence",
]

VERSION = 1
TOLERANCE = 0.01
"""Of checks of stored numbers, which are rounded to 32 bits."""
CHUNK = 1000
"""People whose histories are replayed together: their working arrays stay small."""


@dataclass(frozen=True, slots=True)
class Review:
    """One answer to a scenario; `day` is the local day of the answer, `confidence` sure, think, guess or empty."""

    day: date
    competency: str
    scenario: str
    is_right: bool
    confidence: str = ""


@dataclass(frozen=True, slots=True)
class RuleMemory:
    """How well a person knows a rule.

    `recall` is the predicted probability of knowing it, without lucky guesses; `answered_on` the day of the last
    answer; `variants_right` the number of its current scenarios that were answered right at least once; `is_right`
    whether the last answer was.
    """

    recall: float
    answered_on: date
    variants_right: int
    is_right: bool


@dataclass(slots=True)
class Unpacked:
    """The memories of many people: headers, and their records of rules and of texts."""

    header: Array
    rules: Records
    texts: Records


@cache
def rule_dtype() -> DType:
    """One rule: logarithm of the stability by pace and case, probability of case 1, and its answers.

    `day` is that of the last answer, `is_right` whether it was right, `is_sure_wrong` whether it was wrong and given as
    sure; `wrongs` counts wrong answers, at most 3.
    """
    fields = [("hash", "<u4"), ("stability", "<f4", (3, 2)), ("known", "<f4"), ("day", "<u2"), ("wrongs", "u1")]
    return np.dtype([*fields, ("is_right", "u1"), ("is_sure_wrong", "u1"), ("unused", "u1", 3)])


@cache
def text_dtype() -> DType:
    """One text: the day of its last answer, and whether it was ever answered right."""
    return np.dtype([("hash", "<u4"), ("day", "<u2"), ("was_right", "u1"), ("unused", "u1")])


@cache
def header_dtype() -> DType:
    """A person: numbers of records and answers, weights of the paces, and all that the last answer changed."""
    numbers = [("version", "u1"), ("last_right", "u1"), ("rules", "<u2"), ("texts", "<u2"), ("first_answers", "<u2")]
    state = [("answered", "<u4"), ("weights", "<f4", 3), ("z_sum", "<f4")]
    last = [("last_day", "<u2"), ("unused", "<u2"), ("last_rule", "<u4"), ("last_text", "<u4")]
    before = [("weights_before", "<f4", 3), ("z_sum_before", "<f4")]
    return np.dtype([*numbers, *state, *last, *before, ("rule_before", rule_dtype()), ("text_before", text_dtype())])


@cache
def _blank() -> Array:
    header = np.zeros(1, header_dtype())
    header["version"], header["weights"] = VERSION, PACE_PRIOR
    return header


def unpack(values: Sequence[bytes]) -> Unpacked:
    """Read packed memories; empty bytes are those of a person without answers. Raises MemoryFormatError."""
    header, (found, texts) = packing.unpack(values, _blank(), (("rules", rule_dtype()), ("texts", text_dtype())))
    stability, known, weights = found.rows["stability"], found.rows["known"], header["weights"]
    in_range = (stability >= curve.LOW - TOLERANCE) & (stability <= curve.HIGH + TOLERANCE)
    is_sane = in_range.all(axis=(1, 2)) & (known >= 0) & (known <= 1)
    is_sane &= (found.rows["day"] > 0) & (found.rows["wrongs"] <= curve.MOST_WRONGS)
    packing.refuse(~is_sane, "a rule of a memory is impossible", found.owners)
    is_sane = (weights >= 0).all(axis=1) & (np.abs(weights.sum(axis=1) - 1) < TOLERANCE)
    is_sane &= (header["z_sum"] >= 0) & (header["z_sum"] <= header["first_answers"] + TOLERANCE)
    packing.refuse(~is_sane, "the header of a memory is impossible")
    return Unpacked(header, found, texts)


def after_answers(packed: Sequence[bytes], reviews: Sequence[Review], cohort: Cohort = PRIOR) -> list[bytes]:
    """Each person's memory after one more answer; empty bytes are the memory of a person without answers.

    `reviews` has one review for each person, in the same order. Raises MemoryFormatError.
    """
    state = unpack(packed)
    batch = _batch(reviews)
    state.rules, rule_places = find_or_add(state.rules, batch.rules)
    state.texts, text_places = find_or_add(state.texts, batch.texts)
    rule_rows, text_rows = state.rules.rows[rule_places], state.texts.rows[text_places]
    _record(state.header, rule_rows, text_rows, batch, cohort)
    state.rules.rows[rule_places], state.texts.rows[text_places] = rule_rows, text_rows
    return _pack(state)


def are_last(packed: Sequence[bytes], reviews: Sequence[Review]) -> list[bool]:
    """For each person whether a review is of no earlier day than their last answer. Raises MemoryFormatError."""
    last = unpack(packed).header["last_day"].tolist()
    return [stored_day(review.day) >= day for review, day in zip(reviews, last, strict=True)]


def replay(histories: Sequence[Sequence[Review]], cohort: Cohort = PRIOR) -> list[bytes]:
    """Each person's memory after all their answers, in the order given: the same bytes as answer by answer."""
    found = []
    for start in range(0, len(histories), CHUNK):
        found += _replay(histories[start : start + CHUNK], cohort)
    return found


def with_confidence(packed: bytes, review: Review, cohort: Cohort = PRIOR) -> bytes | None:
    """The memory after the confidence of the person's last answer became known.

    None when `review` is, but for its confidence, not the last answer: the caller replays the history then.
    Raises MemoryFormatError.
    """
    state, batch = unpack([packed]), _batch([review])
    header = state.header
    last = (header["last_rule"], header["last_text"], header["last_day"], header["last_right"])
    given = (batch.rules, batch.texts, batch.days, batch.is_right)
    if not header["answered"][0] or any(one[0] != other[0] for one, other in zip(last, given, strict=True)):
        return None
    rule_rows, text_rows = _restore(header)
    rule_places, text_places = (
        np.flatnonzero(records.rows["hash"] == rows["hash"])
        for records, rows in ((state.rules, rule_rows), (state.texts, text_rows))
    )
    _record(header, rule_rows, text_rows, batch, cohort)
    state.rules.rows[rule_places], state.texts.rows[text_places] = rule_rows, text_rows
    return _pack(state)[0]


def rules(packed: bytes, library: Library, today: date, cohort: Cohort = PRIOR) -> dict[str, RuleMemory]:
    """How well a person knows each rule of the course that they have answered, by competency id.

    Raises MemoryFormatError.
    """
    if not packed:
        return {}
    state, names = unpack([packed]), course_index.names(library)
    right = Counter(
        names.rule_of_text[hashed]
        for hashed in state.texts.rows["hash"][state.texts.rows["was_right"] > 0].tolist()
        if hashed in names.rule_of_text
    )
    rows = state.rules.rows
    known = recall_of(rows, state.header["weights"][np.zeros(len(rows), int)], stored_day(today), cohort)
    return {
        names.rules[hashed]: RuleMemory(one, calendar_day(day), right[names.rules[hashed]], bool(is_right))
        for hashed, one, day, is_right in zip(
            *(column.tolist() for column in (rows["hash"], known, rows["day"], rows["is_right"])), strict=True
        )
        if hashed in names.rules
    }


def recall_of(rows: Array, weights: Array, today: int, cohort: Cohort) -> Array:
    """Predicted recall of each rule on a stored day; `weights` has those of its person, for each rule."""
    elapsed = np.maximum(today - rows["day"].astype(np.int64), 0).astype(np.float64)
    remembered = curve.recall(elapsed[:, None, None], rows["stability"].astype(np.float64), cohort)
    by_case = (curve.known_now(remembered, cohort) * weights[:, :, None]).sum(axis=1)
    return np.asarray(np.minimum(by_case[:, 0] + rows["known"] * (by_case[:, 1] - by_case[:, 0]), 1.0))


@dataclass(slots=True)
class Batch:
    """One review of each person, as arrays."""

    days: Array
    rules: Array
    texts: Array
    is_right: Array
    odds: Array
    is_sure: Array


def _batch(reviews: Sequence[Review]) -> Batch:
    return Batch(
        np.array([stored_day(review.day) for review in reviews], np.int64),
        hashes(review.competency for review in reviews),
        hashes(review.scenario for review in reviews),
        np.array([review.is_right for review in reviews], bool),
        np.array([curve.ODDS.get(review.confidence, 1.0) for review in reviews]),
        np.array([review.confidence == "sure" for review in reviews], bool),
    )


def _record(header: Array, rule_rows: Array, text_rows: Array, batch: Batch, cohort: Cohort) -> None:
    """Change each person's header and the rows of the answered rule and text, and keep what they were before."""
    header["rule_before"], header["text_before"] = rule_rows, text_rows
    header["weights_before"], header["z_sum_before"] = header["weights"], header["z_sum"]
    header["last_rule"], header["last_text"] = batch.rules, batch.texts
    header["last_day"], header["last_right"] = batch.days, batch.is_right
    header["answered"] += 1
    curve.record(header, rule_rows, curve.Answers(batch.days, batch.is_right, batch.odds), cohort)
    rule_rows["is_sure_wrong"] = batch.is_sure & ~batch.is_right
    text_rows["day"] = batch.days
    text_rows["was_right"] |= batch.is_right


def _restore(header: Array) -> tuple[Array, Array]:
    """Undo the last answer in the header of each person; return the rows that its rule and its text had before it."""
    rule_rows, text_rows = header["rule_before"].copy(), header["text_before"].copy()
    header["weights"], header["z_sum"] = header["weights_before"], header["z_sum_before"]
    header["first_answers"] -= rule_rows["day"] == 0
    header["answered"] -= 1
    return rule_rows, text_rows


def _pack(state: Unpacked) -> list[bytes]:
    state.header["rules"], state.header["texts"] = state.rules.counts, state.texts.counts
    return packing.pack(state.header, (state.rules, state.texts))


def _replay(histories: Sequence[Sequence[Review]], cohort: Cohort) -> list[bytes]:
    """Replay with a column for each rule and each text that any of these people answered."""
    rule_hashes = np.unique(hashes({review.competency for history in histories for review in history}))
    text_hashes = np.unique(hashes({review.scenario for history in histories for review in history}))
    header = np.repeat(_blank(), len(histories))
    found = np.zeros((len(histories), len(rule_hashes)), rule_dtype())
    texts = np.zeros((len(histories), len(text_hashes)), text_dtype())
    found["hash"], texts["hash"] = rule_hashes, text_hashes
    for number in range(max(map(len, histories), default=0)):
        people = np.array([person for person, history in enumerate(histories) if number < len(history)])
        batch = _batch([histories[person][number] for person in people.tolist()])
        columns = people, np.searchsorted(rule_hashes, batch.rules)
        text_columns = people, np.searchsorted(text_hashes, batch.texts)
        headers, rule_rows, text_rows = header[people], found[columns], texts[text_columns]
        _record(headers, rule_rows, text_rows, batch, cohort)
        header[people], found[columns], texts[text_columns] = headers, rule_rows, text_rows
    packed_rows = [Records(table[table["day"] > 0], (table["day"] > 0).sum(axis=1)) for table in (found, texts)]
    return _pack(Unpacked(header, *packed_rows)) if histories else []
