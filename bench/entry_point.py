"""The command `integra` with what a benchmark must change: the date, the scheduler's interval and the rate limit.

Prompts are planned on working days only, so the clock can be set to the next working morning; TELEGRAM_RATE is at most
1,000/s, which a benchmark without a rate limit has to exceed.
Run: BENCH_CLOCK=3600 BENCH_RATE=1000000 python -m bench.entry_point run
"""

import os
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Self
from zoneinfo import ZoneInfo

from bot import app as wiring
from bot import scheduler
from bot.cli import main
from bot.delivery.rate_limiter import Limits
from content.workdays import Calendar
from storage.queue.claims import RecipientRateLimit

ZONE = ZoneInfo("America/Mexico_City")
HOUR = 10  # local; the servants of the daily run are due before it
UNLIMITED_RATE = {"BENCH_RATE": "1000000"}


def clock_at_next_working_morning(before: float = 0.0) -> dict[str, str]:
    """Environment that moves a process's clock forward to 10:00 on the next working day, or `before` seconds earlier.

    The scheduler then also runs every second, so that no process waits long for the hour.
    """
    now = datetime.now(UTC)
    day = Calendar(frozenset()).workdays_after(now.astimezone(ZONE).date(), 1)  # a benchmark has no closures
    moment = datetime.combine(day, time(HOUR), ZONE) - timedelta(seconds=before)
    return {"BENCH_CLOCK": str((moment - now).total_seconds()), "BENCH_BEAT": "1"}


class _ShiftedDatetime(datetime):
    """`datetime` whose `now` is ahead of the system clock."""

    offset = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + cls.offset


def lift_rate_limit(rate: float) -> None:
    """Let channels that are wired from now on send up to `rate` messages a second, whatever the settings say."""

    def limits(_: float, recipient: RecipientRateLimit) -> Limits:
        return Limits(rate, recipient)

    assert hasattr(wiring, "Limits"), "the name that is replaced here has changed"
    vars(wiring)["Limits"] = limits


if __name__ == "__main__":
    if interval := os.environ.get("BENCH_BEAT"):
        vars(scheduler)["INTERVAL"] = float(interval)
    if offset := os.environ.get("BENCH_CLOCK"):
        _ShiftedDatetime.offset = timedelta(seconds=float(offset))
        vars(wiring)["datetime"] = _ShiftedDatetime
    if highest := os.environ.get("BENCH_RATE"):
        lift_rate_limit(float(highest))
    main.main()
