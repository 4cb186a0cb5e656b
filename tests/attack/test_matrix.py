"""A8: excluded, departed and ungranted people read no letter; all others read exactly those that they may.

Three askers, officers who come, go, recuse and hand over, and the recovery key write by the rules through the real
server. After each letter everybody asks for the case in the honest way, and everybody tries all keys that they ever
held on all rows that were ever stored. Both must come to what is written here by hand.

    R  reads it at once: the server gives the case
    l  reads it later, from the next R in this row's case on: handed over, or included again
    w  wrote it while ceasing to read: holds its key, but is given nothing any more
    .  never

(`old` is Ana with the first version of her box. C2 and B6 are lost in a restore, and resumed from by C3 and B7.)
"""

from collections.abc import AsyncIterator

import pytest

from content.library import Library
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.errors import Refused
from storage.database import Database
from tests.attack.matrix.attempts import Attempt, post_first_letter
from tests.attack.matrix.people import Outsider, Staff
from tests.attack.matrix.table import Table
from tests.attack.matrix.watch import Watch
from tests.attack.matrix.world import World
from tests.attack.model.host import Host, running

pytestmark = pytest.mark.attack

TABLE = Table.parsed("""
                                  Carmen Luis Eva Dora Efraín Gloria Flor | Rec1 Rec2 | Ana old Beto Celia | Lía Ema Noé
# the unit: Carmen, Luis, Eva, Dora, Efraín and the recovery key Rec1
A1  e1 Ana asks, not Luis           R     .    R   R     R      l     .   |  R    l   |  R   R   .     .   |  .   .   .
A2  e1 Eva answers                  R     .    R   R     R      l     .   |  R    l   |  R   R   .     .   |  .   .   .
C1  e1 Celia asks                   R     R    R   R     R      l     .   |  R    .   |  .   .   .     R   |  .   .   .
C2  e2 Celia: not Efraín; lost      R     R    R   R     .      .     .   |  R    .   |  .   .   .     R   |  .   .   .
C3  e2 Dora resumes from C1         R     R    R   R     R      l     .   |  R    .   |  .   .   .     R   |  .   .   .
C4  e3 not Efraín, not Rec1         R     R    R   R     .      l     .   |  .    .   |  .   .   .     R   |  .   .   .
C5  e3 Dora asks back               R     R    R   R     .      l     .   |  .    .   |  .   .   .     R   |  .   .   .
# Gloria and Flor join
A3  e1 Ana replies                  R     .    R   R     R      l     .   |  R    l   |  R   R   .     .   |  .   .   .
A4  e2 Efraín recuses               R     .    R   R     w      l     .   |  R    l   |  R   R   .     .   |  .   .   .
A5  e3 Carmen answers               R     .    R   R     .      l     .   |  R    l   |  R   R   .     .   |  .   .   .
A6  e4 Eva hands to Gloria          R     .    R   R     .      R     .   |  R    l   |  R   R   .     .   |  .   .   .
B1  e1 Beto asks Eva and Rec1       l     .    R   .     .      l     l   |  R    l   |  .   .   R     .   |  .   .   .
B2  e1 Eva answers                  l     .    R   .     .      l     l   |  R    l   |  .   .   R     .   |  .   .   .
# Eva leaves
A7  e5 Gloria answers               R     .    .   R     .      R     .   |  R    l   |  R   R   .     .   |  .   .   .
A8  e6 Ana excludes Dora, too       R     .    .   l     .      R     .   |  R    l   |  R   R   .     .   |  .   .   .
B3  e2 Rec1 hands to Carmen         R     .    .   .     .      l     l   |  R    l   |  .   .   R     .   |  .   .   .
# the recovery key Rec2 in the place of Rec1
A9  e7 Carmen answers               R     .    .   l     .      R     .   |  .    R   |  R   R   .     .   |  .   .   .
A10 e7 Ana replies                  R     .    .   l     .      R     .   |  .    R   |  R   R   .     .   |  .   .   .
B4  e3 Carmen answers               R     .    .   .     .      l     l   |  .    R   |  .   .   R     .   |  .   .   .
B5  e3 Beto replies                 R     .    .   .     .      l     l   |  .    R   |  .   .   R     .   |  .   .   .
B6  e4 Carmen hands to Flor; lost   R     .    .   .     .      .     R   |  .    R   |  .   .   R     .   |  .   .   .
B7  e4 Carmen resumes from B5       R     .    .   .     .      l     .   |  .    R   |  .   .   R     .   |  .   .   .
B8  e4 Beto replies                 R     .    .   .     .      l     .   |  .    R   |  .   .   R     .   |  .   .   .
B9  e5 Carmen hands to Gloria       R     .    .   .     .      R     .   |  .    R   |  .   .   R     .   |  .   .   .
C6  e4 Dora recuses, to Gloria      R     R    l   w     .      R     .   |  .    .   |  .   .   .     R   |  .   .   .
C7  e5 Gloria answers               R     R    l   .     .      R     .   |  .    .   |  .   .   .     R   |  .   .   .
# Luis is ended, Eva joins again with new keys
A11 e8 Ana includes Dora again      R     .    .   R     .      R     .   |  .    R   |  R   R   .     .   |  .   .   .
A12 e8 Dora answers                 R     .    .   R     .      R     .   |  .    R   |  R   R   .     .   |  .   .   .
C8  e6 Celia replies                R     .    l   .     .      R     .   |  .    .   |  .   .   .     R   |  .   .   .
C9  e6 Carmen answers               R     .    l   .     .      R     .   |  .    .   |  .   .   .     R   |  .   .   .
C10 e7 Carmen hands to Eva          R     .    R   .     .      R     .   |  .    .   |  .   .   .     R   |  .   .   .
""")


