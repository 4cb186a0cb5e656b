"""Builds and wires everything from the settings; starts in order, stops in reverse."""

import asyncio
import errno
import fcntl
import gc
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import structlog
from aiohttp import web as web_server

from bot import console
from bot.channels.channel import Channel, ChannelError, Refused, Stopped
from bot.channels.telegram import receiver as telegram_receiver
from bot.channels.telegram import webhook_monitor
from bot.channels.telegram.channel import PERSON as TELEGRAM_PERSON
from bot.channels.telegram.channel import Cover, Telegram, Webhook
from bot.channels.webchat import page as webchat_page
from bot.channels.webchat.channel import Webchat
from bot.channels.whatsapp import webhook as whatsapp_webhook
from bot.channels.whatsapp.channel import PAIR, WhatsApp, capabilities
from bot.channels.whatsapp.client import Graph
from bot.config import Secrets, Settings, WrongSetting, load_secrets
from bot.delivery.dispatcher import Dispatcher
from bot.delivery.rate_limiter import Limits
from bot.inbound.inbox import Inbox
from bot.inbound.worker import UpdateWorker
from bot.scheduler import Scheduler
from bot.web import landing, letterbox, metrics, server
from bot.web.app_keys import CLOCK, DATABASE, INBOX, INSTALLATION, LIBRARY, PAGES, SECRETS, SETTINGS
from bot.web.templating import Pages
from content import library as course
from content.library import Library
from handlers.context import Installation
from storage import notifications, permissions
from storage.advisory_locks import Lock
from storage.channels import channel_facts
from storage.database import Database, DatabaseUnavailable, open_database
from storage.queue import outbox
from storage.queue.claims import PersonLimit

RECEIVERS = 3  # of one process on PostgreSQL: people are answered side by side
RETRY = 15.0  # seconds between two tries to greet a platform
PERSONS = {Telegram.name: TELEGRAM_PERSON, WhatsApp.name: PAIR}
WEBHOOK_PATH = "/webhooks/telegram"
HEAR = "no updates come in: Telegram does not take PUBLIC_URL as webhook; mend it, or set TELEGRAM_MODE=polling"

log = structlog.get_logger()


def system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class App:
    """The parts of one process, wired."""

    settings: Settings
    secrets: Secrets
    database: Database
    library: Library
    installation: Installation
    inbox: Inbox
    update_worker: UpdateWorker
    dispatcher: Dispatcher
    scheduler: Scheduler
    web: web_server.Application
    telegram: Telegram | None
    whatsapp: WhatsApp | None

    async def settle(self) -> None:
        """Handle what was stored and send what is due, until nothing is left to do now."""
        while await self.update_worker.drain() + await self.dispatcher.drain():
            pass

    async def tick(self, now: datetime) -> int:
        """All the work that is due at `now`, once; give how many prompts were planned."""
        for channel in (self.telegram, self.whatsapp):
            if channel is not None:  # what stood still may have been mended: here nobody greets the platforms
                await self.dispatcher.resume(channel.name)
        await self.settle()
        planned = await self.scheduler.tick(now)
        await self.settle()
        return planned


def own_content(settings: Settings) -> Path:
    """Files of the course that this house wrote itself; they go before those that come along."""
    return settings.data_dir / "content"


def course_of(settings: Settings) -> Library:
    """The course with this house's own files.

    Raises BrokenContent, WrongSetting.
    """
    if os.path.exists(settings.data_dir) and not os.path.isdir(settings.data_dir):
        raise WrongSetting(f"DATA_DIR: {str(settings.data_dir)!r} is no folder; name one")
    return course.load(overlay=own_content(settings))


