"""Threads that honest ends write in any order verify at all ends; any change of what is stored is found."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.confidential.protocol import epochs, keys, letters, lists, threads
from storage.confidential.protocol.errors import Altered, Malformed, ProtocolError, Refused, WrongKey
from tests.storage.confidential.protocol.world import ASKER, PIN, TODAY, Person, World
from tests.vectors import story

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            (
                "join",
                "leave",
                "answer",
                "reply",
                "hand",
                "exclude",
                "include",
                "lose",
                "read",
                "replace",
                "keep the key",
                "succeed",
            )
        ),
        st.integers(0, 7),
    ),
    max_size=14,
)
NAMES = ("ana", "bea", "carla", "dora", "eva")


def begun() -> World:
    """A world with an asker's first letter to all who are active."""
    world = World()
    readers = sorted(one.id for one in world.people.values())
    world.write(world.asker, "ask", seal=epochs.Seal(1, True, tuple(readers), ()))
    return world


def step(world: World, name: str, number: int) -> None:
    """One thing that happens; what the rules do not allow at this moment is refused and changes nothing."""
    thread = world.thread()
    readers = [world.people[one] for one in thread.readers if world.chain.is_active(one)]
    officers = [one for one in readers if world.chain.is_officer(one.id)]
    active = world.active_officers()
    author = officers[number % len(officers)] if officers else world.asker
    others = [one.id for one in active if one.id not in thread.readers and one.id not in thread.excluded]
    if name == "join" and number < len(NAMES):
        if all(one.label != NAMES[number] for one in world.people.values()):
            world.add(NAMES[number])
    elif name == "leave" and len(active) > 1:
        world.end(active[number % len(active)])
    elif name == "replace":
        reserve = [one for one in world.people.values() if one.role == "recovery" and world.chain.is_active(one.id)]
        if reserve:
            world.end(reserve[0])
            world.add(f"reserve {number} {world.chain.serial}", "recovery")
    elif name == "succeed":
        world.succeed()
    elif name == "answer" and officers:
        world.write(author, "answer")
    elif name == "reply":
        world.write(world.asker, "reply")
    elif name == "hand" and officers:
        world.write(author, "hand", epochs.Change(added=tuple(others[:1]), leaves=number % 2 == 0))
    elif name == "exclude" and thread.readers:
        excluded = {*thread.excluded, thread.readers[number % len(thread.readers)]}
        world.write(world.asker, "reply", epochs.Change(excluded=tuple(excluded)))
    elif name == "include":
        world.write(world.asker, "reply", epochs.Change(excluded=thread.excluded[1:], added=tuple(others[:1])))
    elif name == "lose":
        lose(world, () if officers else tuple(others[:1]))
    elif name == "keep the key" and len(officers) > 1:
        # Valid by the rules of threads, and what the rule for writing is there for: the granter is no reader.
        left = tuple(sorted(one.id for one in readers if one is not author))
        world.write(author, "answer", seal=epochs.Seal(thread.grants[-1].epoch + 1, True, left, thread.excluded))


def lose(world: World, added: tuple[str, ...]) -> None:
    """A restore loses the newest letter, where it was no grant; an end that remembers it resumes.

    A resume is a grant, so where no officer is left the asker adds one, or there is no one to resume for.
    """
    thread = world.thread()
    has_officer = any(world.chain.is_officer(one) and world.chain.is_active(one) for one in thread.readers)
    if thread.seq < 2 or thread.grants[-1].seq == thread.seq or not (has_officer or added):
        return
    lost = thread.hashes[-1]
    world.stored.pop()
    world.lost.append((thread.seq, lost))
    who = [world.asker, *(world.people[one] for one in thread.readers if world.chain.is_active(one))]
    author = next((one for one in who if one.seen == (thread.seq, lost) and one.role == "officer"), None)
    with pytest.raises(Altered):
        threads.check_seen(world.thread(), world.chain, thread.hashes[0], thread.seq, lost)
    world.write(author or world.asker, "resume", epochs.Change(added=added, resumes=True))


def everyone_reads(world: World) -> None:
    thread = world.thread()
    texts = world.read_at(ASKER)
    assert len(texts) == thread.seq
    for reader in thread.readers:
        assert world.read_at(reader) == texts


