"""Parse the JSON in bodies of requests and responses, which others wrote."""

import json
from typing import Any


def parse_json(body: bytes) -> Any:
    """The value in a JSON text. Raises ValueError, also for one that is nested too deeply."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_object(body: bytes) -> dict[str, Any] | None:
    """The object in a JSON text; None: it is no JSON, or another value."""
    try:
        value = parse_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
