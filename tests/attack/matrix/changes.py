"""Episodes in which people join, leave, are excluded, recuse, hand over and resume, in a random order.

Before an officer leaves, all who read open their cases: a grant that is seen only after its author has left does not
count, and who saw what when is no matter of sets.
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

from storage.confidential.protocol import errors
from storage.confidential.protocol.epochs import Change
from tests.attack.matrix.people import Officer, Outsider, Refused
from tests.attack.matrix.sets import RECOVERY, NotAllowed, Readers
from tests.attack.matrix.tries import faults
from tests.attack.matrix.world import World
from tests.attack.model.host import Host

FIRST = ("Carmen", "Luis", "Eva")
LATER = ("Dora", "Flor", "Gloria", "Hugo")
ASKERS = ("Ana", "Beto")
MOST_LETTERS = 12  # of a case
STEPS = (8, 16)


class Unexpected(Exception):
    """The people read, or write, otherwise than the sets say."""


class Episode:
    """One unit and its changes; `steps` says what happened."""

    def __init__(self, host: Host, seed: int) -> None:
        self.rng, self.world = random.Random(seed), World(host)
        self.sets, self.steps = Readers({*FIRST, RECOVERY}), list[str]()
        self.number = 0

    async def play(self) -> None:
        """Play it to its end. Raises Unexpected."""
        outsider = Outsider("Noé")
        outsider.steal(self.world.host)
        self.world.people[outsider.name] = outsider
        await self.world.begin(FIRST, RECOVERY)
        await self._ask()
        for _ in range(self.rng.randint(*STEPS)):
            steps: dict[Callable[[], Awaitable[None]], float] = {
                self._ask: 1,
                self._join: 1.5,
                self._leave: 1,
                self._write: 6,
                self._lose_and_resume: 1.5,
            }
            (step,) = self.rng.choices([*steps], [*steps.values()])
            await step()

    # ------------------------------------------------------------ chance

    def _some(self, names: Iterable[str], most: int = 2) -> frozenset[str]:
        """One or a few of these, or none where there are none."""
        known = sorted(names)
        return frozenset(self.rng.sample(known, self.rng.randint(min(1, len(known)), min(most, len(known)))))

    def _one(self, names: Iterable[str]) -> str | None:
        known = sorted(names)
        return self.rng.choice(known) if known else None

    def _text(self, asker: str) -> str:
        self.number += 1
        return f"{asker}{self.number}"

    def _say(self, step: str) -> None:
        self.steps.append(step)

    # ------------------------------------------------------------ the unit

    async def _join(self) -> None:
        name = next((one for one in (*LATER, *self._gone()) if one not in self.world.people), None)
        if name is None:
            return
        former = self._former(name)
        self._say(f"{name} joins")
        await self.world.sign(joining=[name])
        self.sets.active.add(name)
        if former:  # the same person, with the former keys and new ones
            self.sets.formerly[name] = former
            self.world.people[name].holds |= self.world.people[former].holds
        self._check_keys()

    def _gone(self) -> Sequence[str]:
        """The names under which who has left may come back, once."""
        officers = [name for name, one in self.world.people.items() if isinstance(one, Officer)]
        return [f"{name} otra vez" for name in officers if name not in self.sets.active and " " not in name]

    def _former(self, name: str) -> str:
        return name.partition(" ")[0] if " " in name else ""

    async def _leave(self) -> None:
        name = self._one(self.sets.officers)
        if name is None or len(self.sets.officers) == 1:  # who would vouch for the next?
            return
        self._say(f"{name} leaves")
        for asker in self.sets.cases:
            await self._check_given(asker)
        await self.world.sign(leaving=[name])
        self.sets.active.discard(name)
        for asker in self.sets.cases:
            await self._check_given(asker)

    # ------------------------------------------------------------ letters

    async def _ask(self) -> None:
        asker = next((one for one in ASKERS if one not in self.sets.cases), None)
        if asker is None:
            return await self._write()
        excluded = self._some(self.sets.active) if self.rng.random() < 0.8 else frozenset[str]()
        if not self.sets.officers - excluded:
            return None
        text = self._text(asker)
        self._say(f"{text}: {asker} asks, not {sorted(excluded)}")
        self.sets.ask(asker, text, {*excluded})
        await self.world.ask(asker, text, excluded=sorted(excluded))
        return await self._check(asker)

    async def _write(self) -> None:
        asker = self._one(self.sets.cases)
        if asker is None or len(self.sets.cases[asker].letters) >= MOST_LETTERS:
            return
        kinds = (self._reply, self._exclude, self._include, self._answer, self._hand, self._recuse, self._recover)
        (kind,) = self.rng.choices(kinds, (2, 2, 2, 3, 3, 2, 1))
        await kind(asker)

    async def _reply(self, asker: str) -> None:
        await self._change(asker, "replies")

    async def _exclude(self, asker: str) -> None:
        epoch = self.sets.cases[asker].epoch
        await self._change(asker, "excludes", excluded=epoch.excluded | self._some(epoch.readers))

    async def _include(self, asker: str) -> None:
        """Take back an exclusion; who was excluded reads again only where they are added, too."""
        epoch = self.sets.cases[asker].epoch
        if not epoch.excluded:
            return await self._exclude(asker)
        again = self._some(epoch.excluded)
        added = (again & self.sets.active) if self.rng.random() < 0.7 else frozenset[str]()
        return await self._change(asker, f"includes {sorted(added)}", added, epoch.excluded - again)

    async def _change(
        self, asker: str, what: str, added: frozenset[str] = frozenset(), excluded: frozenset[str] | None = None
    ) -> None:
        text, world = self._text(asker), self.world
        self._say(f"{text}: {asker} {what}" + (f", not {sorted(excluded)}" if excluded is not None else ""))
        out = None if excluded is None else world.ids(sorted(excluded))
        change = Change(added=world.ids(sorted(added)), excluded=out)
        await self._attempt(
            asker,
            lambda: self.sets.write(asker, asker, text, added=added, excluded=excluded),
            lambda: world.reply(asker, text, change=change),
        )

    async def _answer(self, asker: str) -> None:
        await self._officer_writes(asker, "answer")

    async def _hand(self, asker: str) -> None:
        """Hand over to active colleagues, now and then to one who is excluded, which the rules refuse."""
        added = self._colleagues(asker)
        await self._officer_writes(asker, "hand" if added else "answer", added)

    async def _recuse(self, asker: str) -> None:
        added = self._colleagues(asker) if self.rng.random() < 0.5 else frozenset[str]()
        await self._officer_writes(asker, "hand", added, leaves=True)

    def _colleagues(self, asker: str) -> frozenset[str]:
        epoch = self.sets.cases[asker].epoch
        out = frozenset() if self.rng.random() < 0.2 else epoch.excluded
        return self._some(self.sets.officers - epoch.readers - out)

    async def _officer_writes(
        self, asker: str, kind: str, added: frozenset[str] = frozenset(), *, leaves: bool = False
    ) -> None:
        author = self._one(self.sets.cases[asker].epoch.readers & self.sets.officers)
        if author is None:
            return
        text = self._text(asker)
        self._say(f"{text}: {author} writes {kind} {sorted(added)}{' and leaves' * leaves}")
        await self._attempt(
            asker,
            lambda: self.sets.write(asker, author, text, added=added, leaves=leaves),
            lambda: self.world.write(author, asker, text, kind=kind, added=sorted(added), leaves=leaves),
        )

    async def _recover(self, asker: str) -> None:
        """Hand over with the recovery key."""
        added = self._colleagues(asker)
        if not added or RECOVERY not in self.sets.cases[asker].epoch.readers:
            return await self._hand(asker)
        text = self._text(asker)
        self._say(f"{text}: the recovery key hands to {sorted(added)}")
        return await self._attempt(
            asker,
            lambda: self.sets.write(asker, RECOVERY, text, added=added),
            lambda: self.world.write_with_recovery_key(RECOVERY, asker, text, sorted(added)),
        )

    async def _attempt(self, asker: str, expected: Callable[[], None], write: Callable[[], Awaitable[None]]) -> None:
        """Write, where the sets allow it; otherwise the rules must refuse it."""
        try:
            expected()
        except NotAllowed as reason:
            try:
                await write()
            except errors.Refused:
                return self._say(f"  refused: {reason}")
            raise Unexpected(f"the rules let this be written: {reason}") from None
        await write()
        return await self._check(asker)

    # ------------------------------------------------------------ restores

    async def _lose_and_resume(self) -> None:
        """Write a letter, restore the copy from before, and let an officer resume who has seen it."""
        asker = self._one(self.sets.cases)
        if asker is None or len(self.sets.cases[asker].letters) >= MOST_LETTERS:
            return
        case, copy = self.sets.cases[asker], await self.world.copy()
        before = [*case.texts]
        (kind,) = self.rng.choices((self._exclude, self._answer, self._hand, self._recuse))
        await kind(asker)
        seen = case.epoch.readers
        if case.texts == before:
            return
        able = seen & case.letters[-2][1].readers & self.sets.officers
        author = self._one(able)
        if author is None:
            return
        await self.world.put_back(copy)
        lost, text = self.sets.lose_last(asker), self._text(asker)
        self._say(f"RESTORE without {lost}; {text}: {author} resumes")
        await self._attempt(
            asker,
            lambda: self.sets.write(asker, author, text, resumes=True),
            lambda: self.world.write(author, asker, text, kind="resume", lost=[lost]),
        )

    # ------------------------------------------------------------ what is compared

    async def _check(self, asker: str) -> None:
        await self._check_given(asker)
        self._check_keys()

    def _check_keys(self) -> None:
        """With all keys on all rows: everybody alone, and together all who may not."""
        may = {name: self.sets.may_read(name) for name in self.world.people}
        if found := [*faults(self.world, may, self.sets.letters)]:
            raise Unexpected("; ".join(found))

    async def _check_given(self, asker: str) -> None:
        """In the honest way: the server gives the case to its readers, who open all of it, and to no others."""
        world, case = self.world, self.sets.cases[asker]
        asked = {name: one for name, one in world.people.items() if not isinstance(one, Outsider)}
        for name, person in asked.items():
            try:
                given: object = (await person.open(world.host, world.asker(asker).case, world.chain)).texts
            except Refused:
                given = None
            except errors.ProtocolError as error:
                given = str(error)
            expected = case.texts if self.sets.is_given(name, asker) else None
            if given != expected:
                raise Unexpected(f"{name} is given {given} of {asker}, not {expected}")
