"""Wiring: builds the parts of one process from the settings. Nothing runs yet; `bot/lifecycle.py` starts it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aiohttp import web as web_server

from bot import console, secrets
from bot.channels import registry
from bot.channels.registration import ChannelRuntime, ChannelServices
from bot.config import Settings
from bot.course_loader import load_course
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.news_sender import NewsSender
from bot.delivery.rate_limiter import Limits
from bot.inbound.inbox import Inbox
from bot.inbound.worker import UpdateWorker
from bot.scheduler import Scheduler
from bot.secrets import Secrets
from bot.web import landing, letterbox, metrics, network, server
from bot.web.app_keys import CLOCK, DATABASE, INBOX, INSTALLATION, LIBRARY, PAGES, SECRETS, SETTINGS
from bot.web.templating import Pages
from content.library import Library
from handlers.context import Installation, WorkContext
from storage import envelopes
from storage.confidential.unit_trust import UnitTrust
from storage.database import Database, Transaction, open_database
from storage.queue.claims import RecipientRateLimit


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class App:
    """The parts of one process, wired. `channels` holds those that the settings turn on, by name."""

    settings: Settings
    secrets: Secrets
    database: Database
    library: Library
    installation: Installation
    inbox: Inbox
    update_worker: UpdateWorker
    dispatcher: Dispatcher
    news_sender: NewsSender
    scheduler: Scheduler
    web: web_server.Application
    clock: Callable[[], datetime]
    channels: Mapping[str, ChannelRuntime]

    def work(self, tx: Transaction) -> WorkContext:
        """What handlers get for work that a command does, in a transaction that it opened."""
        return WorkContext(tx, self.library, self.installation, self.clock())

    async def settle(self) -> None:
        """Handle stored updates and send due deliveries and notices until none is left."""
        while await self.update_worker.drain() + await self.dispatcher.drain() + await self._announce_news():
            pass

    async def _announce_news(self) -> int:
        if not self.news_sender.due.is_set():
            return 0
        async with self.dispatcher.keeping_credentials():
            return await self.news_sender.drain()

    async def tick(self, now: datetime) -> int:
        """Do all work that is due at `now` once; return how many prompts were planned."""
        for name in self.channels:  # stopped channels are tried again: nothing connects to a platform here
            await self.dispatcher.resume(name)
        await self.settle()
        planned = await self.scheduler.tick(now)
        await self.settle()
        return planned


@asynccontextmanager
async def build(
    settings: Settings,
    clock: Callable[[], datetime] = system_clock,
    library: Library | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    recipient_limit: RecipientRateLimit | None = None,
    *,
    sends: bool = True,
    rehearses: bool = False,
) -> AsyncIterator[App]:
    """Build all parts; the database must be migrated. No port is open and no task runs.

    `sleep` and `monotonic` (both in seconds) are the dispatcher's timers, `recipient_limit` is applied in place of the
    channels' own; tests replace them. Without `sends`, deliveries are left to another process. `rehearses`: on a copy
    of the database no channel is built, so that none can be contacted, and no key is created.

    Raises WrongSetting, BrokenContent, DatabaseUnavailable.
    """
    async with AsyncExitStack() as stack:
        library = library or load_course(settings)
        database = open_database(settings.database)
        stack.push_async_callback(database.close)
        keys = await (secrets.borrow if rehearses else secrets.load)(database, settings.data_dir)
        envelopes.use(database, keys.outbox)
        inbox = Inbox(database, keys.inbox, clock)
        services = ChannelServices(settings, keys, library, database, inbox, inbox.box, clock)
        channels = {} if rehearses else _open_channels(services, stack)
        # A rehearsal adopts nothing and remembers nothing.
        unit = UnitTrust() if rehearses else UnitTrust(secrets.folder(settings.data_dir))
        installation = _installation(settings, keys, unit)
        dispatcher = Dispatcher(
            database,
            {name: runtime.channel for name, runtime in channels.items() if sends},
            _limits(settings, recipient_limit),
            clock,
            sleep=sleep,
            monotonic=monotonic,
        )
        stack.push_async_callback(dispatcher.close)
        update_worker = UpdateWorker(database, inbox, library, installation, clock, dispatcher.wake.set)
        news_sender = NewsSender(database, library, installation, clock, dispatcher.senders)
        scheduler = Scheduler(
            database, library, installation, clock, dispatcher.wake.set, announce_news=news_sender.due.set
        )
        site = _site(services, inbox, installation, channels)
        yield App(
            settings,
            keys,
            database,
            library,
            installation,
            inbox,
            update_worker,
            dispatcher,
            news_sender,
            scheduler,
            site,
            clock,
            channels,
        )


def _open_channels(services: ChannelServices, stack: AsyncExitStack) -> dict[str, ChannelRuntime]:
    """The channels that are on, by name; they are closed with the stack."""
    channels = {}
    for registration in registry.enabled(services.settings):
        channels[registration.name] = runtime = registration.build(services)
        stack.push_async_callback(runtime.close)
    return channels


def _installation(settings: Settings, keys: Secrets, unit: UnitTrust) -> Installation:
    capabilities = {
        one.name: replace(one.capabilities(settings), reports_delivery=one.confirms_deliveries)
        for one in registry.enabled(settings)
    }
    timezone = ZoneInfo(settings.timezone)
    return Installation(
        timezone,
        settings.public_url,
        keys.route,
        settings.min_group,
        capabilities,
        settings.has_enrolment,
        settings.responsible_address or "",
        settings.transparency_address or "",
        draw_key=keys.draw,
        trial_channels=frozenset(one.name for one in registry.REGISTRATIONS if one.is_trial),
        unit=unit,
    )


def _limits(settings: Settings, recipient_limit: RecipientRateLimit | None) -> dict[str, Limits]:
    """What the platforms allow, by channel; a channel that is not in here is not limited."""
    limits = {}
    for registration in registry.enabled(settings):
        rate = registration.rate(settings)
        if rate is not None:
            limits[registration.name] = Limits(rate, recipient_limit or registration.recipient_limit)
    return limits


def _site(
    services: ChannelServices, inbox: Inbox, installation: Installation, channels: Mapping[str, ChannelRuntime]
) -> web_server.Application:
    """The HTTP application with all pages and webhooks."""
    site = server.create_app()
    site[SETTINGS], site[SECRETS] = services.settings, services.secrets
    site[DATABASE], site[LIBRARY], site[INSTALLATION] = services.database, services.library, installation
    site[PAGES], site[INBOX], site[CLOCK] = Pages(services.library), inbox, services.clock
    site[network.PROXIES] = services.settings.proxies
    site[metrics.METRICS_TOKEN] = services.secrets.metrics
    links = [registration.landing_link for registration in registry.enabled(services.settings)]
    site[landing.LINKS] = (*filter(None, links), *landing.BASE_LINKS)
    landing.attach(site)
    letterbox.attach(site)
    console.attach(site)
    for runtime in channels.values():
        runtime.attach(site)
    return site
