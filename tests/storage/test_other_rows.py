"""What is done for one servant on one channel changes no row of another servant or of another channel.

The same address on another channel, and the neighbour on the same one, have rows of each kind before the servant comes;
after each operation for the servant, those rows are as before.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from storage.channels import channel_facts, transcripts
from storage.database import Database, Transaction
from storage.learning import memories, record
from storage.learning.memories import PackedMemory
from storage.people import addresses, aliases, due, linking, servants
from storage.people.addresses import InboundSender
from storage.people.due import DueGroup, DueTime, WindowCutoff
from storage.queue import outbox, rate_limits, receipts, updates
from storage.queue.outbox import DeliveryKind, DeliveryState, FinishedDelivery, NewDelivery, PostponedDelivery
from storage.queue.receipts import DeliveryStatus
from storage.queue.updates import NewUpdate
from storage.schema import deliveries, metadata
from tests import delivery_worker
from tests.cast import INSTITUTIONS
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import rolled_back

TODAY, LATER = NOW.date(), NOW + timedelta(hours=1)
OURS, THEIRS = "whatsapp", "telegram"
ADDRESS, ALIAS, NEIGHBOUR = "MX.1001", "+524771000001", "MX.1002"
TEMPLATE = ("pregunta_diaria", "es_MX")
DERIVED = ("closings", "blocks", "block_counts")


@dataclass(frozen=True, slots=True)
class Person:
    """A servant, with the ids of their deliveries by state."""

    id: int
    channel: str
    address: str
    sent: int
    claimed: int
    waiting: int


async def add_person(tx: Transaction, name: str, channel: str, address: str, alias: str) -> Person:
    """Add a servant who has rows of every kind."""
    place = await servants.institution_by_code(tx, "LEON")
    assert place is not None
    given: dict[str, Any] = {"institution_id": place.id, "language": "es", "hour": 9, "notice_version": "1"}
    servant = await servants.enrol(tx, channel, address, **given, now=NOW, today=TODAY, alias=alias, heard_at=NOW)
    await linking.set_preferred_channel(tx, servant.id, OURS)
    await record.plan(tx, servant.id, TODAY, "s", "c", "new")
    await memories.store(tx, {servant.id: PackedMemory(b"memory", b"sent")})
    await linking.add_code(tx, servant.id, f"code of {name}", LATER)
    new = [
        NewDelivery(f"{name} {state}", channel, address, DeliveryKind.NOTICE, "[]", NOW)
        for state in ("sent", "claimed")
    ]
    await outbox.add(tx, new)
    first, second = (one.id for one in await delivery_worker.claim(tx, f"worker of {name}", [channel], NOW, 9))
    await delivery_worker.finish(tx, first, DeliveryState.SENT, NOW, ref=f"ref {address}")
    await outbox.add(tx, [NewDelivery(f"{name} waiting", channel, address, DeliveryKind.NOTICE, "[]", NOW)])
    third = await tx.scalar(select(deliveries.c.id).where(deliveries.c.key == f"{name} waiting"))
    for state in ("done", "waiting"):
        await updates.store(tx, [NewUpdate(channel, f"{name} {state}", address, b"")], NOW)
        if state == "done":
            (handled,) = [one for one in await updates.claim_batch(tx, 99) if one.key == f"{name} done"]
            await updates.finish(tx, NOW, handled.id)
    return Person(servant.id, channel, address, first, second, int(third or 0))


async def add_channel(tx: Transaction, channel: str) -> None:
    """Add what is stored about a channel itself."""
    await channel_facts.store(tx, channel, channel_facts.STOPPED, "reason", NOW)
    await channel_facts.store(tx, channel, channel_facts.NOT_RECEIVING, "reason", NOW)
    await channel_facts.store_template(tx, channel, *TEMPLATE, NOW, status="APPROVED")
    await rate_limits.record_throttling(tx, channel, 1, NOW)


async def rows(tx: Transaction) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Every row, by table and primary key."""
    found = {}
    for table in metadata.sorted_tables:
        if table.name not in DERIVED:
            for row in (await tx.execute(select(table))).mappings():
                found[table.name, *(row[column.name] for column in table.primary_key)] = dict(row)
    return found


async def known(tx: Transaction) -> addresses.ServantAddress:
    place = await addresses.find(tx, OURS, ADDRESS)
    assert place is not None
    return place


async def change_address(tx: Transaction, address: str, alias: str) -> None:
    await addresses.change_address(tx, await known(tx), address, alias)


async def add_newer_code(tx: Transaction, servant_id: int) -> None:
    await linking.add_code(tx, servant_id, "newer", LATER)


