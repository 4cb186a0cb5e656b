"""Vectors of lists of a unit that has another key than before: each rule of a succession broken once."""

import json
from typing import Any

from tests.vectors.collection import Collection
from tests.vectors.primitives import Key, other_form, pin, point
from tests.vectors.story import (
    ANA,
    BEA,
    CARLA,
    DORA,
    LAST_PIN,
    LAST_UNIT,
    LIST_1,
    LIST_2,
    LIST_3,
    LIST_4,
    LIST_5,
    LIST_6,
    LIST_7,
    NEXT_PIN,
    NEXT_UNIT,
    OTHER_UNIT,
    PIN,
    RESERVE_TWO,
    TO_LAST,
    TO_NEXT,
    UNIT,
    list_after,
    list_hash,
    reader,
    succession,
)

BEFORE = [LIST_1, LIST_2, LIST_3, LIST_4]
ALL = [*BEFORE, LIST_5, LIST_6, LIST_7]
TODAY = "2026-11-20"
OTHER_PIN = pin(point(OTHER_UNIT))
BY_TWO = succession(UNIT, NEXT_UNIT, 4, (ANA.id, ANA.signing), (CARLA.id, CARLA.signing))
LIST_5_BY_TWO = list_after(LIST_4, NEXT_UNIT, [BY_TWO])


def add_all(to: Collection) -> None:
    for one in (LIST_5, LIST_7):
        to.gives("read_list", f"list {json.loads(one)['list']['serial']}", [one], list_hash(one))
    to.gives("check_chain", "over two successions", [ALL, PIN], list_hash(LIST_7))
    _pins(to)
    _statements(to)
    _entries(to)
    _next(to)
    _walks(to)
    _officers(to)


def _pins(to: Collection) -> None:
    """Which pins of the unit's keys lead to a list, and how long ago."""
    for name, known, left in (("first", PIN, 2), ("second", NEXT_PIN, 1), ("third", LAST_PIN, 0)):
        to.gives("check_alone", f"by the {name} pin", [LIST_7, known, TODAY], 7)
        after = [point(NEXT_UNIT), point(LAST_UNIT)][2 - left :]
        to.gives("successions_since", f"since the {name} pin", [ALL, PIN, known], after)
    to.refuses("successions_since", "since a later pin", [BEFORE, PIN, NEXT_PIN], "altered", "unit")
    for name, one, known in (("another unit", LIST_7, OTHER_PIN), ("a list before the succession", LIST_4, NEXT_PIN)):
        to.refuses("check_alone", f"by the pin of {name}", [one, known, TODAY], "altered", "unit")
    for seen in (0, 4):
        to.gives("check_pinned", f"the pinned unit was seen at {seen}", [LIST_7, PIN, seen], 7)
    to.gives("check_pinned", "no succession since the pin", [LIST_7, LAST_PIN, 7], 7)
    to.refuses("check_pinned", "older than what was seen", [LIST_7, PIN, 5], "altered", "succ.serial")


