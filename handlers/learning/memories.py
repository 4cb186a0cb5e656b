"""Keep packed memories up to date with answers, and rebuild them from all answers where they are missing."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from content.learning import memories as model
from content.learning import selection, sent
from content.learning.memories import MemoryFormatError, Review
from content.learning.selection import Prompted
from storage.database import Transaction
from storage.learning import memories, record
from storage.learning.memories import PackedMemory
from storage.learning.record import Answer, PastPrompt

T = TypeVar("T")
Rows = dict[int, PackedMemory]
"""Packed memories by servant."""


async def read(tx: Transaction, servant_ids: Collection[int], use: Callable[[Rows], T]) -> T:
    """What `use` makes of the packed memories of servants; rows that are missing or broken are rebuilt before."""
    rows = await _load(tx, servant_ids)
    try:
        return use(rows)
    except MemoryFormatError:
        readable = _readable(rows)
        return use(readable | await rebuild(tx, rows.keys() - readable.keys()))


async def _load(tx: Transaction, servant_ids: Collection[int]) -> Rows:
    found = _of_this_version(await memories.of(tx, servant_ids))
    if missing := set(servant_ids) - found.keys():
        found |= await rebuild(tx, missing)
    return found


async def rebuild(tx: Transaction, servant_ids: Collection[int]) -> Rows:
    """Compute memories from all prompts and answers of these servants, store and return them."""
    await memories.lock(tx, servant_ids)
    histories = await record.histories(tx, servant_ids)
    remembered = model.replay([_reviews(history) for history in histories.values()])
    rebuilt = {
        servant_id: PackedMemory(packed, selection.replay_sent(_prompted(history)))
        for (servant_id, history), packed in zip(histories.items(), remembered, strict=True)
    }
    await memories.store(tx, rebuilt)
    return rebuilt


async def add_answers(tx: Transaction, given: Sequence[Answer]) -> None:
    """Learn from answers that have just been recorded."""
    ids = [answer.servant_id for answer in given]
    known = _of_this_version(await memories.lock(tx, ids))
    try:
        new = _learned(known, given)
    except MemoryFormatError:
        new = _learned(_readable(known), given)
    await memories.store_memories(tx, new)
    if rest := set(ids) - new.keys():
        await rebuild(tx, rest)


def _learned(known: Rows, given: Sequence[Answer]) -> dict[int, bytes]:
    """The memories after answers, of those who have one answer here, which is their last.

    Two channels may bring two at once, and an answer may arrive after one that was given on a later day.
    """
    counts = Counter(answer.servant_id for answer in given)
    single = [answer for answer in given if answer.servant_id in known and counts[answer.servant_id] == 1]
    are_last = model.are_last([known[one.servant_id].memory for one in single], [review_of(one) for one in single])
    last = [answer for answer, is_last in zip(single, are_last, strict=True) if is_last]
    before = [known[answer.servant_id].memory for answer in last]
    after = model.after_answers(before, [review_of(answer) for answer in last])
    return {answer.servant_id: memory for answer, memory in zip(last, after, strict=True)}


async def add_confidence(tx: Transaction, answer: Answer) -> None:
    """Learn how sure a servant was of an answer, which has just been recorded with its confidence."""
    known = _readable(await memories.lock(tx, [answer.servant_id]))
    row = known.get(answer.servant_id)
    new = model.with_confidence(row.memory, review_of(answer)) if row is not None else None
    if new is None:  # not the last answer: those after it were learned without knowing
        await rebuild(tx, [answer.servant_id])
    else:
        await memories.store_memories(tx, {answer.servant_id: new})


def review_of(answer: Answer) -> Review:
    """An answer as the memory model takes it."""
    return Review(answer.day, answer.competency_id, answer.scenario_id, answer.is_right, answer.confidence or "")


def _of_this_version(rows: Rows) -> Rows:
    """The rows that are not of an older format."""
    memory_starts, sent_starts = (b"", bytes([model.VERSION])), (b"", bytes([sent.VERSION]))
    return {
        servant_id: row
        for servant_id, row in rows.items()
        if row.memory[:1] in memory_starts and row.sent[:1] in sent_starts
    }


def _readable(rows: Rows) -> Rows:
    """The same, without those that are broken."""
    found = _of_this_version(rows)
    while True:
        try:
            model.unpack([row.memory for row in found.values()])
            sent.unpack([row.sent for row in found.values()])
        except MemoryFormatError as fault:
            del found[list(found)[fault.position]]
        else:
            return found


def _reviews(history: Sequence[PastPrompt]) -> list[Review]:
    """The answers of a history in the order in which they were given."""
    answered = [past for past in history if past.answered_at is not None]
    answered.sort(key=lambda past: (past.answered_at, past.prompt_id))
    return [
        Review(past.answered_on, past.competency_id, past.scenario_id, bool(past.is_right), past.confidence or "")
        for past in answered
        if past.answered_on is not None
    ]


def _prompted(history: Sequence[PastPrompt]) -> list[Prompted]:
    return [Prompted(past.day, past.competency_id, past.scenario_id, past.answered_on, past.reason) for past in history]
