"""Lists that go on under other keys of the unit, in any order of steps: which pins lead to them, and what does not."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.confidential.protocol import lists
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.errors import Altered, ProtocolError
from storage.confidential.protocol.lists import Chain, SignedList, unit_pin
from tests.fakes.succession import invented, signed, succeed
from tests.fakes.unit import FIRST_DAY, Keyholder, Unit

STEPS = st.lists(st.sampled_from(("renew", "join", "leave", "succeed", "succeed", "officers")), min_size=1, max_size=6)


@dataclass
class Story:
    """A unit, the pins of all keys that it has had, and the places of those that officers passed on."""

    unit: Unit = field(default_factory=lambda: Unit([Keyholder("Ana"), Keyholder("Bea"), Keyholder("R", "recovery")]))
    pins: list[str] = field(default_factory=list)
    by_officers: list[int] = field(default_factory=list)

    def step(self, name: str) -> None:
        officers = [one for one in self.unit.readers if one.role == "officer"]
        if name == "join":
            self.unit.next_list(adding=[Keyholder(f"N{len(self.unit.lists)}")])
        elif name == "leave" and len(officers) > 2:
            self.unit.next_list(ending=officers[:1])
        elif name in ("succeed", "officers"):
            if name == "officers":
                self.by_officers.append(len(self.pins) - 1)
            succeed(self.unit, officers[:2] if name == "officers" else ())
            self.pins.append(self.unit.pin)
        else:
            self.unit.next_list()


def story_of(steps: list[str]) -> Story:
    story = Story()
    story.unit.first_list()
    story.pins.append(story.unit.pin)
    for name in steps:
        story.step(name)
    return story


def accepts(signed_list: SignedList, pin: str) -> bool:
    try:
        lists.check_alone(lists.read_list(canonical(signed_list)), pin, FIRST_DAY)
    except Altered:
        return False
    return True


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_every_pin_of_a_unit_leads_to_its_newest_list_as_far_as_the_former_keys_say_so(steps: list[str]) -> None:
    story = story_of(steps)
    unit, newest = story.unit, story.unit.newest
    for at, pin in enumerate(story.pins):
        known = lists.walk_all(unit.lists, pin)
        assert known == unit.chain
        assert len(known.successions_since(pin)) == len(story.pins) - 1 - at
        assert accepts(newest, pin) == all(one < at for one in story.by_officers)
    serials = [one["list"]["serial"] for one in unit.lists]
    assert serials == [*range(1, len(serials) + 1)], "never falls, whatever the key"
    for entry in newest["list"]["readers"]:
        assert entry["join"]["unit"] == unit.lists[entry["since"] - 1]["list"]["unit"]


@settings(max_examples=25, deadline=None)
@given(STEPS, st.data())
def test_successions_that_another_list_or_a_stranger_brings_lead_nowhere(steps: list[str], data: st.DataObject) -> None:
    story = story_of([*steps, "succeed"])
    unit = story.unit
    other = story_of(["renew"] * (len(unit.lists) - 2) + ["succeed"]).unit
    stranger = invented(unit, data.draw(st.permutations(unit.succ)))
    brought: Any = [*unit.succ[:-1], *unit.succ[1:], *other.succ, *stranger.succ, signed(stranger, old=unit.point)]
    succ = data.draw(st.lists(st.sampled_from(brought), max_size=len(unit.succ) + 1))
    before = unit.chain
    for made in ({**unit.newest, "succ": succ}, lists.sign_list(stranger.signing, stranger.newest["list"], succ)):
        if made == unit.newest:
            continue
        with pytest.raises(ProtocolError):
            _followed(before, unit, made)  # type: ignore[arg-type]
        assert not any(accepts(made, pin) for pin in story.pins)  # type: ignore[arg-type]


def _followed(before: Chain, unit: Unit, made: SignedList) -> None:
    """In the place of the newest list, or after it."""
    try:
        lists.walk_all([*unit.lists[:-1], made], unit_pin(unit.lists[0]["list"]["unit"]))
    except ProtocolError:
        lists.check_next(before, made)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_a_box_that_saw_a_list_of_a_former_key_takes_no_succession_before_it(steps: list[str]) -> None:
    story = story_of([*steps, "succeed"])
    former = story.unit.lists[-2]["list"]
    pin, newest = unit_pin(former["unit"]), story.unit.newest
    for seen in range(1, former["serial"] + 1):
        assert lists.check_pinned(newest, pin, seen).serial == former["serial"] + 1
    with pytest.raises(Altered, match=r"succ\.serial"):
        lists.check_pinned(newest, pin, former["serial"] + 1)
