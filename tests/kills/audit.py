"""Who lives in a town that is killed (see tests/kills/simulation.py): written down before, and counted afterwards."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from content.library import Library
from handlers import outgoing
from handlers.message import Action, Parcel
from storage import schema
from storage.database import Database
from storage.people import servants
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests.cast import INSTITUTIONS
from tests.fakes.counter import PRESSED, PROMPT, TELEGRAM, WHATSAPP, CountingPlatform, Letter, Part, Talker

FIRST = 200_000
PRESSES = 4  # one of so many presses a button, the others say a word


@dataclass
class Found:
    """What a run showed. `taken` is how often the platform took each letter, `doubts` how often the one who held it
    had died when it had been taken."""

    messages: int  # that were to leave
    presses: int
    kills: int = 0
    held: int = 0  # deliveries that the dead had claimed, all in all
    most_held: int = 0  # by one of them
    most_doubts: Counter[str] = field(default_factory=Counter)  # of these had been taken, by channel
    busiest: int = 0  # calls to the platform under way at once, at most
    doubts: Counter[Letter] = field(default_factory=Counter)
    taken: Counter[Letter] = field(default_factory=Counter)
    lost: int = 0  # sent by the database, and the platform never took it
    left: int = 0  # not over at the end, or over in another way
    unhandled: int = 0  # words and presses that were acknowledged, and not answered
    unanswered: int = 0  # presses of which no answer was kept
    answered_twice: int = 0  # or of which more than one was

    @property
    def missing(self) -> int:
        return self.lost + self.left + self.unhandled

    def doubled(self, channel: str) -> int:
        """Messages that came more than once."""
        return sum(times - 1 for letter, times in self.taken.items() if letter.channel == channel)

    @property
    def unexplained(self) -> int:
        """Of these, those for which no death is the reason."""
        return sum(max(0, times - 1 - self.doubts[letter]) for letter, times in self.taken.items())

    def summary(self) -> str:
        """What the deaths left, in a line."""
        doubts = sum(times for letter, times in self.doubts.items() if letter.channel == TELEGRAM)
        return (
            f"whoever died had {doubts / max(1, self.kills):.1f} messages taken and not noted (at most "
            f"{self.most_doubts[TELEGRAM]:,}, of {self.most_held:,} claimed on both channels); "
            f"{self.busiest:,} calls under way at once"
        )

    def bury(self, held: Sequence[Letter], taken: Counter[Letter]) -> None:
        """One more is dead, who held so much; in doubt is what was taken once more since somebody died with it."""
        doubts = [one for one in held if taken[one] > self.doubts[one]]
        self.kills += 1
        self.held += len(held)
        self.most_held = max(self.most_held, len(held))
        self.most_doubts |= Counter(one.channel for one in doubts)
        self.doubts.update(doubts)


async def settle_down(database: Database, library: Library, count: int) -> list[Talker]:
    """So many on each channel, whom no scheduler asks anything, each with a prompt in the outbox; in random order."""
    places = [(TELEGRAM, str(FIRST + number)) for number in range(count)]
    places += [(WHATSAPP, f"MX.{FIRST + number}") for number in range(count)]
    random.shuffle(places)
    people = [
        Talker(*place, choice="" if number % PRESSES else f"answer:{number}:a")
        for number, place in enumerate(places, 1)
    ]
    now = datetime.now(UTC)
    numbered = list(enumerate(people, 1))
    async with database.write() as tx:
        await servants.add_institution(tx, *INSTITUTIONS[0])
        place = await servants.institution_by_code(tx, INSTITUTIONS[0][0])
        assert place is not None
        known = _servant(library, now) | {"institution_id": place.id}
        await tx.execute(insert(schema.servants), [{"id": number} | known for number, _ in numbered])
        where = [{"channel": one.channel, "address": one.address, "servant_id": n} for n, one in numbered]
        await tx.execute(insert(schema.addresses), [one | {"heard_at": now} for one in where])
        asked = _asked(library, now)
        await tx.execute(
            insert(schema.prompts), [{"id": n, "servant_id": n} | asked for n, one in numbered if one.choice]
        )
        await outbox.add(tx, [_prompt(number, one, now) for number, one in numbered])
    return people


def _servant(library: Library, now: datetime) -> dict[str, Any]:
    version = library.phrases.template("es", "notice.version")
    row = {"state": "paused", "language": "es", "hour": 9, "consented_at": now, "enrolled_on": now.date()}
    return row | {"notice_version": version}


def _asked(library: Library, now: datetime) -> dict[str, Any]:
    _, scenario = min(library.scenarios.items())
    about = {"scenario_id": scenario.id, "competency_id": scenario.competency, "reason": "new"}
    return about | {"day": now.date()}


def _prompt(number: int, person: Talker, now: datetime) -> NewDelivery:
    said = f"{PROMPT} {number}"
    body = outgoing.pack(Parcel(person.address, Action.SAY, said))
    return NewDelivery(said, person.channel, person.address, DeliveryKind.PROMPT, body, now, now + timedelta(days=1))


_PRESSED = f"{TELEGRAM}:{str(PRESSED)[0]}"
COLUMNS = tuple(schema.deliveries.c[name] for name in ("id", "key", "channel", "address", "kind", "state"))


def letter(row: Any) -> Letter:
    """Which one a row of the outbox is."""
    part = Part.REPLY
    if row.kind == DeliveryKind.PROMPT:
        part = Part.PROMPT
    elif row.key.startswith(_PRESSED) and row.key.endswith(":say"):
        part = Part.EDIT
    return Letter(row.channel, row.address, part)


async def count(database: Database, platform: CountingPlatform, people: Sequence[Talker], found: Found) -> None:
    """Every row of the outbox against what the platform took; every word against its reply, every press its answer."""
    words = (schema.updates.c.state == "done") & schema.updates.c.address.not_like("receipt:%")
    async with database.read() as tx:
        ends = {letter(row): row.state for row in await tx.execute(select(*COLUMNS))}
        handled = await tx.scalar(select(func.count()).select_from(schema.updates).where(words)) or 0
        answers = Counter(await tx.scalars(select(schema.answers.c.servant_id)))
    found.taken, found.busiest = platform.taken, platform.busiest
    due = [one for person in people for one in person.letters()]
    found.left = sum(ends.get(one) != outbox.DeliveryState.SENT for one in due)
    found.lost = sum(state == outbox.DeliveryState.SENT and not platform.taken[one] for one, state in ends.items())
    found.unhandled = platform.words - handled
    found.unanswered = sum(not answers[number] for number, one in enumerate(people, 1) if one.choice)
    found.answered_twice = answers.total() - len(answers)
