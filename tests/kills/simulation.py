"""Processes are killed with SIGKILL at random moments and restarted under load; then the platform's count is compared
with the database.

On SQLite one process runs; on PostgreSQL two workers and one that receives the webhooks. One of them is killed once the
platform has accepted a random number of messages, after a random delay. A delivery that a killed process had claimed
and the platform had accepted may be sent again; no other may, and none may be missing. WhatsApp's receipts arrive
before the lease expires: there nothing is sent twice.
"""

import asyncio
import random
import signal
import socket
from collections.abc import Awaitable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Executable, select, text, update

from bot import app as wiring
from bot import secrets
from bot.config import Settings
from bot.inbound.inbox import Inbox
from content.library import Library
from storage import envelopes, schema
from storage.database import Database, open_database
from storage.queue import outbox, tuning
from tests import keys
from tests.fakes.counting_platform import WEBHOOK_SECRET, WHATSAPP, CountingPlatform, Participant
from tests.fakes.telegram import TOKEN
from tests.fakes.whatsapp import ACCESS_TOKEN, APP_SECRET, BUSINESS_ACCOUNT_ID, PHONE_NUMBER_ID, VERIFY_TOKEN
from tests.kills import audit
from tests.kills.audit import KillResult
from tests.kills.forkserver import ForkServer, worker_name

ROLES = {True: ("all",), False: ("worker", "worker", "web")}  # by whether it is SQLite
RATE = 1_000  # messages a second and channel, as configured: a killed process holds the claims of a second
MAX_KILL_DELAY = 0.03  # seconds between the message that triggers a kill and the kill
LAST_KILL_SHARE = 0.95  # of all messages, after which no process is killed
LEASE_INTERVAL = 1.0  # seconds between two expiries of leases, in place of the minute after which they really expire
TIMEOUT = 60.0  # seconds, plus TIMEOUT_PER_KILL for each kill, after which a message counts as lost
TIMEOUT_PER_KILL = 3.0


