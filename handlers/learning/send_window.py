"""When prompts may be sent: working days until the evening, in the installation's time zone."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from content.workdays import Calendar
from handlers.context import WorkContext
from storage.people import closures
from storage.people.due import DueTime

LAST_SEND_HOUR = 19
"""Local hour from which no prompt of that day is sent any more."""


@dataclass(frozen=True, slots=True)
class SendDay:
    """A moment on a working day before `LAST_SEND_HOUR`."""

    now: datetime  # local time
    ends: datetime  # local time: when prompts of this day expire
    closed_institutions: frozenset[int]  # ids of those that do not work on this day

    @property
    def date(self) -> date:
        """The local calendar day."""
        return self.now.date()

    @property
    def due_time(self) -> DueTime:
        """What the search for due servants needs."""
        return DueTime(self.date, self.now.hour, self.closed_institutions)

    @classmethod
    def at(cls, local: datetime, calendar: Calendar) -> Self | None:
        """The sending day at a local time; None: all institutions are closed, or it is too late on that day."""
        if not calendar.is_workday(local.date()) or local.hour >= LAST_SEND_HOUR:
            return None
        ends = local.replace(hour=LAST_SEND_HOUR, minute=0, second=0, microsecond=0)
        return cls(local, ends, calendar.closed_institutions(local.date()))


async def current(work: WorkContext) -> SendDay | None:
    """The sending day, by the closures stored at this moment; None: no prompt may be sent now."""
    local = work.now.astimezone(work.installation.timezone)
    return SendDay.at(local, Calendar(await closures.between(work.tx, local.date(), local.date())))