@pytest.fixture
async def world(database: Database, library: Library) -> AsyncIterator[World]:
    async with running(database, library) as host:
        yield await begun(host)


async def begun(host: Host) -> World:
    """The unit with all who have no keys of its list, too."""
    world = World(host)
    await world.begin(["Carmen", "Luis", "Eva", "Dora", "Efraín"], "Rec1")
    lia, ema, noe = Staff("Lía", role="liaison"), Staff("Ema", role="author"), Outsider("Noé")
    for one in (lia, ema):
        await one.enrol(host)
    noe.steal(host)
    world.people |= {one.name: one for one in (lia, ema, noe)}
    return world


async def test_everybody_reads_exactly_what_the_table_says(world: World) -> None:
    watch = Watch(world, TABLE)
    world.after = watch.look
    await first_letters(world, watch)
    await who_recuses_and_is_handed_to(world)
    await who_leaves(world, watch)
    await another_recovery_key(world, watch)
    await who_comes_back(world, watch)
    await watch.compare_queues()
    watch.compare_together()
    assert not watch.faults, "\n".join(watch.faults)
    assert watch.seen == [*TABLE.rows]


ATTEMPTS = [
    Attempt("an excluded officer grants herself", "Luis", 404, to=["Luis"]),
    Attempt("one who was excluded later, too", "Dora", 404, to=["Dora"]),
    Attempt("and writes under the newest epoch", "Dora", 404, grants=False, kind="answer"),
    Attempt("who recused takes the case back", "Efraín", 404, to=["Efraín"]),
    Attempt("who was not handed to takes it", "Flor", 404, to=["Flor"]),
    Attempt("who has left takes it", "Eva", 401, to=["Eva"]),
    Attempt("a reader hands to one who is excluded", "Carmen", 422, to=["Luis"]),
    Attempt("and drops the exclusion", "Carmen", 422, to=["Luis"], drops_exclusions=True),
    Attempt("or the exclusion alone", "Carmen", 422, drops_exclusions=True),
    Attempt("a reader hands to one who has left", "Carmen", 422, to=["Eva"]),
    Attempt("a grant comes with a key for one more", "Carmen", 422, sealed_to=["Flor"]),
    Attempt("a letter that grants nothing does", "Carmen", 422, grants=False, kind="answer", sealed_to=["Flor"]),
    Attempt("the asker excludes a reader", "Ana", 422, to=["Dora"]),
    Attempt("the asker's letter comes with a key for one more", "Ana", 422, sealed_to=["Dora"]),
    Attempt("the asker includes one who has left", "Ana", 422, to=["Eva"]),
    Attempt("the control: the asker grants to the same readers", "Ana", 201),
    Attempt("the control: a reader does", "Carmen", 201),
]
FIRST_LETTERS = {  # readers, excluded, status
    "to one who is excluded": (["Carmen", "Luis"], ["Luis"], 422),
    "to one who has left": (["Carmen", "Eva"], [], 422),
    "to the recovery key alone": (["Rec1"], [], 422),
    "the control: to one who is neither": (["Carmen"], ["Luis"], 201),
}


