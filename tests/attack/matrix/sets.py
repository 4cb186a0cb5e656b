"""Who may read each letter, by sets of names alone: nothing here knows a key, a row or the protocol's code."""

from dataclasses import dataclass, field

RECOVERY = "Rec1"


@dataclass(frozen=True, eq=False)
class Epoch:
    """Some letters in a row for the same readers, after those of `before`."""

    readers: frozenset[str]
    excluded: frozenset[str]
    begun_by: str
    before: "Epoch | None"

    def follows(self, other: "Epoch") -> bool:
        """Whether who holds the key of this epoch comes to that of the other, too."""
        return self is other or (self.before is not None and self.before.follows(other))


@dataclass
class Case:
    """A case as it stands: its letters in order, each with its epoch."""

    asker: str
    letters: list[tuple[str, Epoch]] = field(default_factory=list)

    @property
    def epoch(self) -> Epoch:
        return self.letters[-1][1]

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.letters]


class NotAllowed(Exception):
    """The rules let this author write no such letter."""


@dataclass
class Readers:
    """The unit, its cases, and all epochs of all times, those that a restore has lost among them."""

    active: set[str]
    cases: dict[str, Case] = field(default_factory=dict)
    letters: dict[str, tuple[str, Epoch]] = field(default_factory=dict)  # by text: asker and epoch
    epochs: list[Epoch] = field(default_factory=list)
    formerly: dict[str, str] = field(default_factory=dict)  # by the name of who came back: the name before

    @property
    def officers(self) -> set[str]:
        return self.active - {RECOVERY}

    def ask(self, asker: str, text: str, excluded: set[str]) -> None:
        """A first letter, to all who are active but the excluded."""
        epoch = Epoch(frozenset(self.active - excluded), frozenset(excluded), asker, None)
        self.epochs.append(epoch)
        self.cases[asker] = Case(asker)
        self._add(self.cases[asker], text, epoch)

    def write(
        self,
        asker: str,
        author: str,
        text: str,
        *,
        added: frozenset[str] = frozenset(),
        excluded: frozenset[str] | None = None,
        leaves: bool = False,
        resumes: bool = False,
    ) -> None:
        """The next letter of a case. Raises NotAllowed."""
        case = self.cases[asker]
        now = case.epoch
        if author != asker and author not in now.readers & self.active:
            raise NotAllowed("not a reader")
        out = now.excluded if excluded is None else excluded
        if added & out or not added <= self.active:
            raise NotAllowed("added")
        readers = ((now.readers & self.active) | added) - out - ({author} if leaves else set())
        is_trusted = now.begun_by == asker or now.begun_by in now.readers & self.active
        if resumes or not is_trusted or (readers, out) != (now.readers, now.excluded):
            if not readers & self.officers:
                raise NotAllowed("no officer is left")
            now = Epoch(frozenset(readers), out, author, now)
            self.epochs.append(now)
        self._add(case, text, now)

    def lose_last(self, asker: str) -> str:
        """Take back the newest letter of a case, as a restore does; who could read it still can."""
        return self.cases[asker].letters.pop()[0]

    def _add(self, case: Case, text: str, epoch: Epoch) -> None:
        case.letters.append((text, epoch))
        self.letters[text] = (case.asker, epoch)

    # ------------------------------------------------------------ who may read

    def may_read(self, person: str) -> set[str]:
        """All letters of an asker, and of others those whose epoch, or a later one, was theirs or begun by them."""
        held = [one for one in self.epochs if person in one.readers or one.begun_by == person]
        own = {
            text
            for text, (asker, epoch) in self.letters.items()
            if asker == person or any(one.follows(epoch) for one in held)
        }
        former = self.formerly.get(person)
        return own | (self.may_read(former) if former else set())

    def is_given(self, person: str, asker: str) -> bool:
        """Whether the server gives a case to this person now."""
        is_reader = person in self.cases[asker].epoch.readers
        return person == asker or (is_reader and (person in self.active or person == RECOVERY))
