"""The day's prompts, planned as the clock of the house does it, for stories in which no clock runs."""

from datetime import date, datetime

from bot.scheduler import Scheduler
from content.library import Library
from handlers.context import Installation
from storage.database import Database, Transaction
from storage.people import due
from storage.people.due import DueServant


async def plan(database: Database, library: Library, installation: Installation, now: datetime) -> int:
    """Plan all prompts that are due at `now`; give how many were."""
    planned = await Scheduler(database, library, installation, lambda: now, lambda: None).plan(now)
    assert planned is not None, "another process plans"
    return planned


async def free(tx: Transaction, day: date, hour: int) -> list[DueServant]:
    """Who is due, where everybody may be written to freely."""
    group = await due.within_window(tx, day, hour, [])
    found = await due.recheck(tx, day, hour, group, [], {})
    assert [one.servant_id for one in found] == list(group.ids), "a look and a second look find the same people"
    return found
