"""Vectors of the rule for writing: which epoch is kept, and to whom one is granted."""

from typing import Any

from tests.vectors.collection import Collection
from tests.vectors.of_threads import ALL, CHAIN, ids
from tests.vectors.story import (
    ANA,
    ASK,
    ASKER,
    BEA,
    CARLA,
    CARLA_AGAIN,
    DORA,
    FOURTH_READERS,
    HANDED,
    LIST_1,
    LIST_2,
    LIST_3,
    NOTE,
    NOTE_TWO,
    PIN,
    RESERVE,
    RESERVE_TWO,
    RETURNED,
    THREAD,
    WIDER,
    grant,
    next_list,
    written,
)

BEGUN = THREAD[:1]
RETURNING = [LIST_1, LIST_2, RETURNED]
READERS = ids(ANA, CARLA, RESERVE)  # of the whole thread


def add_all(to: Collection) -> None:
    _kept(to)
    _granted(to)
    _kept_by_the_excluded(to)
    _granter_gone(to)
    _granter_gone_last(to)
    _notes(to)
    _lists_refused(to)
    _people_refused(to)
    _no_officer_left(to)


def _options(**changes: Any) -> dict[str, Any]:
    return {"seen": 6, "floor": 1, "is_in_force": True, "change": {}, "talk": None, **changes}


def _gives(
    to: Collection,
    name: str,
    letters: list[str],
    lists: list[str],
    author: str,
    epoch: int,
    readers: list[str],
    is_grant: bool = True,
    excluded: list[str] | None = None,
    **changes: Any,
) -> None:
    out = {"epoch": epoch, "is_grant": is_grant, "readers": readers, "excluded": excluded or []}
    to.gives("next_seal", f"seal: {name}", [letters, lists, PIN, author, _options(**changes)], out)


def _refused(
    to: Collection, name: str, letters: list[str], lists: list[str], author: str, kind: str, reason: str, **changes: Any
) -> None:
    to.refuses("next_seal", f"seal: {name}", [letters, lists, PIN, author, _options(**changes)], kind, reason)


def _kept(to: Collection) -> None:
    """The epoch is kept: all who may read have its key, and only they."""
    _gives(to, "kept", THREAD, CHAIN, ANA.id, 3, READERS, False)
    _gives(to, "kept by the asker", THREAD, CHAIN, "asker", 3, READERS, False)
    _gives(to, "kept under an expired list", THREAD, CHAIN, ANA.id, 3, READERS, False, is_in_force=False)
    _gives(to, "kept with an exclusion", BEGUN, [LIST_1, LIST_2], ANA.id, 1, ids(ANA, BEA, RESERVE), False, ids(CARLA))
    _gives(to, "a grant first seen from an officer who is here", THREAD, CHAIN, ANA.id, 3, READERS, False, seen=0)


def _granted(to: Collection) -> None:
    """An epoch is granted: the readers changed, or the author changes them."""
    change = {"excluded": ids(DORA)}
    _gives(to, "one is excluded who does not read", THREAD, CHAIN, "asker", 4, READERS, True, ids(DORA), change=change)
    _gives(to, "a reader left", BEGUN, CHAIN, ANA.id, 2, ids(ANA, RESERVE), True, ids(CARLA))
    _gives(to, "the recovery key was replaced", THREAD, ALL, CARLA.id, 4, ids(ANA, CARLA, RESERVE_TWO))
    _gives(to, "one is added", THREAD, ALL, ANA.id, 4, ids(ANA, CARLA, RESERVE_TWO), change={"added": [CARLA.id]})
    _gives(to, "handed over", THREAD, CHAIN, CARLA.id, 4, ids(ANA, RESERVE), change={"leaves": True})
    _gives(
        to,
        "the asker excludes",
        THREAD,
        CHAIN,
        "asker",
        4,
        ids(ANA, RESERVE),
        True,
        ids(CARLA),
        change={"excluded": [CARLA.id]},
    )
    again = {"added": [CARLA_AGAIN.id]}
    everybody = ids(ANA, BEA, CARLA_AGAIN, RESERVE)
    _gives(to, "the asker includes", BEGUN, RETURNING, "asker", 2, everybody, True, ids(CARLA), change=again)
    _gives(to, "resumed", THREAD, CHAIN, ANA.id, 4, READERS, change={"resumes": True})


def _kept_by_the_excluded(to: Collection) -> None:
    """A new recovery key takes no place whose custodians are among the excluded, by their names."""
    change = {"excluded": ids(CARLA)}
    for custodian, readers in ((f" {CARLA.name.upper()}", ids(ANA)), ("Notaría 7", ids(ANA, RESERVE_TWO))):
        lists = [*CHAIN, next_list(LIST_3, FOURTH_READERS, custodians=["Órgano interno", custodian])]
        name = f"the recovery key was replaced, and {custodian.strip()} keeps it"
        _gives(to, name, THREAD, lists, "asker", 4, readers, True, ids(CARLA), change=change)


