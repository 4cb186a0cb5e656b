"""Results of a benchmark: figures of ours and of a peer, compared in one row of a Markdown table."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

HEAD = "| what | ours | CPU | compared with | CPU | ratio | target | reached |\n|---|---|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement over several runs; `cpu` is the CPU time of each run, in `cpu_unit`."""

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
    """One row of the table. `ratio` is the median over pairs of runs; `is_met` is None where there is no target."""

    what: str
    ours: Figure | None = None
    peer: Figure | None = None
    peer_name: str = ""
    ratio: float | None = None
    target: str = ""
    is_met: bool | None = None
    note: str = ""
    error: str = ""

    def line(self) -> str:
        """The row in Markdown."""
        if self.error:
            return f"| {self.what} | failed: {self.error} | | | | | {self.target} | no |"
        compared = f"{self.peer_name}: {self.peer}" if self.peer else self.peer_name
        cells = (
            self.what + (f" ({self.note})" if self.note else ""),
            str(self.ours or ""),
            self.ours.cost if self.ours else "",
            compared,
            self.peer.cost if self.peer else "",
            "" if self.ratio is None else f"{number(self.ratio)}x",
            self.target,
            {None: "", True: "yes", False: "no"}[self.is_met],
        )
        return "| " + " | ".join(cells) + " |"


def median_ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """Median of ours / peer's over pairs of runs; other load on the machine affects both runs of a pair."""
    return statistics.median(own / peer for own, peer in zip(ours, peers, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def number(value: float) -> str:
    """The value with three significant digits."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _spread(values: Sequence[float], unit: str) -> str:
    middle = f"{number(statistics.median(values))} {unit}".rstrip()
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values))} to {number(max(values))})"