AT = DueTime(TODAY + timedelta(days=1), 9, frozenset())
Operation = Callable[[Transaction, Person], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "recognize, heard later": lambda tx, _: addresses.recognize(tx, OURS, ADDRESS, ALIAS, LATER),
    "recognize, with a new alias": lambda tx, _: addresses.recognize(tx, OURS, ADDRESS, "+529", LATER),
    "recognize many": lambda tx, _: addresses.recognize_all(tx, [InboundSender(OURS, ADDRESS, "", LATER)]),
    "a new address": lambda tx, _: change_address(tx, "MX.9", ""),
    "a new alias": lambda tx, _: change_address(tx, "", "+529"),
    "a window closed": lambda tx, _: addresses.record_window_closed(tx, OURS, ADDRESS, LATER),
    "a template sent": lambda tx, _: addresses.record_template_sent(tx, OURS, ADDRESS, LATER),
    "templates sent": lambda tx, _: addresses.record_templates_sent(tx, OURS, [ADDRESS], LATER),
    "deferred": lambda tx, _: addresses.defer(tx, OURS, ADDRESS, TODAY),
    "no marketing": lambda tx, _: addresses.set_no_marketing(tx, OURS, ADDRESS, no_marketing=True),
    "an alias released": lambda tx, _: aliases.release(tx, OURS, ALIAS, keeper="MX.9"),
    "an address released": lambda tx, _: aliases.release(tx, OURS, ADDRESS, keeper="MX.9"),
    "unreachable": lambda tx, _: outbox.drop_unreachable(tx, OURS, ADDRESS, LATER),
    "deliveries deleted": lambda tx, _: outbox.delete_all(tx, OURS, ADDRESS),
    "a worker stops": lambda tx, _: outbox.release(tx, "worker of ana"),
    "a delivery finished": lambda tx, ana: outbox.finish_all(
        tx, "worker of ana", [FinishedDelivery(ana.claimed, DeliveryState.FAILED, "", "x")], LATER
    ),
    "a delivery postponed": lambda tx, ana: outbox.postpone_all(
        tx, "worker of ana", [PostponedDelivery(ana.claimed, LATER, "x")]
    ),
    "a receipt with the reference": lambda tx, _: receipts.record_status(
        tx, OURS, 0, f"ref {ADDRESS}", DeliveryStatus.READ, LATER
    ),
    "a receipt with the id": lambda tx, ana: receipts.record_status(
        tx, OURS, ana.claimed, "new ref", DeliveryStatus.READ, LATER
    ),
    "an update finished": lambda tx, _: _finish_update(tx),
    "an update failed": lambda tx, _: _fail_update(tx),
    "messages deleted": lambda tx, _: servants.delete_messages(tx, OURS, ADDRESS),
    "the language": lambda tx, ana: servants.change(tx, ana.id, language="en"),
    "the hour": lambda tx, ana: servants.change(tx, ana.id, hour=17),
    "the notice": lambda tx, ana: servants.accept_notice(tx, ana.id, "2", LATER),
    "the institution": lambda tx, ana: servants.change_institution(tx, ana.id, 2, TODAY),
    "a pause": lambda tx, ana: servants.pause(tx, ana.id, None),
    "an end of a pause": lambda tx, ana: servants.resume(tx, ana.id),
    "leaving": lambda tx, ana: servants.leave(tx, ana.id),
    "a newer code": lambda tx, ana: add_newer_code(tx, ana.id),
    "a code redeemed": lambda tx, _: linking.redeem_code(tx, "code of ana"),
    "the channel of prompts": lambda tx, ana: linking.set_preferred_channel(tx, ana.id, THEIRS),
    "a channel removed": lambda tx, ana: linking.remove_channel(tx, ana.id, OURS),
    "a fact": lambda tx, _: channel_facts.store(tx, OURS, channel_facts.STOPPED, "other", LATER),
    "a fact cleared": lambda tx, _: channel_facts.clear(tx, OURS, channel_facts.STOPPED),
    "a template's state": lambda tx, _: channel_facts.store_template(tx, OURS, *TEMPLATE, LATER, status="PAUSED"),
    "templates gone": lambda tx, _: channel_facts.delete_absent_templates(tx, OURS, []),
    "throttled": lambda tx, _: rate_limits.record_throttling(tx, OURS, 60, LATER),
    "credential taken over": lambda tx, _: _take_over(tx),
    "a prompt deferred": lambda tx, ana: due.defer(tx, AT, DueGroup([ana.id], WindowCutoff(OURS, LATER))),
}


async def _finish_update(tx: Transaction) -> None:
    await updates.finish(tx, NOW, await _waiting_update(tx))


async def _fail_update(tx: Transaction) -> None:
    for _ in range(updates.ATTEMPTS):
        await updates.fail(tx, NOW, await _waiting_update(tx), "x")


async def _waiting_update(tx: Transaction) -> int:
    table = metadata.tables["updates"]
    return int(await tx.scalar(select(table.c.id).where(table.c.key == "ana waiting")) or 0)


async def _take_over(tx: Transaction) -> None:
    await rate_limits.take_over(tx, OURS, "worker", LATER)


async def test_no_operation_changes_a_row_of_others(database: Database) -> None:
    async with database.write() as tx:
        for code, name, sphere in INSTITUTIONS:
            await servants.add_institution(tx, code, name, sphere)
        await add_channel(tx, THEIRS)
        await add_person(tx, "twin", THEIRS, ADDRESS, ALIAS)
        await add_person(tx, "neighbour", OURS, NEIGHBOUR, "+524771000002")
        await transcripts.add(tx, NEIGHBOUR, "t", {}, NOW, is_mine=False)
        others = {key: row for key, row in (await rows(tx)).items() if key != ("rate_limits", OURS)}
        assert {name for name, *_ in others} >= {"deliveries", "updates", "addresses", "join_codes", "packed_memories"}
        await add_channel(tx, OURS)
        ana = await add_person(tx, "ana", OURS, ADDRESS, ALIAS)
        before = await rows(tx)
        for name, operation in OPERATIONS.items():
            async with rolled_back(tx):
                await operation(tx, ana)
                after = await rows(tx)
                changed = [key for key, row in others.items() if after.get(key) != row]
                assert changed == [], name
                assert after != before or name in UNCHANGED, f"{name} did nothing"


UNCHANGED = ("an end of a pause",)  # as she is active
