"""The adopted unit and the newest list seen, in two files outside the database."""

import stat
from pathlib import Path

import pytest

from storage.confidential.protocol.lists import Pin, pin_of
from storage.confidential.unit_trust import BrokenTrustFile, OtherUnit, UnitTrust
from tests.fakes.unit import Unit


def pins(unit: Unit, count: int = 3) -> list[Pin]:
    unit.first_list()
    for days in range(1, count):
        unit.next_list(days=days)
    return [pin_of(signed["list"]) for signed in unit.lists]


def test_before_the_adoption_no_unit_is_known(tmp_path: Path) -> None:
    for trust in (UnitTrust(tmp_path / "secrets"), UnitTrust()):
        assert (trust.unit(), trust.pin(), trust.floor()) == ("", "", None)


def test_an_adopted_unit_is_known_to_every_process_from_then_on(tmp_path: Path) -> None:
    unit = Unit.with_recovery_key()
    first, *_ = pins(unit)
    other_process = UnitTrust(tmp_path / "secrets")
    UnitTrust(tmp_path / "secrets").adopt(unit.point, first)
    assert (other_process.unit(), other_process.pin(), other_process.floor()) == (unit.point, unit.pin, first)
    files = sorted((tmp_path / "secrets").iterdir())
    assert [file.name for file in files] == ["list.head", "unit.pub"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_another_unit_is_never_adopted_later(tmp_path: Path) -> None:
    unit, other = Unit.with_recovery_key(), Unit.with_recovery_key()
    trust = UnitTrust(tmp_path)
    trust.adopt(unit.point, pins(unit)[0])
    with pytest.raises(OtherUnit, match=unit.point):
        trust.adopt(other.point, pins(other)[2])
    assert (trust.unit(), trust.floor()) == (unit.point, pin_of(unit.lists[0]["list"]))
    trust.adopt(unit.point, pin_of(unit.lists[1]["list"]))  # again by the head: changes nothing but the floor
    assert trust.floor() == pin_of(unit.lists[1]["list"])


def test_the_floor_only_rises(tmp_path: Path) -> None:
    unit, rival = Unit.with_recovery_key(), Unit.with_recovery_key()
    first, second, third = pins(unit)
    trust = UnitTrust(tmp_path)
    for pin, floor in ((second, second), (first, second), (pins(rival)[1], second), (third, third), (second, third)):
        trust.raise_floor(pin)
        assert trust.floor() == floor


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unit.pub", "nonsense\n"),
        ("unit.pub", "é"),
        ("list.head", "nonsense"),
        ("list.head", '{"serial":1}'),
        ("list.head", '{"hash":"x","serial":1}'),
        ("list.head", "[1]"),
    ],
)
def test_a_damaged_file_is_reported_and_not_taken_for_none(tmp_path: Path, name: str, text: str) -> None:
    unit = Unit.with_recovery_key()
    trust = UnitTrust(tmp_path)
    trust.adopt(unit.point, pins(unit)[0])
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(BrokenTrustFile, match=name):
        _ = trust.pin() if name == "unit.pub" else trust.floor()
    with pytest.raises(BrokenTrustFile, match=name):
        trust.adopt(unit.point, pin_of(unit.lists[1]["list"]))
