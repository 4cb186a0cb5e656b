"""Limits how often words, codes and links are tried: by account, by network, and apart for known devices.

It counts in the memory of the process, so each process of an installation allows as much, and a restart forgets it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from aiohttp import web

from bot.console import auth_keys, devices
from bot.console.queueing import Busy
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, SECRETS
from bot.web.network import network_of
from bot.web.windows import Later, Windows, later
from storage.confidential import ledger, officers
from storage.database import DatabaseUnavailable

log = structlog.get_logger(__name__)

SECONDS = 15 * 60
ACCOUNT = 10  # wrong attempts in that time on one account, from devices that it does not know
DEVICE = 20  # the same from one that it knows: words are long, and one finger slips
NETWORK = 20 * ACCOUNT  # a whole office stands behind one address
CODES_SECONDS = 8 * 60 * 60
CODES = 10  # wrong codes of an app after right words: of a million three fit, and without end one would be found
BUSY = timedelta(seconds=3)  # until there is room again, where more came at once than the server can compare

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Entry:
    """One try to get in, counted as wrong until it has passed."""

    device: str = ""  # the name of one that has signed in to the account before
    taken: list[tuple[Windows, str, datetime]] = field(default_factory=list)

    def take(self, windows: Windows, name: str, now: datetime) -> None:
        """Count it under a name. Raises Later, and counts it nowhere."""
        at = windows.try_take(name, now)
        if at is not None:
            self.passed()
            raise Later(at)
        self.taken.append((windows, name, now))

    def passed(self, *, but: Windows | None = None) -> None:
        """Count it no more, as what was shown is right; `but` goes on counting it."""
        for windows, name, at in self.taken:
            if windows is not but:
                windows.give_back(name, at)
        self.taken.clear()


class Throttle:
    """What one server has counted, and the failed attempts that it is writing down."""

    def __init__(self) -> None:
        self.accounts = Windows(ACCOUNT, SECONDS)
        self.devices = Windows(DEVICE, SECONDS)
        self.networks = Windows(NETWORK, SECONDS)
        self.codes = Windows(CODES, CODES_SECONDS)  # who has no words adds no name here, and so pushes none out
        self._writing: set[asyncio.Task[None]] = set()

    def write(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the response, whose time must not tell whether an address has an account."""
        task = asyncio.create_task(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def settled(self) -> None:
        """Return once all failed attempts so far are written down."""
        await asyncio.gather(*self._writing)


THROTTLE = web.AppKey("throttle", Throttle)


def attach(app: web.Application) -> None:
    """Count for the console of this server."""
    app[THROTTLE] = Throttle()

    async def settle(app: web.Application) -> None:
        await app[THROTTLE].settled()

    app.on_shutdown.append(settle)


def enter(request: web.Request, email: str) -> Entry:
    """Count an attempt at the account of this address, which need not exist. Raises Later."""
    throttle, now = request.config_dict[THROTTLE], request.config_dict[CLOCK]()
    device = devices.known(request, email)
    entry = Entry(device)
    if device:
        entry.take(throttle.devices, device, now)
    else:
        entry.take(throttle.networks, network_of(request), now)
        entry.take(throttle.accounts, officers.normalize_email(email), now)
    return entry


def enter_code(request: web.Request, entry: Entry, officer_id: str) -> None:
    """Count the code of an app, too, which comes with right words. Raises Later."""
    codes, now = request.config_dict[THROTTLE].codes, request.config_dict[CLOCK]()
    entry.take(codes, entry.device or officer_id, now)


@asynccontextmanager
async def turn(request: web.Request, entry: Entry) -> AsyncIterator[None]:
    """Wait for the turn to compare. Raises Busy: nothing was compared, which counts for the network alone."""
    try:
        async with auth_keys.turn(is_known=bool(entry.device)):
            yield
    except Busy:
        entry.passed(but=request.config_dict[THROTTLE].networks)
        raise


async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count what comes with a link or a signature, which name no account yet, by its network. Raises Later."""
    entry, keys = Entry(), request.config_dict
    entry.take(keys[THROTTLE].networks, network_of(request), keys[CLOCK]())
    response = await handler(request)
    if response.status < 400:
        entry.passed()
    return response


def refusal(request: web.Request, error: Later | Busy) -> web.Response:
    """429, with the moment to come back."""
    now = request.config_dict[CLOCK]()
    return later(error.at if isinstance(error, Later) else now + BUSY, now)


def failed(request: web.Request, officer_id: str, door: str) -> None:
    """Note that words, a code or a factor were wrong: in the log, and for an officer whom we know in the ledger.

    `officer_id` is empty for an address without an account, which the log does not name either.
    """
    log.warning("signin_failed", door=door, officer=officer_id or None)
    if officer_id:
        request.config_dict[THROTTLE].write(_record(request, officer_id))


async def _record(request: web.Request, officer_id: str) -> None:
    keys = request.config_dict
    local = keys[CLOCK]().astimezone(keys[INSTALLATION].timezone)
    try:
        async with keys[DATABASE].write() as tx:
            await ledger.append_failure(tx, keys[SECRETS].audit, officer_id, local)
    except DatabaseUnavailable:
        log.warning("signin_failed_unrecorded", officer=officer_id)