def played(steps: list[tuple[str, int]]) -> World:
    world = begun()
    for name, number in steps:
        before = len(world.stored)
        try:
            step(world, name, number)
        except Refused:
            assert len(world.stored) == before
        if len(world.stored) > before and name != "keep the key":
            assert_only_shown_readers(world)
        everyone_reads(world)
    return world


def assert_only_shown_readers(world: World) -> None:
    """Who can open the newest letter stands in the grant that is shown, is active and is not excluded.

    The author of this very letter may be one who hands over: they know what they wrote.
    """
    thread = world.thread()
    author = thread.letters[-1]["context"]["author"]
    for one in world.exposed_to() - {ASKER, author}:
        assert one in thread.readers
        assert world.chain.is_active(one)
        assert one not in thread.excluded


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_an_honest_thread_verifies_at_all_ends_and_is_sealed_to_shown_readers_only(
    steps: list[tuple[str, int]],
) -> None:
    world = played(steps)
    chain = lists.walk(
        lists.pin_of(lists.read_list(world.stored_lists[0])["list"]),
        [lists.read_list(text) for text in world.stored_lists],
        PIN,
    )
    assert chain == world.chain


@settings(max_examples=15, deadline=None)
@given(STEPS, st.data())
def test_a_dropped_doubled_or_moved_letter_is_found(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    world = played([*steps, ("reply", 0), ("answer", 1), ("reply", 0)])
    honest = [letters.read_letter(text) for text in world.stored]
    thread = world.thread()
    order = data.draw(st.lists(st.integers(0, len(honest) - 1), max_size=len(honest) + 1))
    if order == list(range(len(honest))):
        return
    with pytest.raises(Altered):
        _show(world, [honest[at] for at in order], thread)


def _show(world: World, shown: list[letters.Letter], seen: threads.Thread) -> None:
    """What an end that remembers one thread checks of what it is shown."""
    threads.check_seen(threads.check_thread(shown, world.chain), world.chain, seen.hashes[0], seen.seq, seen.hashes[-1])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(story.THREAD) - 1), st.floats(0, 1, exclude_max=True), st.characters(codec="utf-8"))
def test_one_changed_character_of_a_letter_is_found(number: int, place: float, put: str) -> None:
    text = story.THREAD[number]
    at = int(place * len(text))
    changed = [*story.THREAD]
    changed[number] = text[:at] + put + text[at + 1 :]
    if changed[number] == text:
        return
    chain = lists.check_first(lists.read_list(story.LIST_1), story.PIN)
    for one in (story.LIST_2, story.LIST_3):
        chain = lists.check_next(chain, lists.read_list(one))
    with pytest.raises((Malformed, Altered)):
        threads.check_thread([letters.read_letter(one) for one in changed], chain)


@settings(max_examples=150, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.characters(codec="utf-8"))
def test_one_changed_character_of_a_list_is_found(place: float, put: str) -> None:
    at = int(place * len(story.LIST_4))
    changed = story.LIST_4[:at] + put + story.LIST_4[at + 1 :]
    if changed == story.LIST_4:
        return
    with pytest.raises((Malformed, Altered)):
        lists.check_alone(lists.read_list(changed), story.PIN, TODAY)


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.characters(codec="utf-8"))
def test_one_changed_character_of_a_row_of_access_is_found(place: float, put: str) -> None:
    world = begun()
    thread = world.thread()
    reader: Person = world.people[thread.readers[0]]
    row = world.access[reader.id]
    at = int(place * len(row))
    changed = row[:at] + put + row[at + 1 :]
    if changed == row:
        return
    with pytest.raises((Malformed, WrongKey)):
        keys.open_access(keys.read_access(changed), reader.reading, thread.grants[-1].grant["commit"])


def test_an_excluded_reader_opens_nothing_that_follows() -> None:
    world = begun()
    excluded = world.thread().readers[0]
    everyone_reads(world)
    world.write(world.asker, "reply", epochs.Change(excluded=(excluded,)))
    assert excluded not in world.access
    everyone_reads(world)
    for one in world.access.values():
        with pytest.raises(ProtocolError):
            keys.open_access(
                keys.read_access(one), world.people[excluded].reading, world.thread().grants[-1].grant["commit"]
            )
