"""Letters that would let others read, posted by their authors to the real server, which refuses each."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from storage.confidential import cases
from storage.confidential.protocol import keys, threads
from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.keys import Access
from tests.attack.matrix.world import World
from tests.fakes.asker import Asker
from tests.fakes.correspondence import UNWRITTEN, Opened, Written, new_content, write


@dataclass(frozen=True)
class Attempt:
    """What a person posts: a letter that grants the next epoch to these besides its readers, or drops exclusions.

    `sealed_to` get the letter's key, whatever it grants. With `grants` false it keeps the epoch.
    """

    name: str
    by: str
    status: int
    grants: bool = True
    to: Sequence[str] = ()
    drops_exclusions: bool = False
    sealed_to: Sequence[str] = ()
    kind: str = "hand"

    async def post(self, world: World, asker: str) -> int:
        """The status of the server's response."""
        opened = await _stolen(world, asker)
        thread = opened.thread
        readers = tuple(sorted({*thread.readers, *world.ids(self.to)})) if self.grants else thread.readers
        excluded = () if self.drops_exclusions else thread.excluded
        seal = Seal(len(thread.grants) + self.grants, self.grants, readers, excluded)
        if self.by == asker:
            return await self._post_as_asker(world, asker, seal)
        written = world.keys_of(self.by).answer(
            opened, world.chain, self.name, world.host.box.today, kind=self.kind, seal=seal
        )
        return await world.post_letter(self.by, asker, written, self._access(world, written))

    async def _post_as_asker(self, world: World, asker: str, seal: Seal) -> int:
        mine = world.asker(asker)
        await world.people[asker].open(world.host, mine.case, world.chain)
        written = mine.written(world.unit, self.name, seal=seal)
        access = [*written.access, *self._access(world, written)]
        body = {**mine.seen_body(), "letter": written.letter, "access": access}
        status, _ = await world.host.box.post("/c/letters", body)
        return status

    def _access(self, world: World, written: Written) -> list[Access]:
        context = written.letter["context"]
        readings = {keyholder.id: keyholder.join("")["reading"] for keyholder in map(world.keys_of, self.sealed_to)}
        return [
            keys.seal_access(written.key, point, context["case"], "talk", context["epoch"], reader)
            for reader, point in readings.items()
        ]


async def post_first_letter(world: World, readers: Sequence[str], excluded: Sequence[str]) -> int:
    """Post a first letter that grants to exactly these; the status of the server's response."""
    asker, chain, key = Asker(world.host.box.today), world.chain, os.urandom(keys.SIZE)
    body = asker.posting(world.unit, await world.host.box.token())
    honest = body["letter"]["context"]
    seal = Seal(1, True, world.ids(readers), world.ids(excluded))
    grant = {**honest["grant"], "commit": keys.commit(key, asker.case, "talk", 1)}
    grant |= {"readers": [*seal.readers], "excluded": [*seal.excluded]}
    context = {"case": asker.case, "day": honest["day"], "grant": grant}
    written = write(UNWRITTEN, chain, asker, "ask", new_content("forged"), seal, context, key)
    status, _ = await world.host.box.post("/c/cases", {**body, "letter": written.letter, "access": written.access})
    return status


async def _stolen(world: World, asker: str) -> Opened:
    """The case as it stands in the database, with a key that its authors made up."""
    async with world.host.box.database.read() as tx:
        rows = await cases.letters(tx, world.asker(asker).case)
    return Opened(threads.check_thread(rows, world.chain), os.urandom(keys.SIZE), ())
