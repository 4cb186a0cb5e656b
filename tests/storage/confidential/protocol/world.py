"""A unit, its readers and one asker who write a thread together, each with what they remember, and a server's rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from storage.confidential.protocol import epochs, keys, letters, lists, readers, signatures, successions, threads
from storage.confidential.protocol.canonical import canonical, encode
from tests.vectors.primitives import fixed, ident, key, point

TODAY, DAY, UNTIL = date(2026, 11, 20), "2026-11-20", "2026-12-20"
CASE, ASKER = ident("world"), "asker"
UNIT = key("world unit")
PIN = lists.unit_pin(point(UNIT))
Role = Literal["officer", "recovery"]


@dataclass(eq=False)
class Person:
    """Keys of one end; `seen` is the newest letter that it remembers, by number and hash."""

    label: str
    role: Role = "officer"
    seen: tuple[int, str] = (0, "")
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or ident(self.label)
        self.reading, self.signing = key(f"{self.label} reading"), key(f"{self.label} signing")

    def join(self, unit: str) -> readers.Join:
        return {
            "v": 2,
            "unit": unit,
            "id": self.id,
            "name": self.label,
            "role": self.role,
            "reading": point(self.reading),
            "signing": point(self.signing),
        }


@dataclass
class World:
    """What the server stores, and who has learnt which key: `holders` by epoch."""

    people: dict[str, Person] = field(default_factory=dict)
    stored_lists: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    case_keys: dict[str, bytes] = field(default_factory=dict)
    holders: dict[str, set[str]] = field(default_factory=dict)
    access: dict[str, str] = field(default_factory=dict)
    lost: list[tuple[int, str]] = field(default_factory=list)
    asker: Person = field(default_factory=lambda: Person("world asker", id=ASKER))
    made: int = 0
    unit: signatures.PrivateKey = UNIT
    succ: list[successions.SignedSuccession] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain = self.renew([self.entry(self.person(label), 1, []) for label in ("ana", "bea")])
        self.renew([*self.chain.newest["readers"], self.vouched("reserve", "recovery")])

    # ------------------------------------------------------------ lists

    def person(self, label: str, role: Role = "officer") -> Person:
        made = Person(label, role)
        return self.people.setdefault(made.id, made)

    def entry(self, person: Person, since: int, vouchers: Sequence[Person]) -> readers.Reader:
        join = person.join(point(self.unit))
        proofs = [readers.prove(one.signing, one.id, join) for one in (person, *vouchers)]
        proofs.sort(key=lambda proof: proof["id"])
        return {"join": join, "scope": "", "since": since, "ended": 0, "proofs": proofs}

    def active_officers(self) -> list[Person]:
        return [one for one in self.people.values() if self.chain.is_active(one.id) and self.chain.is_officer(one.id)]

    def vouched(self, label: str, role: Role = "officer") -> readers.Reader:
        officers = self.active_officers()[:2]
        return self.entry(self.person(label, role), self.chain.serial + 1, officers)

    def renew(self, entries: Sequence[readers.Reader]) -> lists.Chain:
        """The unit signs the next list; the server and all officers take it as the next link."""
        former = lists.read_list(self.stored_lists[-1])["list"] if self.stored_lists else None
        keys_: lists.KeyList = {
            "v": 2,
            "suite": 1,
            "unit": point(self.unit),
            "serial": former["serial"] + 1 if former else 1,
            "prev": lists.list_hash(former) if former else "",
            "day": DAY,
            "until": UNTIL,
            "custodians": [],
            "readers": sorted(entries, key=lambda one: one["join"]["id"]),
        }
        text = canonical(lists.sign_list(self.unit, keys_, self.succ))
        read = lists.read_list(text)
        self.chain = lists.check_next(self.chain, read) if former else lists.check_first(read, PIN)
        self.stored_lists.append(text)
        return self.chain

    def add(self, label: str, role: Role = "officer") -> None:
        self.renew([*self.chain.newest["readers"], self.vouched(label, role)])

    def end(self, person: Person) -> None:
        serial = self.chain.serial + 1
        self.renew(
            [
                {**one, "ended": serial} if one["join"]["id"] == person.id and not one["ended"] else one
                for one in self.chain.newest["readers"]
            ]
        )

    def succeed(self) -> None:
        """Another key of the unit follows, and signs the next list."""
        former, self.unit = self.unit, key(f"world unit {self.chain.serial}")
        succ: successions.Succession = {
            "v": 2,
            "old": point(former),
            "next": point(self.unit),
            "serial": self.chain.serial,
            "day": DAY,
        }
        self.succ = [*self.succ, successions.sign_succession(former, succ)]
        self.renew(self.chain.newest["readers"])

    # ------------------------------------------------------------ letters

    def thread(self) -> threads.Thread:
        return threads.check_thread([letters.read_letter(text) for text in self.stored], self.chain)

    def write(
        self, author: Person, kind: str, change: epochs.Change | None = None, seal: epochs.Seal | None = None
    ) -> epochs.Seal:
        """Write a letter as the rule says (or as `seal` says, for who does not keep it), and have it posted."""
        thread = self.thread() if self.stored else threads.Thread()
        if seal is None:
            seal = epochs.next_seal(
                thread, self.chain, author.id, seen=author.seen[0], floor=1, is_in_force=True, change=change
            )
        grant, before = None, ""
        if seal.is_grant:
            grant, before = self._grant(thread, author, seal)
        lost = [one for seq, one in self.lost if seq > thread.seq] if kind == "resume" else []
        context: letters.Context = {
            "v": 2,
            "suite": 1,
            "case": CASE,
            "lane": "talk",
            "seq": thread.seq + 1,
            "epoch": seal.epoch,
            "kind": kind,
            "author": author.id,
            "list": self.chain.serial,
            "listhash": lists.list_hash(self.chain.newest),
            "day": DAY,
            "previous": thread.hashes[-1] if thread.hashes else "",
            "grant": grant,
            "lost": lost,
        }
        commitment = grant["commit"] if grant else thread.grants[-1].grant["commit"]
        content: letters.Content = {"text": f"{kind} {thread.seq + 1}", "fields": {}, "before": before, "bell": ""}
        letter = letters.seal_letter(self.case_keys[commitment], context, content, author.signing)
        text = canonical(letter)
        posted = threads.check_posted(thread, letters.read_letter(text), self.chain, TODAY)
        if grant:
            self._give_access(posted, commitment)
        self.stored.append(text)
        author.seen = (posted.seq, posted.hashes[-1])
        return seal

    def _grant(self, thread: threads.Thread, author: Person, seal: epochs.Seal) -> tuple[letters.Grant, str]:
        self.made += 1
        secret = fixed(f"world key {self.made}")
        own: letters.AskerKeys | None = None
        if not thread.letters:
            own = {"reading": point(self.asker.reading), "signing": point(self.asker.signing)}
        commitment = keys.commit(secret, CASE, "talk", seal.epoch)
        self.case_keys[commitment] = secret
        self.holders[commitment] = {author.id, ASKER, *seal.readers}
        former = thread.grants[-1].grant["commit"] if thread.grants else ""
        grant: letters.Grant = {
            "commit": commitment,
            "readers": list(seal.readers),
            "excluded": list(seal.excluded),
            "asker": own,
        }
        return grant, encode(self.case_keys[former]) if former else ""

    def _give_access(self, thread: threads.Thread, commitment: str) -> None:
        ends = [*thread.readers, ASKER]
        rows = {
            one: keys.seal_access(
                self.case_keys[commitment], self.point_of(one, thread), CASE, "talk", thread.grants[-1].epoch, one
            )
            for one in ends
        }
        keys.check_rows(rows.values(), CASE, "talk", thread.grants[-1].epoch, thread.readers)
        self.access = {one: canonical(row) for one, row in rows.items()}

    def point_of(self, end: str, thread: threads.Thread) -> str:
        asker = thread.grants[0].grant["asker"]
        return asker["reading"] if end == ASKER and asker else self.chain.by_id[end]["join"]["reading"]

    # ------------------------------------------------------------ reading

    def end_of(self, end: str) -> Person:
        return self.asker if end == ASKER else self.people[end]

    def read_at(self, end: str) -> list[str]:
        """What one end shows of the thread: all that it checks, then the texts; it remembers the newest letter."""
        person = self.end_of(end)
        chain = self.chain
        if end == ASKER:
            chain = lists.check_alone(lists.read_list(self.stored_lists[-1]), PIN, TODAY)
        thread = threads.check_thread([letters.read_letter(text) for text in self.stored], chain)
        if person.seen[0]:
            threads.check_seen(thread, chain, thread.hashes[0], *person.seen)
        commitment = thread.grants[-1].grant["commit"]
        secret = keys.open_access(keys.read_access(self.access[end]), person.reading, commitment)
        contents = threads.open_thread(thread, secret)
        person.seen = (thread.seq, thread.hashes[-1])
        return [content["text"] for content in contents]

    def exposed_to(self) -> set[str]:
        """Everyone who has learnt the key of the epoch of the newest letter."""
        return self.holders[self.thread().grants[-1].grant["commit"]]