def _granter_gone(to: Collection) -> None:
    """The epoch's granter reads no longer: what was seen before she left still counts."""
    left = written(HANDED, CARLA, "hand", "", given=grant([ANA, RESERVE], 4))
    _gives(to, "the granter is no reader", [*THREAD[:5], left], CHAIN, ANA.id, 5, ids(ANA, RESERVE))
    by_bea = written(WIDER, BEA, "hand", "", given=grant([BEA, CARLA], 3))
    late = [*THREAD[:4], by_bea]
    _gives(to, "a grant by one who has left, seen in time", late, CHAIN, CARLA.id, 4, ids(CARLA), seen=5)
    _gives(to, "a grant first seen after its author left", late, CHAIN, CARLA.id, 4, ids(ANA, CARLA, RESERVE), seen=4)


def _granter_gone_last(to: Collection) -> None:
    """The granter was the last officer who read: only those whom she handed it to can go on."""
    excluded = (ANA,)
    only_bea = written(None, ASKER, "ask", "", given=grant([BEA, RESERVE], 1, asker=True, excluded=excluded))
    handed = written(only_bea, BEA, "hand", "", given=grant([CARLA, RESERVE], 2, excluded=excluded))
    readers = ids(CARLA, RESERVE)
    for name, author in (("an officer", CARLA.id), ("the asker", "asker")):
        _gives(
            to,
            f"handed over by the last officer, then {name}",
            [only_bea, handed],
            CHAIN,
            author,
            3,
            readers,
            True,
            ids(ANA),
            seen=1,
        )
    change = {"added": [ANA.id]}
    _refused(
        to,
        "handed on to one who is excluded",
        [only_bea, handed],
        CHAIN,
        CARLA.id,
        "refused",
        "seal.added",
        seen=1,
        change=change,
    )
    both = written(None, ASKER, "ask", "", given=grant([ANA, BEA, RESERVE], 1, asker=True))
    narrowed = written(both, BEA, "hand", "", given=grant([CARLA, RESERVE], 2))
    _gives(
        to, "handed over while another officer reads", [both, narrowed], CHAIN, CARLA.id, 3, ids(ANA, RESERVE), seen=1
    )
    for_none = written(only_bea, BEA, "hand", "", given=grant([BEA, RESERVE], 2, excluded=excluded))
    _refused(
        to, "handed over to none who is here", [only_bea, for_none], CHAIN, "asker", "refused", "seal.readers", seen=1
    )


def _notes(to: Collection) -> None:
    """Notes have the readers of the talk."""
    _gives(to, "notes are kept", [NOTE, NOTE_TWO], CHAIN, ANA.id, 1, ids(ANA, CARLA), False, talk=THREAD)
    _gives(to, "notes follow the talk", [NOTE, NOTE_TWO], CHAIN, ANA.id, 2, ids(ANA), talk=[ASK])


def _lists_refused(to: Collection) -> None:
    """Lists that are too old to write under, or have expired."""
    _refused(to, "an older list than the thread's", BEGUN, [LIST_1], "asker", "altered", "thread.listhash")
    _refused(to, "an older list than was seen", THREAD, CHAIN, ANA.id, "altered", "list.floor", floor=4)
    _refused(to, "a grant under an expired list", BEGUN, CHAIN, ANA.id, "expired", "seal.grant", is_in_force=False)


def _people_refused(to: Collection) -> None:
    """Authors who may not write, and changes of readers that they may not make."""
    _refused(to, "by one who left", BEGUN, CHAIN, BEA.id, "refused", "seal.author")
    _refused(to, "by one who is excluded", BEGUN, CHAIN, CARLA.id, "refused", "seal.author")
    _refused(to, "an officer excludes", THREAD, CHAIN, ANA.id, "refused", "seal.excluded", change={"excluded": []})
    _refused(to, "to one who left", THREAD, CHAIN, ANA.id, "refused", "seal.added", change={"added": [BEA.id]})
    _refused(to, "to one who is excluded", BEGUN, CHAIN, ANA.id, "refused", "seal.added", change={"added": [CARLA.id]})
    again = {"added": [CARLA_AGAIN.id]}
    _refused(to, "to one excluded under another id", BEGUN, RETURNING, ANA.id, "refused", "seal.added", change=again)


def _no_officer_left(to: Collection) -> None:
    """All officers who read have left: only the recovery key can go on."""
    only_bea = written(None, ASKER, "ask", "", given=grant([BEA, RESERVE], 1, asker=True))
    _refused(to, "no officer is left", [only_bea], CHAIN, "asker", "refused", "seal.readers")
    _gives(
        to,
        "the recovery key hands over",
        [only_bea],
        CHAIN,
        RESERVE.id,
        2,
        ids(ANA, RESERVE),
        change={"added": [ANA.id]},
    )
