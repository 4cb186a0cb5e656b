"""Collects vectors: each names a check, its arguments, and what it gives or the error that it raises."""

import copy
from collections.abc import Iterator
from typing import Any

from tests.vectors.primitives import spans, text

LONG = 120  # characters: longer texts stand once, in the pool


class Collection:
    """Vectors in the order in which they were added; long texts of arguments are kept in a pool, as @number."""

    def __init__(self) -> None:
        self.pool: dict[str, str] = {}
        self.vectors: list[dict[str, Any]] = []

    def gives(self, check: str, name: str, args: list[Any], out: Any) -> None:
        self.vectors.append({"check": check, "name": name, "args": self._short(args), "out": self._short(out)})

    def refuses(self, check: str, name: str, args: list[Any], kind: str, reason: str) -> None:
        error = {"kind": kind, "reason": reason}
        self.vectors.append({"check": check, "name": name, "args": self._short(args), "error": error})

    def faults(self, check: str, value: Any, path: str, free: tuple[str, ...] = ()) -> None:
        """Each field missing, doubled, in another place, of a wrong type; `free` ones take several types or texts."""
        for fault, start, end, put, reason in faults_of(value, path, free):
            given = {"base": text(value), "at": [start, end], "put": put}
            self.refuses(check, f"{path}: {fault}", [given], "malformed", reason)

    def written(self) -> str:
        """The file: one vector a line, so that differences can be read."""
        lines = [text(one) for one in self.vectors]
        names = [f"{text(name)}:{text(long)}" for long, name in self.pool.items()]
        return '{"pool":{\n' + ",\n".join(names) + '\n},"vectors":[\n' + ",\n".join(lines) + "\n]}\n"

    def _short(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > LONG:
            return self.pool.setdefault(value, f"@{len(self.pool)}")
        if isinstance(value, list | tuple):
            return [self._short(one) for one in value]
        if isinstance(value, dict):
            return {name: self._short(one) for name, one in value.items()}
        return copy.copy(value)


def faults_of(value: Any, path: str, free: tuple[str, ...]) -> Iterator[tuple[str, int, int, str, str]]:
    """Name, place and replacement of each fault, and the field that is expected to be named."""
    written, found = spans(value)
    for names, (start, place, end) in found.items():
        where, field = ".".join((path, *names)), names[-1]
        member = written[start:end]
        comma_after = written[end] == ","
        cut = (start, end + 1) if comma_after else (start - (written[start - 1] == ","), end)
        yield f"{where} missing", *cut, "", where
        yield f"{where} doubled", start, end, f"{member},{member}", "json"
        if comma_after and (names[:-1]) in {one[:-1] for one in found}:
            yield f"{where} with a space", place, place, " ", "json"
        for wrong in ("true", "-1", '"é"', "null", "[[]]", "1.0", "9007199254740992"):
            if (wrong == "null" and field in ("grant", "asker")) or (wrong == '"é"' and field in free):
                continue
            if wrong == "[[]]" and isinstance(value, dict) and written[place] not in '["':
                continue
            reason = "json" if wrong in ("1.0", "9007199254740992") else where
            yield f"{where} as {wrong}", place, end, wrong, reason
    yield f"{path} with another field", 1, 1, '"Z":0,', path
    yield f"{path} as a list", 0, len(written), "[]", path
    yield f"{path} with another order", *_swapped(written, value), "json"


def _swapped(written: str, value: dict[str, Any]) -> tuple[int, int, str]:
    """The first two members of the outermost object in the other order."""
    first, second = [text({name: value[name]})[1:-1] for name in sorted(value)][:2]
    return 1, 1 + len(first) + 1 + len(second), f"{second},{first}"
