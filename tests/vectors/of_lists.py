"""Vectors of the list of readers and of statements that are checked against it: each rule broken once."""

import json
from typing import Any

from tests.vectors import story
from tests.vectors.collection import Collection
from tests.vectors.primitives import digest, ident, letter_hash, other_form, pin, point, sign, text
from tests.vectors.story import (
    ANA,
    BEA,
    CARLA,
    DORA,
    FIRST_READERS,
    LIST_1,
    LIST_2,
    LIST_3,
    LIST_4,
    LIST_5,
    PIN,
    RESERVE_TWO,
    SECOND_READERS,
    UNIT,
    Person,
    list_hash,
    next_list,
    of,
    reader,
    signed,
)

ALL = [LIST_1, LIST_2, LIST_3, LIST_4]
TODAY = "2026-11-20"


def add_all(to: Collection) -> None:
    to.faults("read_list", json.loads(LIST_5), "list", free=("name", "scope", "custodians"))
    for number, one in enumerate(ALL, 1):
        to.gives("read_list", f"list {number}", [one], list_hash(one))
        to.gives("check_alone", f"list {number} alone", [one, PIN, TODAY], number)
    to.gives("check_chain", "four lists", [ALL, PIN], list_hash(LIST_4))
    _formats(to)
    _alone(to)
    _chain(to)
    _proofs(to)
    _erase(to)


def _formats(to: Collection) -> None:
    keys = of(LIST_2)
    for name, changes, field in (
        ("readers out of order", {"readers": keys["readers"][::-1]}, "readers"),
        ("a reader twice", {"readers": [keys["readers"][0]] * 2}, "readers"),
        ("a second list without prev", {"prev": ""}, "prev"),
        ("a first list with prev", {"serial": 1}, "prev"),
        ("a name with a line break", {"custodians": ["a\nb"]}, "custodians"),
        ("a name with a space that is not seen", {"custodians": ["Ana\u200b Díaz"]}, "custodians"),
        ("a name with another space", {"custodians": ["Ana\u00a0Díaz"]}, "custodians"),
        ("a name of no letters", {"custodians": [""]}, "custodians"),
    ):
        to.refuses("read_list", name, [signed({**keys, **changes})], "malformed", f"list.list.{field}")
    swapped = [{**one, "proofs": one["proofs"][::-1]} for one in keys["readers"]]
    to.refuses(
        "read_list",
        "proofs out of order",
        [signed({**keys, "readers": swapped})],
        "malformed",
        "list.list.readers.proofs",
    )


def _alone(to: Collection) -> None:
    keys, prev = of(LIST_2), list_hash(LIST_1)

    def refused(name: str, made: str, reason: str) -> None:
        to.refuses("check_alone", name, [made, PIN, TODAY], "altered", reason)

    def changed(readers: list[dict[str, Any]], **changes: Any) -> str:
        return signed(story.key_list(2, prev, readers, **changes))

    to.refuses("check_alone", "another pin", [LIST_2, pin(point(story.OTHER_UNIT)), TODAY], "altered", "unit")
    refused(
        "signed by an officer",
        text({"list": keys, "signature": sign(ANA.signing, "list", keys), "succ": []}),
        "list.signature",
    )
    refused(
        "signed as another thing",
        text({"list": keys, "signature": sign(UNIT, "succ", keys), "succ": []}),
        "list.signature",
    )
    value = json.loads(LIST_2)
    form = text({**value, "signature": other_form(value["signature"])})
    to.gives("check_alone", "a list with (r, n - s)", [form, PIN, TODAY], 2)
    other = reader(DORA, 2, (ANA, BEA), unit=story.OTHER_UNIT)
    refused("a reader who joined another unit", changed([*SECOND_READERS, other]), "list.unit")
    twin = reader(DORA, 2, (ANA, BEA), signing=point(CARLA.signing))
    refused("one signing key for two officers", changed([*SECOND_READERS, twin]), "list.keys")
    twin = reader(DORA, 2, (ANA, BEA), reading=point(CARLA.reading))
    refused("one reading key for two officers", changed([*SECOND_READERS, twin]), "list.keys")
    twin = reader(DORA, 2, (ANA, BEA), reading=point(DORA.signing))
    refused("one key for reading and signing", changed([*SECOND_READERS, twin]), "list.keys")
    twin = reader(DORA, 2, (ANA, BEA), signing=point(UNIT))
    refused("the unit's key for an officer", changed([*SECOND_READERS, twin]), "list.keys")
    refused("since after the list", changed([*FIRST_READERS, reader(CARLA, 3, (ANA, BEA))]), "list.since")
    refused("ended after the list", changed([*FIRST_READERS, reader(CARLA, 2, (ANA, BEA), ended=3)]), "list.since")
    refused("ended when it joined", changed([*FIRST_READERS, reader(CARLA, 2, (ANA, BEA), ended=2)]), "list.since")
    two = [*SECOND_READERS, reader(RESERVE_TWO, 2, (ANA, BEA))]
    refused("two active recovery keys", changed(two), "list.recovery")
    refused("in force for 46 days", changed(SECOND_READERS, day="2026-11-12", until="2026-12-28"), "list.until")
    to.gives(
        "check_alone",
        "in force for 45 days",
        [changed(SECOND_READERS, day="2026-11-12", until="2026-12-27"), PIN, TODAY],
        2,
    )
    refused("until before its day", changed(SECOND_READERS, day="2026-11-20", until="2026-11-19"), "list.until")
    for today, kind, reason in (
        ("2026-11-10", "clock", "list.day"),
        ("2026-12-13", "expired", "list.until"),
    ):
        to.refuses("check_alone", f"on {today}", [LIST_2, PIN, today], kind, reason)
    for today in ("", "2026-11-31", "Invalid Date"):
        to.refuses("check_alone", f"on no day: {today}", [LIST_2, PIN, today], "malformed", "day")
    for today in ("2026-11-11", "2026-11-12", "2026-12-12"):
        to.gives("check_alone", f"on {today}", [LIST_2, PIN, today], 2)


