"""The attacker who adds and subtracts all figures ever shown, to learn something about a few people.

A figure is a set of cells (blocks, days of an institution ...) and each cell a set of rows (each of one person). Rows
that are in the same cells form a class. The figures are a linear system over the classes. A set of fewer than `least`
people is breached when some combination of figures is about the classes of these people only, that is, when the rank of
the system is larger than without their classes. Ranks are computed modulo a prime, in each connected part by itself.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass

PRIME = 2**61 - 1
Cell = Hashable
Vector = dict[int, int]
"""A row of the system: coefficients by class, without zeros."""


@dataclass(frozen=True)
class Breach:
    """People about whom alone a combination of figures says something; `is_exact`: about one class of theirs."""

    people: frozenset[int]
    is_exact: bool


@dataclass(frozen=True)
class System:
    """All figures over classes: coefficients of each figure, and the people of each class."""

    figures: tuple[Vector, ...]
    people: tuple[frozenset[int], ...]


def system(
    figures: Iterable[Collection[Cell]], rows: Mapping[Cell, Collection[int]], person: Mapping[int, int]
) -> System:
    """The linear system of figures over the classes of the rows that are in any."""
    distinct = sorted({frozenset(figure) for figure in figures}, key=lambda figure: sorted(map(repr, figure)))
    of_cell: dict[Cell, list[int]] = defaultdict(list)
    for number, figure in enumerate(distinct):
        for cell in figure:
            of_cell[cell].append(number)
    cells_of_row: dict[int, list[Cell]] = defaultdict(list)
    for cell in of_cell:
        for row in rows[cell]:
            cells_of_row[row].append(cell)
    classes: dict[tuple[tuple[int, int], ...], set[int]] = defaultdict(set)
    incidences: dict[tuple[Cell, ...], tuple[tuple[int, int], ...]] = {}
    for row, cells in cells_of_row.items():
        key = tuple(cells)
        if key not in incidences:
            counts: dict[int, int] = defaultdict(int)
            for cell in cells:
                for number in of_cell[cell]:
                    counts[number] += 1
            incidences[key] = tuple(sorted(counts.items()))
        classes[incidences[key]].add(person[row])
    vectors: list[Vector] = [{} for _ in distinct]
    for index, incidence in enumerate(classes):
        for number, count in incidence:
            vectors[number][index] = count
    return System(tuple(vector for vector in vectors if vector), tuple(map(frozenset, classes.values())))


def breaches(found: System, least: int = 10) -> list[Breach]:
    """Sets of fewer than `least` people that are breached; empty without elimination where every class is larger."""
    small = {index for index, people in enumerate(found.people) if len(people) < least}
    if not small:
        return []
    results: dict[frozenset[int], bool] = {}
    for part in _parts(found.figures):
        indices = sorted({index for vector in part for index in vector} & small)
        if indices:
            left = _about_small_classes(part, small)
            for people in _candidates(indices, found.people, least):
                inside = {index for index in indices if found.people[index] <= people}
                if _rank(left) > _rank(_without(left, inside)):
                    exact = any(_rank(left) > _rank(_without(left, {index})) for index in inside)
                    results[people] = exact
    return [Breach(people, is_exact) for people, is_exact in results.items()]


def exact_classes(found: System, least: int = 10) -> list[frozenset[int]]:
    """The people of each class of fewer than `least` people whose own numbers can be computed exactly."""
    small = {index for index, people in enumerate(found.people) if len(people) < least}
    exact = []
    for part in _parts(found.figures):
        left = _reduced(_about_small_classes(part, small))
        exact += [found.people[next(iter(vector))] for vector in left if len(vector) == 1]
    return exact


def _candidates(indices: list[int], people: tuple[frozenset[int], ...], least: int) -> set[frozenset[int]]:
    """The people of each small class, alone and joined with those of others as long as they are few."""
    candidates = {people[index] for index in indices}
    for index in indices:
        joined = people[index]
        for other in sorted(indices, key=lambda one: len(people[one] - people[index])):
            if len(joined | people[other]) < least:
                joined |= people[other]
        candidates.add(joined)
    return candidates


def _parts(figures: Iterable[Vector]) -> list[list[Vector]]:
    """Figures that share classes, directly or through others, together."""
    root: dict[int, int] = {}

    def top(index: int) -> int:
        while root.setdefault(index, index) != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    vectors = list(figures)
    for vector in vectors:
        first = next(iter(vector))
        for index in vector:
            root[top(index)] = top(first)
    parts: dict[int, list[Vector]] = defaultdict(list)
    for vector in vectors:
        parts[top(next(iter(vector)))].append(vector)
    return list(parts.values())


def _about_small_classes(vectors: list[Vector], small: set[int]) -> list[Vector]:
    """A basis of all combinations of figures in which no large class is left."""
    return [vector for vector in _echelon(vectors, small) if vector.keys() <= small]


def _rank(vectors: list[Vector]) -> int:
    return len(_echelon(vectors, set()))


def _without(vectors: list[Vector], indices: set[int]) -> list[Vector]:
    return [{index: one for index, one in vector.items() if index not in indices} for vector in vectors]


def _echelon(vectors: Iterable[Vector], last: set[int]) -> list[Vector]:
    """Independent rows, each with a leading 1 that no later row has; classes of `last` lead only where no other can."""
    leading: dict[int, Vector] = {}
    for original in vectors:
        vector = dict(original)
        while vector:
            lead = min(vector, key=lambda index: (index in last, index))
            if lead not in leading:
                inverse = pow(vector[lead], PRIME - 2, PRIME)
                leading[lead] = {index: one * inverse % PRIME for index, one in vector.items()}
                break
            _subtract(vector, leading[lead], vector[lead])
    return list(leading.values())


def _reduced(vectors: list[Vector]) -> list[Vector]:
    """The reduced echelon form: each leading class is in one row only, so a row of one class determines it."""
    rows = _echelon(vectors, set())
    leads = [min(row) for row in rows]
    for lead, row in sorted(zip(leads, rows, strict=True), key=lambda pair: pair[0], reverse=True):
        for other in rows:
            if other is not row and lead in other:
                _subtract(other, row, other[lead])
    return rows


def _subtract(vector: Vector, other: Vector, factor: int) -> None:
    """Subtract `factor` times another row, in place."""
    for index, one in other.items():
        value = (vector.get(index, 0) - factor * one) % PRIME
        if value:
            vector[index] = value
        else:
            vector.pop(index, None)
