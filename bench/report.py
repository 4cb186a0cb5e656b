"""What a benchmark gives: a row of figures, ours and the peer's, and how rows are written down."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = "| what | ours | CPU | beside it | CPU | ratio | target | reached |\n|---|---|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of several runs; `cpu` is what each run took of the processor, in `cpu_unit`."""

    values: Sequence[float]
    unit: str
    cpu: Sequence[float] = ()
    cpu_unit: str = "s per 1,000"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        return _spread(self.values, self.unit)

    @property
    def cost(self) -> str:
        return _spread(self.cpu, self.cpu_unit) if self.cpu else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `ratio` is the median over pairs of runs; `is_met` None: there is no target to meet."""

    what: str
    ours: Figure | None = None
    peer: Figure | None = None
    peer_name: str = ""
    ratio: float | None = None
    target: str = ""
    is_met: bool | None = None
    note: str = ""
    fault: str = ""

    def line(self) -> str:
        """As a line of the table in Markdown."""
        if self.fault:
            return f"| {self.what} | failed: {self.fault} | | | | | {self.target} | no |"
        beside = f"{self.peer_name}: {self.peer}" if self.peer else self.peer_name
        cells = (
            self.what + (f" ({self.note})" if self.note else ""),
            str(self.ours or ""),
            self.ours.cost if self.ours else "",
            beside,
            self.peer.cost if self.peer else "",
            "" if self.ratio is None else f"{number(self.ratio)}x",
            self.target,
            {None: "", True: "yes", False: "no"}[self.is_met],
        )
        return "| " + " | ".join(cells) + " |"


def pairwise(ours: Sequence[float], peers: Sequence[float]) -> float:
    """Ours over the peer's, run by run; the median of that. What else the machine did meets both of a pair."""
    return statistics.median(mine / theirs for mine, theirs in zip(ours, peers, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def number(value: float) -> str:
    """Three digits that mean something."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _spread(values: Sequence[float], unit: str) -> str:
    middle = f"{number(statistics.median(values))} {unit}".rstrip()
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values))} to {number(max(values))})"
