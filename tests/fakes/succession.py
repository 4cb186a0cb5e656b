"""Another key of the unit in Python: the succession, and the next key's first list."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from storage.confidential.protocol import signatures
from storage.confidential.protocol.lists import SignedList
from storage.confidential.protocol.signatures import PrivateKey, point_of
from storage.confidential.protocol.successions import Signed, SignedSuccession
from tests.fakes.unit import Keyholder, Unit, new_key


def signed(unit: Unit, by: Sequence[Keyholder] = (), key: PrivateKey | None = None, **changes: Any) -> SignedSuccession:
    """That `key` follows the unit's, signed with the unit's key or by these officers; `changes` are of its fields."""
    former = unit.newest["list"]
    succ: Any = {
        "v": 2,
        "old": unit.point,
        "next": point_of(key or new_key()),
        "serial": former["serial"],
        "day": former["day"],
        **changes,
    }
    signers = [(one.id, one.signing) for one in by] or [("unit", unit.signing)]
    given: list[Signed] = [{"by": one, "signature": signatures.sign(private, "succ", succ)} for one, private in signers]
    return {"succ": succ, "signatures": sorted(given, key=lambda one: one["by"])}


def succeed(unit: Unit, by: Sequence[Keyholder] = (), day: date | None = None, **changes: Any) -> SignedList:
    """Give the unit its next key and sign the next list with it; `changes` are of the succession."""
    key = new_key()
    unit.succ = [*unit.succ, signed(unit, by, key, **changes)]
    unit.signing = key
    return unit.next_list(day=day)


def invented(unit: Unit, succ: Sequence[SignedSuccession] | None = None) -> Unit:
    """A unit that an attacker makes up, with the true readers and lists; `succ` replaces the true successions."""
    made = Unit([*unit.readers], lists=[*unit.lists])
    made.succ = [*(unit.succ if succ is None else succ)]
    made.next_list()
    return made
