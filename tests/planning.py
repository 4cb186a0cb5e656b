"""Planning of the day's prompts, as the scheduler does it, for tests in which no scheduler runs."""

from collections.abc import Collection
from datetime import date, datetime

from bot.scheduler import Scheduler
from content.library import Library
from handlers.context import Installation
from storage.database import Database, Transaction
from storage.people import due
from storage.people.due import DueServant, DueTime


async def plan(database: Database, library: Library, installation: Installation, now: datetime) -> int:
    """Plan all prompts that are due at `now`; return how many."""
    planned = await Scheduler(database, library, installation, lambda: now, lambda: None, lambda: None).plan(now)
    assert planned is not None, "another process plans"
    return planned


async def due_now(tx: Transaction, day: date, hour: int, closed: Collection[int] = ()) -> list[DueServant]:
    """The servants who are due, on channels without a reply window; institutions with the ids `closed` do not work."""
    at = DueTime(day, hour, frozenset(closed))
    group = await due.within_window(tx, at, [])
    due_servants = await due.recheck(tx, at, group, [], {})
    assert [servant.servant_id for servant in due_servants] == list(group.ids), "both queries find the same servants"
    return due_servants
