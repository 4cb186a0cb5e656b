"""`integra tick`: do the due work of one moment, or rehearse it on a copy, and exit."""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from bot import app as wiring
from bot import config, logging_setup, process_lock
from bot.cli import rehearsal
from bot.cli.output import async_command, fail, print_line
from bot.config import Settings
from storage import migrate as schema
from storage.database import Transaction, parse_url, sqlite_file
from storage.queue import backlog

SHOWN_PERIOD = timedelta(days=1)  # how far back finished deliveries are counted
NEAREST = timedelta(days=7)  # from the server's clock: what is further away is rehearsed only
FURTHEST = timedelta(days=3653)  # from the server's clock: what may be rehearsed


def tick(
    at: Annotated[str | None, typer.Option(help="The moment, e.g. 2026-11-23T09:00-06:00; without it: now.")] = None,
    rehearse: Annotated[bool, typer.Option(help="Do it on a copy of the database: nothing is sent or stored.")] = False,
) -> None:
    """Do all the work that is due at that moment once, deliver, exit. Beside a running server, that one delivers.

    The moment is at most 7 days from this server's clock, unless it is rehearsed.
    """
    logging_setup.set_up(logging.WARNING if rehearse else logging.INFO)
    moment = _parse_moment(at, rehearses=rehearse)
    settings = config.load()
    if rehearse:
        for line in rehearsal.rehearse(settings, moment):
            print_line(line)
    else:
        _tick(settings, moment)


@async_command
async def _tick(settings: Settings, moment: datetime) -> None:
    await schema.migrate(settings.database)
    file = sqlite_file(parse_url(settings.database))  # on PostgreSQL each credential has a lock of its own
    with process_lock.hold_if_free(file) if file else nullcontext(True) as may_send:
        async with wiring.build(settings, clock=lambda: moment, sends=may_send) as app:
            planned = await app.tick(moment)
            async with app.database.read() as tx:
                states = await _deliveries_by_state(tx, moment - SHOWN_PERIOD)
    print_line(f"{planned} prompt{'' if planned == 1 else 's'} planned; deliveries: {states}.")


def _parse_moment(text: str | None, *, rehearses: bool) -> datetime:
    now = wiring.system_clock()
    if text is None:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--at: not a moment (seen: {text!r}); expected e.g. 2026-11-23T09:00-06:00")
    if moment.tzinfo is None:
        fail(f"--at: the offset is missing (seen: {text!r}); expected e.g. 2026-11-23T09:00-06:00")
    distance, clock = abs(moment - now), f"this server's clock ({now:%Y-%m-%dT%H:%MZ})"
    if distance > FURTHEST:
        fail(f"--at: {text} is more than ten years from {clock}; name a nearer moment")
    if distance > NEAREST and not rehearses:
        fail(
            f"--at: {text} is more than {NEAREST.days} days from {clock}; "
            "with --rehearse it is tried on a copy, and nothing is sent"
        )
    return moment.astimezone(UTC)


async def _deliveries_by_state(tx: Transaction, since: datetime) -> str:
    """Return the number of deliveries in each state as text; finished ones count if they were due after `since`."""
    total: dict[str, int] = {}
    for (_, state), number in (await backlog.counts(tx, since)).items():
        total[state] = total.get(state, 0) + number
    return ", ".join(f"{number} {state}" for state, number in sorted(total.items())) or "none"
