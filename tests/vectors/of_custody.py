"""Vectors of the unit's key in an officer's keeping, of custodians, and of what two of them open and say."""

from functools import partial
from itertools import combinations
from typing import Any

from tests.vectors import story
from tests.vectors.collection import Collection
from tests.vectors.primitives import (
    Key,
    b64,
    bound,
    encrypt,
    fixed,
    grouped,
    hkdf,
    hpke_seal,
    ident,
    key,
    pkcs8,
    point,
    raw_point,
    sha,
    sign,
    text,
    unb64,
)

IV = fixed("custody iv", 12)
SECRET = fixed("custody secret")
CODE = fixed("custodian's code")
READING = {ident(name): key(f"{name} reading") for name in ("notary", "audit", "archive")}
NAMES = dict(zip(READING, ("Notaría 7", "Órgano interno", "Archivo"), strict=True))
IDS = sorted(READING)
UNIT = point(story.UNIT)
LISTS = [story.LIST_1, story.LIST_2]


def custodian(of: str, **changes: Any) -> dict[str, Any]:
    return {"v": 2, "unit": UNIT, "id": of, "name": NAMES[of], "reading": point(READING[of]), **changes}


KEPT = {
    "v": 2, "id": story.RESERVE.id, "unit": UNIT, "reading": pkcs8(story.RESERVE.reading),
    "signing": pkcs8(story.RESERVE.signing), "unit_key": pkcs8(story.UNIT),
}  # fmt: skip


def sealed(to: Key, info: bytes, plain: bytes) -> bytes:
    return hpke_seal(raw_point(to), info, plain, key(f"ephemeral {b64(sha(info + plain))}"))


def share(first: str, second: str) -> dict[str, Any]:
    info = bound("custody", {"unit": UNIT, "recovery": story.RESERVE.id, "pair": [first, second]})
    inner = sealed(READING[second], info, SECRET)
    return {"pair": [first, second], "sealed": b64(sealed(READING[first], info, inner))}


def custody(kept: dict[str, Any] = KEPT, **changes: Any) -> dict[str, Any]:
    aad = bound("custody-keys", {"unit": UNIT, "recovery": story.RESERVE.id})
    return {
        "v": 2,
        "unit": UNIT,
        "recovery": story.RESERVE.id,
        "custodians": [custodian(one) for one in IDS],
        "shares": [share(*pair) for pair in combinations(IDS, 2)],
        "keys": {"iv": b64(IV), "body": encrypt(hkdf(SECRET, b"integra/2/custody"), IV, text(kept).encode(), aad)},
        **changes,
    }


def signed(label: str, value: dict[str, Any], by: Key) -> dict[str, Any]:
    return {label: value, "signature": sign(by, label, value)}


CUSTODY = signed("custody", custody(), story.UNIT)


def add_all(to: Collection) -> None:
    _unit_key(to)
    _custodian(to)
    _custody(to)
    _opened(to)
    _statements(to)


def _unit_key(to: Collection) -> None:
    info = bound("unit", {"id": story.ANA.id, "unit": UNIT})
    kept = b64(sealed(story.ANA.reading, info, unb64(pkcs8(story.UNIT))))
    given = [story.ANA.id, UNIT, pkcs8(story.ANA.reading)]
    to.gives("open_unit_key", "the unit's key", [kept, *given], pkcs8(story.UNIT))
    to.refuses("open_unit_key", "to another", [kept, story.BEA.id, UNIT, pkcs8(story.BEA.reading)], "altered", "unit")
    to.refuses("open_unit_key", "as another's", [kept, story.BEA.id, UNIT, given[2]], "altered", "unit")
    other = b64(sealed(story.ANA.reading, info, unb64(pkcs8(story.OTHER_UNIT))))
    to.refuses("open_unit_key", "another unit's key", [other, *given], "altered", "unit")
    to.refuses("open_unit_key", "too short", [b64(fixed("short")), *given], "malformed", "unit")
    rubbish = b64(sealed(story.ANA.reading, info, fixed("rubbish") * 3))
    to.refuses("open_unit_key", "no key", [rubbish, *given], "malformed", "unit")


