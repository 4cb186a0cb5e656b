"""Where each person stands with each rule and text of the course today, as arrays that the selection reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from content.learning import curve, memories, sent
from content.learning.arrays import Array, np
from content.learning.cohort import PACES, Cohort
from content.learning.course_index import CourseIndex
from content.learning.memories import Unpacked
from content.learning.packing import Records
from content.learning.prices import DAYS, Prices, price_table, state_index
from content.learning.sent import Sent

PROMPT_DAYS = 1.4
"""Calendar days for each prompt, where days cannot be trusted: five prompts a week."""


@dataclass(slots=True)
class Standing:
    """Arrays by person and rule, or by person and text (`text_...`); days are stored days, 0 for never."""

    today: int
    sent: Sent
    answered: Array
    """Number of answers, by person."""
    price: Array
    day: Array
    """Day of the last answer."""
    elapsed: Array
    """Days since the last answer."""
    is_right: Array
    """Whether the last answer was right."""
    is_sure_wrong: Array
    """Whether it was wrong and given as sure."""
    unanswered: Array
    """Prompts about the rule since its last answer."""
    is_last: Array
    """Whether the rule is that of the last prompt."""
    text_answered: Array
    text_sent: Array
    text_number: Array
    """Number of the prompt that the text was last sent in."""
    text_times: Array
    """Prompts in a row with this text that were not answered."""

    @property
    def is_met(self) -> Array:
        return self.day > 0


def standing(
    index: CourseIndex, packed: Sequence[bytes], packed_sent: Sequence[bytes], today: int, cohort: Cohort
) -> Standing:
    """Read the packed values of some people. Raises MemoryFormatError."""
    memory, was_sent = memories.unpack(packed), sent.unpack(packed_sent)
    texts = _by_column(memory.texts, index.text_hashes, "day")
    text_sent, text_number, text_times = (
        _by_column(was_sent.texts, index.text_hashes, name) for name in ("day", "number", "times")
    )
    text_times[texts >= text_sent] = 0
    day = _by_column(memory.rules, index.rule_hashes, "day")
    present = index.texts >= 0
    number = np.where(present, text_number[:, index.texts], 0).max(axis=2)
    since_answer = present & (text_sent[:, index.texts] > day[:, :, None])
    elapsed = _elapsed(day, number, was_sent.header["number"].astype(np.int64), today)
    return Standing(
        today=today,
        sent=was_sent,
        answered=memory.header["answered"].astype(np.int64),
        price=_prices(index, memory, elapsed, price_table(cohort, index.variants), cohort),
        day=day,
        elapsed=elapsed,
        is_right=_by_column(memory.rules, index.rule_hashes, "is_right") > 0,
        is_sure_wrong=_by_column(memory.rules, index.rule_hashes, "is_sure_wrong") > 0,
        unanswered=np.where(since_answer, text_times[:, index.texts], 0).sum(axis=2),
        is_last=(index.rule_hashes == was_sent.header["rule"][:, None]) & (was_sent.header["number"] > 0)[:, None],
        text_answered=texts,
        text_sent=text_sent,
        text_number=text_number,
        text_times=text_times,
    )


def _columns(records: Records, known: Array) -> tuple[Array, Array, Array]:
    """Positions of the records that the course has, their people, and their columns."""
    columns = np.minimum(np.searchsorted(known, records.rows["hash"]), len(known) - 1)
    places = np.flatnonzero(known[columns] == records.rows["hash"])
    return places, records.owners[places], columns[places]


def _by_column(records: Records, known: Array, field: str) -> Array:
    table = np.zeros((len(records.counts), len(known)), np.int32)
    places, people, columns = _columns(records, known)
    table[people, columns] = records.rows[field][places]
    return table


def _elapsed(day: Array, number: Array, last_number: Array, today: int) -> Array:
    """Days since the last answer. After an answer from a future day, as long as a clock was wrong: by prompts since."""
    by_prompts = (PROMPT_DAYS * (last_number[:, None] - number)).astype(np.int64)
    return np.maximum(np.where(day > today, by_prompts, today - day), 0)


def _prices(index: CourseIndex, memory: Unpacked, elapsed: Array, prices: Prices, cohort: Cohort) -> Array:
    """The price of each rule, by person: a mean over the person's paces and both cases."""
    header = memory.header
    weights = header["weights"].astype(np.float64)
    share = curve.knew_before(header["z_sum"].astype(np.float64), header["first_answers"].astype(np.float64), cohort)
    new = weights @ prices.new
    table = np.repeat((new[:, 0] + share * (new[:, 1] - new[:, 0]))[:, None], len(index.rule_hashes), axis=1)
    places, people, columns = _columns(memory.rules, index.rule_hashes)
    rows = memory.rules.rows[places]
    states, known = state_index(rows["stability"]), rows["known"].astype(np.float64)
    days, wrongs = np.minimum(elapsed[people, columns], DAYS - 1), rows["wrongs"]
    found = np.zeros(len(rows))
    for pace in range(len(PACES)):
        for case, chance in ((0, 1 - known), (1, known)):
            found += weights[people, pace] * chance * prices.table[pace, case, wrongs, states[:, pace, case], days]
    table[people, columns] = found
    return table
