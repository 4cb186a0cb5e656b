"""The day on which prompts may leave, as it is where the servants are."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from content import workdays
from handlers.context import Installation

WINDOW_ENDS = 19
"""Local hour after which no prompt of that day leaves any more."""


@dataclass(frozen=True, slots=True)
class Day:
    """A working day at some moment before its last hour."""

    now: datetime  # local
    ends: datetime

    @property
    def date(self) -> date:
        return self.now.date()

    @property
    def hour(self) -> int:
        return self.now.hour

    @classmethod
    def at(cls, now: datetime, installation: Installation) -> Self | None:
        """None: it is no working day, or too late on it."""
        local = now.astimezone(installation.timezone)
        if not workdays.is_workday(local.date()) or local.hour >= WINDOW_ENDS:
            return None
        return cls(local, local.replace(hour=WINDOW_ENDS, minute=0, second=0, microsecond=0))
