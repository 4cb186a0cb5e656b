"""A tick on a copy of the database: no channel is contacted, and database and keys stay as they are."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bot import app as wiring
from bot.channels import registry
from bot.cli import database_errors
from bot.cli.output import fail
from bot.config import Settings
from storage import copying, outcome
from storage import migrate as schema
from storage.copying import OtherSchema, Report
from storage.database import parse_url, sqlite_file
from storage.outcome import Outcome
from storage.reports import blocks

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # besides Ctrl-C, which Python raises by itself


def rehearse(settings: Settings, moment: datetime) -> list[str]:
    """Do the work of that moment on a copy, which is removed; what would happen, as lines without any text of people.

    Raises WrongSetting, BrokenContent, DatabaseUnavailable, UnknownSchema.
    """
    with _private_folder() as folder:
        copy = settings.model_copy(update={"database_url": f"sqlite+aiosqlite:///{folder}/copy.db"})
        with _progress() as report:
            _copy(settings.database, copy.database, report)
        return asyncio.run(_tick(copy, moment))


def _copy(source: str, target: str, report: Report) -> None:
    url = parse_url(source)
    if url.get_backend_name() != "sqlite":
        try:
            asyncio.run(copying.copy_server(source, target, report))
        except OtherSchema as error:
            fail(
                f"{database_errors.setting_name()}: the database has schema {error}, this version needs "
                f"{schema.newest()}; run `integra migrate` first, or rehearse with the version that runs"
            )
        return
    file, copied = sqlite_file(url), sqlite_file(parse_url(target))
    if file is None or copied is None:
        fail(f"{database_errors.setting_name()}: a database in memory has nothing to rehearse; name a file")
    _check_room(file, copied.parent)
    copying.copy_file(file, copied, report)
    asyncio.run(schema.migrate(target))  # of an older version: as a tick would do


def _check_room(file: Path, folder: Path) -> None:
    """The copy, and as much again while it is used."""
    needed = 2 * file.stat().st_size if file.exists() else 0
    free = shutil.disk_usage(folder).free
    if needed > free:
        fail(f"TMPDIR: the copy needs {needed >> 20} MiB and {free >> 20} are free; name a folder with more room")


async def _tick(settings: Settings, moment: datetime) -> list[str]:
    async with wiring.build(settings, clock=lambda: moment, rehearses=True) as app:
        async with app.database.read() as tx:
            closing = await blocks.newest_closing(tx)
        planned = await app.tick(moment)
        async with app.database.read() as tx:
            found = await outcome.read(tx, moment, closing)
    enabled = {registration.name for registration in registry.enabled(settings)}
    local = moment.astimezone(app.installation.timezone)
    return [f"Rehearsal of {local.isoformat(timespec='minutes')}:", *_lines(planned, found, enabled)]


# ---------------------------------------------------------------- output


def _lines(planned: int, found: Outcome, enabled: Collection[str]) -> Iterator[str]:
    yield f"{planned} {_plural('prompt', planned)} would be planned."
    on = {key: count for key, count in found.to_send.items() if key[0] in enabled}
    off = {key: count for key, count in found.to_send.items() if key[0] not in enabled}
    yield f"Would be sent: {_listed(on)}."
    if off:
        yield f"Would wait, as the channel is off: {_listed(off)}."
    yield f"Would be dropped as late: {_listed(found.late)}."
    if found.weeks_closed:
        people, answers = found.blocks_of_people, found.blocks_of_answers
        yield f"Would be closed: the week, with {people} {_plural('block', people)} of people and {answers} of answers."
    else:
        yield "Would be closed: nothing."
    yield "Nothing was sent or stored; the copy is removed."


def _listed(counts: Mapping[tuple[str, str], int]) -> str:
    """By channel, as `one: 3 prompts, 1 reply; other: 2 notices`."""
    by_channel: dict[str, list[str]] = {}
    for (channel, kind), count in sorted(counts.items()):
        by_channel.setdefault(channel, []).append(f"{count} {_plural(kind, count)}")
    return "; ".join(f"{channel}: {', '.join(kinds)}" for channel, kinds in by_channel.items()) or "nothing"


def _plural(word: str, count: int) -> str:
    if count == 1:
        return word
    return "replies" if word == "reply" else word + "s"


@contextmanager
def _progress() -> Iterator[Report]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("Copying", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


# ---------------------------------------------------------------- the copy's folder


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that only this account may read, removed at the end: also after an error, Ctrl-C or a signal to end."""
    before = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    ending = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # nohup ignores one
    for number in ending:
        signal.signal(number, _end)
    try:
        folder = Path(tempfile.mkdtemp(prefix="integra-rehearsal-"))
    except OSError as error:
        fail(f"TMPDIR: no folder can be made for the copy ({error.strerror}); name one that this account may write")
    try:
        yield folder
    finally:
        interrupts = signal.getsignal(signal.SIGINT)
        for number in (*ending, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second one must not end the removal
        shutil.rmtree(folder, ignore_errors=True)
        for number in ending:
            signal.signal(number, before[number])
        signal.signal(signal.SIGINT, interrupts)


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)
