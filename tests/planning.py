"""The day's prompts, planned as the clock of the house does it, for stories in which no clock runs."""

from datetime import date, datetime

from bot.scheduler import Scheduler
from content.library import Library
from handlers.context import Installation
from storage.database import Database, Transaction
from storage.people import due
from storage.people.due import Due


async def plan(database: Database, library: Library, installation: Installation, now: datetime) -> int:
    """Plan all prompts that are due at `now`; give how many were."""
    planned = await Scheduler(database, library, installation, lambda: now, lambda: None).plan(now)
    assert planned is not None, "another process plans"
    return planned


async def due_now(tx: Transaction, day: date, hour: int) -> list[Due]:
    """Who is due, where everybody may be written to freely."""
    group = await due.free(tx, day, hour, [])
    found = await due.still(tx, day, hour, group, [], {})
    assert [one.servant_id for one in found] == list(group.ids), "a look and a second look find the same people"
    return found