@asynccontextmanager
async def build(
    settings: Settings,
    clock: Callable[[], datetime] = system_clock,
    library: Library | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    steady: Callable[[], float] = time.monotonic,
    persons: Mapping[str, PersonLimit] = PERSONS,
) -> AsyncIterator[App]:
    """All parts, ready to use; the database must be migrated. Nothing runs yet and no port is open.

    `sleep` is how the sender waits for its pace, `steady` its clock that nobody sets back, and `persons` what a
    platform lets one person get.

    Raises WrongSetting, BrokenContent.
    """
    async with AsyncExitStack() as stack:
        library = library or course_of(settings)
        secrets = load_secrets(settings.data_dir)
        database = open_database(settings.database)
        stack.push_async_callback(database.close)
        installation = _house(settings, secrets)
        inbox = Inbox(database, secrets.inbox, clock)
        telegram = _telegram(settings, secrets, library)
        roads: dict[str, Channel] = {}
        limits: dict[str, Limits] = {}
        whatsapp = _whatsapp(settings, database, clock)
        chat = Webchat(database, clock, inbox.box)
        if settings.has_webchat:
            roads[chat.name] = chat
        if telegram is not None:
            roads[telegram.name] = telegram
            limits[telegram.name] = Limits(settings.telegram_rate, persons[telegram.name])
            stack.push_async_callback(telegram.stop)
        if whatsapp is not None:
            roads[whatsapp.name] = whatsapp
            limits[whatsapp.name] = Limits(settings.whatsapp_rate, persons[whatsapp.name])
            stack.push_async_callback(whatsapp.stop)
        paced_by = _pace_clock(database, clock)
        sender = Dispatcher(database, roads, limits, clock, sleep=sleep, steady=steady, paced_by=paced_by)
        receiver = UpdateWorker(database, inbox, library, installation, clock, sender.wake.set)
        scheduler = Scheduler(database, library, installation, clock, sender.wake.set)
        site = server.create_app()
        site[SETTINGS], site[SECRETS], site[DATABASE], site[LIBRARY] = settings, secrets, database, library
        site[INSTALLATION], site[PAGES], site[INBOX], site[CLOCK] = installation, Pages(library), inbox, clock
        site[metrics.RATE_LIMITS_USE_DATABASE_CLOCK] = paced_by is None
        site[metrics.METRICS_TOKEN] = secrets.audit.hex()
        _attach_pages(site, settings, chat)
        if telegram is not None and settings.telegram_by_webhook:
            telegram_receiver.attach(site, telegram, inbox, _webhook_secret(settings, secrets))
        if settings.has_whatsapp:
            _attach_whatsapp(site, settings, inbox)
        yield App(
            settings,
            secrets,
            database,
            library,
            installation,
            inbox,
            receiver,
            sender,
            scheduler,
            site,
            telegram,
            whatsapp,
        )


def _pace_clock(database: Database, clock: Callable[[], datetime]) -> Callable[[], datetime] | None:
    """Several machines need not agree on the time: on PostgreSQL slots are counted by the database's clock."""
    return None if clock is system_clock and not database.is_sqlite else clock


def _house(settings: Settings, secrets: Secrets) -> Installation:
    channel_capabilities = {WhatsApp.name: capabilities(settings.whatsapp_prompt)} if settings.has_whatsapp else {}
    return Installation(
        ZoneInfo(settings.timezone), settings.public_url, secrets.route, settings.min_group, channel_capabilities
    )


def _attach_pages(site: web_server.Application, settings: Settings, chat: Webchat) -> None:
    if settings.has_webchat:
        site[landing.LINKS] = (("chat", "/chat"), *landing.BASE_LINKS)
    landing.attach(site)
    letterbox.attach(site)
    console.attach(site)
    if settings.has_webchat:
        site[webchat_page.CHANGES] = chat.changes
        webchat_page.attach(site)


def _telegram(settings: Settings, secrets: Secrets, library: Library) -> Telegram | None:
    if settings.telegram_bot_token is None:
        return None
    hook = None
    if settings.telegram_by_webhook:
        hook = Webhook(settings.public_url + WEBHOOK_PATH, _webhook_secret(settings, secrets))
    covers = {language: Cover.of(library.phrases.section(language, "telegram")) for language in ("es", "en")}
    token = settings.telegram_bot_token.get_secret_value()
    return Telegram(token, settings.telegram_api_url, covers=covers, webhook=hook)


def _whatsapp(settings: Settings, database: Database, clock: Callable[[], datetime]) -> WhatsApp | None:
    token, number = settings.whatsapp_access_token, settings.whatsapp_phone_number_id
    if token is None or number is None:
        return None
    account = settings.whatsapp_business_account_id or ""
    return WhatsApp(Graph(token.get_secret_value(), settings.whatsapp_api_url, number, account), database, clock)


def _attach_whatsapp(site: web_server.Application, settings: Settings, inbox: Inbox) -> None:
    secret, verify_token = settings.whatsapp_app_secret, settings.whatsapp_verify_token
    assert secret is not None
    assert verify_token is not None
    number = settings.whatsapp_phone_number_id or ""
    whatsapp_webhook.attach(site, inbox, secret.get_secret_value(), verify_token.get_secret_value(), number)


def _webhook_secret(settings: Settings, secrets: Secrets) -> str:
    given = settings.telegram_webhook_secret
    return given.get_secret_value() if given else secrets.webhook


async def serve(app: App, ready: Callable[[int], Awaitable[None]], *, web: bool = True, work: bool = True) -> None:
    """Open the port (`web`), run the workers (`work`) until cancelled; then `ready` is awaited with the port, or 0.

    Raises WrongSetting when the port cannot be opened or another process has the SQLite database, DatabaseUnavailable
    when it takes no changes.
    """
    async with AsyncExitStack() as stack:
        if app.database.is_sqlite:
            stack.callback(_claim_file(Path(app.database.engine.url.database or "")).close)
        await permissions.check(app.database)
        if app.database.is_sqlite:
            async with app.database.write() as tx:  # whoever died holding something left it to us
                await outbox.give_back_all(tx, besides={WhatsApp.name})
        port = await _open_port(app, stack) if web else 0
        spare_the_collector()
        async with asyncio.TaskGroup() as workers:
            if work:
                for number in range(1 if app.database.is_sqlite else RECEIVERS):
                    workers.create_task(app.update_worker.run(), name=f"receiver {number}")
                workers.create_task(app.dispatcher.run(), name="sender")
                workers.create_task(app.scheduler.run(), name="scheduler")
                if app.telegram is not None:
                    workers.create_task(_telegram_life(app, app.telegram), name="telegram")
                if app.whatsapp is not None:
                    workers.create_task(_greet(app, app.whatsapp), name="whatsapp")
            if work and not app.database.is_sqlite:
                sender = app.dispatcher
                calls = {"updates": app.inbox.arrived.set, "deliveries": sender.wake.set, "paces": sender.heed}
                workers.create_task(notifications.listen(app.database, calls), name="listener")
            await ready(port)
            await asyncio.Event().wait()  # until cancelled


