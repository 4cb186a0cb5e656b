"""The people of the stories, and the clock that only a test moves."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONDAY_NINE = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""Monday 23 November 2026, 9:00 in Guanajuato; a working day."""


class Clock:
    """Gives the same moment until it is moved."""

    def __init__(self, moment: datetime = MONDAY_NINE) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> datetime:
        """Forward by days, hours, minutes, seconds."""
        self.moment += timedelta(**by)
        return self.moment


@dataclass(frozen=True, slots=True)
class SampleServant:
    """Somebody of the cast: where they work, and where they are on a channel."""

    name: str
    institution: str
    address: str


ANA = SampleServant("Ana", "LEON", "100001")
BETO = SampleServant("Beto", "SALUD", "100002")
INSTITUTIONS = (("LEON", "Municipio de León", "municipal"), ("SALUD", "Secretaría de Salud", "state"))
