"""Where each person stands with each rule and text of the course today, as arrays that the selection reads."""

from collections.abc import Sequence
from dataclasses import dataclass

from content.learning import curve, memories, sent
from content.learning.arrays import Array, np
from content.learning.cohort import PACES, Cohort
from content.learning.course_index import CourseIndex
from content.learning.curve import MOST_WRONGS
from content.learning.packing import Records
from content.learning.prices import DAYS, FINE, Prices, price_table, state_index
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
    prompts_since: Array
    """Prompts since the last one about the rule; all prompts and one where there was none."""
    is_last: Array
    """Whether the rule is that of the last prompt."""
    text_answered: Array
    text_sent: Array
    text_number: Array
    """Number of the prompt that the text was last sent in."""
    text_times: Array
    """Prompts with this text since its last answer."""
    text_in_row: Array
    """Those of them that no other text of the rule came between."""

    @property
    def is_met(self) -> Array:
        return self.day > 0


def standing(
    index: CourseIndex, packed: Sequence[bytes], packed_sent: Sequence[bytes], today: int, cohort: Cohort
) -> Standing:
    """Read the packed values of some people. Raises MemoryFormatError."""
    memory, was_sent = memories.unpack(packed), sent.unpack(packed_sent)
    rules, answered = _columns(memory.rules, index.rule_hashes), _columns(memory.texts, index.text_hashes)
    sent_texts = _columns(was_sent.texts, index.text_hashes)
    texts, day = answered.table("day"), rules.table("day")
    text_sent, text_number, text_times, text_in_row = map(sent_texts.table, ("day", "number", "times", "in_row"))
    text_times[texts >= text_sent] = text_in_row[texts >= text_sent] = 0
    since_sent = was_sent.header["number"].astype(np.int64)[:, None] - text_number
    texts = np.where(texts > today, np.maximum(today - PROMPT_DAYS * since_sent, 1).astype(np.int64), texts)
    present = index.texts >= 0
    number = np.where(present, text_number[:, index.texts], 0).max(axis=2)
    since_answer = present & (text_sent[:, index.texts] > day[:, :, None])
    prompts_since = np.maximum(was_sent.header["number"].astype(np.int64)[:, None] + (number == 0) - number, 0)
    elapsed = _elapsed(day, prompts_since, today)
    return Standing(
        today=today,
        sent=was_sent,
        answered=memory.header["answered"].astype(np.int64),
        price=_prices(rules, memory.header, elapsed, price_table(cohort, index.variants), cohort),
        day=day,
        elapsed=elapsed,
        is_right=rules.table("is_right") > 0,
        is_sure_wrong=rules.table("is_sure_wrong") > 0,
        prompts_since=prompts_since,
        unanswered=np.where(since_answer, text_times[:, index.texts], 0).sum(axis=2),
        is_last=(index.rule_hashes == was_sent.header["rule"][:, None]) & (was_sent.header["number"] > 0)[:, None],
        text_answered=texts,
        text_sent=text_sent,
        text_number=text_number,
        text_times=text_times,
        text_in_row=text_in_row,
    )


@dataclass(slots=True)
class _Columns:
    """Records that the course has: their rows, their people, and their places in a table by person and column."""

    rows: Array
    people: Array
    places: Array
    shape: tuple[int, int]

    def table(self, field: str) -> Array:
        """A field by person and column; 0 where there is no record."""
        table = np.zeros(self.shape, np.int32)
        table.reshape(-1)[self.places] = self.rows[field]
        return table


def _columns(records: Records, known: Array) -> _Columns:
    rows, people = records.rows, records.owners
    columns = np.minimum(np.searchsorted(known, rows["hash"]), len(known) - 1)
    is_known = known[columns] == rows["hash"]
    if not is_known.all():
        rows, people, columns = rows[is_known], people[is_known], columns[is_known]
    return _Columns(rows, people, people * len(known) + columns, (len(records.counts), len(known)))


def _elapsed(day: Array, prompts_since: Array, today: int) -> Array:
    """Days since the last answer; after one from a future day, as long as a clock was wrong, by the prompts since."""
    return np.where(day > today, (PROMPT_DAYS * prompts_since).astype(np.int64), today - day)


def _prices(rules: _Columns, header: Array, elapsed: Array, prices: Prices, cohort: Cohort) -> Array:
    """The price of each rule, by person: a mean over the person's paces and both cases."""
    weights = header["weights"].astype(np.float64)
    share = curve.knew_before(header["z_sum"].astype(np.float64), header["first_answers"].astype(np.float64), cohort)
    new = weights @ prices.new
    table = np.repeat((new[:, 0] + share * (new[:, 1] - new[:, 0]))[:, None], rules.shape[1], axis=1)
    rows = rules.rows
    states, known = state_index(rows["stability"]), rows["known"].astype(np.float64)
    days, wrongs = np.minimum(elapsed.reshape(-1)[rules.places], DAYS - 1), rows["wrongs"].astype(np.int64)
    entries, found = prices.table.reshape(-1), np.zeros(len(rows))
    for pace in range(len(PACES)):
        weight = weights[:, pace][rules.people]
        for case, chance in ((0, 1 - known), (1, known)):
            state = ((pace * 2 + case) * (MOST_WRONGS + 1) + wrongs) * FINE + states[:, pace, case]
            found += weight * chance * entries[state * DAYS + days]
    table.reshape(-1)[rules.places] = found
    return table