def _custodian(to: Collection) -> None:
    own, other = custodian(IDS[0]), custodian(IDS[1])
    fingerprint = grouped(sha(bound("custodian", own)))
    to.gives("custodian_fingerprint", "a custodian's fingerprint", [text(own)], fingerprint)
    wrapping = hkdf(CODE, b"integra/2/custodian")

    def box(inside: dict[str, Any]) -> dict[str, str]:
        aad = bound("custodian-key", {"id": IDS[0], "unit": UNIT})
        return {"iv": b64(IV), "body": encrypt(wrapping, IV, text(inside).encode(), aad)}

    kept = {"v": 2, "id": IDS[0], "unit": UNIT, "reading": pkcs8(READING[IDS[0]])}
    to.gives("unwrap_custodian", "a custodian's key", [b64(wrapping), box(kept), text(own)], kept["reading"])
    args = [b64(CODE), box(kept), text(own)]
    to.refuses("unwrap_custodian", "another code", args, "altered", "custodian")
    to.refuses("unwrap_custodian", "as another's", [b64(wrapping), box(kept), text(other)], "altered", "custodian")
    wrong = {**kept, "reading": pkcs8(READING[IDS[1]])}
    args = [b64(wrapping), box(wrong), text(own)]
    to.refuses("unwrap_custodian", "another's key inside", args, "altered", "custodian")


def _custody(to: Collection) -> None:
    def refused(name: str, value: dict[str, Any], reason: str, kind: str = "altered", by: Key = story.UNIT) -> None:
        to.refuses("check_custody", name, [text(signed("custody", value, by)), UNIT], kind, reason)

    to.gives("check_custody", "a custody", [text(CUSTODY), UNIT], True)
    to.refuses("check_custody", "of another unit", [text(CUSTODY), point(story.OTHER_UNIT)], "altered", "custody.unit")
    refused("signed by another", custody(), "custody.signature", by=story.OTHER_UNIT)
    elsewhere = [custodian(IDS[0], unit=point(story.OTHER_UNIT)), *map(custodian, IDS[1:])]
    refused("a custodian of another unit", custody(custodians=elsewhere), "custody.unit")
    twice = [custodian(one, reading=point(READING[IDS[0]])) for one in IDS]
    refused("one key for all", custody(custodians=twice), "custody.keys")
    shares = [*CUSTODY["custody"]["shares"][:2], {**share(IDS[1], IDS[2]), "pair": sorted([IDS[2], ident("zzz")])}]
    refused("a share for a stranger", custody(shares=sorted(shares, key=lambda one: one["pair"])), "custody.shares")
    for name, count in (("two custodians", 2), ("one", 1)):
        less = [custodian(one) for one in IDS[:count]]
        refused(name, custody(custodians=less), "custody.custody.custodians", "malformed")
    refused("two shares", custody(shares=CUSTODY["custody"]["shares"][:2]), "custody.custody.shares", "malformed")
    backwards = [custodian(one) for one in reversed(IDS)]
    refused("custodians in another order", custody(custodians=backwards), "custody.custody.custodians", "malformed")
    for name in CUSTODY["custody"]:
        less_fields = {field: kept for field, kept in CUSTODY["custody"].items() if field != name}
        refused(f"without {name}", less_fields, f"custody.custody.{name}", "malformed")