def spare_the_collector() -> None:
    """What is there once all is wired stays for good: the garbage collector need not walk through it again and again.

    A walk through the course and the libraries takes tens of milliseconds, in which nobody is answered; with rarer
    ones besides, an answer costs a quarter less of the processor.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _claim_file(database: Path) -> IO[str]:
    """SQLite serves one process: hold a lock beside the file, lifted when we die. Raises WrongSetting."""
    path = database.resolve().with_suffix(".lock")
    try:
        lock = path.open("w")
    except OSError as fault:
        raise WrongSetting(f"DATABASE_URL: cannot make {str(path)!r} ({fault.strerror}); let us write there") from fault
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        lock.close()
        raise WrongSetting(
            f"DATABASE_URL: another process runs on this SQLite database ({str(database)!r}); stop it, "
            "or use PostgreSQL for several"
        ) from fault
    return lock


async def _open_port(app: App, stack: AsyncExitStack) -> int:
    runner = web_server.AppRunner(app.web, access_log=None, handle_signals=False, shutdown_timeout=5)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    host, port = app.settings.http_host, app.settings.http_port
    try:
        await web_server.TCPSite(runner, host, port).start()
    except OSError as fault:
        raise WrongSetting(_cannot_listen(host, port, fault)) from fault
    return int(runner.addresses[0][1])


def _cannot_listen(host: str, port: int, fault: OSError) -> str:
    is_port = fault.errno in (errno.EADDRINUSE, errno.EACCES)
    todo = "choose another with HTTP_PORT=8081" if is_port else "expected an address of this machine"
    says = fault.strerror if isinstance(fault, socket.gaierror) else os.strerror(fault.errno or errno.EIO)
    return f"{'HTTP_PORT' if is_port else 'HTTP_HOST'}: cannot listen on {host}:{port} ({says}); {todo}"


async def _telegram_life(app: App, telegram: Telegram) -> None:
    """Greet Telegram until it answers, then see that its updates come in; a refused token stops this channel alone."""
    if not await _greet(app, telegram):
        return
    if app.settings.telegram_by_webhook:
        await webhook_monitor.watch(app.database, telegram, app.web[CLOCK])
    while True:
        async with notifications.alone(app.database, Lock.POLLING) as lost:  # Telegram gives its updates to one program
            polling = asyncio.create_task(telegram_receiver.poll(telegram, app.inbox))
            losing = asyncio.create_task(lost.wait())
            try:
                await asyncio.wait([polling, losing], return_when=asyncio.FIRST_COMPLETED)
                if polling.done():
                    polling.result()
            except Stopped as fault:
                await app.dispatcher.stop(telegram.name, str(fault))
                return
            finally:
                polling.cancel()
                losing.cancel()


async def _greet(app: App, channel: Telegram | WhatsApp) -> bool:
    """Make ourselves known to a platform until it answers; False: it refuses us, and the channel stands still."""
    deaf = ""
    while True:
        try:
            deaf = await _meet(app, channel, deaf)
        except Stopped:
            return False
        except (ChannelError, DatabaseUnavailable) as fault:
            log.warning("channel_waits", channel=channel.name, fault=str(fault))
        else:
            if not deaf:
                log.info("channel_started", channel=channel.name)
                return True
        await asyncio.sleep(RETRY)


async def _meet(app: App, channel: Telegram | WhatsApp, told: str) -> str:
    """Give why nothing reaches us on the channel (empty: it does); `told` is what was last said about that.

    Raises ChannelError (of which Stopped is noted), DatabaseUnavailable.
    """
    reason = ""
    try:
        await channel.start()
    except Stopped as fault:
        await app.dispatcher.stop(channel.name, str(fault))
        raise
    except Refused as fault:
        if not isinstance(channel, Telegram):
            raise
        reason = str(fault)  # of all that is said at a start Telegram refuses only the webhook's address: we may send
    await app.dispatcher.resume(channel.name)
    async with app.database.write() as tx:
        if reason:
            await channel_facts.note(tx, channel.name, channel_facts.DEAF, reason, app.web[CLOCK]())
        else:
            await channel_facts.clear(tx, channel.name, channel_facts.DEAF)
    if reason and reason != told:
        log.error("channel_deaf", channel=channel.name, fault=reason, hint=HEAR)
    return reason
