"""What honest people wrote and saw, and what must hold whatever a writer of rows does in between."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter

ASKER = "asker"


class Found(Exception):
    """An invariant does not hold: `kind` is read, forged, order, gap, dropped or dead."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


@dataclass(frozen=True)
class Shown:
    """One letter on a page: by the asker or the officer with this id."""

    author: str
    text: str


@dataclass(frozen=True)
class Visit:
    """What one use of a page came to: "thread" where letters were shown, otherwise what the page said instead.

    `kept` is how many letters the page remembers from then on (None: what it remembered before).
    """

    says: str
    case: str = ""
    shown: Sequence[Shown] = ()
    sent: str = ""
    kept: int | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(one.text for one in self.shown)

    def __str__(self) -> str:
        sent = f", sent {self.sent}" if self.sent else ""
        return f"{self.says} [{' '.join(self.texts)}]{sent}"


@dataclass(frozen=True)
class Written:
    """A text that an honest page sealed: by whom, after which texts, to whom."""

    author: str
    before: tuple[str, ...]
    readers: frozenset[str]


@dataclass
class Truth:
    """All honest texts; what each person saw last of each case; officers who help the writer of rows.

    `posted` is what honest pages sent, also where the server took nothing: keys that open it must not be the writer's.
    """

    written: dict[str, Written] = field(default_factory=dict)
    memory: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    colluding: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)  # officers who have left
    ever_gone: set[str] = field(default_factory=set)  # also in lists that a restore has lost: the writer has them
    granted: set[str] = field(default_factory=set)  # first texts of cases in which one who colludes has written in time
    posted: list[Letter] = field(default_factory=list)
    posted_access: list[Access] = field(default_factory=list)

    def wrote(self, visit: Visit, author: str, text: str, readers: Sequence[str]) -> None:
        """Record a text that an author writes below what a page shows, to these readers. Raises Found."""
        self.written[text] = Written(author, visit.texts, frozenset(readers) - self.gone)
        self._note_grants(visit)
        first = self.written.get((*visit.texts, text)[0])
        if first is not None and visit.texts and visit.texts[0] not in self.granted:
            dropped = first.readers - self.ever_gone - set(readers)
            if dropped:
                raise Found("dropped", f"{text} is closed to {sorted(dropped)}, who could read the first letter")

    def _note_grants(self, visit: Visit) -> None:
        """Readers may drop others as long as they have not left; who sees that in time goes by it."""
        if {one.author for one in visit.shown} & (self.colluding - self.gone):
            self.granted.add(visit.texts[0])

    def sends(self, letter: Letter, access: Sequence[Access]) -> None:
        """Record what a page is about to send."""
        self.posted.append(letter)
        self.posted_access += access

    def is_secret(self, text: str) -> bool:
        """Whether this is an honest text of a query that an honest asker began, closed to all who collude."""
        known = self.written.get(text)
        if known is None:
            return False
        first = self.written.get((*known.before, text)[0])
        return first is not None and first.author == ASKER and not known.readers & self.colluding

    def check(self, viewer: str, visit: Visit, place: str) -> None:
        """Check what a page shows to a person who remembers what was kept at `place`. Raises Found."""
        remembered = self.memory.get((viewer, place), ())
        texts, is_invented = visit.texts, visit.texts[0] not in self.written
        if texts[: len(remembered)] != remembered:
            raise Found("gap", f"{viewer} saw {remembered}, is shown {texts}, and the page says nothing")
        if is_invented and viewer.startswith(ASKER):
            raise Found("forged", f"{viewer} is shown another first letter: {texts[0]}")
        for at, one in enumerate(visit.shown):
            self._check_letter(viewer, one, texts[:at], is_invented)
        self._note_grants(visit)

    def keep(self, viewer: str, visit: Visit, place: str) -> None:
        """Record what a page remembers after a visit."""
        if visit.kept is not None:
            self.memory[viewer, place] = visit.texts[: visit.kept]

    def _check_letter(self, viewer: str, one: Shown, before: tuple[str, ...], is_invented: bool) -> None:
        known = self.written.get(one.text)
        if known is None:
            if one.author in self.colluding or (is_invented and one.author == ASKER):
                return
            raise Found("forged", f"{viewer} is shown {one.text} as a letter of {one.author}")
        if known.author != one.author:
            raise Found("forged", f"{viewer} is shown {one.text} of {known.author} as a letter of {one.author}")
        if known.before != before:
            raise Found("order", f"{viewer} is shown {one.text} after {before}, it was written after {known.before}")
