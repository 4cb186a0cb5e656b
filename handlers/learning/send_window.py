"""When prompts may be sent: working days until the evening, in the installation's time zone."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from content import workdays
from handlers.context import Installation

LAST_SEND_HOUR = 19
"""Local hour from which no prompt of that day is sent any more."""


@dataclass(frozen=True, slots=True)
class SendDay:
    """A moment on a working day before `LAST_SEND_HOUR`."""

    now: datetime  # local time
    ends: datetime  # local time: when prompts of this day expire

    @property
    def date(self) -> date:
        """The local calendar day."""
        return self.now.date()

    @property
    def hour(self) -> int:
        """The local hour, 0 to 23."""
        return self.now.hour

    @classmethod
    def at(cls, now: datetime, installation: Installation) -> Self | None:
        """The sending day at `now`; None: it is no working day, or too late on it."""
        local = now.astimezone(installation.timezone)
        if not workdays.is_workday(local.date()) or local.hour >= LAST_SEND_HOUR:
            return None
        return cls(local, local.replace(hour=LAST_SEND_HOUR, minute=0, second=0, microsecond=0))
