"""Try all keys that people hold on all rows that were ever stored: each person alone, and who may not read together."""

from collections.abc import Iterable, Iterator, Mapping, Set

from tests.attack.matrix.holdings import Holdings
from tests.attack.matrix.people import Outsider
from tests.attack.matrix.world import World

May = Mapping[str, Set[str]]
"""The letters that each person may read."""


def holdings(world: World, names: Iterable[str]) -> Holdings:
    """All keys of these people together; an outsider takes all public values for keys, too."""
    held = Holdings()
    for person in (world.people.get(name) for name in names):
        held |= person.holds if person else Holdings()
        held |= Holdings(world.copies.public) if isinstance(person, Outsider) else Holdings()
    return held


def different(who: str, reads: Set[str], may: Set[str]) -> Iterator[str]:
    """What a person reads but may not, and the other way round."""
    if more := sorted(reads - may):
        yield f"{who} reads {more}"
    if less := sorted(may - reads):
        yield f"{who} cannot read {less}"


def faults(world: World, may: May, written: Iterable[str]) -> Iterator[str]:
    """Each person alone reads exactly what is said; all who may not read a letter do not read it together either."""
    for name, allowed in may.items():
        yield from different(name, world.copies.texts(holdings(world, [name])), allowed)
    closed: dict[tuple[str, ...], set[str]] = {}
    for text in written:
        closed.setdefault(tuple(name for name in may if text not in may[name]), set()).add(text)
    for names, texts in closed.items():
        if opened := sorted(texts & world.copies.texts(holdings(world, names))):
            yield f"{', '.join(names)} together read {opened}"
