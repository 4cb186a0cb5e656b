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
    DORA,
    HANDED,
    LIST_1,
    LIST_2,
    NOTE,
    NOTE_TWO,
    PIN,
    RESERVE,
    RESERVE_TWO,
    THREAD,
    WIDER,
    grant,
    written,
)


def add_all(to: Collection) -> None:
    def options(**changes: Any) -> dict[str, Any]:
        return {"seen": 6, "floor": 1, "is_in_force": True, "change": {}, "talk": None, **changes}

    def gives(
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
        to.gives("next_seal", f"seal: {name}", [letters, lists, PIN, author, options(**changes)], out)

    def refused(
        name: str, letters: list[str], lists: list[str], author: str, kind: str, reason: str, **changes: Any
    ) -> None:
        to.refuses("next_seal", f"seal: {name}", [letters, lists, PIN, author, options(**changes)], kind, reason)

    three, begun = ids(ANA, CARLA, RESERVE), THREAD[:1]
    gives("kept", THREAD, CHAIN, ANA.id, 3, three, False)
    gives("kept by the asker", THREAD, CHAIN, "asker", 3, three, False)
    gives("kept under an expired list", THREAD, CHAIN, ANA.id, 3, three, False, is_in_force=False)
    gives("kept with an exclusion", begun, [LIST_1, LIST_2], ANA.id, 1, ids(ANA, BEA, RESERVE), False, ids(CARLA))
    gives("a grant first seen from an officer who is here", THREAD, CHAIN, ANA.id, 3, three, False, seen=0)
    change = {"excluded": ids(DORA)}
    gives("one is excluded who does not read", THREAD, CHAIN, "asker", 4, three, True, ids(DORA), change=change)
    gives("a reader left", begun, CHAIN, ANA.id, 2, ids(ANA, RESERVE), True, ids(CARLA))
    gives("the recovery key was replaced", THREAD, ALL, CARLA.id, 4, ids(ANA, CARLA, RESERVE_TWO))
    gives("one is added", THREAD, ALL, ANA.id, 4, ids(ANA, CARLA, RESERVE_TWO), change={"added": [CARLA.id]})
    gives("handed over", THREAD, CHAIN, CARLA.id, 4, ids(ANA, RESERVE), change={"leaves": True})
    gives(
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
    gives("resumed", THREAD, CHAIN, ANA.id, 4, three, change={"resumes": True})
    left = written(HANDED, CARLA, "hand", "", given=grant([ANA, RESERVE], 4))
    gives("the granter is no reader", [*THREAD[:5], left], CHAIN, ANA.id, 5, ids(ANA, RESERVE))
    by_bea = written(WIDER, BEA, "hand", "", given=grant([BEA, CARLA], 3))
    late = [*THREAD[:4], by_bea]
    gives("a grant by one who has left, seen in time", late, CHAIN, CARLA.id, 4, ids(CARLA), seen=5)
    gives("a grant first seen after its author left", late, CHAIN, CARLA.id, 4, ids(ANA, CARLA, RESERVE), seen=4)
    gives("notes are kept", [NOTE, NOTE_TWO], CHAIN, ANA.id, 1, ids(ANA, CARLA), False, talk=THREAD)
    gives("notes follow the talk", [NOTE, NOTE_TWO], CHAIN, ANA.id, 2, ids(ANA), talk=[ASK])
    refused("an older list than the thread's", THREAD[:1], [LIST_1], "asker", "altered", "thread.listhash")
    refused("an older list than was seen", THREAD, CHAIN, ANA.id, "altered", "list.floor", floor=4)
    refused("a grant under an expired list", begun, CHAIN, ANA.id, "expired", "seal.grant", is_in_force=False)
    refused("by one who left", begun, CHAIN, BEA.id, "refused", "seal.author")
    refused("by one who is excluded", begun, CHAIN, CARLA.id, "refused", "seal.author")
    refused("an officer excludes", THREAD, CHAIN, ANA.id, "refused", "seal.excluded", change={"excluded": []})
    refused("to one who left", THREAD, CHAIN, ANA.id, "refused", "seal.added", change={"added": [BEA.id]})
    refused("to one who is excluded", begun, CHAIN, ANA.id, "refused", "seal.added", change={"added": [CARLA.id]})
    only_bea = written(None, ASKER, "ask", "", given=grant([BEA, RESERVE], 1, asker=True))
    refused("no officer is left", [only_bea], CHAIN, "asker", "refused", "seal.readers")
    gives(
        "the recovery key hands over", [only_bea], CHAIN, RESERVE.id, 2, ids(ANA, RESERVE), change={"added": [ANA.id]}
    )
