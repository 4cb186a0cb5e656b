"""Bodies that others wrote: the JSON object in them, or that there is none, and never another error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.json_body import parse_json, parse_object

DEEP = b"[" * 100_000
NO_JSON = [b"", b"{", b"{]", b"\xff\xfe\x00", b'{"a": 1} x', b"1" * 10_000, DEEP, b'{"a":' + DEEP]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=9,
)


@pytest.mark.parametrize("body", NO_JSON, ids=[repr(body[:20]) for body in NO_JSON])
def test_what_is_no_json_has_no_value(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(body)
    assert parse_object(body) is None


@given(JSON)
def test_a_value_is_read_as_it_was_written_and_only_objects_are_objects(value: Any) -> None:
    body = json.dumps(value).encode()
    assert parse_json(body) == value
    assert parse_object(body) == (value if isinstance(value, dict) else None)


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    value = parse_object(body)
    assert value is None or isinstance(value, dict)
