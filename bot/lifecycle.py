"""Starts the parts of a process in order and stops them in reverse: lock file, port, workers, channels."""

import asyncio
import errno
import gc
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
from aiohttp import web

from bot import process_lock
from bot.app import App
from bot.channels import registry
from bot.channels.channel import ChannelError, Stopped
from bot.channels.registration import PlatformRuntime
from bot.config import WrongSetting
from bot.web import server
from storage import notifications, permissions
from storage.channels import channel_facts
from storage.database import DatabaseUnavailable
from storage.queue import outbox

UPDATE_WORKERS = 3  # tasks of one process on PostgreSQL: updates of several people are handled concurrently
CONNECT_RETRY = 15.0  # seconds between two attempts to connect a channel
SHUTDOWN = 5  # seconds that open HTTP requests get to end
NOT_RECEIVING_HINT = "no updates come in: the platform does not accept PUBLIC_URL as webhook; correct it, or poll"

log = structlog.get_logger()


async def serve(app: App, ready: Callable[[int], Awaitable[None]], *, serves: bool = True, works: bool = True) -> None:
    """Open the port (`serves`) and run the workers (`works`) until cancelled; `ready` is awaited with the port, or 0.

    Raises WrongSetting when the port cannot be opened or another process has the SQLite database, DatabaseUnavailable
    when the database is read-only.
    """
    async with AsyncExitStack() as stack:
        if app.database.sqlite_file is not None:
            stack.enter_context(process_lock.hold(app.database.sqlite_file))
        await permissions.check(app.database)
        if app.database.is_sqlite:
            await _release_claims(app)
        port = await _open_port(app, stack) if serves else 0
        tune_garbage_collector()
        async with asyncio.TaskGroup() as tasks:
            if works:
                _start_workers(app, tasks)
            await ready(port)
            await asyncio.Event().wait()  # until cancelled


def _start_workers(app: App, tasks: asyncio.TaskGroup) -> None:
    for number in range(1 if app.database.is_sqlite else UPDATE_WORKERS):
        tasks.create_task(app.update_worker.run(), name=f"update worker {number}")
    tasks.create_task(app.dispatcher.run(), name="dispatcher")
    tasks.create_task(app.news_sender.run(app.dispatcher.credentials_tried), name="news")
    tasks.create_task(app.scheduler.run(), name="scheduler")
    for runtime in app.channels.values():
        if isinstance(runtime, PlatformRuntime):
            tasks.create_task(run_channel(app, runtime), name=runtime.channel.name)
    if not app.database.is_sqlite:
        wake = {
            "updates": app.inbox.arrived.set,
            "deliveries": app.dispatcher.wake.set,
            "credentials": app.dispatcher.credentials_freed.set,
        }
        tasks.create_task(notifications.listen(app.database, wake), name="listener")


async def _release_claims(app: App) -> None:
    """Release all claims at startup on SQLite: they belong to a process that died, as SQLite has one process only.

    Channels that confirm deliveries are left out: theirs wait for the receipt or the end of the lease.
    """
    waiting_for_receipt = {
        registration.name for registration in registry.REGISTRATIONS if registration.confirms_deliveries
    }
    async with app.database.write() as tx:
        await outbox.release_all(tx, except_channels=waiting_for_receipt)


def tune_garbage_collector() -> None:
    """Exempt everything that is loaded by now from garbage collection, and collect less often.

    A full collection over the course and the libraries takes tens of milliseconds in which nothing is handled;
    together with the higher thresholds an answer costs a quarter less CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _open_port(app: App, stack: AsyncExitStack) -> int:
    runner = server.runner(app.web, SHUTDOWN)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    host, port = app.settings.http_host, app.settings.http_port
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise WrongSetting(_cannot_listen(host, port, error)) from error
    return int(runner.addresses[0][1])


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    is_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
    remedy = "choose another with HTTP_PORT=8081" if is_port else "expected an address of this machine"
    reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or errno.EIO)
    return f"{'HTTP_PORT' if is_port else 'HTTP_HOST'}: cannot listen on {host}:{port} ({reason}); {remedy}"


# ---------------------------------------------------------------- channels


async def run_channel(app: App, runtime: PlatformRuntime) -> None:
    """Connect a channel, then receive from it until cancelled; a refused credential stops this channel alone."""
    if not await _connect_until_accepted(app, runtime):
        return
    try:
        await runtime.receive()
    except Stopped as error:
        await app.dispatcher.stop_channel(runtime.channel.name, str(error))


async def _connect_until_accepted(app: App, runtime: PlatformRuntime) -> bool:
    """Connect, retrying on failure. True: connected, and updates arrive; False: the credential is refused."""
    reason = ""
    while True:
        try:
            reason = await connect(app, runtime, reason)
        except Stopped:
            return False
        except (ChannelError, DatabaseUnavailable) as error:
            log.warning("channel_unavailable", channel=runtime.channel.name, fault=str(error))
        else:
            if not reason:
                log.info("channel_started", channel=runtime.channel.name)
                return True
        await asyncio.sleep(CONNECT_RETRY)


async def connect(app: App, runtime: PlatformRuntime, last_reason: str = "") -> str:
    """Connect once and record the outcome; return why nothing is received, or an empty string.

    The same reason as `last_reason` is not logged again. Raises ChannelError, DatabaseUnavailable.
    """
    name = runtime.channel.name
    try:
        reason = await runtime.connect()
    except Stopped as error:
        await app.dispatcher.stop_channel(name, str(error))
        raise
    await app.dispatcher.resume(name)
    async with app.database.write() as tx:
        if reason:
            await channel_facts.store(tx, name, channel_facts.NOT_RECEIVING, reason, app.clock())
        else:
            await channel_facts.clear(tx, name, channel_facts.NOT_RECEIVING)
    if reason and reason != last_reason:
        log.error("channel_receiving_failed", channel=name, fault=reason, hint=NOT_RECEIVING_HINT)
    return reason