def _statements(to: Collection) -> None:
    """What each succession says, and who has signed it."""

    def refused(name: str, succ: list[dict[str, Any]], reason: str, unit: Key = NEXT_UNIT) -> None:
        to.refuses(
            "check_alone", f"succession: {name}", [list_after(LIST_4, unit, succ), PIN, TODAY], "altered", reason
        )

    third = succession(NEXT_UNIT, LAST_UNIT, 4)
    refused("to another key", [succession(UNIT, LAST_UNIT, 4)], "succ.next")
    refused("a gap between two", [succession(UNIT, OTHER_UNIT, 3), third], "succ.next", LAST_UNIT)
    refused("in another order", [third, succession(UNIT, NEXT_UNIT, 3)], "succ.next", LAST_UNIT)
    refused("of this list", [succession(UNIT, NEXT_UNIT, 5, day="2026-11-14")], "succ.serial")
    refused("two of one list", [succession(UNIT, NEXT_UNIT, 4), third], "succ.serial", LAST_UNIT)
    refused("of a later day", [succession(UNIT, NEXT_UNIT, 4, day="2026-11-16")], "succ.day")
    refused("to itself", [succession(UNIT, UNIT, 3)], "list.keys", UNIT)
    refused("and back", [succession(UNIT, NEXT_UNIT, 3), succession(NEXT_UNIT, UNIT, 4)], "list.unit", UNIT)
    for name, signers in (
        ("by another unit", (("unit", OTHER_UNIT),)),
        ("by the next key", (("unit", NEXT_UNIT),)),
        ("by an officer as the unit", (("unit", ANA.signing),)),
        ("two signatures of one", ((ANA.id, ANA.signing), (CARLA.id, ANA.signing))),
    ):
        refused(name, [succession(UNIT, NEXT_UNIT, 4, *signers)], "succ.signature")
    for name, signers in (
        ("by one officer", ((ANA.id, ANA.signing),)),
        ("by an officer and the unit", ((ANA.id, ANA.signing), ("unit", UNIT))),
        ("by an officer who left", ((ANA.id, ANA.signing), (BEA.id, BEA.signing))),
        ("by one who is in no list", ((ANA.id, ANA.signing), (DORA.id, DORA.signing))),
        ("by the recovery key", ((ANA.id, ANA.signing), (RESERVE_TWO.id, RESERVE_TWO.signing))),
    ):
        refused(name, [succession(UNIT, NEXT_UNIT, 4, *signers)], "succ.by")
    stolen = succession(OTHER_UNIT, LAST_UNIT, 4)
    refused("of another place", [stolen], "succ.next")
    refused("of another place, renamed", [{**stolen, "succ": TO_NEXT["succ"]}], "succ.signature")
    form = {**TO_NEXT["signatures"][0], "signature": other_form(TO_NEXT["signatures"][0]["signature"])}
    twin = list_after(LIST_4, NEXT_UNIT, [{**TO_NEXT, "signatures": [form]}])
    to.gives("check_alone", "a succession with (r, n - s)", [twin, PIN, TODAY], 5)
    unsorted = {**BY_TWO, "signatures": BY_TWO["signatures"][::-1]}
    made = list_after(LIST_4, NEXT_UNIT, [unsorted])
    to.refuses("read_list", "signatures out of order", [made], "malformed", "list.succ.signatures")
    many = [succession(UNIT, NEXT_UNIT, 1)] * 21
    to.refuses("read_list", "21 successions", [list_after(LIST_4, NEXT_UNIT, many)], "malformed", "list.succ")


def _entries(to: Collection) -> None:
    """Which key of the unit the join statements of a list name."""

    def alone(name: str, former: str, unit: Key, added: dict[str, Any], reason: str) -> None:
        made = list_after(former, unit, json.loads(former)["succ"] or [TO_NEXT], added)
        to.refuses("check_alone", f"entries: {name}", [made, PIN, TODAY], "altered", reason)

    alone("new with the former key", LIST_4, NEXT_UNIT, reader(DORA, 5, (ANA, CARLA)), "list.unit")
    alone("old with the next key", LIST_5, NEXT_UNIT, reader(DORA, 4, (ANA, CARLA), unit=NEXT_UNIT), "list.unit")
    alone("of another unit", LIST_5, NEXT_UNIT, reader(DORA, 6, (ANA, CARLA), unit=OTHER_UNIT), "list.unit")
    taken = reader(DORA, 6, (ANA, CARLA), unit=NEXT_UNIT, signing=point(UNIT))
    alone("the former key for an officer", LIST_5, NEXT_UNIT, taken, "list.keys")
    bare = list_after(LIST_4, NEXT_UNIT, [])
    to.refuses("check_alone", "entries: no succession", [bare, NEXT_PIN, TODAY], "altered", "list.unit")


