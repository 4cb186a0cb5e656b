"""Figures in words, for pages and commands: every number of the course that a person reads is written here."""

from dataclasses import dataclass

from content.library import Library
from handlers.administration import rates
from handlers.administration.rates import HIGHEST, LOWEST, People
from storage.reports.figures import Figure

NONE = "—"
ANSWERS_STEP = 10  # numbers of answers are shown to the nearest


@dataclass(frozen=True, slots=True)
class FigureText:
    """Words of one language for figures."""

    library: Library
    language: str

    def share(self, figure: Figure | None) -> str:
        """The share, e.g. "70 %", "95 % or more"."""
        if figure is None:
            return NONE
        percent = rates.rate(figure).percent
        key = {LOWEST: "least", HIGHEST: "most"}.get(percent, "share")
        return self._phrase(key, percent=percent)

    def bounds(self, figure: Figure | None) -> str:
        """Between which shares the true one lies, as only a part of all answers is known; empty without a figure."""
        if figure is None:
            return ""
        rate = rates.rate(figure)
        return self._phrase("bounds", low=rate.low, high=rate.high)

    def answers(self, figure: Figure | None) -> str:
        """About how many answers."""
        if figure is None:
            return NONE
        return f"{ANSWERS_STEP * round(figure.total / ANSWERS_STEP):,}"

    def people(self, people: People) -> str:
        """About how many people."""
        return self._phrase("few_people", count=rates.FEW_PEOPLE) if people.is_few else f"{people.about:,}"

    def _phrase(self, key: str, **values: object) -> str:
        return self.library.phrases.plain(self.language, f"figure.{key}", values)