def _opened(to: Collection) -> None:
    def args(value: dict[str, Any], *present: str) -> list[Any]:
        return [text(signed("custody", value, story.UNIT)), {one: pkcs8(READING[one]) for one in present}]

    for pair in combinations(IDS, 2):
        to.gives(
            "open_custody", f"custodians {IDS.index(pair[0])}, {IDS.index(pair[1])}", args(custody(), *pair), text(KEPT)
        )
    to.refuses("open_custody", "one alone", args(custody(), IDS[0]), "refused", "custody.pair")
    wrong = [text(CUSTODY), {IDS[0]: pkcs8(READING[IDS[0]]), IDS[1]: pkcs8(READING[IDS[0]])}]
    to.refuses("open_custody", "one key twice", wrong, "altered", "custody.share")
    other = {**KEPT, "id": story.RESERVE_TWO.id}
    to.refuses("open_custody", "another reader's keys", args(custody(other), *IDS[:2]), "altered", "custody.keys")
    moved = {**CUSTODY["custody"], "recovery": story.RESERVE_TWO.id}
    to.refuses("open_custody", "moved to another reader", args(moved, *IDS[:2]), "altered", "custody.share")
    to.gives("check_kept", "the right keys", [text(KEPT), LISTS, story.PIN], True)
    for name, private in (
        ("reading", story.ANA.reading),
        ("signing", story.ANA.signing),
        ("unit_key", story.OTHER_UNIT),
    ):
        changed = {**KEPT, name: pkcs8(private)}
        to.refuses("check_kept", f"another {name}", [text(changed), LISTS, story.PIN], "altered", "custody.keys")
    changed = {**KEPT, "id": story.RESERVE_TWO.id}
    to.refuses("check_kept", "of another reader", [text(changed), LISTS, story.PIN], "altered", "custody.recovery")


def _statement(label: str, days: tuple[str, ...], value: dict[str, Any], by: Key, lists: list[str]) -> list[Any]:
    return [text(signed(label, value, by)), text(CUSTODY), lists, story.PIN, *days]


def _statements(to: Collection) -> None:
    rehearsal = {"v": 2, "unit": UNIT, "recovery": story.RESERVE.id, "custodians": IDS[:2], "day": story.TODAY}
    use = {**rehearsal, "purpose": "cases", "nonce": ident("nonce")}
    for label, value, days in (("rehearsal", rehearsal, ()), ("use", use, (story.TODAY,))):
        check, signing, args = f"check_{label}", story.RESERVE.signing, partial(_statement, label, days)
        to.gives(check, f"a {label}", args(value, signing, LISTS), True)
        to.gives(check, "of all three", args({**value, "custodians": IDS}, signing, LISTS), True)
        by_ana = args(value, story.ANA.signing, LISTS)
        to.refuses(check, "signed by an officer", by_ana, "altered", f"{label}.signature")
        stranger = args({**value, "custodians": sorted([IDS[0], ident("zzz")])}, signing, LISTS)
        to.refuses(check, "of a stranger", stranger, "altered", f"{label}.custodians")
        ended = args(value, signing, [story.LIST_1, story.LIST_2, story.LIST_3, story.LIST_4])
        to.refuses(check, "of a key that has ended", ended, "altered", f"{label}.recovery")
        elsewhere = args({**value, "unit": point(story.OTHER_UNIT)}, signing, LISTS)
        to.refuses(check, "of another unit", elsewhere, "altered", f"{label}.recovery")
        alone = args({**value, "custodians": IDS[:1]}, signing, LISTS)
        to.refuses(check, "of one custodian", alone, "malformed", f"{label}.{label}.custodians")
    old = [text(signed("use", use, story.RESERVE.signing)), text(CUSTODY), LISTS, story.PIN]
    to.gives("check_use", "of yesterday", [*old, "2026-11-21"], True)
    to.refuses("check_use", "of the day before", [*old, "2026-11-22"], "refused", "use.day")
    to.refuses("check_use", "of tomorrow's morrow", [*old, "2026-11-18"], "refused", "use.day")
    odd = {**use, "purpose": "all"}
    given = [text(signed("use", odd, story.RESERVE.signing)), text(CUSTODY), LISTS, story.PIN, story.TODAY]
    to.refuses("check_use", "for another purpose", given, "malformed", "use.use.purpose")
