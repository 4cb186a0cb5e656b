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


def add_all(to: Collection) -> None:
    secret, iv, unit = fixed("notebook"), fixed("iv", 12), point(story.UNIT)
    entry = {
        "case": CASE,
        "lane": "talk",
        "first": letter_hash(ASK),
        "asker": point(ASKER.signing),
        "seq": 2,
        "last": letter_hash(ANSWER),
    }
    later = {**entry, "seq": 4, "last": letter_hash(WIDER)}
    notes = {**entry, "lane": NOTES, "asker": "", "first": letter_hash(NOTE), "seq": 1, "last": letter_hash(NOTE)}
    seen_list = {"serial": 2, "hash": list_hash(LIST_2)}
    notebook = {
        "v": 2,
        "id": ANA.id,
        "version": 3,
        "unit": unit,
        "list": seen_list,
        "cases": [notes, entry],
        "passkeys": [b64(fixed("pass", 20))],
    }
    steps = tuple(range(16384, 16384 * 9, 16384))

    def box(value: Any, plain: bytes | None = None, version: int = 3) -> dict[str, str]:
        aad = bound("notebook", {"id": ANA.id, "version": version})
        return {"iv": b64(iv), "body": encrypt(secret, iv, padded(value, steps) if plain is None else plain, aad)}

    def refused(name: str, given: dict[str, str], kind: str, reason: str) -> None:
        to.refuses("open_notebook", f"notebook: {name}", [b64(secret), given, ANA.id, 3], kind, reason)

    to.gives("open_notebook", "a notebook", [b64(secret), box(notebook), ANA.id, 3], text(notebook))
    to.faults("check_notebook", notebook, "notebook")
    refused("another version", box(notebook, version=4), "altered", "notebook")
    refused("another version inside", box({**notebook, "version": 4}), "altered", "notebook")
    refused(
        "a larger size than needed",
        box(notebook, padded(notebook, steps) + bytes(16384)),
        "altered",
        "notebook.padding",
    )
    refused("not in steps", box(notebook, padded(notebook, steps)[:-1]), "altered", "notebook.padding")
    for name, cases, reason in (
        ("cases out of order", [entry, notes], "notebook.cases"),
        ("a case twice", [entry, entry], "notebook.cases"),
        ("talk without the asker's key", [{**entry, "asker": ""}], "notebook.cases.asker"),
        ("notes with the asker's key", [{**notes, "asker": entry["asker"]}], "notebook.cases.asker"),
    ):
        to.refuses("check_notebook", name, [text({**notebook, "cases": cases})], "malformed", reason)
    hashes = {f"{CASE} talk 2": letter_hash(ANSWER), f"{CASE} talk 4": letter_hash(WIDER)}
    lists = {"2": list_hash(LIST_2), "3": list_hash(LIST_3)}

    def merged(
        name: str,
        mine: dict[str, Any],
        stored: dict[str, Any],
        found: list[str],
        known: Any = hashes,
        erased: list[str] | None = None,
        known_lists: Any = lists,
        **expected: Any,
    ) -> None:
        out = {"notebook": text({**notebook, "version": 5, **expected}), "found": found}
        to.gives(
            "merge",
            f"merge: {name}",
            [text({**notebook, **mine}), text({**notebook, "version": 4, **stored}), known, known_lists, erased or []],
            out,
        )

    fork = {**entry, "last": letter_hash(REPLY)}
    newer = {"serial": 3, "hash": list_hash(LIST_3)}
    merged("the same", {}, {}, [])
    merged("theirs is newer", {}, {"cases": [notes, later]}, [], cases=[notes, later])
    merged("ours is newer", {"cases": [later]}, {"cases": [entry]}, [], cases=[later])
    merged("each has one", {"cases": [entry]}, {"cases": [notes]}, [], cases=[notes, entry])
    merged("a newer list", {}, {"list": newer}, [], list=newer)
    merged("passkeys", {"passkeys": []}, {"passkeys": ["AA"]}, [], passkeys=["AA"])
    merged("an erased case", {}, {"cases": [later]}, [], erased=[CASE], cases=[])
    merged("a fork at one number", {}, {"cases": [notes, fork]}, [f"{CASE} talk fork"])
    merged("another first letter", {}, {"cases": [notes, {**later, "first": letter_hash(NOTE)}]}, [f"{CASE} talk fork"])
    merged("another asker", {}, {"cases": [notes, {**later, "asker": point(key("x"))}]}, [f"{CASE} talk fork"])
    merged("a newer chain without ours", {"cases": [fork]}, {"cases": [later]}, [f"{CASE} talk fork"], cases=[fork])
    merged("a chain that is not known", {}, {"cases": [later]}, [f"{CASE} talk fork"], known={}, cases=[notes, entry])
    merged("another list of one serial", {}, {"list": {**seen_list, "hash": newer["hash"]}}, ["  fork"])
    merged("a list chain that is not known", {}, {"list": newer}, ["  fork"], known_lists={})
    to.refuses(
        "merge",
        "merge: another's notebook",
        [text(notebook), text({**notebook, "id": BEA.id}), hashes, lists, []],
        "altered",
        "notebook",
    )
    head, note_head = (
        {"case": CASE, "lane": "talk", "seq": 2, "hash": letter_hash(ANSWER)},
        {"case": CASE, "lane": NOTES, "seq": 1, "hash": letter_hash(NOTE)},
    )
    for name, heads, erased, found in (
        ("the same", [head, note_head], [], []),
        ("newer", [{**head, "seq": 3, "hash": letter_hash(REPLY)}, note_head], [], []),
        ("lower", [{**head, "seq": 1}, note_head], [], [f"{CASE} talk lower"]),
        ("other", [{**head, "hash": letter_hash(REPLY)}, note_head], [], [f"{CASE} talk other"]),
        ("missing", [head], [], [f"{CASE} notes missing"]),
        ("erased", [], [CASE], []),
    ):
        to.gives("compare_heads", f"heads: {name}", [text(notebook), heads, erased], found)
    to.refuses(
        "compare_heads", "heads: no hash", [text(notebook), [{**head, "hash": ""}], []], "malformed", "heads.hash"
    )