def _chain(to: Collection) -> None:
    def refused(name: str, made: list[str], reason: str) -> None:
        to.refuses("check_chain", name, [made, PIN], "altered", reason)

    def after_2(readers: list[dict[str, Any]], **changes: Any) -> list[str]:
        return [LIST_1, LIST_2, next_list(LIST_2, readers, **changes)]

    refused("a list is missing", [LIST_1, LIST_3], "list.serial")
    refused("a list twice", [LIST_1, LIST_2, LIST_2], "list.serial")
    refused("lists in another order", [LIST_1, LIST_3, LIST_2], "list.serial")
    refused("not from the first", [LIST_2, LIST_3], "list.serial")
    refused("another former list", after_2(SECOND_READERS, prev=digest("list", {})), "list.prev")
    refused("an earlier day", after_2(SECOND_READERS, day="2026-11-11", until="2026-12-01"), "list.day")
    refused("a reader is gone", after_2(SECOND_READERS[:-1]), "list.readers")
    refused("another scope", after_2([{**SECOND_READERS[0], "scope": "x"}, *SECOND_READERS[1:]]), "list.readers")
    renamed = [reader(ANA, 1, name="Ana P."), *SECOND_READERS[1:]]
    refused("another name", after_2(renamed), "list.readers")
    other_keys = Person("carla new", "Carla Solís")
    taken = reader(other_keys, 2, (ANA, BEA), id=CARLA.id)
    own = next(proof for proof in taken["proofs"] if proof["id"] == other_keys.id)
    own["id"] = CARLA.id
    taken["proofs"].sort(key=lambda proof: proof["id"])
    changed = [*SECOND_READERS[:-1], taken]
    refused("other keys for an id", after_2(changed), "list.readers")
    back = [{**one, "ended": 0} if one["join"]["id"] == BEA.id else one for one in of(LIST_3)["readers"]]
    refused("who left is back", [LIST_1, LIST_2, LIST_3, next_list(LIST_3, back)], "list.readers")
    again = [{**one, "ended": 4} if one["join"]["id"] == BEA.id else one for one in of(LIST_3)["readers"]]
    refused("ended a second time", [LIST_1, LIST_2, LIST_3, next_list(LIST_3, again)], "list.readers")
    reserve = story.RESERVE.id
    earlier = [{**one, "ended": 2} if one["join"]["id"] == reserve else one for one in SECOND_READERS]
    refused("ended in a list before", after_2(earlier), "list.readers")
    backdated = [*SECOND_READERS, reader(DORA, 2, (ANA, BEA))]
    refused("a new reader since an earlier list", after_2(backdated), "list.since")
    other = signed(story.key_list(3, list_hash(LIST_2), [], story.OTHER_UNIT), story.OTHER_UNIT)
    refused("another unit", [LIST_1, LIST_2, other], "unit")
    seen = {"serial": 2, "hash": list_hash(LIST_2)}
    to.gives("walk", "from a pin", [seen, ALL[1:], PIN], 4)
    to.gives("walk", "nothing newer", [seen, [LIST_2], PIN], 2)
    for name, lists in (("another start", ALL), ("nothing", []), ("older lists only", [LIST_1])):
        to.refuses("walk", f"walk: {name}", [seen, lists, PIN], "altered", "list.pin")
    to.refuses("walk", "walk: a gap", [seen, [LIST_2, LIST_4], PIN], "altered", "list.serial")
    to.gives("check_floor", "at the floor", [LIST_2, seen], True)
    to.gives("check_floor", "above the floor", [LIST_3, seen], True)
    to.refuses("check_floor", "under the floor", [LIST_1, seen], "altered", "list.floor")
    fork = next_list(LIST_1, SECOND_READERS, custodians=[])
    to.refuses("check_floor", "beside the floor", [fork, seen], "altered", "list.floor")