async def test_the_server_stores_no_letter_that_lets_others_read(world: World) -> None:
    await world.ask("Ana", "A1", excluded=["Luis"])
    await world.sign(joining=["Gloria", "Flor"])
    await world.write("Efraín", "Ana", "A4", kind="hand", leaves=True)
    await world.sign(leaving=["Eva"])
    await world.reply("Ana", "A8", change=Change(excluded=world.ids(["Luis", "Dora"])))
    for attempt in ATTEMPTS:
        before = await world.copy()
        assert await attempt.post(world, "Ana") == attempt.status, attempt.name
        after = await world.copy()
        is_same = (after["letters"], after["access"]) == (before["letters"], before["access"])
        assert is_same == (attempt.status != 201), attempt.name


async def test_nor_a_first_letter(world: World) -> None:
    await world.sign(leaving=["Eva"])
    for name, (readers, excluded, status) in FIRST_LETTERS.items():
        assert await post_first_letter(world, readers, excluded) == status, name
        assert bool((await world.copy())["cases"]) == (status == 201), name


async def first_letters(world: World, watch: Watch) -> None:
    await world.ask("Ana", "A1", excluded=["Luis"])
    await world.write("Eva", "Ana", "A2")
    await world.ask("Celia", "C1")
    copy = await world.copy()
    await world.reply("Celia", "C2", change=Change(excluded=world.ids(["Efraín"])))
    await watch.lose("C2", copy)
    await world.write("Dora", "Celia", "C3", kind="resume", lost=["C2"])
    await world.reply("Celia", "C4", change=Change(excluded=world.ids(["Efraín", "Rec1"])))
    await world.write("Dora", "Celia", "C5", kind="question")


async def who_recuses_and_is_handed_to(world: World) -> None:
    await world.sign(joining=["Gloria", "Flor"])
    await world.reply("Ana", "A3")
    await world.write("Efraín", "Ana", "A4", kind="hand", leaves=True)
    await world.write("Carmen", "Ana", "A5")
    await world.write("Eva", "Ana", "A6", kind="hand", added=["Gloria"])
    await world.ask("Beto", "B1", readers=["Eva", "Rec1"], excluded=["Luis", "Dora", "Efraín"])
    await world.write("Eva", "Beto", "B2")


async def who_leaves(world: World, watch: Watch) -> None:
    await world.sign(leaving=["Eva"])
    await watch.is_given_nothing("Eva")
    with pytest.raises(Refused):  # Eva was the only officer who could read it
        world.asker("Beto").written(world.unit)
    await world.write("Gloria", "Ana", "A7")
    await world.reply("Ana", "A8", change=Change(excluded=world.ids(["Luis", "Dora"])))
    await world.write_with_recovery_key("Rec1", "Beto", "B3", added=["Carmen"])


async def another_recovery_key(world: World, watch: Watch) -> None:
    await world.replace_recovery_key("Rec1", "Rec2")
    await world.write("Carmen", "Ana", "A9")
    await world.reply("Ana", "A10")
    await world.write("Carmen", "Beto", "B4")
    await world.reply("Beto", "B5")
    copy = await world.copy()
    await world.write("Carmen", "Beto", "B6", kind="hand", added=["Flor"])
    await watch.lose("B6", copy)
    await world.write("Carmen", "Beto", "B7", kind="resume", lost=["B6"])
    await world.reply("Beto", "B8")
    await world.write("Carmen", "Beto", "B9", kind="hand", added=["Gloria"])
    await world.write("Dora", "Celia", "C6", kind="hand", added=["Gloria"], leaves=True)
    await world.write("Gloria", "Celia", "C7")


async def who_comes_back(world: World, watch: Watch) -> None:
    await world.sign(joining=["Eva"], leaving=["Luis"])
    await watch.is_given_nothing("Luis")
    again = Change(added=world.ids(["Dora"]), excluded=world.ids(["Luis"]))
    await world.reply("Ana", "A11", change=again)
    await world.write("Dora", "Ana", "A12")
    await world.reply("Celia", "C8")
    await world.write("Carmen", "Celia", "C9")
    await world.write("Carmen", "Celia", "C10", kind="hand", added=["Eva"])
