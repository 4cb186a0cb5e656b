"""One unit with its people: they write letters by the rules through the real server, and every row is copied."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.casework import cases as casework
from storage.confidential import officers
from storage.confidential.protocol import lists
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter, letter_hash
from storage.confidential.protocol.lists import Chain
from tests.attack.matrix.holdings import Copies, Holdings
from tests.attack.matrix.people import Officer, Person, Recovery, Words
from tests.attack.model.host import Host
from tests.attack.model.rows import Snapshot, restore, snapshot
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Written, open_rows
from tests.fakes.letterbox import officer_context
from tests.fakes.unit import Keyholder, Unit


@dataclass
class RememberedUnit(Unit):
    """A unit that verifies each of its lists once."""

    verified: Chain | None = None

    @property
    def chain(self) -> Chain:
        known = self.verified
        if known is None or known.serial > len(self.lists):
            known = lists.check_first(self.lists[0], self.pin)
        for signed in self.lists[known.serial :]:
            known = lists.check_next(known, signed)
        self.verified = known
        return known


async def _ignore(_: str) -> None:
    """Do nothing after a letter."""


@dataclass
class World:
    """The people by name; texts are names of letters, so that what opens says which letter it is.

    `after` is called with the text of each letter once it is stored.
    """

    host: Host
    people: dict[str, Person] = field(default_factory=dict)
    copies: Copies = field(default_factory=Copies)
    sent: dict[str, Letter] = field(default_factory=dict)
    after: Callable[[str], Awaitable[None]] = _ignore

    @property
    def unit(self) -> Unit:
        return self.host.box.unit

    @property
    def chain(self) -> Chain:
        return self.unit.chain

    def officer(self, name: str) -> Officer:
        person = self.people[name]
        assert isinstance(person, Officer)
        return person

    def keys_of(self, name: str) -> Keyholder:
        """The newest keys of an officer or a recovery key."""
        person = self.people[name]
        assert isinstance(person, Officer | Recovery)
        return person.keys

    def asker(self, name: str) -> Asker:
        person = self.people[name]
        assert isinstance(person, Words)
        return person.asker

    def ids(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(sorted(self.keys_of(name).id for name in names))

    # ------------------------------------------------------------ who is in the unit

    async def begin(self, names: Sequence[str], recovery: str) -> None:
        """Begin a unit with these officers and a recovery key, and without any case."""
        self.people |= {recovery: Recovery(recovery), **{name: Officer(name) for name in names}}
        readers = [*(self.officer(name).renew() for name in names), self.keys_of(recovery)]
        unit = RememberedUnit(readers)
        unit.first_list()
        await self.host.begin(unit, [])
        for name in names:
            await self.officer(name).enrol(self.host, unit)

    async def sign(self, joining: Sequence[str] = (), leaving: Sequence[str] = ()) -> None:
        """Sign the next list, where all who join are officers; who leaves is signed out, as by the page of the keys."""
        for name in joining:
            self.people.setdefault(name, Officer(name))
            self.officer(name).renew()
            await self.officer(name).enrol(self.host, self.unit)
        await self._publish([self.keys_of(name) for name in joining], [self.keys_of(name) for name in leaving])

    async def replace_recovery_key(self, former: str, name: str) -> None:
        """Sign the next list with another recovery key."""
        self.people[name] = Recovery(name)
        await self._publish([self.keys_of(name)], [self.keys_of(former)])

    async def _publish(self, joining: Sequence[Keyholder], leaving: Sequence[Keyholder]) -> None:
        self.unit.next_list(joining, leaving)
        await self.host.box.publish()
        async with self.host.box.database.write() as tx:
            await officers.leave(tx, [one.id for one in leaving])

    # ------------------------------------------------------------ letters

    async def ask(
        self, asker: str, text: str, *, excluded: Sequence[str] = (), readers: Sequence[str] | None = None
    ) -> None:
        """Submit a case, to all who are active but the excluded, or to exactly `readers`."""
        person = Words(asker, asker=Asker(self.host.box.today))
        self.people[asker] = person
        out = [self.keys_of(name) for name in excluded]
        only = None if readers is None else [self.keys_of(name) for name in readers]
        token = await self.host.box.token()
        body = person.asker.posting(self.unit, token, text, excluded=out, readers=only)
        await self._post("/c/cases", text, body)

    async def reply(self, asker: str, text: str, *, change: Change | None = None, kind: str = "reply") -> None:
        """Come back with the words and write on. Raises Refused where the rules let the asker seal nothing."""
        mine = self.asker(asker)
        await self.people[asker].open(self.host, mine.case, self.chain)
        await self._post("/c/letters", text, mine.reply_body(self.unit, text, kind=kind, change=change))

    async def _post(self, path: str, text: str, body: Any) -> None:
        self._note(text, body["letter"], body["access"])
        status, answer = await self.host.box.post(path, body)
        assert status == 201, f"{text}: {status} {answer}"
        await self._stored(text)

    async def write(
        self,
        name: str,
        asker: str,
        text: str,
        *,
        kind: str = "answer",
        added: Sequence[str] = (),
        leaves: bool = False,
        lost: Sequence[str] = (),
    ) -> None:
        """Open a case and write the next letter. Raises Refused where the rules let this officer seal nothing.

        `lost` names the texts that a restore has lost, which the officer has seen.
        """
        person, case = self.officer(name), self.asker(asker).case
        keys, body = await person.letters(self.host, case)
        rows = body["letters"], body["access"], self.chain
        opened = open_rows(*rows, keys.reading) if lost else keys.open(*rows)
        change = Change(self.ids(added), leaves, resumes=bool(lost))
        context = {"lost": [letter_hash(self.sent[one]) for one in lost]}
        day = self.host.box.today
        written = keys.answer(opened, self.chain, text, day, kind=kind, change=change, context=context)
        self._note(text, written.letter, written.access)
        person.holds |= Holdings({written.key})
        status = await self.post_letter(name, asker, written)
        assert status == 201, f"{text}: {status}"
        await self._stored(text)

    async def post_letter(self, name: str, asker: str, written: Written, access: Sequence[Access] = ()) -> int:
        """Post an officer's letter, with `access` besides the keys that it grants; return the status."""
        person, case = self.officer(name), self.asker(asker).case
        url = f"{self.host.box.url}/console/cases/{case}/letters"
        body = {"letter": written.letter, "access": [*written.access, *access], "bell": ""}
        async with self.host.box.web.post(url, json=body, headers=person.accounts[-1][1]) as response:
            return response.status

    async def write_with_recovery_key(self, name: str, asker: str, text: str, added: Sequence[str]) -> None:
        """Hand a case over with the recovery key."""
        box, case, person = self.host.box, self.asker(asker).case, self.people[name]
        opened = await person.open(self.host, case, self.chain)
        keys, change = self.keys_of(name), Change(self.ids(added))
        written = keys.answer(opened, self.chain, text, box.today, kind="hand", change=change)
        self._note(text, written.letter, written.access)
        person.holds |= Holdings({written.key})
        async with box.database.write() as tx:
            context = officer_context(tx, keys, box.installation, box.now)
            await casework.answer(context, case, written.letter, access=written.access)
        await self._stored(text)

    def _note(self, text: str, letter: Letter, access: Sequence[Access]) -> None:
        self.sent[text] = letter
        self.copies.add_posted([letter], access)

    async def _stored(self, text: str) -> None:
        await self.copy()
        await self.after(text)

    # ------------------------------------------------------------ copies of the database

    async def copy(self) -> Snapshot:
        """Keep a copy of all rows."""
        async with self.host.box.database.read() as tx:
            rows = await snapshot(tx)
        self.copies.add(rows)
        return rows

    async def put_back(self, rows: Snapshot) -> None:
        """Restore a copy."""
        async with self.host.box.database.write() as tx:
            await restore(tx, rows)
