"""The command `integra`, but for what a benchmark must move: the day, how often it is looked at, the highest pace.

Prompts are planned on working days only, so that the clock may be set to the next working morning; and TELEGRAM_RATE
ends at 1,000/s, which would be all that a benchmark without a limit could show.
Run: BENCH_CLOCK=3600 BENCH_RATE=1000000 python -m bench.door run
"""

import os
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Self
from zoneinfo import ZoneInfo

from bot import app as wiring
from bot import scheduler
from bot.cli import main
from bot.delivery.rate_limiter import Limits
from content import workdays
from storage.queue.claims import RecipientLimit

ZONE = ZoneInfo("America/Mexico_City")
HOUR = 10  # local; people of the daily run are to be asked before
UNPACED = {"BENCH_RATE": "1000000"}


def to_a_working_morning(before: float = 0.0) -> dict[str, str]:
    """What sets the clock of all processes that get it forward to ten on the next working day, or some seconds before;
    and lets them look at it more often, so that nobody waits for the hour."""
    now = datetime.now(UTC)
    day = workdays.workdays_after(now.astimezone(ZONE).date(), 1)
    moment = datetime.combine(day, time(HOUR), ZONE) - timedelta(seconds=before)
    return {"BENCH_CLOCK": str((moment - now).total_seconds()), "BENCH_BEAT": "1"}


class _Moved(datetime):
    """The time of day as the product reads it."""

    by = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + cls.by


def lift_pace(rate: float) -> None:
    """Channels that are wired from now on send up to so many messages a second, whatever is set."""

    def unpaced(_: float, person: RecipientLimit) -> Limits:
        return Limits(rate, person)

    vars(wiring)["Limits"] = unpaced


if __name__ == "__main__":
    if beat := os.environ.get("BENCH_BEAT"):
        vars(scheduler)["BEAT"] = float(beat)
    if moved := os.environ.get("BENCH_CLOCK"):
        _Moved.by = timedelta(seconds=float(moved))
        vars(wiring)["datetime"] = _Moved
    if highest := os.environ.get("BENCH_RATE"):
        lift_pace(float(highest))
    main.main()
