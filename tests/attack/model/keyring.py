"""The keys of a writer of rows, those of officers who help him, and what they open."""

import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from storage.confidential.protocol import keys, letters
from storage.confidential.protocol.canonical import decode
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from tests.attack.model.people import drawn_key
from tests.attack.model.rows import Row
from tests.fakes.unit import Keyholder


class Keyring:
    """Pairs of his own and the keys of cases that he made or found."""

    def __init__(self, rng: random.Random, colluding: Sequence[Keyholder]) -> None:
        self.rng, self.colluding = rng, colluding
        self.pairs = [drawn_key(rng) for _ in range(2)]
        self.case_keys: dict[str, set[bytes]] = {}
        self.tried: set[tuple[str, str, str | bytes]] = set()

    def own_key(self, case: str) -> bytes:
        """A key of the case: one that he knows already, or a new one."""
        known = sorted(self.case_keys.setdefault(case, set()))
        if known and self.rng.random() < 0.7:
            return self.rng.choice(known)
        self.case_keys[case].add(made := self.rng.randbytes(keys.SIZE))
        return made

    def newest_key(self, case: str, grants: Sequence[Mapping[str, Any]]) -> bytes | None:
        """The key of the newest epoch, if he has it."""
        if not grants:
            return None
        epoch, commitment = grants[-1]["epoch"], grants[-1]["grant"]["commit"]
        known = sorted(self.case_keys.get(case, ()))
        return next((one for one in known if keys.commit(one, case, "talk", epoch) == commitment), None)

    def find_keys(self, access: Iterable[Row], written: Iterable[Letter]) -> None:
        """Open each row of access with each reading key that he has, by the grants that he has seen."""
        commits = {
            (one["context"]["case"], one["context"]["grant"]["commit"]) for one in written if one["context"]["grant"]
        }
        for row in access:
            for case, commitment in commits:
                attempt = (case, commitment, row["sealed"])
                if case == row["case_id"] and attempt not in self.tried:
                    self.tried.add(attempt)
                    self.case_keys.setdefault(case, set()).update(self._opened(row, commitment))

    def _opened(self, row: Row, commitment: str) -> Iterable[bytes]:
        opened: Any = {**row, "case": row["case_id"]}
        for pair in (*self.pairs, *(one.reading for one in self.colluding)):
            with suppress(ProtocolError):
                yield keys.open_access(opened, pair, commitment)

    def texts(self, letter: Letter) -> list[str]:
        """What he can read of a letter that he could not before; a grant holds the key of the epoch before."""
        case, found = letter["context"]["case"], []
        for key in sorted(self.case_keys.get(case, ())):
            attempt = (letter["body"], letter["signature"], key)
            if attempt in self.tried:
                continue
            self.tried.add(attempt)
            with suppress(ProtocolError):
                content = letters.open_letter(key, letter)
                found.append(content["text"])
                if content["before"]:
                    self.case_keys[case].add(decode(content["before"]))
        return found


@lru_cache(maxsize=4096)
def parsed(text: str) -> Letter | None:
    """A stored letter; None where the row holds none."""
    try:
        return letters.read_letter(text)
    except ProtocolError:
        return None


def access_row(access: Access) -> Row:
    """A sealed key as it is stored."""
    row: Row = {**access}
    return {"case_id": row.pop("case"), **row}
