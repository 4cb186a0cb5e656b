"""Choose the scenario to ask each person today. Pure: the same inputs give the same choice.

The rule with the highest price is asked (content/learning/prices.py), times the weights of season and office. Stronger,
each more than the one before: people who are behind in meeting the rules are asked new ones only, topics in turn; a
rule whose last answer was wrong and given as sure comes back from the second day on; no rule is asked in two prompts
in a row, but such a one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from content.course.scenario import Scenario
from content.learning import sent
from content.learning.arrays import Array, np
from content.learning.cohort import PRIOR, Cohort
from content.learning.course_index import CourseIndex, course_index
from content.learning.packing import MemoryFormatError, hashes, stored_day
from content.learning.sent import Prompts
from content.learning.standing import Standing, standing
from content.library import Library

CHUNK = 1000
"""People chosen for together: working arrays of some megabytes, whatever their number."""
ANSWERS_FOR_NEW = (12, 5)
"""Of 12 answers, 5 are to rules not answered before, until all are met."""
LEAD = 3
"""Answers by which people are kept ahead of that, so that confident errors can be asked in between."""
LAST_NEW = 2
"""The last new rules are asked as soon as only these are left: the last one cannot be asked in two prompts in a row."""
SEASON_WEIGHT = 1000.0
"""Weight of a rule in season whose last prompt is too long ago for its share of all prompts."""
USED_UP = 0.3
"""Weight of a rule whose texts were all answered within TEXT_DAYS."""
TEXT_DAYS = 90
"""So that no text is answered more than five times a year."""
SEASON_TEXT_DAYS = 60
"""The same for the season: within these days it brings no text back."""
PATIENCE = 0.5
"""Weight for each unanswered prompt about a rule; for one that was answered before, from the third since then on."""
FORGIVEN = 2
CONFIDENT_ERROR_DAYS = 2
MOST_UNANSWERED = 3
"""Times in a row that a text is sent unanswered, and that a confident error goes before all else."""
TIE = 1e-6
"""Weight of the personal order of rules: it decides between equal prices only."""
MIX = 0x9E3779B97F4A7C15


class Reason(StrEnum):
    """Why a prompt was chosen; at most 20 characters."""

    NEW = "new"  # the rule was never answered
    CONFIDENT_ERROR = "confident-error"  # the last answer to the rule was wrong and given as sure
    MISTAKE = "mistake"  # time to review, and the last answer to the rule was wrong
    REVIEW = "review"  # time to review: asking now keeps the rule known for longest
    SEASON = "season"  # its risk is high in this month; without the season another rule would have come
    UNANSWERED = "unanswered"  # the last prompt about the rule was not answered


@dataclass(frozen=True, slots=True)
class Learner:
    """A person to choose for: `seed` (the servant id) differs between people, `memory` comes from `memories`.

    `sent` is the value of the last choice that was stored as a prompt, or of `replay_sent`; empty before the first.
    """

    seed: int
    memory: bytes
    sent: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """The scenario to ask, why, and the value of `sent` to store together with the prompt."""

    scenario: Scenario
    reason: str
    sent: bytes


@dataclass(frozen=True, slots=True)
class Prompted:
    """A past prompt: its day, the day on which it was answered, if it was, and the reason of its choice."""

    day: date
    competency: str
    scenario: str
    answered_on: date | None
    reason: str = ""


def choose(library: Library, learners: Sequence[Learner], today: date, cohort: Cohort = PRIOR) -> list[Choice | None]:
    """The prompt of today for each learner; None when the course has nothing to ask.

    Raises MemoryFormatError; its `position` tells whose value it is.
    """
    index = course_index(library)
    if index is None:
        return [None] * len(learners)
    found: list[Choice | None] = []
    for start in range(0, len(learners), CHUNK):
        try:
            found += _choose(index, learners[start : start + CHUNK], today, cohort)
        except MemoryFormatError as fault:
            fault.position += start
            raise
    return found


def replay_sent(prompts: Sequence[Prompted]) -> bytes:
    """The value of `Learner.sent` after these prompts of one person, oldest first."""
    value = sent.unpack([b""])
    last_of_text: dict[str, tuple[Prompted, int, int]] = {}
    last_of_rule: dict[str, str] = {}
    for prompt in prompts:
        before, times, in_row = last_of_text.get(prompt.scenario, (None, 0, 0))
        if before is not None and before.answered_on is not None and before.answered_on <= prompt.day:
            times = in_row = 0
        if last_of_rule.get(prompt.competency) != prompt.scenario:
            in_row = 0
        last_of_text[prompt.scenario] = prompt, times + 1, in_row + 1
        last_of_rule[prompt.competency] = prompt.scenario
        new = Prompts(
            rules=hashes([prompt.competency]),
            texts=hashes([prompt.scenario]),
            times=np.array([times + 1]),
            in_row=np.array([in_row + 1]),
            is_confident_error=np.array([prompt.reason == Reason.CONFIDENT_ERROR]),
        )
        value = sent.with_prompts(value, new, stored_day(prompt.day))
    return sent.pack(value)[0] if prompts else b""


def _choose(index: CourseIndex, learners: Sequence[Learner], today: date, cohort: Cohort) -> list[Choice]:
    day = stored_day(today)
    now = standing(index, [one.memory for one in learners], [one.sent for one in learners], day, cohort)
    seeds = np.array([one.seed & (2**64 - 1) for one in learners], np.uint64)
    rules, reasons = _rules(index, now, today.month, seeds)
    texts = _texts(index, now, rules, day, seeds)
    people = np.arange(len(learners))
    numbers = now.text_number[people[:, None], index.texts[rules]]
    is_latest = now.text_number[people, texts] == numbers.max(axis=1)
    new = Prompts(
        rules=index.rule_hashes[rules],
        texts=index.text_hashes[texts],
        times=now.text_times[people, texts] + 1,
        in_row=np.where(is_latest, now.text_in_row[people, texts], 0) + 1,
        is_confident_error=reasons == Reason.CONFIDENT_ERROR,
    )
    chosen = zip(texts.tolist(), reasons.tolist(), sent.pack(sent.with_prompts(now.sent, new, day)), strict=True)
    return [Choice(index.scenarios[text], reason, value) for text, reason, value in chosen]


def _rules(index: CourseIndex, now: Standing, month: int, seeds: Array) -> tuple[Array, Array]:
    """The rule to ask each person, and the reason."""
    order = _personal_order(seeds, index.rule_hashes)
    price = now.price * np.where(_is_used_up(index, now, TEXT_DAYS), USED_UP, 1.0) * _patience(now) + TIE * order
    season = np.where(_is_used_up(index, now, SEASON_TEXT_DAYS), 1.0, _season_weight(index, now, month))
    weighted = price * season * _office_weight(index, now)
    must_be_new, is_candidate = _candidates(index, now)
    pick, plain = (_best(one, is_candidate) for one in (weighted, price))
    is_urgent = _is_urgent(now) & ~must_be_new[:, None]
    oldest = np.where(is_urgent, now.elapsed + order, -1.0).argmax(axis=1)
    has_urgent = is_urgent.any(axis=1)
    rules = np.where(has_urgent, oldest, pick)
    people = np.arange(len(rules))
    reasons = np.select(
        [
            has_urgent,
            (pick != plain) & (index.season_shares[pick, month] > 0),
            now.unanswered[people, rules] > 0,
            ~now.is_met[people, rules],
            ~now.is_right[people, rules],
        ],
        [Reason.CONFIDENT_ERROR, Reason.SEASON, Reason.UNANSWERED, Reason.NEW, Reason.MISTAKE],
        Reason.REVIEW,
    )
    return rules, reasons


def _candidates(index: CourseIndex, now: Standing) -> tuple[Array, Array]:
    """Whether nothing but a new rule may be asked each person, and which rules may be asked by price."""
    is_met, rule_count = now.is_met, len(index.rule_hashes)
    in_topic = index.topics[:, None] == np.arange(index.topic_count)
    met_by_topic = is_met.astype(np.int64) @ in_topic
    met = is_met.sum(axis=1)
    lacks_topics = (met_by_topic > 0).sum(axis=1) < np.minimum(now.answered + 1, index.topic_count)
    is_behind = lacks_topics | (met < _needed(now.answered + 1, rule_count))
    is_nearly_behind = (met < _needed(now.answered + 1 + LEAD, rule_count)) | (met >= rule_count - LAST_NEW)
    met_in_own_topic = met_by_topic[:, index.topics]
    fewest = np.where(is_met, rule_count, met_in_own_topic).min(axis=1, keepdims=True)
    in_turn = ~is_met & (met_in_own_topic == fewest)
    is_candidate = ~now.is_last
    for narrower in (~is_met, in_turn):
        narrowed = is_candidate & narrower
        is_narrowed = (is_behind | is_nearly_behind) & narrowed.any(axis=1)
        is_candidate = np.where(is_narrowed[:, None], narrowed, is_candidate)
    is_candidate |= ~is_candidate.any(axis=1, keepdims=True)  # a course with one rule
    was_confident_error = now.sent.header["was_confident_error"] > 0
    return is_behind | (is_nearly_behind & was_confident_error & (met < rule_count)), is_candidate


def _needed(answered: Array, rule_count: int) -> Array:
    """How many rules a person has met after so many answers, at least."""
    answers, new = ANSWERS_FOR_NEW
    return np.asarray(np.minimum(-(-answered * new // answers), rule_count))


def _is_urgent(now: Standing) -> Array:
    """Confident errors to ask again, until some prompts about them were not answered."""
    is_due = now.is_sure_wrong & (now.elapsed >= CONFIDENT_ERROR_DAYS) & (now.unanswered < MOST_UNANSWERED)
    return is_due & ~(now.is_last & (now.unanswered > 0))


def _best(price: Array, is_candidate: Array) -> Array:
    return np.asarray(np.where(is_candidate, price, -1.0).argmax(axis=1))


def _is_used_up(index: CourseIndex, now: Standing, days: int) -> Array:
    """Whether all texts of a rule were answered within the last days."""
    answered = now.text_answered[:, index.texts]
    is_recent = (answered > 0) & (np.abs(now.today - answered) <= days)
    return np.asarray((is_recent | (index.texts < 0)).all(axis=2))


def _patience(now: Standing) -> Array:
    """Less for rules whose prompts are not answered, so that people who are silent see others, too."""
    tries = np.maximum(now.unanswered - FORGIVEN * now.is_met, 0)
    return np.asarray(PATIENCE ** np.minimum(tries, 40))


def _season_weight(index: CourseIndex, now: Standing, month: int) -> Array:
    """Prefer the rules in season that had no prompt for as many prompts as their share allows."""
    shares = index.season_shares[:, month]
    between = np.floor(len(index.rule_hashes) / np.maximum(shares, 1.0)) - 1
    is_wanted = (shares > 0) & (now.prompts_since >= between)
    return np.where(is_wanted, SEASON_WEIGHT, 1.0)


def _office_weight(index: CourseIndex, now: Standing) -> float:
    """The place for a weight by office: rules for other offices would come after one's own; offices are not known."""
    return 1.0


