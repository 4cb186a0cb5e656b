"""Vectors of notebooks, their merge and what they find at unlock."""

from typing import Any

from tests.vectors import story
from tests.vectors.collection import Collection
from tests.vectors.primitives import (
    b64,
    bound,
    encrypt,
    fixed,
    key,
    letter_hash,
    padded,
    point,
    text,
)
from tests.vectors.story import (
    ANA,
    ANSWER,
    ASK,
    ASKER,
    BEA,
    CASE,
    LIST_2,
    LIST_3,
    NOTE,
    NOTES,
    REPLY,
    WIDER,
    list_hash,
)

TALK_SEEN: dict[str, Any] = {
    "case": CASE,
    "lane": "talk",
    "first": letter_hash(ASK),
    "asker": point(ASKER.signing),
    "seq": 2,
    "last": letter_hash(ANSWER),
}
TALK_LATER = {**TALK_SEEN, "seq": 4, "last": letter_hash(WIDER)}
TALK_FORKED = {**TALK_SEEN, "last": letter_hash(REPLY)}
NOTES_SEEN = {**TALK_SEEN, "lane": NOTES, "asker": "", "first": letter_hash(NOTE), "seq": 1, "last": letter_hash(NOTE)}
LIST_SEEN = {"serial": 2, "hash": list_hash(LIST_2)}
LIST_LATER = {"serial": 3, "hash": list_hash(LIST_3)}
NOTEBOOK: dict[str, Any] = {
    "v": 2,
    "id": ANA.id,
    "version": 3,
    "unit": point(story.UNIT),
    "list": LIST_SEEN,
    "cases": [NOTES_SEEN, TALK_SEEN],
    "passkeys": [b64(fixed("pass", 20))],
}
SECRET = fixed("notebook")
STEPS = tuple(range(16384, 16384 * 9, 16384))
KNOWN_LETTERS = {f"{CASE} talk 2": letter_hash(ANSWER), f"{CASE} talk 4": letter_hash(WIDER)}
KNOWN_LISTS = {"2": list_hash(LIST_2), "3": list_hash(LIST_3)}


def add_all(to: Collection) -> None:
    to.gives("open_notebook", "a notebook", [b64(SECRET), _box(padded(NOTEBOOK, STEPS)), ANA.id, 3], text(NOTEBOOK))
    to.faults("check_notebook", NOTEBOOK, "notebook")
    _not_opened(to)
    _cases(to)
    _merge(to)
    _merge_with_a_fork(to)
    _merge_of_another(to)
    _heads(to)


def _box(plain: bytes, version: int = 3) -> dict[str, str]:
    iv = fixed("iv", 12)
    return {"iv": b64(iv), "body": encrypt(SECRET, iv, plain, bound("notebook", {"id": ANA.id, "version": version}))}


def _not_opened(to: Collection) -> None:
    """Notebooks of another version or of a wrong size."""
    plain = padded(NOTEBOOK, STEPS)
    for name, box, reason in (
        ("another version", _box(plain, version=4), "notebook"),
        ("another version inside", _box(padded({**NOTEBOOK, "version": 4}, STEPS)), "notebook"),
        ("a larger size than needed", _box(plain + bytes(16384)), "notebook.padding"),
        ("not in steps", _box(plain[:-1]), "notebook.padding"),
    ):
        to.refuses("open_notebook", f"notebook: {name}", [b64(SECRET), box, ANA.id, 3], "altered", reason)


def _cases(to: Collection) -> None:
    """Notebooks whose cases are not in order, or have an asker's key where they may not."""
    for name, cases, reason in (
        ("cases out of order", [TALK_SEEN, NOTES_SEEN], "notebook.cases"),
        ("a case twice", [TALK_SEEN, TALK_SEEN], "notebook.cases"),
        ("talk without the asker's key", [{**TALK_SEEN, "asker": ""}], "notebook.cases.asker"),
        ("notes with the asker's key", [{**NOTES_SEEN, "asker": TALK_SEEN["asker"]}], "notebook.cases.asker"),
    ):
        to.refuses("check_notebook", name, [text({**NOTEBOOK, "cases": cases})], "malformed", reason)


def _merged(
    to: Collection,
    name: str,
    mine: dict[str, Any],
    stored: dict[str, Any],
    found: list[str],
    known: Any = KNOWN_LETTERS,
    erased: list[str] | None = None,
    known_lists: Any = KNOWN_LISTS,
    **expected: Any,
) -> None:
    """What two copies of the notebook, each with its changes, become, and what is found on the way."""
    out = {"notebook": text({**NOTEBOOK, "version": 5, **expected}), "found": found}
    copies = [text({**NOTEBOOK, **mine}), text({**NOTEBOOK, "version": 4, **stored})]
    to.gives("merge", f"merge: {name}", [*copies, known, known_lists, erased or []], out)


