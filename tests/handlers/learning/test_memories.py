"""Packed memories follow the answers, and are rebuilt from them wherever they are missing, old or broken."""

from datetime import date

import pytest

from content.learning import memories as model
from content.learning import sent
from content.learning.memories import replay
from content.library import Library
from handlers.learning import memories
from storage.database import Database
from storage.learning import memories as rows
from storage.learning import record
from storage.learning.memories import PackedMemory
from storage.people import servants
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk
from tests.handlers.learning.year import Habit, live

START = date(2026, 11, 2)
HABITS = [Habit(0.0, 1.0, 0.5), Habit(0.65, 0.65, 0.5), Habit(1.0, 0.4, 0.5), Habit(0.5, 1.0, 0.0), Habit(0.5, 0.0)]


async def stored(database: Database) -> dict[int, PackedMemory]:
    async with database.read() as tx:
        return await rows.of(tx, await servants.enrolled_ids(tx))


def unpacked(found: memories.Rows) -> memories.Rows:
    """A use that reads all values."""
    model.unpack([row.memory for row in found.values()])
    sent.unpack([row.sent for row in found.values()])
    return found


async def test_a_rebuild_changes_nothing(database: Database, library: Library) -> None:
    await live(database, library, START, 25, HABITS)
    kept = await stored(database)
    async with database.write() as tx:
        await rows.discard(tx, list(kept))
        rebuilt = await memories.rebuild(tx, list(kept))
    assert len(kept) == len(HABITS)
    assert rebuilt == kept == await stored(database)


@pytest.mark.parametrize("broken", [None, b"\xff" * 40, b"\x01 cut off", b"\x01" + b"\0" * 99])
async def test_a_broken_row_is_rebuilt_and_stops_no_others(
    database: Database, library: Library, broken: bytes | None
) -> None:
    await live(database, library, START, 12, HABITS[:3])
    kept = await stored(database)
    first, second, third = kept
    async with database.write() as tx:
        await rows.discard(tx, [first])
        if broken is not None:
            await rows.store(tx, {first: PackedMemory(broken, kept[first].sent), second: PackedMemory(b"", broken)})
            await rows.store_memories(tx, {second: kept[second].memory})
    async with database.write() as tx:
        assert await memories.read(tx, [first, second, third], unpacked) == kept
    assert await stored(database) == kept


async def test_confidence_of_the_last_answer_and_of_an_older_one_are_both_learned(talk: Talk) -> None:
    await talk.enrol(ANA)
    asked = []
    for day in range(3):
        asked.append(await talk.prompt(ANA))
        await talk.press(ANA, f"answer:{asked[-1]}:b")
        talk.clock.move(days=1)
        assert await talk.tick() == 1, day
    unsure = await stored(talk.database)
    seen = [unsure]
    for prompt in (asked[-1], asked[0]):
        await talk.press(ANA, f"sure:{prompt}:sure")
        seen.append(await stored(talk.database))
        assert seen[-1] != seen[-2]
        async with talk.database.write() as tx:
            assert await memories.rebuild(tx, list(unsure)) == seen[-1]


async def test_two_answers_of_one_servant_in_one_batch_are_both_learned(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.enrol(BETO)
    known = await talk.servant(ANA)
    assert known is not None
    given = []
    for _ in range(2):
        await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:b")
        talk.clock.move(days=1)
        await talk.tick()
    async with talk.database.write() as tx:
        given = await record.answers_of(tx, known.id)
        expected = await memories.rebuild(tx, [known.id])
        await rows.store(tx, {known.id: PackedMemory(b"", b"")})
        await memories.add_answers(tx, given)
        found = await rows.of(tx, [known.id])
    assert found[known.id].memory == expected[known.id].memory


async def test_a_servant_who_returns_after_leaving_begins_with_an_empty_memory(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:b")
    await talk.press(ANA, "leave:yes")
    assert await stored(talk.database) == {}
    await talk.enrol(ANA)
    (again,) = (await stored(talk.database)).values()
    assert [again.memory] == replay([[]])
