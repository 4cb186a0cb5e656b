"""Counts what was done under each name in a span of time, in memory, and says when there may be more."""

from datetime import UTC, date, datetime, time, timedelta
from math import ceil

from aiohttp import web

from bot.web.app_keys import CLOCK, INSTALLATION
from bot.web.templating import HEADERS

MOST_NAMES = 10_000
"""Names that are remembered, about 2 MB. Beyond them the oldest window is forgotten, so that a flood of names neither
fills the memory nor closes the door to others: who has that many names may do as much under each anyway."""


class Windows:
    """At most `limit` in `seconds` under each name. A window begins with the first of them and ends as a whole.

    Of one process: behind several, each allows as much.
    """

    def __init__(self, limit: int, seconds: float, most_names: int = MOST_NAMES) -> None:
        self.limit = limit
        self.span = timedelta(seconds=seconds)
        self._most_names = most_names
        self._open: dict[str, tuple[datetime, int]] = {}  # when it began and how many; in the order of beginning

    def __len__(self) -> int:
        return len(self._open)

    def try_take(self, name: str, now: datetime) -> datetime | None:
        """Count one more under a name; or count nothing, and return the moment from which there may be more."""
        refused_until = self.full_until(name, now)
        if refused_until is None:
            self._forget_ended(now)
            began, taken = self._open.get(name, (now, 0))
            self._open[name] = (began, taken + 1)
            if len(self._open) > self._most_names:
                del self._open[next(iter(self._open))]
        return refused_until

    def full_until(self, name: str, now: datetime) -> datetime | None:
        """The moment from which there may be more under a name; None: now. Counts nothing."""
        began, taken = self._open.get(name, (now, 0))
        if not began <= now < began + self.span:  # over, or the clock was set back
            self._open.pop(name, None)
            return None
        return began + self.span if taken >= self.limit else None

    def give_back(self, name: str, taken_at: datetime) -> None:
        """Count one less under a name, if the window in which it was counted is still open."""
        began, taken = self._open.get(name, (taken_at, 0))
        if taken and began <= taken_at:
            self._open[name] = (began, taken - 1)

    def _forget_ended(self, now: datetime) -> None:
        while self._open:
            name, (began, _) = next(iter(self._open.items()))
            if began <= now < began + self.span:
                return
            del self._open[name]


class Later(Exception):
    """What was asked for may be asked for again from `at` on."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at.isoformat())
        self.at = at


def take(windows: Windows, name: str, now: datetime) -> None:
    """Count one more under a name. Raises Later."""
    if at := windows.try_take(name, now):
        raise Later(at)


def later(at: datetime, now: datetime) -> web.Response:
    """429 with the moment to come back, in UTC, as a page can show it in the reader's own time."""
    content = {"error": "later", "at": at.astimezone(UTC).isoformat()}
    return web.json_response(content, status=429, headers={**HEADERS, "Retry-After": seconds_until(at, now)})


def later_on(request: web.Request, day: date) -> web.Response:
    """The same, with the first moment of a day."""
    keys = request.config_dict
    return later(datetime.combine(day, time(), keys[INSTALLATION].timezone), keys[CLOCK]())


def seconds_until(at: datetime, now: datetime) -> str:
    """The value of Retry-After: whole seconds, at least one."""
    return str(max(1, ceil((at - now).total_seconds())))
