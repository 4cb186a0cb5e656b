"""Whatever is done to a webhook's body: nothing raises, what comes out can be kept, and the rest of it still arrives.

INTEGRA_FUZZ=long makes 20,000 cases of each property instead of some hundreds.
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
from bot.channels.whatsapp.parser import NAME, parse
from handlers.message import SHORT_TEXT, Update, UpdateKind
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


# ---------------------------------------------------------------- what is done to a body


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
    """The same in another type, as a platform may come to write it."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else [value]
    if isinstance(value, list):
        return dict(enumerate(map(str, value))) if len(value) > 1 else (value[0] if value else "")
    return [value] if isinstance(value, dict) else str(value)


def _duplicate(place: Any, key: Any, _: Any) -> None:
    if isinstance(place, list):
        place.insert(key, place[key])
    else:
        place[f"{key}s"] = place[key]


def _delete(place: Any, key: Any, _: Any) -> None:
    del place[key]


def _replace(place: Any, key: Any, other: Any) -> None:
    place[key] = other


def _retype(place: Any, key: Any, _: Any) -> None:
    place[key] = json.loads(json.dumps(_retyped(place[key])))


DEEDS: list[Callable[[Any, Any, Any], None]] = [_replace, _delete, _duplicate, _retype]


def _mutate(draw: st.DrawFn, raw: Json, within: Path = ()) -> None:
    """Change one to three nodes anywhere, or anywhere below `within`."""
    for _ in range(draw(st.integers(1, 3))):
        paths = [path for path in _paths(raw) if path[: len(within)] == within and path != within]
        if not paths:
            return
        *way, key = draw(st.sampled_from(paths))
        draw(st.sampled_from(DEEDS))(_at(raw, tuple(way)), key, draw(JSON))


@st.composite
def joined(draw: st.DrawFn) -> Json:
    """The entries of one to four bodies in one, as a batch brings them."""
    chosen = draw(st.lists(st.sampled_from(BODIES), min_size=1, max_size=4))
    return json.loads(json.dumps({"entry": [entry for raw in chosen for entry in raw.get("entry", [])]}))  # type: ignore[no-any-return]


@st.composite
def mutated(draw: st.DrawFn) -> Json:
    raw = draw(joined())
    _mutate(draw, raw)
    return raw


def _units(raw: Json) -> list[Path]:
    """Every entry, change and item: what may break without harm to what stands beside it."""
    entry, change, item = ("entry", int), ("entry", int, "changes", int), ("messages", "statuses", "user_preferences")
    shapes = [entry, change, *((*change, "value", name, int) for name in (*item, "errors"))]
    return [path for path in _paths(raw) if any(_fits(path, shape) for shape in shapes)]


def _fits(path: Path, shape: tuple[Any, ...]) -> bool:
    pairs = zip(path, shape, strict=False)
    return len(path) == len(shape) and all(a == b or (b is int and isinstance(a, int)) for a, b in pairs)


@st.composite
def broken_beside_whole(draw: st.DrawFn) -> tuple[Json, list[PlatformEvent]]:
    """A body of which one entry, change or item is damaged, and what arrives of all the rest."""
    raw = draw(joined())
    units = _units(raw)
    if not units:
        return raw, parse(raw)
    unit = draw(st.sampled_from(units))
    place, key = _at(raw, unit[:-1]), unit[-1]
    kept = place[key]
    place[key] = "no such thing"
    rest = parse(raw)
    told = UnreadableEvent(NAME, "none", "no change" if unit[-2] in ("entry", "changes") else "not an object")
    if told in rest:  # a field that is not read does not tell either
        rest.remove(told)
    place[key] = kept
    if draw(st.booleans()):
        place[key] = draw(JSON)
    else:
        _mutate(draw, raw, unit)
    return raw, rest


# ---------------------------------------------------------------- what must be true of whatever comes out


ADDRESS = re.compile(r"\+[0-9]{7,15}|[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
NUMBER = re.compile(r"(\+[0-9]{7,15})?")


def assert_fit_to_keep(arrival: PlatformEvent) -> None:
    assert arrival.channel == NAME
    assert re.fullmatch(r"[ -~]{1,110}", arrival.key)
    if isinstance(arrival, Update):
        assert_fit_update(arrival)
    elif isinstance(arrival, Receipt):
        assert re.fullmatch(r"[ -~]{1,160}", arrival.ref)
        assert 0 <= arrival.number < 2**63
        assert 0 <= arrival.code < 2**31
    elif isinstance(arrival, AccountEvent):
        for name, value in arrival.fields.items():
            assert len(name) <= 40
            assert 0 < len(value) <= 200
            value.encode()
    else:
        assert 0 < len(arrival.fault) <= 60


def assert_fit_update(update: Update) -> None:
    assert ADDRESS.fullmatch(update.address)
    assert NUMBER.fullmatch(update.alias)
    assert NUMBER.fullmatch(update.moved_alias)
    assert not update.moved_to or ADDRESS.fullmatch(update.moved_to)
    assert update.moved_to != update.address
    assert len(update.text) <= SHORT_TEXT
    assert "\x00" not in update.text
    update.text.encode()  # no half characters, which no database takes
    assert re.fullmatch(r"[a-z0-9_]{0,32}", update.command)
    assert re.fullmatch(r"[ -~]{0,64}", update.choice)
    assert 0 <= update.at < 2**38
    assert bool(update.moved_to or update.moved_alias) == (update.kind is UpdateKind.MOVED)


def _without_keys_of_events(arrivals: list[PlatformEvent]) -> Counter[str]:
    """A bulletin's key is made of its whole change, so of its siblings too."""
    return Counter(repr(replace(one, key="") if isinstance(one, AccountEvent) else one) for one in arrivals)


@fuzz
@given(mutated(), st.sampled_from(["", NUMBER_ID]))
def test_no_mutation_raises_and_whatever_comes_out_can_be_kept(raw: Json, number_id: str) -> None:
    before = repr(raw)
    for arrival in parse(raw, number_id):
        assert_fit_to_keep(arrival)
    assert repr(raw) == before


@fuzz
@given(broken_beside_whole())
def test_whatever_is_broken_all_that_stands_beside_it_arrives(case: tuple[Json, list[PlatformEvent]]) -> None:
    raw, rest = case
    assert _without_keys_of_events(rest) <= _without_keys_of_events(parse(raw))


@fuzz
@given(JSON)
def test_no_json_raises(raw: Any) -> None:
    for arrival in parse(raw):
        assert_fit_to_keep(arrival)


@fuzz
@given(st.text(max_size=250))
def test_any_typed_text_is_fit_to_keep(typed: str) -> None:
    (update,) = parse(incoming(text(typed)))
    assert_fit_to_keep(update)
