"""Sample servants, institutions and a clock that only the test moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from content.workdays import is_weekend_or_rest_day

MONDAY_NINE = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""Monday 23 November 2026, 9:00 in Guanajuato; a working day."""


def working_mornings(*, days_from_now: int = -6) -> Iterator[str]:
    """Nine o'clock in Guanajuato of the working days from so many days after the real clock on, as `--at` takes it.

    For commands, which go by that clock: within 6 days of it there are at least six of them.
    """
    for number in count(days_from_now):
        morning = (datetime.now(UTC) + timedelta(days=number)).replace(hour=15, minute=0, second=0, microsecond=0)
        if not is_weekend_or_rest_day(morning.date()):
            yield morning.isoformat()


class Clock:
    """Returns the same moment until it is moved."""

    def __init__(self, moment: datetime = MONDAY_NINE) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> datetime:
        """Move forward by days, hours, minutes or seconds, and return the new moment."""
        self.moment += timedelta(**by)
        return self.moment


@dataclass(frozen=True, slots=True)
class SampleServant:
    """A servant of the examples: name, code of the institution, and address on a channel."""

    name: str
    institution: str
    address: str


ANA = SampleServant("Ana", "LEON", "100001")
BETO = SampleServant("Beto", "SALUD", "100002")
ADDRESSES = {
    "responsible_address": "Calle Ejemplo 1, Guanajuato, Gto.",
    "transparency_address": "Calle Ejemplo 2, Guanajuato, Gto.",
}
"""Settings without which enrolment is closed beyond this machine."""
INSTITUTIONS = (("LEON", "Municipio de León", "municipal"), ("SALUD", "Secretaría de Salud", "state"))
