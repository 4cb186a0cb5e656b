"""`integra tick`: do the due work of one moment and exit."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from bot import app as wiring
from bot import config, logging_setup, process_lock
from bot.cli.output import async_command, fail, print_line
from storage import migrate as schema
from storage.database import Transaction, parse_url, sqlite_file
from storage.queue import backlog

SHOWN_PERIOD = timedelta(days=1)  # how far back finished deliveries are counted


@async_command
async def tick(
    at: Annotated[str | None, typer.Option(help="The moment, e.g. 2026-11-23T09:00-06:00; without it: now.")] = None,
) -> None:
    """Do all the work that is due at that moment once, deliver, exit. Beside a running server, that one delivers."""
    logging_setup.set_up()
    moment = _parse_moment(at)
    settings = config.load()
    await schema.migrate(settings.database)
    file = sqlite_file(parse_url(settings.database))  # on PostgreSQL each credential has a lock of its own
    with process_lock.hold_if_free(file) if file else nullcontext(True) as may_send:
        async with wiring.build(settings, clock=lambda: moment, sends=may_send) as app:
            planned = await app.tick(moment)
            async with app.database.read() as tx:
                states = await _deliveries_by_state(tx, moment - SHOWN_PERIOD)
    print_line(f"{planned} prompt{'' if planned == 1 else 's'} planned; deliveries: {states}.")


def _parse_moment(text: str | None) -> datetime:
    if text is None:
        return wiring.system_clock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at: not a moment (seen: {text!r}); expected e.g. 2026-11-23T09:00-06:00")
    if moment.tzinfo is None:
        fail(f"--at: the offset is missing (seen: {text!r}); expected e.g. 2026-11-23T09:00-06:00")
    return moment.astimezone(UTC)


async def _deliveries_by_state(tx: Transaction, since: datetime) -> str:
    """Return the number of deliveries in each state as text; finished ones count if they were due after `since`."""
    total: dict[str, int] = {}
    for (_, state), number in (await backlog.counts(tx, since)).items():
        total[state] = total.get(state, 0) + number
    return ", ".join(f"{number} {state}" for state, number in sorted(total.items())) or "none"
