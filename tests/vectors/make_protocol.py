"""Writes tests/vectors/protocol.json, which both implementations of the protocol are tested with.

Run from the top folder: .venv/bin/python -m tests.vectors.make_protocol
"""

from pathlib import Path

from tests.vectors import (
    of_boxes,
    of_custody,
    of_formats,
    of_lists,
    of_notebooks,
    of_successions,
    of_threads,
    of_writing,
)
from tests.vectors.collection import Collection

FILE = Path(__file__).parent / "protocol.json"


def made() -> str:
    """The content of the file, the same in each run."""
    collection = Collection()
    talk = (of_threads, of_writing, of_notebooks)
    for part in (of_formats, of_boxes, of_custody, of_lists, of_successions, *talk):
        part.add_all(collection)
    return collection.written()


if __name__ == "__main__":
    FILE.write_text(made(), encoding="utf-8")