async def run(url: str, folder: Path, library: Library, messages: int, kills: int) -> KillResult:
    """Simulate about `messages` messages on a migrated database; the keys are in `folder`."""
    database = open_database(url)
    envelopes.use(database, keys.OUTBOX)
    recipients = await audit.seed_recipients(database, library, messages // 4)
    result = audit.expected(recipients)
    port = free_port()
    timeout = TIMEOUT + TIMEOUT_PER_KILL * kills
    async with asyncio.timeout(timeout), CountingPlatform(f"http://127.0.0.1:{port}") as platform:
        settings = settings_for(platform, url, folder, port)
        fork_server = await ForkServer.open(settings)
        try:
            await _Simulation(database, platform, fork_server, result).run(recipients, kills)
        finally:
            await fork_server.close()
        await _drain(settings, library)
        await audit.check(database, platform, recipients, inbox_of(database, folder), result)
    await database.close()
    return result


class _Simulation:
    """Starts and kills the processes, and expires the leases that killed processes leave behind."""

    def __init__(
        self, database: Database, platform: CountingPlatform, fork_server: ForkServer, result: KillResult
    ) -> None:
        self._database = database
        self._platform = platform
        self._fork_server = fork_server
        self._result = result
        self._running: dict[int, str] = {}
        self._causes: audit.Causes = {}

    async def run(self, recipients: Sequence[Participant], kills: int) -> None:
        self._causes = audit.causes_of(recipients)
        for role in ROLES[self._database.is_sqlite]:
            await self._start(role)
        self._platform.start_sending(recipients)
        for threshold in sorted(random.choices(range(1, int(self._result.messages * LAST_KILL_SHARE)), k=kills)):
            await self._wait_expiring_leases(self._platform.wait_for_accepted(threshold))
            await asyncio.sleep(random.uniform(0, MAX_KILL_DELAY))  # the random moment, not a wait for anything
            await self._kill()
        await self._wait_expiring_leases(self._platform.wait_for_accepted(self._result.messages))
        await self._wait_expiring_leases(self._platform.wait_for_acknowledgements())
        for pid in list(self._running):
            assert await self._fork_server.stop(pid, signal.SIGTERM) == 0, "a process did not stop cleanly"
        self._running.clear()
        await self._expire_leases()

    async def _start(self, role: str) -> None:
        self._running[await self._fork_server.start("run", "--role", role)] = role

    async def _kill(self) -> None:
        pid = random.choice(list(self._running))
        assert await self._fork_server.stop(pid, signal.SIGKILL) == -signal.SIGKILL, "the process had already exited"
        await self._platform.wait_until_read()
        await self._record_claims(pid)
        role = self._running.pop(pid)
        await self._expire_leases()
        await self._start(role)

    async def _record_claims(self, pid: int) -> None:
        """Record the claims of a killed process: the platform may have accepted some without anything recorded."""
        is_claimed_by_it = (schema.deliveries.c.worker == worker_name(pid)) & _is_claimed()
        async with self._database.read() as tx:
            claimed = [
                audit.delivery_of(row, self._causes)
                for row in await tx.execute(select(*audit.COLUMNS).where(is_claimed_by_it))
            ]
        self._result.record_kill(claimed, self._platform.accepted)

    async def _wait_expiring_leases(self, event: Awaitable[None]) -> None:
        """Wait for the event and expire leases: PostgreSQL may commit a claim after its process was killed."""
        waiting = asyncio.ensure_future(event)
        while not (await asyncio.wait([waiting], timeout=LEASE_INTERVAL))[0]:
            await self._expire_leases()
        await waiting

    async def _expire_leases(self) -> None:
        """Expire the leases of killed processes, as a minute would, and notify the workers.

        WhatsApp's receipts arrive within seconds, long before: a delivery that WhatsApp has accepted keeps its lease
        until its receipt, as this simulation kills several processes within the seconds of a real lease. Rows that are
        locked are skipped, and so are claims of running processes.
        """
        is_orphaned = schema.deliveries.c.worker.not_in([worker_name(pid) for pid in self._running]) & _is_claimed()
        orphaned = select(*audit.COLUMNS).where(is_orphaned).with_for_update(skip_locked=True)
        now = datetime.now(UTC)
        async with self._database.write() as tx:
            rows = (await tx.execute(orphaned)).all()
            awaiting_receipt = {
                row.id
                for row in rows
                if row.channel == WHATSAPP and self._platform.accepted[audit.delivery_of(row, self._causes)]
            }
            await tx.execute(_leases({row.id for row in rows} - awaiting_receipt, now - tuning.LEASE))
            await tx.execute(_leases(awaiting_receipt, now + tuning.LEASE))
            if not self._database.is_sqlite:
                await tx.execute(text("SELECT pg_notify('integra_deliveries', '')"))


def _is_claimed() -> Any:
    return schema.deliveries.c.state == outbox.DeliveryState.CLAIMED.value


def _leases(ids: Collection[int], end: datetime) -> Executable:
    return update(schema.deliveries).where(schema.deliveries.c.id.in_(ids)).values(lease_until=end)


def settings_for(platform: CountingPlatform, url: str, folder: Path, port: int) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "DATA_DIR": str(folder),
        "HTTP_PORT": str(port),
        "PUBLIC_URL": "https://integra.example",
        "RESPONSIBLE_ADDRESS": "Calle Ejemplo 1, Guanajuato",
        "TRANSPARENCY_ADDRESS": "Calle Ejemplo 2, Guanajuato",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": platform.url,
        "TELEGRAM_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "TELEGRAM_RATE": str(RATE),
        "WHATSAPP_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": BUSINESS_ACCOUNT_ID,
        "WHATSAPP_ACCESS_TOKEN": ACCESS_TOKEN,
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
        "WHATSAPP_API_URL": f"{platform.url}/v25.0",
        "WHATSAPP_RATE": str(RATE),
    }


def inbox_of(database: Database, folder: Path) -> Inbox:
    """The inbox of the processes whose keys are in `folder`."""
    return Inbox(database, (secrets.folder(folder) / "inbox").read_bytes(), wiring.system_clock)


def free_port() -> int:
    """A port for every process that listens, so that webhooks reach it after a restart."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _drain(settings: dict[str, str], library: Library) -> None:
    """Run the product in this process until no update or delivery is pending."""
    required: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
    async with wiring.build(Settings(**required, _env_file=None), library=library) as app:
        await app.settle()
