"""The attacker who names one servant for each case: all signals together, and how often that is right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from math import isclose, sqrt
from statistics import mean, stdev
from typing import Any

from tests.attack.guessing import signals
from tests.attack.guessing.series import Case, Person, Series
from tests.attack.guessing.signals import People

ALL = ("telegram", "whatsapp", "webchat")
THE_DAY_BEFORE = 0.4
"""How likely those are whom a signal points to on the day before: a link is valid for two days."""
ON_OTHER_CHANNELS = 0.5
"""How likely those remain about whom a signal says nothing, where it points to others."""


@dataclass(frozen=True, slots=True)
class Signal:
    """How to look, how likely all others remain, and the only channels of which the rows say something."""

    look: Callable[[Series, Any], People]
    others: float
    channels: tuple[str, ...] = ALL

    @property
    def name(self) -> str:
        return self.look.__name__

    def weight(self, person: Person, today: People, yesterday: People = ()) -> float:
        """How likely it makes a person."""
        if person in today:
            return 1.0
        if person in yesterday:
            return THE_DAY_BEFORE
        if person[0] in self.channels:
            return self.others
        return ON_OTHER_CHANNELS if today or yesterday else 1.0


ON_A_DAY = (
    Signal(signals.runs_of_updates, 0.02),
    Signal(signals.runs_of_replies, 0.02),
    Signal(signals.phones_in_references, 0.2, ("whatsapp",)),
    Signal(signals.keys_of_one_name, 0.2),
    Signal(signals.rows_that_name_a_person, 0.3),
    Signal(signals.last_heard, 0.3, ("whatsapp",)),
    Signal(signals.revisions_of_transcripts, 0.05, ("webchat",)),
    Signal(signals.bubbles_of_transcripts, 0.3, ("webchat",)),
    Signal(signals.channel_of_a_run, 0.3),
    Signal(signals.order_of_ids, 0.5),
    Signal(signals.hours_of_links, 0.5),
    Signal(signals.links_that_wait, 0.2),
    Signal(signals.who_answered, 0.5),
)
OF_A_CASE = (
    Signal(signals.notices_after_letters, 0.05),
    Signal(signals.notices_in_the_ledgers_order, 0.01),
    Signal(signals.heard_after_letters, 0.5, ("whatsapp",)),
)
"""The likelihoods were taken from invented months of other seeds."""


NEED_NO_NAME = (signals.channel_of_a_run, signals.order_of_ids, signals.hours_of_links, signals.who_answered)
"""What rows say of which no column names a person; scored together as well, as others would only add noise to them."""


@dataclass(frozen=True)
class Score:
    """How well the cases were guessed, one number for each.

    `credits`: 1 if the asker alone is the likeliest, 1/k where k people are, else 0.
    `ranks`: 0 if no other is likelier, 1 if all are.
    """

    people: int
    credits: tuple[float, ...] = ()
    ranks: tuple[float, ...] = ()

    def __add__(self, other: "Score") -> "Score":
        return Score(self.people, self.credits + other.credits, self.ranks + other.ranks)

    @property
    def share(self) -> float:
        """Of the cases whose asker is named."""
        return mean(self.credits or (0.0,))

    @property
    def times_chance(self) -> float:
        """How many times better than naming any active servant."""
        return self.share * self.people

    @property
    def surely_times_chance(self) -> float:
        """The same, as far as it is no luck: less three standard errors (one time in about 700 by chance alone)."""
        if len(self.credits) < 2:
            return 0.0
        return (self.share - 3 * stdev(self.credits) / sqrt(len(self.credits))) * self.people

    def __str__(self) -> str:
        figures = f"{self.times_chance:4.1f} (surely {self.surely_times_chance:4.1f}) x chance"
        return f"{self.share:5.1%} of {len(self.credits)} cases, {figures}, mean rank {mean(self.ranks or (0.5,)):.2f}"


class Attacker:
    """Looks at a series with some signals; each look is remembered."""

    def __init__(
        self, series: Series, on_a_day: Sequence[Signal] = ON_A_DAY, of_a_case: Sequence[Signal] = OF_A_CASE
    ) -> None:
        self._series, self._of_a_case = series, of_a_case
        self._look = cache(lambda look, subject: frozenset(look(series, subject)))
        self._on_a_day = [one for one in on_a_day if any(self._look(one.look, day) for day in series.by_day)]

    def weights(self, case: Case) -> Mapping[Person, float]:
        """How likely each person is to have asked; signals that never point to a person are not asked."""
        found = dict.fromkeys(self._series.people, 1.0)
        before = case.day - timedelta(days=1)
        for signal in self._on_a_day:
            today = self._look(signal.look, case.day)
            yesterday = self._look(signal.look, before) if before in self._series.by_day else frozenset()
            if today or yesterday or signal.channels != ALL:
                found = {person: one * signal.weight(person, today, yesterday) for person, one in found.items()}
        for signal in self._of_a_case:
            if people := self._look(signal.look, case):
                found = {person: one * signal.weight(person, people) for person, one in found.items()}
        return found


def score(
    series: Series,
    asker_of: Mapping[str, Person],
    on_a_day: Sequence[Signal] = ON_A_DAY,
    of_a_case: Sequence[Signal] = OF_A_CASE,
    channels: Sequence[str] = ALL,
) -> Score:
    """Guess every case of an asker on these channels, and compare with the truth."""
    attacker, found = Attacker(series, on_a_day, of_a_case), Score(len(series.people))
    for case in series.cases:
        if asker_of[case.id][0] not in channels:
            continue
        likely = attacker.weights(case)
        own, best = likely[asker_of[case.id]], max(likely.values())
        ties = sum(isclose(one, own) for one in likely.values())
        above = sum(one > own and not isclose(one, own) for one in likely.values())
        rank = (above + (ties - 1) / 2) / (len(likely) - 1)
        found += Score(len(likely), (isclose(own, best) / ties,), (rank,))
    return found


def by_signal(series: Series, asker_of: Mapping[str, Person]) -> dict[str, Score]:
    """The score of all signals together (also for the askers of each channel alone), and of each signal alone.

    A signal that is about some channels is scored on the askers of these.
    """
    found = {"all": score(series, asker_of)}
    found |= {f"all, on {name}": score(series, asker_of, channels=(name,)) for name in ALL}
    found["all that need no name"] = score(series, asker_of, [one for one in ON_A_DAY if one.look in NEED_NO_NAME], ())
    found |= {one.name: score(series, asker_of, (one,), (), one.channels) for one in ON_A_DAY}
    return found | {one.name: score(series, asker_of, (), (one,), one.channels) for one in OF_A_CASE}
