"""Episodes: honest people use pages in a random order, and a writer of rows acts in between."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import select

from storage import schema
from storage.confidential.protocol.lists import Pin, SignedList, pin_of
from storage.database import Database
from tests.attack.model.host import Account, Host, quiet
from tests.attack.model.people import drawn_key, officer, recovery
from tests.attack.model.rows import Snapshot, restore
from tests.attack.model.truth import Found, Truth, Visit
from tests.attack.model.writer import Writer
from tests.fakes.unit import Keyholder, Unit

MOST_ASKERS = 2
COPIES = 6
INTERRUPTED = 0.03  # of the requests of a page


class Asker(Protocol):
    """A page of one asker, in whatever way it is operated."""

    case: str

    async def submit(self, text: str, excluded: Sequence[str] = ()) -> Visit: ...
    async def visit(self, text: str = "") -> Visit: ...


class Officer(Protocol):
    """The console of one officer."""

    async def visit(self, case: str, text: str = "") -> Visit: ...
    def confirm_restore(self) -> None: ...


@dataclass(frozen=True)
class Pages:
    """How the people of an episode get their accounts and pages, and how many steps it has."""

    asker: Callable[[Host, random.Random, Truth, str], Asker]
    officer: Callable[[Host, random.Random, Truth, Account], Officer]
    account: Callable[[random.Random, Keyholder], Account]
    steps: tuple[int, int] = (10, 30)
    can_exclude: bool = True


@dataclass(frozen=True)
class Copy:
    """A copy of an honest state: rows, newest list, and what people remembered."""

    rows: Snapshot
    pin: Pin
    memory: Mapping[tuple[str, str], tuple[str, ...]]
    lists: tuple[SignedList, ...]


class Episode:
    """One unit, two officers and one who may help the writer, up to two askers."""

    def __init__(self, host: Host, seed: int, pages: Pages) -> None:
        self.host, self.pages, self.rng = host, pages, random.Random(seed)
        self.truth, self.steps = Truth(), list[str]()
        self.askers: dict[str, Asker] = {}
        self.copies: list[Copy] = []
        self.is_honest = True
        self.number = 0
        carmen, luis, eva = (officer(self.rng, name) for name in ("Carmen", "Luis", "Eva"))
        self.eva = eva
        self.helps = self.rng.choice(("not", "leaves", "leaves", "excluded" if pages.can_exclude else "not"))
        self.unit = Unit([carmen, luis, eva, recovery(self.rng)], drawn_key(self.rng))
        self.accounts = [pages.account(self.rng, one) for one in (carmen, luis)]
        self.officers = {one.id: pages.officer(host, self.rng, self.truth, one) for one in self.accounts}
        helpers: list[Keyholder] = [] if self.helps == "not" else [eva]
        self.truth.colluding = {one.id for one in helpers}
        self.writer = Writer(self.rng, self.truth, helpers)

    @property
    def database(self) -> Database:
        return self.host.box.database

    async def play(self) -> None:
        """Play it to its end. Raises Found."""
        self.unit.first_list()
        await self.host.begin(self.unit, self.accounts)
        await self._look()
        self.host.between = self._interrupt
        for _ in range(self.rng.randint(*self.pages.steps)):
            steps = {
                self._submit: 1.5 if len(self.askers) < MOST_ASKERS else 0,
                self._ask: 3 if self.askers else 0,
                self._answer: 3 if self.askers else 0,
                self._attack: 4 if self.askers else 0.3,
                self._list: (2 if self._may_leave and self.askers else 0.3) if self.is_honest else 0,
                self._restore: 0.5 if self.copies else 0,
            }
            (step,) = self.rng.choices(list(steps), list(steps.values()))
            await step()
            if step != self._attack:  # he has looked himself
                await self._look()

    async def _look(self) -> None:
        """Let the writer look; keep a copy of an honest state."""
        async with self.database.read() as tx:
            self.now = await self.writer.rows.look(tx)
        self.writer.read()
        if self.is_honest:
            pin = pin_of(self.unit.newest["list"])
            self.copies = [*self.copies, Copy(self.now, pin, dict(self.truth.memory), tuple(self.unit.lists))][-COPIES:]

    def _text(self, who: str) -> str:
        self.number += 1
        return f"{who}:{self.number}"

    # ------------------------------------------------------------ honest people

    async def _submit(self) -> None:
        name = f"asker{len(self.askers) + 1}"
        page = self.pages.asker(self.host, self.rng, self.truth, name)
        excluded = [self.eva.id] if self.helps == "excluded" else []
        visit = await page.submit(self._text(name), excluded)
        self.steps.append(f"{name} submits: {visit}")
        if visit.sent:
            self.askers[name] = page
            self.truth.keep(name, visit, await self._box(page.case))

    async def _ask(self) -> None:
        name = self.rng.choice(list(self.askers))
        await self._visit_of_asker(name, self._text(name) if self.rng.random() < 0.6 else "")

    async def _answer(self) -> None:
        name = self.rng.choice(list(self.officers))
        case = self.rng.choice(list(self.askers.values())).case
        await self._visit_of_officer(name, case, self._text("officer") if self.rng.random() < 0.7 else "")

    async def _visit_of_asker(self, name: str, text: str = "") -> Visit:
        page = self.askers[name]
        box = await self._box(page.case)
        visit = await page.visit(text)
        self.steps.append(f"{name} comes back: {visit}")
        if visit.says == "thread":
            self.truth.check(name, visit, box)
            if visit.kept is not None:
                self.truth.keep(name, visit, await self._box(page.case))
        return visit

    async def _box(self, case: str) -> str:
        """The box that a page gets: with words alone nothing else is remembered."""
        async with self.database.read() as tx:
            box = schema.cases.c.asker_box
            return (await tx.execute(select(box).where(schema.cases.c.id == case))).scalar_one_or_none() or ""

    async def _visit_of_officer(self, officer_id: str, case: str, text: str = "") -> Visit:
        visit = await self.officers[officer_id].visit(case, text)
        self.steps.append(f"officer {officer_id[:6]} opens {case[:6]}: {visit}")
        if visit.says == "thread":
            self.truth.check(officer_id, visit, case)
            self.truth.keep(officer_id, visit, case)
        return visit

    @property
    def _may_leave(self) -> bool:
        return self.helps == "leaves" and self.eva in self.unit.readers

    async def _list(self) -> None:
        """Renew the list, or end the officer who helps the writer."""
        ends = self._may_leave and self.rng.random() < 0.7
        self.unit.next_list(ending=[self.eva] if ends else [])
        await self.host.box.publish()
        if ends:
            self.truth.gone.add(self.eva.id)
            self.truth.ever_gone.add(self.eva.id)
        self.steps.append(f"list {len(self.unit.lists)}{' without Eva' if ends else ''}")

    # ------------------------------------------------------------ the writer, and the way back

    async def _interrupt(self) -> None:
        """Let the writer act between two requests of a page, now and then."""
        if self.rng.random() < INTERRUPTED:
            await self._look()
            await self._attack()

    async def _attack(self) -> None:
        async with self.database.write() as tx:
            self.steps.append("WRITER " + await self.writer.act(tx, self.now))
        self.now = self.writer.rows.snapshots[-1]
        self.is_honest = False  # from now on no copy is honest, even where he undoes what he did

    async def _restore(self) -> None:
        """Restore an honest copy, with the unit's files; every case that it holds must go on."""
        self.host.between = quiet
        copy = self.rng.choice(self.copies)
        async with self.database.write() as tx:
            await restore(tx, copy.rows)
        self.unit.lists = [*copy.lists]
        gone = {one["join"]["id"] for one in self.unit.newest["list"]["readers"] if one["ended"]}
        self.unit.readers = [one for one in dict.fromkeys((*self.unit.readers, self.eva)) if one.id not in gone]
        self.truth.gone = gone
        self.host.adopt(copy.pin)
        self.truth.memory, self.is_honest = dict(copy.memory), True
        for page in self.officers.values():
            page.confirm_restore()
        self.steps.append(f"RESTORE of a copy with {len(copy.rows['letters'])} letters")
        held = {row["id"] for row in copy.rows["cases"]}
        for name in [name for name, page in self.askers.items() if page.case in held]:
            await self._check_alive(name)
        self.host.between = self._interrupt

    async def _check_alive(self, name: str) -> None:
        case = self.askers[name].case
        visits = [await self._visit_of_asker(name, self._text(name))]
        visits += [await self._visit_of_officer(one, case, self._text("officer")) for one in self.officers]
        if not all(visit.sent for visit in visits):
            raise Found("dead", f"after a restore {case} does not go on: {'; '.join(map(str, visits))}")
        shown = (await self._visit_of_asker(name)).texts
        if not set(shown) >= {visit.sent for visit in visits}:
            raise Found("dead", f"after a restore {case} does not show what was sent: {shown}")
