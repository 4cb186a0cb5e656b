"""An officer's notebook: what was seen of lists and cases, how two versions are merged, what a server hides."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict, cast

from storage.confidential.protocol import fields
from storage.confidential.protocol.boxes import VERSION, Box, decrypt, encrypt
from storage.confidential.protocol.canonical import bound, canonical, read_bytes
from storage.confidential.protocol.errors import Altered, Malformed
from storage.confidential.protocol.keys import LANE
from storage.confidential.protocol.lists import Pin

STEP: Final = 16 * 1024  # bytes: a notebook's size shows no single case

HashAt = Callable[[str, str, int], str | None]
"""The hash of a letter in a verified thread, by case, lane and number; None where that is not known."""


class SeenCase(TypedDict):
    """What an officer remembers of one lane of a case: the first and newest letter, the asker's signing key."""

    case: str
    lane: str
    first: str
    asker: str
    seq: int
    last: str


class Notebook(TypedDict):
    """The content of a notebook; `passkeys` are the ids of the officer's own."""

    v: int
    id: str
    version: int
    unit: str
    list: Pin
    cases: Sequence[SeenCase]
    passkeys: Sequence[str]


class Head(TypedDict):
    """The newest letter of one lane of a case, as the server tells it."""

    case: str
    lane: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit about one lane of a case (or about the list, both names empty)."""

    case: str
    lane: str
    what: str  # fork | missing | lower | other


def _place(entry: Any) -> tuple[str, str]:
    return entry["case"], entry["lane"]


SEEN_CASE: Final = fields.record(
    case=fields.identifier,
    lane=LANE,
    first=fields.hashed,
    asker=fields.either("", fields.point),
    seq=fields.number(1, fields.LETTERS),
    last=fields.hashed,
)
NOTEBOOK: Final = fields.record(
    v=fields.exactly(2),
    id=fields.identifier,
    version=VERSION,
    unit=fields.point,
    list=fields.PIN,
    cases=fields.array(SEEN_CASE, 0, 100_000, _place),
    passkeys=fields.array(fields.coded(1, 1023), 0, 50, fields.itself),
)
HEADS: Final = fields.array(
    fields.record(case=fields.identifier, lane=LANE, seq=fields.number(1, fields.LETTERS), hash=fields.hashed),
    0,
    100_000,
)


def check_notebook(value: object) -> Notebook:
    """Check the format; the asker's key stands in lane talk only. Raises Malformed."""
    NOTEBOOK(value, "notebook")
    notebook = cast(Notebook, value)
    if any((entry["asker"] == "") != (entry["lane"] == "notes") for entry in notebook["cases"]):
        raise Malformed("notebook.cases.asker")
    return notebook


def seal_notebook(key: bytes, notebook: Notebook, iv: bytes | None = None) -> Box:
    """Encrypt a notebook, padded to steps of 16 KiB."""
    check_notebook(notebook)
    raw = canonical(notebook).encode()
    size = -(-(4 + len(raw)) // STEP) * STEP
    return encrypt(key, (len(raw).to_bytes(4, "big") + raw).ljust(size, b"\0"), _aad(notebook), iv)


def open_notebook(key: bytes, box: Box, officer_id: str, version: int) -> Notebook:
    """Raises Malformed or Altered."""
    padded = decrypt(key, box, _aad({"id": officer_id, "version": version}), "notebook")
    end = 4 + int.from_bytes(padded[:4], "big")
    if len(padded) % STEP or end > len(padded) or end <= len(padded) - STEP or any(padded[end:]):
        raise Altered("notebook.padding")
    notebook = check_notebook(read_bytes(padded[4:end]))
    if (notebook["id"], notebook["version"]) != (officer_id, version):
        raise Altered("notebook")
    return notebook


def _aad(notebook: Mapping[str, object]) -> bytes:
    return bound("notebook", {"id": notebook["id"], "version": notebook["version"]})


# ---------------------------------------------------------------- merging


def merge(
    mine: Notebook, stored: Notebook, hash_at: HashAt, list_hashes: Mapping[int, str], erased: Iterable[str] = ()
) -> tuple[Notebook, list[Finding]]:
    """One notebook of two versions, and the forks between them; of a fork `mine` is kept. Raises Altered.

    The newer entry is taken where its chain holds the older one; `list_hashes` are those of the verified lists. With
    the newer list goes the unit that was confirmed with it.
    """
    if mine["id"] != stored["id"]:
        raise Altered("notebook")
    gone, found = set(erased), list[Finding]()
    entries = {_place(entry): entry for entry in stored["cases"]}
    for entry in mine["cases"]:
        other = entries.get(_place(entry), entry)
        newer = _newer_case(entry, other, hash_at)
        if newer is None:
            found.append(Finding(entry["case"], entry["lane"], "fork"))
        entries[_place(entry)] = newer or entry
    former, newest = sorted((mine, stored), key=lambda notebook: notebook["list"]["serial"])
    low, high = former["list"], newest["list"]
    known = high["hash"] if low["serial"] == high["serial"] else list_hashes.get(low["serial"])
    if known != low["hash"] or list_hashes.get(high["serial"], high["hash"]) != high["hash"]:
        found.append(Finding("", "", "fork"))
        newest = mine
    elif low == high and mine["unit"] != stored["unit"]:
        raise Altered("notebook.unit")
    merged: Notebook = {
        **mine,
        "version": max(mine["version"], stored["version"]) + 1,
        "unit": newest["unit"],
        "list": newest["list"],
        "cases": sorted((one for one in entries.values() if one["case"] not in gone), key=_place),
        "passkeys": sorted({*mine["passkeys"], *stored["passkeys"]}),
    }
    return check_notebook(merged), [one for one in found if one.case not in gone]


def _newer_case(left: SeenCase, right: SeenCase, hash_at: HashAt) -> SeenCase | None:
    """The entry with the higher number, if it follows the other; None is a fork."""
    if (left["first"], left["asker"]) != (right["first"], right["asker"]):
        return None
    low, high = sorted((left, right), key=lambda entry: entry["seq"])
    if low["seq"] == high["seq"]:
        return low if low["last"] == high["last"] else None
    return high if hash_at(low["case"], low["lane"], low["seq"]) == low["last"] else None


# ---------------------------------------------------------------- at unlock


def compare_heads(notebook: Notebook, heads: Sequence[Head], erased: Iterable[str] = ()) -> list[Finding]:
    """What the server shows of the remembered cases less of, or otherwise, than was seen. Raises Malformed.

    A higher number is compared when the thread is opened.
    """
    HEADS(heads, "heads")
    by_place = {_place(head): head for head in heads}
    gone, found = set(erased), list[Finding]()
    for entry in notebook["cases"]:
        head = by_place.get(_place(entry))
        if entry["case"] in gone:
            continue
        what = ""
        if head is None:
            what = "missing"
        elif head["seq"] < entry["seq"]:
            what = "lower"
        elif head["seq"] == entry["seq"] and head["hash"] != entry["last"]:
            what = "other"
        if what:
            found.append(Finding(entry["case"], entry["lane"], what))
    return found