def _next(to: Collection) -> None:
    """What may follow a list of the same unit or of its next key."""

    def refused(name: str, made: list[str], reason: str) -> None:
        to.refuses("check_chain", f"next: {name}", [made, PIN], "altered", reason)

    joined = reader(DORA, 5, (ANA, CARLA), unit=NEXT_UNIT)
    with_dora = list_after(LIST_4, NEXT_UNIT, [TO_NEXT], joined)
    to.gives("check_chain", "next: with a new reader", [[*BEFORE, with_dora], PIN], list_hash(with_dora))
    refused("without a succession", [*BEFORE, list_after(LIST_4, NEXT_UNIT, [])], "unit")
    late = list_after(LIST_5, LAST_UNIT, [TO_NEXT, succession(NEXT_UNIT, LAST_UNIT, 4)])
    refused("of an older list", [*BEFORE, LIST_5, late], "succ.serial")
    early = succession(UNIT, NEXT_UNIT, 4, day="2026-11-13")
    refused("of an earlier day", [*BEFORE, list_after(LIST_4, NEXT_UNIT, [early])], "succ.day")
    two = [TO_NEXT, succession(NEXT_UNIT, LAST_UNIT, 5)]
    refused("two at once", [*BEFORE, list_after(LIST_4, LAST_UNIT, two)], "unit")
    other = succession(UNIT, NEXT_UNIT, 4, day="2026-11-15")
    refused("another in its place", [*BEFORE, LIST_5, list_after(LIST_5, NEXT_UNIT, [other])], "unit")
    refused("none any more", [*BEFORE, LIST_5, list_after(LIST_5, NEXT_UNIT, [])], "unit")
    refused("the former key again", [*BEFORE, LIST_5, list_after(LIST_5, UNIT, [])], "unit")
    rival = succession(UNIT, LAST_UNIT, 5)
    refused("a rival of the former key", [*BEFORE, LIST_5, list_after(LIST_5, LAST_UNIT, [rival])], "unit")
    refused("two lists of one serial", [*BEFORE, LIST_5, list_after(LIST_4, NEXT_UNIT, [TO_NEXT])], "list.serial")


def _walks(to: Collection) -> None:
    seen = {"serial": 4, "hash": list_hash(LIST_4)}
    to.gives("walk", "over two successions", [seen, ALL[3:], PIN], 7)
    later = {"serial": 5, "hash": list_hash(LIST_5)}
    to.gives("walk", "from the next unit on", [later, ALL[4:], NEXT_PIN], 7)
    for name, pinned, lists, known in (("a later", seen, ALL[3:], NEXT_PIN), ("an earlier", later, ALL[4:], PIN)):
        to.refuses("walk", f"walk: from a list of {name} unit", [pinned, lists, known], "altered", "unit")
    for name, known in (("first", PIN), ("second", NEXT_PIN), ("third", LAST_PIN)):
        to.gives("walk_all", f"by the {name} pin", [ALL, known], 7)
    to.gives("walk_all", "by the first pin, over officers", [[*BEFORE, LIST_5_BY_TWO], PIN], 5)
    to.refuses("walk_all", "by another pin", [ALL, OTHER_PIN], "altered", "unit")
    to.refuses("walk_all", "by a pin that is to come", [BEFORE, NEXT_PIN], "altered", "unit")
    to.refuses("walk_all", "nothing", [[], PIN], "altered", "list.none")
    to.refuses("walk_all", "not from the first", [ALL[1:], PIN], "altered", "list.serial")


def _officers(to: Collection) -> None:
    """The word of two officers counts for who knows the list of the former key, and for no asker with its pin."""
    to.gives("check_chain", "over the word of officers", [[*BEFORE, LIST_5_BY_TWO], PIN], list_hash(LIST_5_BY_TWO))
    to.gives("check_alone", "officers, by the next pin", [LIST_5_BY_TWO, NEXT_PIN, TODAY], 5)
    to.refuses("check_alone", "officers, by the former pin", [LIST_5_BY_TWO, PIN, TODAY], "altered", "succ.by")
    after = list_after(LIST_5_BY_TWO, NEXT_UNIT, [BY_TWO])
    last = list_after(after, LAST_UNIT, [BY_TWO, TO_LAST])
    to.gives("check_alone", "officers before the pin", [last, NEXT_PIN, TODAY], 7)
    forged = list_after(LIST_3, NEXT_UNIT, [succession(UNIT, NEXT_UNIT, 3, *_signers())])
    to.refuses("check_chain", "officers, one had left", [[LIST_1, LIST_2, LIST_3, forged], PIN], "altered", "succ.by")
    kept = json.loads(LIST_4)["list"]["readers"]
    back = [{**one, "ended": 0} if one["join"]["id"] == BEA.id else one for one in kept]
    unnoticed = list_after(LIST_4, NEXT_UNIT, [succession(UNIT, NEXT_UNIT, 4, *_signers())], readers=_by_id(back))
    to.refuses("check_chain", "officers, one made active", [[*BEFORE, unnoticed], PIN], "altered", "list.readers")


def _signers() -> tuple[tuple[str, Key], ...]:
    return (ANA.id, ANA.signing), (BEA.id, BEA.signing)


def _by_id(readers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(readers, key=lambda one: str(one["join"]["id"]))