def _merge(to: Collection) -> None:
    """Copies that agree: of each thing the newest is kept."""
    _merged(to, "the same", {}, {}, [])
    _merged(to, "theirs is newer", {}, {"cases": [NOTES_SEEN, TALK_LATER]}, [], cases=[NOTES_SEEN, TALK_LATER])
    _merged(to, "ours is newer", {"cases": [TALK_LATER]}, {"cases": [TALK_SEEN]}, [], cases=[TALK_LATER])
    _merged(to, "each has one", {"cases": [TALK_SEEN]}, {"cases": [NOTES_SEEN]}, [], cases=[NOTES_SEEN, TALK_SEEN])
    _merged(to, "a newer list", {}, {"list": LIST_LATER}, [], list=LIST_LATER)
    confirmed: dict[str, Any] = {"unit": point(story.NEXT_UNIT), "list": LIST_LATER}
    _merged(to, "another key of the unit, confirmed by theirs", {}, confirmed, [], **confirmed)
    _merged(to, "another key of the unit, confirmed by ours", confirmed, {}, [], **confirmed)
    _merged(to, "passkeys", {"passkeys": []}, {"passkeys": ["AA"]}, [], passkeys=["AA"])
    _merged(to, "an erased case", {}, {"cases": [TALK_LATER]}, [], erased=[CASE], cases=[])


def _merge_with_a_fork(to: Collection) -> None:
    """Copies of which one does not continue the other."""
    fork = [f"{CASE} talk fork"]
    _merged(to, "a fork at one number", {}, {"cases": [NOTES_SEEN, TALK_FORKED]}, fork)
    _merged(to, "another first letter", {}, {"cases": [NOTES_SEEN, {**TALK_LATER, "first": letter_hash(NOTE)}]}, fork)
    _merged(to, "another asker", {}, {"cases": [NOTES_SEEN, {**TALK_LATER, "asker": point(key("x"))}]}, fork)
    _merged(
        to, "a newer chain without ours", {"cases": [TALK_FORKED]}, {"cases": [TALK_LATER]}, fork, cases=[TALK_FORKED]
    )
    _merged(to, "a chain that is not known", {}, {"cases": [TALK_LATER]}, fork, known={}, cases=[NOTES_SEEN, TALK_SEEN])
    _merged(to, "another list of one serial", {}, {"list": {**LIST_SEEN, "hash": LIST_LATER["hash"]}}, ["  fork"])
    _merged(to, "a list chain that is not known", {}, {"list": LIST_LATER}, ["  fork"], known_lists={})
    unknown = {"unit": point(story.OTHER_UNIT), "list": LIST_LATER}
    _merged(to, "a unit after no known list", {}, unknown, ["  fork"], known_lists={})


def _merge_of_another(to: Collection) -> None:
    other = text({**NOTEBOOK, "id": BEA.id})
    args = [text(NOTEBOOK), other, KNOWN_LETTERS, KNOWN_LISTS, []]
    to.refuses("merge", "merge: another's notebook", args, "altered", "notebook")
    args[1] = text({**NOTEBOOK, "unit": point(story.OTHER_UNIT)})
    to.refuses("merge", "merge: another unit by the same list", args, "altered", "notebook.unit")


def _heads(to: Collection) -> None:
    """The server's last letters, compared with those that the notebook names."""
    head = {"case": CASE, "lane": "talk", "seq": 2, "hash": letter_hash(ANSWER)}
    note_head = {"case": CASE, "lane": NOTES, "seq": 1, "hash": letter_hash(NOTE)}
    for name, heads, erased, found in (
        ("the same", [head, note_head], [], []),
        ("newer", [{**head, "seq": 3, "hash": letter_hash(REPLY)}, note_head], [], []),
        ("lower", [{**head, "seq": 1}, note_head], [], [f"{CASE} talk lower"]),
        ("other", [{**head, "hash": letter_hash(REPLY)}, note_head], [], [f"{CASE} talk other"]),
        ("missing", [head], [], [f"{CASE} notes missing"]),
        ("erased", [], [CASE], []),
    ):
        to.gives("compare_heads", f"heads: {name}", [text(NOTEBOOK), heads, erased], found)
    to.refuses(
        "compare_heads", "heads: no hash", [text(NOTEBOOK), [{**head, "hash": ""}], []], "malformed", "heads.hash"
    )
