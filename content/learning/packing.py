"""Format of the packed values: a header, then records sorted by the hash of the id that each is about.

Memories and sent prompts are stored as bytes. Ids are stored as 32-bit hashes, so the course may change at any time:
records of ids that it no longer has are kept and ignored. A format begins with its version. All numbers are
little-endian, all records whole multiples of four bytes.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from content.id_hash import hash_of
from content.learning.arrays import Array, DType, np

EPOCH = date(1999, 12, 31)
"""Day 0, which stands for "never": days are stored in 16 bits, those outside 2000 to 2179 as the nearest of these."""
LAST_DAY = 2**16 - 1
WORD = 4


class MemoryFormatError(ValueError):
    """A packed value cannot be read; `position` is its place among those that were passed together."""

    def __init__(self, reason: str, position: int = 0) -> None:
        super().__init__(f"{reason}; `integra memories rebuild` writes all memories again from the recorded answers")
        self.position = position


@dataclass(slots=True)
class Records:
    """Records of many people, one person after the other; person i has `counts[i]` of them."""

    rows: Array
    counts: Array

    @property
    def owners(self) -> Array:
        """The person of each record, by position."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    @property
    def starts(self) -> Array:
        """The position of each person's first record."""
        return np.cumsum(self.counts) - self.counts


def hashes(ids: Iterable[str]) -> Array:
    return np.array([hash_of(id) for id in ids], np.uint32)


def stored_day(day: date) -> int:
    return min(max((day - EPOCH).days, 1), LAST_DAY)


def calendar_day(stored: int) -> date:
    return EPOCH + timedelta(days=int(stored))


def unpack(packed: Sequence[bytes], blank: Array, kinds: Sequence[tuple[str, DType]]) -> tuple[Array, list[Records]]:
    """The header of each value and the records of each kind; `blank` (one row) is the header of an empty value.

    `kinds` has the header's field with the number of records, and their dtype. Raises MemoryFormatError.
    """
    dtype = blank.dtype
    empty = blank.tobytes()
    values = [value or empty for value in packed]
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    refuse(lengths < dtype.itemsize, "a memory is cut off")
    refuse(lengths % WORD != 0, "the length of a memory is impossible")
    words = np.frombuffer(b"".join(values), np.uint32)
    starts = (np.cumsum(lengths) - lengths) // WORD
    header = _gather(words, starts, np.ones(len(values), np.int64), dtype)
    refuse(header["version"] != blank["version"][0], "a memory has a format that this version cannot read")
    expected = dtype.itemsize + sum(header[field].astype(np.int64) * kind.itemsize for field, kind in kinds)
    refuse(lengths != expected, "the length of a memory does not fit its contents")
    starts = starts + dtype.itemsize // WORD
    found = []
    for field, kind in kinds:
        counts = header[field].astype(np.int64)
        found.append(Records(_gather(words, starts, counts, kind), counts))
        starts = starts + counts * (kind.itemsize // WORD)
    for records in found:
        _check_order(records)
    return header, found


def pack(header: Array, kinds: Sequence[Records]) -> list[bytes]:
    """The packed value of each person; the counts in the header are the caller's."""
    if len(header) == 1:
        return [header.tobytes() + b"".join(records.rows.tobytes() for records in kinds)]
    parts = [(header, np.ones(len(header), np.int64)), *((records.rows, records.counts) for records in kinds)]
    sizes = [counts * (rows.dtype.itemsize // WORD) for rows, counts in parts]
    lengths = np.sum(sizes, axis=0)
    ends = np.cumsum(lengths)
    words = np.empty(int(ends[-1]) if len(ends) else 0, np.uint32)
    starts = ends - lengths
    for (rows, _), size in zip(parts, sizes, strict=True):
        words[ranges(starts, size)] = np.ascontiguousarray(rows).view(np.uint32)
        starts = starts + size
    whole, bounds = words.tobytes(), [0, *(ends * WORD).tolist()]
    return [whole[start:end] for start, end in itertools.pairwise(bounds)]


def find_or_add(records: Records, wanted: Array) -> tuple[Records, Array]:
    """The records with one for each person whose hash is wanted[person], and where these are; new ones are blank."""
    owners, rows = records.owners, records.rows
    goal = wanted[owners]
    people = len(records.counts)
    smaller = np.bincount(owners[rows["hash"] < goal], minlength=people)
    is_there = np.bincount(owners[rows["hash"] == goal], minlength=people) > 0
    places = records.starts + smaller
    if is_there.all():
        return records, places
    new = np.zeros(int((~is_there).sum()), rows.dtype)
    new["hash"] = wanted[~is_there]
    rows = np.insert(rows, places[~is_there], new)
    return Records(rows, records.counts + ~is_there), places + np.cumsum(~is_there) - ~is_there


def ranges(starts: Array, counts: Array) -> Array:
    """All positions of the ranges that begin at `starts`, one range after the other."""
    offsets = np.cumsum(counts) - counts
    return np.repeat(starts - offsets, counts) + np.arange(int(counts.sum()))


def _gather(words: Array, starts: Array, counts: Array, dtype: DType) -> Array:
    size = dtype.itemsize // WORD
    if len(starts) == 1:  # one answer is recorded at a time
        first = int(starts[0])
        return words[first : first + int(counts[0]) * size].copy().view(dtype)
    return words[ranges(starts, counts * size)].view(dtype)


def _check_order(records: Records) -> None:
    hashed, owners = records.rows["hash"], records.owners
    is_wrong = (hashed[1:] <= hashed[:-1]) & (owners[1:] == owners[:-1])
    refuse(is_wrong, "the records of a memory are out of order", owners[1:])


def refuse(is_wrong: Array, reason: str, owners: Array | None = None) -> None:
    """Raise MemoryFormatError where a person is wrong, or a record of one of `owners`."""
    if is_wrong.any():
        first = is_wrong.argmax() if owners is None else owners[is_wrong][0]
        raise MemoryFormatError(reason, int(first))
