"""However a webhook's body is mutated: nothing raises, all events can be stored, and intact items are still parsed.

INTEGRA_FUZZ=long runs 20,000 cases of each property instead of some hundreds.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels.events import AccountEvent, PlatformEvent, Receipt, UnreadableEvent
from bot.channels.whatsapp.fields import NAME
from bot.channels.whatsapp.parser import parse
from handlers.message import MAX_SHORT_TEXT, Update, UpdateKind
from tests.bot.channels.whatsapp.payloads import NUMBER_ID, PHONE, ROWS, USER, Json, incoming, samples, text

IS_LONG = os.environ.get("INTEGRA_FUZZ") == "long"
fuzz = settings(
    max_examples=20_000 if IS_LONG else 400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large] if IS_LONG else [],
)

BODIES = [raw for raw, _ in ROWS.values()] + list(samples().values())
WORDS = sorted({word for raw in BODIES for word in re.findall(r'"([a-z_]{2,40})"', json.dumps(raw))})
ODD = ["\ud800", "\x00", "x" * 300, 2**70, -(2**70), 10**400, float("inf"), "", "٣", PHONE, USER, int(PHONE), "sí"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(ODD + WORDS)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner),
    max_leaves=6,
)
Path = tuple[Any, ...]


# ---------------------------------------------------------------- mutations


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(inner, (*path, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _retyped(value: Any) -> Any:
    """The same value in another type, as the platform may write it one day."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else [value]
    if isinstance(value, list):
        return dict(enumerate(map(str, value))) if len(value) > 1 else (value[0] if value else "")
    return [value] if isinstance(value, dict) else str(value)


def _duplicate(parent: Any, key: Any, _: Any) -> None:
    if isinstance(parent, list):
        parent.insert(key, parent[key])
    else:
        parent[f"{key}s"] = parent[key]


def _delete(parent: Any, key: Any, _: Any) -> None:
    del parent[key]


def _replace(parent: Any, key: Any, other: Any) -> None:
    parent[key] = other


def _retype(parent: Any, key: Any, _: Any) -> None:
    parent[key] = json.loads(json.dumps(_retyped(parent[key])))


MUTATIONS: list[Callable[[Any, Any, Any], None]] = [_replace, _delete, _duplicate, _retype]


def _mutate(draw: st.DrawFn, raw: Json, within: Path = ()) -> None:
    """Change one to three nodes anywhere, or anywhere below `within`."""
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in _paths(raw) if path[: len(within)] == within and path != within]
        if not paths:
            return
        *parents, key = draw(st.sampled_from(paths))
        draw(st.sampled_from(MUTATIONS))(_at(raw, tuple(parents)), key, draw(JSON))


@st.composite
def joined(draw: st.DrawFn) -> Json:
    """The entries of one to four bodies in one body, as in a batch."""
    chosen = draw(st.lists(st.sampled_from(BODIES), min_size=1, max_size=4))
    return json.loads(json.dumps({"entry": [entry for raw in chosen for entry in raw.get("entry", [])]}))  # type: ignore[no-any-return]


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    raw = draw(joined())
    _mutate(draw, raw)
    return raw


def _units(raw: Json) -> list[Path]:
    """Paths of every entry, change and item: one may be broken without harm to the others."""
    entry, change, item = ("entry", int), ("entry", int, "changes", int), ("messages", "statuses", "user_preferences")
    shapes = [entry, change, *((*change, "value", name, int) for name in (*item, "errors"))]
    return [path for path in _paths(raw) if any(_fits(path, shape) for shape in shapes)]


def _fits(path: Path, shape: tuple[Any, ...]) -> bool:
    pairs = zip(path, shape, strict=False)
    return len(path) == len(shape) and all(a == b or (b is int and isinstance(a, int)) for a, b in pairs)


@st.composite
def one_broken(draw: st.DrawFn) -> tuple[Json, list[PlatformEvent]]:
    """A body of which one entry, change or item is broken, and the events of all the rest."""
    raw = draw(joined())
    units = _units(raw)
    if not units:
        return raw, parse(raw)
    unit = draw(st.sampled_from(units))
    parent, key = _at(raw, unit[:-1]), unit[-1]
    original = parent[key]
    parent[key] = "broken"
    rest = parse(raw)
    fault = UnreadableEvent(NAME, "none", "no change" if unit[-2] in ("entry", "changes") else "not an object")
    if fault in rest:  # in a field that is not read, nothing is reported
        rest.remove(fault)
    parent[key] = original
    if draw(st.booleans()):
        parent[key] = draw(JSON)
    else:
        _mutate(draw, raw, unit)
    return raw, rest


# ---------------------------------------------------------------- properties of all events


ADDRESS = re.compile(r"\+[0-9]{7,15}|[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
NUMBER = re.compile(r"(\+[0-9]{7,15})?")


def assert_storable(event: PlatformEvent) -> None:
    assert event.channel == NAME
    assert re.fullmatch(r"[ -~]{1,110}", event.key)
    if isinstance(event, Update):
        assert_update_storable(event)
    elif isinstance(event, Receipt):
        assert re.fullmatch(r"[ -~]{1,160}", event.ref)
        assert 0 <= event.number < 2**63
        assert 0 <= event.code < 2**31
    elif isinstance(event, AccountEvent):
        for name, value in event.fields.items():
            assert len(name) <= 40
            assert 0 < len(value) <= 200
            value.encode()
    else:
        assert 0 < len(event.fault) <= 60


def assert_update_storable(update: Update) -> None:
    assert ADDRESS.fullmatch(update.address)
    assert NUMBER.fullmatch(update.alias)
    assert NUMBER.fullmatch(update.moved_alias)
    assert not update.moved_to or ADDRESS.fullmatch(update.moved_to)
    assert update.moved_to != update.address
    assert len(update.text) <= MAX_SHORT_TEXT
    assert "\x00" not in update.text
    update.text.encode()  # no lone surrogates, which no database can store
    assert re.fullmatch(r"[a-z0-9_]{0,32}", update.command)
    assert re.fullmatch(r"[ -~]{0,64}", update.choice)
    assert 0 <= update.at < 2**38
    assert bool(update.moved_to or update.moved_alias) == (update.kind is UpdateKind.MOVED)


def _counted(events: list[PlatformEvent]) -> Counter[str]:
    """Count the events, without the keys of account events, which are digests of the whole change with all siblings."""
    return Counter(repr(replace(event, key="") if isinstance(event, AccountEvent) else event) for event in events)


@fuzz
@given(mutated(), st.sampled_from(["", NUMBER_ID]))
def test_no_mutation_raises_and_all_events_can_be_stored(raw: Json, number_id: str) -> None:
    before = repr(raw)
    for event in parse(raw, number_id):
        assert_storable(event)
    assert repr(raw) == before


@fuzz
@given(one_broken())
def test_one_broken_part_costs_no_other(case: tuple[Json, list[PlatformEvent]]) -> None:
    raw, rest = case
    assert _counted(rest) <= _counted(parse(raw))


@fuzz
@given(JSON)
def test_no_json_raises(raw: Any) -> None:
    for event in parse(raw):
        assert_storable(event)


@fuzz
@given(st.text(max_size=250))
def test_any_typed_text_can_be_stored(typed: str) -> None:
    (update,) = parse(incoming(text(typed)))
    assert_storable(update)
