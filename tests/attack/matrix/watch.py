"""Compare who reads with who may, after each letter: in the honest way, alone with all keys, and together."""

from collections.abc import Iterable
from itertools import combinations

from handlers.casework.cases import folio
from storage.confidential.protocol.errors import ProtocolError
from tests.attack.matrix.people import Officer, OldBox, Refused
from tests.attack.matrix.table import WROTE, Table
from tests.attack.matrix.tries import different, faults, holdings
from tests.attack.matrix.world import World
from tests.attack.model.rows import Snapshot

ASKERS = {"A": "Ana", "B": "Beto", "C": "Celia"}


class Watch:
    """`seen` are the letters written so far, `faults` whatever is otherwise than the table says."""

    def __init__(self, world: World, table: Table) -> None:
        self.world, self.table = world, table
        self.seen: list[str] = []
        self.lost: set[str] = set()
        self.honest: dict[str, set[str]] = {name: set() for name in table.people}
        self.faults: list[str] = []

    async def look(self, row: str) -> None:
        """Let everybody read after this letter."""
        self.seen.append(row)
        if row == "A1":
            await self._keep_first_box()
        for name in self.table.people:
            await self._ask_for(name, row)
        may = {name: self.table.may_read(name, self.seen) for name in self.table.people}
        self._note(faults(self.world, may, self.seen))

    async def lose(self, row: str, copy: Snapshot) -> None:
        """Restore the copy that lacks this letter."""
        await self.world.put_back(copy)
        self.lost.add(row)

    async def is_given_nothing(self, name: str) -> None:
        """See that the server gives no case to an officer who has just left."""
        for case in {self.table.case(row) for row in self.seen}:
            if (given := await self._given(name, case)) is not None:
                self._note([f"{name} has left and is given {given}"])

    async def _keep_first_box(self) -> None:
        box = OldBox("old", asker=self.world.asker("Ana"))
        await box.remember(self.world.host)
        self.world.people["old"] = box

    # ------------------------------------------------------------ in the honest way

    async def _ask_for(self, name: str, row: str) -> None:
        case = self.table.case(row)
        expected = self._present(case) if name in self.table.readers(row) else None
        given = await self._given(name, case)
        if given != expected:
            self._note([f"{name} is given {given}, not {expected}"])
        if isinstance(given, list):
            self.honest[name].update(given)

    def _present(self, case: str) -> list[str]:
        return [row for row in self.seen if self.table.case(row) == case and row not in self.lost]

    async def _given(self, name: str, case: str) -> list[str] | str | None:
        """The texts that a person opens, what is wrong with them, or None: the server gives nothing."""
        person, world = self.world.people.get(name), self.world
        if person is None:  # has not come yet
            return None
        try:
            return (await person.open(world.host, self._id(case), world.chain)).texts
        except Refused:
            return None
        except ProtocolError as error:
            return str(error)

    async def compare_queues(self) -> None:
        """See that officers are told of the cases that they are given now, and of no others."""
        newest = {self.table.case(row): row for row in self.seen}
        for name, person in self.world.people.items():
            if isinstance(person, Officer):
                given = {case for case, row in newest.items() if name in self.table.readers(row)}
                for place in (person.heads, person.queue):
                    shown = await place(self.world.host)
                    found = {case for case in newest if shown & {self._id(case), folio(self._id(case))}}
                    if found != given:
                        self._note([f"{place.__name__} of {name}: {sorted(found)}, not {sorted(given)}"])

    def _id(self, case: str) -> str:
        return self.world.asker(ASKERS[case]).case

    # ------------------------------------------------------------ with all keys

    def _note(self, found: Iterable[str]) -> None:
        self.faults += [f"after {self.seen[-1]}: {one}" for one in found]

    def compare_together(self) -> None:
        """Let each two people put their keys together.

        The honest way must have come to the same as the keys, but for letters that their authors cannot open again.
        """
        may = {name: self.table.may_ever(name) for name in self.table.people}
        for one, other in combinations(self.table.people, 2):
            reads = self.world.copies.texts(holdings(self.world, [one, other]))
            self._note(different(f"{one} with {other}", reads, may[one] | may[other]))
        for name in self.table.people:
            wrote = {row for row in self.seen if self.table.rows[row][name] == WROTE}
            self._note(different(f"{name} in the honest way", self.honest[name], may[name] - wrote))