def _texts(index: CourseIndex, now: Standing, rules: Array, today: int, seeds: Array) -> Array:
    """The text to send of each person's rule: never sent, else never answered, else answered longest ago.

    A text that was unanswered too often in a row lets another come first, and one already sent today all others.
    """
    people, texts = np.arange(len(rules))[:, None], index.texts[rules]
    answered, number = now.text_answered[people, texts], now.text_number[people, texts]
    is_sent = now.text_sent[people, texts] > 0
    was_answered = answered > 0
    is_tired = now.text_in_row[people, texts] >= MOST_UNANSWERED
    order = (_personal_order(seeds, index.text_hashes)[people, texts] * 2**16).astype(np.int64)
    key = np.where(was_answered, answered, np.where(is_sent, number, order))
    stage = np.select(
        [
            texts < 0,
            now.text_sent[people, texts] == today,
            is_tired & (number == number.max(axis=1, keepdims=True)),
            was_answered,
            is_sent,
        ],
        [5, 4, 3, 2, 1],
        0,
    )
    return np.asarray(np.take_along_axis(texts, (stage * 2**20 + key).argmin(axis=1)[:, None], 1)[:, 0])


def _personal_order(seeds: Array, hashed: Array) -> Array:
    """A number from 0 to 1 for each person and id, by which colleagues are asked in different orders (splitmix64)."""
    mixed = (seeds[:, None] * np.uint64(MIX)) ^ (hashed.astype(np.uint64) << np.uint64(17))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray((mixed ^ (mixed >> np.uint64(31))) / 2.0**64)
