"""What a person holds, and which letters open with it, whatever rows were ever stored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from storage.confidential.protocol import boxes, keys, letters
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import decode, read
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.signatures import PrivateKey, import_key, point_of
from tests.attack.model.rows import Row, Snapshot

Pairs = dict[str, PrivateKey]
"""Pairs of keys by their public half."""


def pairs_of(*private: PrivateKey) -> Pairs:
    return {point_of(one): one for one in private}


@dataclass
class Holdings:
    """Private keys, and secrets of 32 bytes, whatever they are for: words, case keys, keys of the server."""

    secrets: set[bytes] = field(default_factory=set)
    pairs: Pairs = field(default_factory=dict)

    def __or__(self, other: "Holdings") -> "Holdings":
        return Holdings(self.secrets | other.secrets, self.pairs | other.pairs)


@dataclass(frozen=True)
class Wrapped:
    """A box with private keys: of an asker in this version, or of an officer."""

    owner: str
    version: int | None
    box: Box

    def open(self, secret: bytes) -> Pairs:
        """Raises ProtocolError."""
        opened: Mapping[str, Any]
        if self.version is None:
            opened = boxes.unwrap_officer(secret, self.box, self.owner, "words")
        else:
            opened = boxes.unwrap_asker(secret, self.box, self.owner, self.version)
        return pairs_of(import_key(opened["reading"]), import_key(opened["signing"]))


class Copies:
    """Every row of all times, and what each key made of it: a key is tried on a row once."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}  # by signature
        self.access: dict[str, Access] = {}  # by what is sealed
        self.boxes: dict[tuple[str, int | None, str], Wrapped] = {}
        self.public: set[bytes] = set()  # what may be taken for a key, as it has the length of one
        self._case_keys: dict[tuple[str, str], set[bytes]] = {}
        self._contents: dict[tuple[bytes, str], tuple[str, bytes | None] | None] = {}
        self._unwrapped: dict[tuple[bytes, tuple[str, int | None, str]], Pairs] = {}

    def add(self, rows: Snapshot) -> None:
        """Keep whatever is new in the tables."""
        self.add_posted([letters.parse_letter(read(row["letter"])) for row in self._new_letters(rows)], ())
        self.add_posted((), [_access(row) for row in rows["access"]])
        for row in rows["cases"]:
            self._add_box(row["id"], row["asker_version"], row["asker_box"])
            self.public.add(bytes.fromhex(row["locator_hash"]))
        for row in rows["officers"]:
            if row["bundle"]:
                self._add_box(row["id"], None, row["bundle"])

    def add_posted(self, written: Iterable[Letter], access: Iterable[Access]) -> None:
        """Keep what was posted, also where the server stored nothing of it."""
        for letter in written:
            self.letters.setdefault(letter["signature"], letter)
            self.public.update(_public_values(letter))
        for row in access:
            self.access.setdefault(row["sealed"], row)

    def _new_letters(self, rows: Snapshot) -> Sequence[Row]:
        return [row for row in rows["letters"] if not any(known in row["letter"] for known in self.letters)]

    def _add_box(self, owner: str, version: int | None, text: str) -> None:
        if (owner, version, text) not in self.boxes:
            self.boxes[owner, version, text] = Wrapped(owner, version, read(text))

    # ------------------------------------------------------------ trying keys

    def texts(self, holdings: Holdings) -> frozenset[str]:
        """All texts that open, from key to key: boxes give pairs, pairs case keys, letters the key before."""
        secrets, pairs, found = set(holdings.secrets), dict(holdings.pairs), set[str]()
        before = None
        while before != (len(secrets), len(pairs)):
            before = len(secrets), len(pairs)
            for place in self.boxes:
                for secret in secrets:
                    pairs |= self._opened_box(secret, place)
            for point, private in pairs.items():
                for sealed in self.access:
                    secrets |= self._opened_access(point, private, sealed)
            for text, key in self._opened_letters(tuple(secrets)):
                found.add(text)
                secrets |= {key} if key else set()
        return frozenset(found)

    def _opened_box(self, secret: bytes, place: tuple[str, int | None, str]) -> Pairs:
        if (secret, place) not in self._unwrapped:
            self._unwrapped[secret, place] = {}
            with suppress(ProtocolError):
                self._unwrapped[secret, place] = self.boxes[place].open(secret)
        return self._unwrapped[secret, place]

    def _opened_access(self, point: str, private: PrivateKey, sealed: str) -> set[bytes]:
        """With each commitment that a grant of this epoch has made: after a restore there may be two."""
        if (point, sealed) not in self._case_keys:
            row, opened = self.access[sealed], set[bytes]()
            for commitment in self._commitments(row):
                with suppress(ProtocolError):
                    opened.add(keys.open_access(row, private, commitment))
            self._case_keys[point, sealed] = opened
        return self._case_keys[point, sealed]

    def _commitments(self, row: Access) -> set[str]:
        contexts = [letter["context"] for letter in self.letters.values()]
        same = [one for one in contexts if (one["case"], one["epoch"]) == (row["case"], row["epoch"])]
        return {one["grant"]["commit"] for one in same if one["grant"]}

    def _opened_letters(self, secrets: Sequence[bytes]) -> Iterator[tuple[str, bytes | None]]:
        for signature, letter in self.letters.items():
            for secret in secrets:
                if (secret, signature) not in self._contents:
                    self._contents[secret, signature] = _content(secret, letter)
                opened = self._contents[secret, signature]
                if opened:
                    yield opened


def _content(secret: bytes, letter: Letter) -> tuple[str, bytes | None] | None:
    """The text of a letter, and the key of the epoch before where it holds one; None: the key does not open it."""
    try:
        content = letters.open_letter(secret, letter)
    except ProtocolError:
        return None
    return content["text"], decode(content["before"]) if content["before"] else None


def _access(row: Row) -> Access:
    names = ("lane", "epoch", "reader", "sealed")
    made: Any = {"case": row["case_id"], **{name: row[name] for name in names}}
    access: Access = made
    return access


def _public_values(letter: Letter) -> Iterator[bytes]:
    context = letter["context"]
    for value in (context["listhash"], context["previous"], *context["lost"]):
        if value:
            yield decode(value)
    if context["grant"]:
        yield decode(context["grant"]["commit"])


def from_box(secret: bytes, box: Any, case: str, version: int) -> Holdings:
    """What an asker's box of this version holds."""
    opened = boxes.unwrap_asker(secret, box, case, version)
    return Holdings(pairs=pairs_of(import_key(opened["reading"]), import_key(opened["signing"])))