def _proofs(to: Collection) -> None:
    def after(former: str, *added: dict[str, Any]) -> list[str]:
        lists = ALL[: ALL.index(former) + 1]
        return [*lists, next_list(former, [*of(former)["readers"], *added])]

    def refused(name: str, made: list[str]) -> None:
        to.refuses("check_chain", f"proofs: {name}", [made, PIN], "altered", "list.proofs")

    to.gives(
        "check_chain",
        "proofs of two",
        [after(LIST_2, reader(DORA, 3, (ANA, CARLA))), PIN],
        list_hash(after(LIST_2, reader(DORA, 3, (ANA, CARLA)))[-1]),
    )
    refused("none but their own", after(LIST_2, reader(DORA, 3)))
    refused("one only", after(LIST_2, reader(DORA, 3, (ANA,))))
    own = reader(DORA, 3, (ANA, BEA))
    refused(
        "without their own", after(LIST_2, {**own, "proofs": [one for one in own["proofs"] if one["id"] != DORA.id]})
    )
    refused("by the recovery key", after(LIST_2, reader(DORA, 3, (ANA, story.RESERVE))))
    thrice = reader(DORA, 3, (DORA, DORA))
    for proof, one in zip(
        thrice["proofs"], sorted((DORA, story.RESERVE, Person("eva", "Eva")), key=lambda one: one.id), strict=True
    ):
        proof["id"] = one.id
    refused("their own in the name of others", after(LIST_2, thrice))
    refused("by an officer who left", after(LIST_3, reader(DORA, 4, (ANA, BEA))))
    pair = [reader(DORA, 3, (ANA, Person("eva", "Eva"))), reader(Person("eva", "Eva"), 3, (ANA, DORA))]
    refused("by one who joins with them", after(LIST_2, *pair))
    forged = reader(DORA, 3, (ANA, BEA))
    for proof in forged["proofs"]:
        if proof["id"] == BEA.id:
            proof["signature"] = sign(ANA.signing, "join", forged["join"])
    refused("another signer", after(LIST_2, forged))
    for proof in (proofs := reader(DORA, 3, (ANA, BEA)))["proofs"]:
        proof["signature"] = sign(
            {ANA.id: ANA, BEA.id: BEA, DORA.id: DORA}[proof["id"]].signing, "join", story.join(DORA, name="Otra")
        )
    refused("over another statement", after(LIST_2, proofs))
    alone = [
        LIST_1,
        next_list(LIST_1, [{**one, "ended": 2} if one["join"]["id"] == BEA.id else one for one in FIRST_READERS]),
    ]
    one_left = [*alone, next_list(alone[-1], [*of(alone[-1])["readers"], reader(DORA, 3, (ANA,))])]
    to.gives("check_chain", "one officer is left to vouch", [one_left, PIN], list_hash(one_left[-1]))


def _erase(to: Collection) -> None:
    def made(by: Any, *signers: Any, **changes: Any) -> dict[str, Any]:
        value = {"v": 2, "case": story.CASE, "last": letter_hash(story.CLOSED), "day": TODAY, "by": by, **changes}
        return {"erase": value, "signatures": [sign(one, "erase", value) for one in signers]}

    asker = made("asker", story.ASKER.signing)
    pair = sorted((ANA, CARLA), key=lambda one: one.id)
    two = made([one.id for one in pair], *(one.signing for one in pair))
    to.faults("read_erase", asker, "erase")
    for name, given in (("the asker", asker), ("two officers", two)):
        to.gives("check_erase", f"erased by {name}", [text(given), story.THREAD, ALL[:3], PIN], True)
    gone = sorted((ANA, BEA), key=lambda one: one.id)
    for name, given, reason in (
        ("of another case", made("asker", story.ASKER.signing, case=ident("x")), "erase.case"),
        ("before the last letter", made("asker", story.ASKER.signing, last=letter_hash(story.HANDED)), "erase.case"),
        ("by another", made("asker", ANA.signing), "erase.signature"),
        ("two signatures of one", made([one.id for one in pair], *[pair[0].signing] * 2), "erase.signature"),
        ("one signature of two", {**two, "signatures": two["signatures"][:1]}, "erase.signature"),
        ("by one who left", made([one.id for one in gone], *(one.signing for one in gone)), "erase.by"),
    ):
        to.refuses("check_erase", f"erase: {name}", [text(given), story.THREAD, ALL[:3], PIN], "altered", reason)
    notes = [story.NOTE, story.NOTE_TWO]
    of_notes = text(made([one.id for one in pair], *(one.signing for one in pair), last=letter_hash(story.NOTE_TWO)))
    to.refuses("check_erase", "erase: of notes", [of_notes, notes, ALL[:3], PIN], "altered", "erase.case")
    for name, by in (
        ("one officer", [ANA.id]),
        ("one twice", [ANA.id] * 2),
        ("the wrong order", [pair[1].id, pair[0].id]),
    ):
        to.refuses("read_erase", f"erase: {name}", [text(made(by, ANA.signing))], "malformed", "erase.erase.by")
