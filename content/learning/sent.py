"""What a person was sent, as one packed value that planning alone owns: for each text the last time, and how often.

Whether a prompt was answered is not stored here: a text that was answered on or after the day it was sent on is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from content.learning import packing
from content.learning.arrays import Array, DType, np
from content.learning.packing import Records, find_or_add

VERSION = 1
MOST_COUNTED = 255
MOST_NUMBERED = 2**16 - 1


@dataclass(slots=True)
class Sent:
    """The sent prompts of many people: a header and records of texts."""

    header: Array
    texts: Records


@cache
def text_dtype() -> DType:
    """One text: the day and the number of the prompt it was last sent in, and how often it was not answered.

    Numbers count a person's prompts. `times` are the prompts with it since its last answer, that last one included;
    `in_row` are those of them that no other text of its rule came between.
    """
    return np.dtype(
        [("hash", "<u4"), ("day", "<u2"), ("number", "<u2"), ("times", "u1"), ("in_row", "u1"), ("unused", "<u2")]
    )


@cache
def header_dtype() -> DType:
    """A person: number and day of the last prompt, its rule, and whether it asked again after a confident error."""
    numbers = [("version", "u1"), ("was_confident_error", "u1"), ("texts", "<u2"), ("number", "<u2"), ("day", "<u2")]
    return np.dtype([*numbers, ("rule", "<u4")])


@cache
def _blank() -> Array:
    header = np.zeros(1, header_dtype())
    header["version"] = VERSION
    return header


def unpack(values: Sequence[bytes]) -> Sent:
    """Read packed values; empty bytes are those of a person without prompts. Raises MemoryFormatError."""
    header, (texts,) = packing.unpack(values, _blank(), (("texts", text_dtype()),))
    packing.refuse((texts.rows["day"] == 0) | (texts.rows["times"] == 0), "a sent prompt is impossible", texts.owners)
    return Sent(header, texts)


@dataclass(slots=True)
class Prompts:
    """One prompt of each person: hashes of its rule and text, and the counts of that text (see `text_dtype`)."""

    rules: Array
    texts: Array
    times: Array
    in_row: Array
    is_confident_error: Array


def with_prompts(sent: Sent, new: Prompts, day: int) -> Sent:
    """One more prompt of each person, sent on a stored day."""
    header = sent.header.copy()
    header["rule"], header["day"], header["was_confident_error"] = new.rules, day, new.is_confident_error
    header["number"] = np.minimum(header["number"].astype(np.int64) + 1, MOST_NUMBERED)
    records, places = find_or_add(sent.texts, new.texts)
    rows = records.rows if records is not sent.texts else records.rows.copy()
    rows["day"][places], rows["number"][places] = day, header["number"]
    rows["times"][places] = np.minimum(new.times, MOST_COUNTED)
    rows["in_row"][places] = np.minimum(new.in_row, MOST_COUNTED)
    header["texts"] = records.counts
    return Sent(header, Records(rows, records.counts))


def pack(sent: Sent) -> list[bytes]:
    return packing.pack(sent.header, (sent.texts,))
