"""Reads tests/vectors/protocol.json: vectors with their arguments in full."""

import json
from typing import Any

from tests.vectors.make_protocol import FILE


def vectors() -> list[dict[str, Any]]:
    """All vectors: check, name, args, and out or error."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return [
        {name: _in_full(value, stored["pool"]) if name in ("args", "out") else value for name, value in vector.items()}
        for vector in stored["vectors"]
    ]


def _in_full(value: Any, pool: dict[str, str]) -> Any:
    """Texts of the pool in the place of their names, and texts with a part replaced."""
    if isinstance(value, str):
        return pool[value] if value.startswith("@") else value
    if isinstance(value, list):
        return [_in_full(one, pool) for one in value]
    if isinstance(value, dict) and value.keys() == {"base", "at", "put"}:
        base, (start, end) = _in_full(value["base"], pool), value["at"]
        return base[:start] + _in_full(value["put"], pool) + base[end:]
    if isinstance(value, dict):
        return {name: _in_full(one, pool) for name, one in value.items()}
    return value
