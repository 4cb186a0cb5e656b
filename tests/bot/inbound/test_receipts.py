"""Delivery receipts: the state of the delivery in any order of receipts, and the consequences of a late failure."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from structlog.testing import capture_logs

from bot.channels.events import ErrorMeaning, Receipt
from bot.channels.whatsapp.errors import error_meaning
from bot.inbound import receipts
from content.library import Library
from handlers import outgoing
from handlers.context import WorkContext
from handlers.message import Parcel
from storage import schema
from storage.channels import channel_facts
from storage.database import Database
from storage.people import addresses, closures, servants
from storage.people.closures import Closure
from storage.queue.outbox import DeliveryState
from storage.queue.receipts import DeliveryStatus
from tests import delivery_worker
from tests.cast import MONDAY_NINE, Clock
from tests.conftest import clear_tables
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone, whatsapp_installation

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
Row = dict[str, Any]
TABLES = (schema.deliveries, schema.addresses, schema.servants, schema.prompts, schema.channel_facts)


class ReceiptChat(Chat):
    """A chat whose deliveries are sent, and for which receipts arrive."""

    async def send_waiting(self, phone: Phone, state: DeliveryState = DeliveryState.SENT) -> Row:
        """Send all waiting deliveries of the recipient (or mark them as doubted); return the last row."""
        async with self.database.write() as tx:
            while claimed := await delivery_worker.claim(tx, "worker", [phone.channel], self.clock(), 50):
                for delivery in claimed:
                    ref = f"wamid.OUT{delivery.id}" if state is DeliveryState.SENT else ""
                    await delivery_worker.finish(tx, delivery.id, state, self.clock(), ref=ref)
        return (await self.rows(phone))[-1]

    async def receive_status(
        self, row: Row, status: DeliveryStatus, code: int = 0, *, has_our_id: bool = True, ref: str = ""
    ) -> bool:
        """Receive a status, dated now; without `has_our_id` only the platform's reference identifies it.

        Returns whether the message is sent again.
        """
        ref = ref or row["platform_ref"] or f"wamid.OUT{row['id']}"
        at = int(self.clock().timestamp())
        number = row["id"] if has_our_id else 0
        return await self.receive_receipt(
            Receipt("whatsapp", f"{ref}:{status}", ref, status, number, at, code, error_meaning(code))
        )

    async def receive_receipt(self, receipt: Receipt) -> bool:
        async with self.database.write() as tx:
            return await receipts.receive(WorkContext(tx, self.library, self.installation, self.clock()), receipt)

    async def reload(self, phone: Phone, row: Row) -> Row:
        """The current row of the same delivery."""
        (current,) = [other for other in await self.rows(phone) if other["id"] == row["id"]]
        return current

    async def snapshot(self) -> list[list[Any]]:
        async with self.database.read() as tx:
            return [[tuple(row) for row in await tx.execute(table.select())] for table in TABLES]


@pytest.fixture
async def chat(database: Database, library: Library, clock: Clock) -> ReceiptChat:
    chat = ReceiptChat(database, library, clock)
    await chat.open()
    return chat


async def sent_prompt(
    chat: ReceiptChat, phone: Phone = ANA, state: DeliveryState = DeliveryState.SENT, language: str = "es"
) -> Row:
    """The prompt of Tuesday, 9:00, sent without template: the servant enrolled yesterday and wrote an hour ago."""
    await chat.enrol(phone, language=language)
    await chat.send_waiting(phone)
    chat.clock.moment = MONDAY_NINE + DAY
    await chat.type(phone, "ayuda", at=chat.clock() - HOUR)
    await chat.send_waiting(phone)
    assert await chat.tick() == 1
    assert not (await chat.place(phone)).template_sent_at
    row = await chat.send_waiting(phone, state)
    assert row["kind"] == "prompt"
    return row


# ---------------------------------------------------------------- in any order


ORDERS = [
    *permutations(DeliveryStatus),
    *permutations([DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.READ]),
]


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids=lambda order: " ".join(order))
async def test_in_every_order_the_delivery_ends_with_the_highest_status(
    chat: ReceiptChat, order: tuple[DeliveryStatus, ...]
) -> None:
    row = await sent_prompt(chat)
    for status in order:
        await chat.receive_status(row, status, 130472 if status is DeliveryStatus.FAILED else 0)
    found = await chat.reload(ANA, row)
    assert (found["platform_status"], found["state"], found["body"]) == ("read", "sent", None)


RANKS = [DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.DELIVERED, DeliveryStatus.READ]
CODES = [0, 4, 190, 130472, 131026, 131047, 131049, 131050, 132015]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    received=st.lists(st.tuples(st.sampled_from(RANKS), st.booleans()), min_size=1, max_size=6),
    code=st.sampled_from(CODES),
)
async def test_repeated_receipts_change_nothing(
    database: Database, library: Library, received: list[tuple[DeliveryStatus, bool]], code: int
) -> None:
    await clear_tables(database)
    chat = ReceiptChat(database, library, Clock())
    await chat.open()
    row = await sent_prompt(chat)
    for status, has_our_id in received:
        await chat.receive_status(row, status, code, has_our_id=has_our_id)
    found = await chat.reload(ANA, row)
    assert found["platform_status"] == max((status for status, _ in received), key=RANKS.index)
    assert found["state"] == ("failed" if found["platform_status"] == "failed" else "sent")
    before = await chat.snapshot()
    for status, has_our_id in reversed(received):
        await chat.receive_status(row, status, code, has_our_id=has_our_id)
    assert await chat.snapshot() == before


@pytest.mark.parametrize("status", [DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.READ])
async def test_a_receipt_proves_a_doubted_prompt_as_sent_and_it_is_not_repeated(
    chat: ReceiptChat, status: DeliveryStatus
) -> None:
    row = await sent_prompt(chat, state=DeliveryState.DOUBTED)
    assert (row["state"], row["platform_ref"]) == ("doubted", None)
    await chat.receive_status(row, status)
    found = await chat.reload(ANA, row)
    assert (found["state"], found["platform_status"], found["platform_ref"]) == (
        "sent",
        status,
        f"wamid.OUT{row['id']}",
    )
    await chat.receive_status(row, DeliveryStatus.READ, has_our_id=False)
    assert (await chat.reload(ANA, row))["platform_status"] == "read", "its reference is known now"
    assert len(await chat.rows(ANA)) == 2


async def test_a_receipt_with_another_reference_changes_nothing(chat: ReceiptChat) -> None:
    row = await sent_prompt(chat)
    before = await chat.snapshot()
    for status in DeliveryStatus:
        await chat.receive_status(row, status, 131026, ref="wamid.OTHER")
    assert await chat.snapshot() == before


async def test_a_receipt_for_an_unknown_or_deleted_delivery_is_ignored(chat: ReceiptChat) -> None:
    await sent_prompt(chat)
    before = await chat.snapshot()
    for number in (0, 10**15):
        for status in DeliveryStatus:
            await chat.receive_receipt(
                Receipt("whatsapp", f"k{number}", "wamid.UNKNOWN", status, number, 0, 131026, error_meaning(131026))
            )
    assert await chat.snapshot() == before


# ---------------------------------------------------------------- consequences of a failure


@dataclass(frozen=True)
class Consequence:
    """What the failure of a prompt changes; other deliveries are neither deferred nor sent again."""

    code: int
    meaning: ErrorMeaning
    is_refused: bool = False  # the recipient waits for another try
    no_marketing: bool = False
    stops: bool = False
    is_window_closed: bool = False
    is_deferred: bool = False
    is_resent: bool = False


CONSEQUENCES = [
    Consequence(130429, ErrorMeaning.BACK_OFF, is_deferred=True),
    Consequence(131056, ErrorMeaning.RECIPIENT_THROTTLED),
    Consequence(131047, ErrorMeaning.WINDOW_CLOSED, is_window_closed=True, is_resent=True),
    Consequence(131026, ErrorMeaning.RECIPIENT_GONE, is_refused=True),
    Consequence(131049, ErrorMeaning.NOT_TODAY, is_deferred=True),
    Consequence(131050, ErrorMeaning.NO_MARKETING, no_marketing=True),
    Consequence(130472, ErrorMeaning.UNDELIVERABLE),
    Consequence(132015, ErrorMeaning.TEMPLATE_STOPPED, is_deferred=True),
    Consequence(131008, ErrorMeaning.OUR_FAULT),
    Consequence(131048, ErrorMeaning.NUMBER_PAUSED, is_deferred=True),
    Consequence(131031, ErrorMeaning.CHANNEL_STOPPED, stops=True),
    Consequence(0, ErrorMeaning.CHANNEL_STOPPED, stops=True),
    Consequence(131037, ErrorMeaning.UNKNOWN),
]


def test_every_meaning_has_its_consequence() -> None:
    assert {case.meaning for case in CONSEQUENCES} == set(ErrorMeaning)
    assert all(error_meaning(case.code) is case.meaning for case in CONSEQUENCES)


@pytest.mark.parametrize("case", CONSEQUENCES, ids=lambda case: f"{case.meaning} {case.code}")
async def test_the_consequences_of_a_failed_prompt(chat: ReceiptChat, case: Consequence) -> None:
    row = await sent_prompt(chat)
    with capture_logs() as logs:
        is_sent_again = await chat.receive_status(row, DeliveryStatus.FAILED, case.code)
    assert is_sent_again is case.is_resent, "only then the dispatcher is woken"
    address = await chat.place(ANA)
    assert (await chat.reload(ANA, row))["state"] == "failed"
    assert (address.is_reachable, address.has_refusals) == (True, case.is_refused)
    assert address.no_marketing is case.no_marketing
    assert (address.heard_at is None) is case.is_window_closed
    assert (address.deferred_on is not None) is case.is_deferred
    if case.is_deferred:
        assert address.deferred_on == (MONDAY_NINE + DAY).date()
    async with chat.database.read() as tx:
        assert await channel_facts.stopped(tx) == ({"whatsapp": f"code {case.code}"} if case.stops else {})
    resent = [row for row in await chat.rows(ANA) if row["state"] == "waiting"]
    assert len(resent) == int(case.is_resent)
    (line,) = logs
    assert (line["delivery"], line["code"], line["meaning"]) == (row["id"], case.code, case.meaning.value)
    assert ANA.address not in str(logs)
    assert ANA.alias not in str(logs)


@pytest.mark.parametrize("case", CONSEQUENCES, ids=lambda case: f"{case.meaning} {case.code}")
async def test_the_consequences_of_a_failed_reply(chat: ReceiptChat, case: Consequence) -> None:
    await chat.enrol(ANA)
    row = await chat.send_waiting(ANA)
    assert row["kind"] == "reply"
    await chat.receive_status(row, DeliveryStatus.FAILED, case.code)
    address = await chat.place(ANA)
    assert (address.is_reachable, address.has_refusals) == (True, case.is_refused)
    assert address.no_marketing is case.no_marketing
    assert (address.heard_at is None) is case.is_window_closed
    assert address.deferred_on is None
    async with chat.database.read() as tx:
        assert await channel_facts.stopped(tx) == ({"whatsapp": f"code {case.code}"} if case.stops else {})
    assert [other["id"] for other in await chat.rows(ANA)] == [row["id"]], "nothing is sent again"


async def test_a_failure_affects_no_other_servant(chat: ReceiptChat) -> None:
    row = await sent_prompt(chat)
    await chat.enrol(BETO)
    before = await chat.place(BETO), await chat.rows(BETO)
    for code in (131047, 131026, 131050, 131049):
        async with chat.database.write() as tx:
            await tx.execute(
                update(schema.deliveries).where(schema.deliveries.c.id == row["id"]).values(platform_status=None)
            )
        await chat.receive_status(row, DeliveryStatus.FAILED, code)
    assert (await chat.place(BETO), await chat.rows(BETO)) == before


async def test_a_servant_who_was_not_reached_is_asked_on_another_channel_until_the_next_try(chat: ReceiptChat) -> None:
    row = await sent_prompt(chat)
    known = await chat.servant(ANA)
    async with chat.database.write() as tx:
        elsewhere = {"channel": "telegram", "address": ANA_ON_TELEGRAM.address, "servant_id": known.id}
        await tx.execute(insert(schema.addresses).values(elsewhere))
        await tx.execute(update(schema.servants).values(channel="whatsapp"))
    asked_on: list[list[str]] = []
    for _ in ("Wednesday", "Thursday", "Friday"):
        if asked_on[-1:] != [["telegram"]]:
            await chat.receive_status(row, DeliveryStatus.FAILED, 131026)
        chat.clock.move(days=1)
        await chat.tick()
        asked_on.append([phone.channel for phone in (ANA, ANA_ON_TELEGRAM) if await chat.unread(phone)])
        row = await chat.send_waiting(ANA)
    assert asked_on == [["whatsapp"], ["telegram"], ["whatsapp"]], "tried on Wednesday, and again on Friday"


async def test_a_servant_whose_prompt_did_not_arrive_is_planned_first_on_the_next_day(chat: ReceiptChat) -> None:
    for phone in (BETO, ANA):
        await chat.enrol(phone)
        await chat.send_waiting(phone)
    chat.clock.moment = MONDAY_NINE + DAY
    assert await chat.tick() == 2
    row = await chat.send_waiting(ANA)
    await chat.receive_status(row, DeliveryStatus.FAILED, 131049)
    async with chat.database.write() as tx:
        await channel_facts.store_recipient_limit(tx, "whatsapp", 1, chat.clock())
    for phone in (ANA, BETO):
        await chat.unread(phone)
    chat.clock.move(days=1)
    assert await chat.tick() == 1
    assert [bool(await chat.unread(phone)) for phone in (ANA, BETO)] == [True, False]


# ---------------------------------------------------------------- reply window closed: once more, by template


def waiting(rows: list[Row]) -> list[Parcel]:
    return [outgoing.unpack(row["address"], row["key"], row["body"]) for row in rows if row["state"] == "waiting"]


@pytest.mark.parametrize(("language", "code"), [("es", "es_MX"), ("en", "en_US")])
async def test_a_prompt_refused_after_it_was_accepted_is_resent_as_template(
    chat: ReceiptChat, language: str, code: str
) -> None:
    row = await sent_prompt(chat, language=language)
    first = await chat.prompt(ANA)
    chat.clock.move(minutes=2)
    await chat.receive_status(row, DeliveryStatus.FAILED, 131047)
    (resent,) = waiting(await chat.rows(ANA))
    assert resent.token == f"{row['key'].removesuffix(':say')}:again:say"
    assert resent.template is not None
    assert (resent.template.template, resent.template.code) == ("pregunta_diaria", code)
    assert resent.rows[0][0].choice == f"answer:{first}:a"
    assert await chat.prompt(ANA) == first
    found = (await chat.rows(ANA))[-1]
    assert (found["kind"], found["deadline"]) == ("prompt", row["deadline"])
    address = await chat.place(ANA)
    assert (address.heard_at, address.template_sent_at) == (None, chat.clock())


async def test_it_is_resent_once_however_often_it_fails(chat: ReceiptChat) -> None:
    row = await sent_prompt(chat)
    for _ in range(3):
        await chat.receive_status(row, DeliveryStatus.FAILED, 131047)
    resent = await chat.send_waiting(ANA)
    assert len(await chat.rows(ANA)) == 3
    await chat.receive_status(resent, DeliveryStatus.FAILED, 131047)
    await chat.receive_status(resent, DeliveryStatus.FAILED, 131026)
    assert len(await chat.rows(ANA)) == 3
    assert await chat.tick() == 0


@pytest.mark.parametrize("is_general", [True, False])
async def test_it_is_not_resent_when_the_day_was_imported_as_closed_meanwhile(
    chat: ReceiptChat, is_general: bool
) -> None:
    row = await sent_prompt(chat)
    async with chat.database.write() as tx:
        known = await servants.by_address(tx, row["channel"], row["address"])
        assert known is not None
        await closures.store(tx, [Closure(None if is_general else known.institution_id, chat.clock().date())])
    await chat.receive_status(row, DeliveryStatus.FAILED, 131047)
    assert waiting(await chat.rows(ANA)) == []


async def test_it_is_not_resent_to_a_servant_who_has_paused_meanwhile(chat: ReceiptChat) -> None:
    row = await sent_prompt(chat)
    async with chat.database.write() as tx:
        known = await servants.by_address(tx, row["channel"], row["address"])
        assert known is not None
        await servants.pause(tx, known.id, chat.clock().date() + timedelta(days=7))
    await chat.receive_status(row, DeliveryStatus.FAILED, 131047)
    assert waiting(await chat.rows(ANA)) == []


@pytest.mark.parametrize("category", ["MARKETING", "UTILITY"])
async def test_it_is_not_resent_as_marketing_to_a_servant_who_opted_out(chat: ReceiptChat, category: str) -> None:
    row = await sent_prompt(chat)
    async with chat.database.write() as tx:
        await channel_facts.store_template(
            tx, "whatsapp", "pregunta_diaria", "es_MX", chat.clock(), status="APPROVED", category=category
        )
        await addresses.set_no_marketing(tx, row["channel"], row["address"], no_marketing=True)
    await chat.receive_status(row, DeliveryStatus.FAILED, 131047)
    assert len(waiting(await chat.rows(ANA))) == (0 if category == "MARKETING" else 1)


async def test_with_direct_prompts_it_is_resent_as_the_whole_question(chat: ReceiptChat) -> None:
    chat.installation = whatsapp_installation("direct")
    row = await sent_prompt(chat)
    await chat.receive_status(row, DeliveryStatus.FAILED, 131047)
    (resent,) = waiting(await chat.rows(ANA))
    assert resent.template is not None
    number = await chat.prompt(ANA)
    assert resent.template.choices == tuple(f"answer:{number}:{letter}" for letter in "abc")


NOT_RESENT = ["answered", "day over", "day off", "servant left"]


@pytest.mark.parametrize("name", NOT_RESENT)
async def test_when_it_is_not_resent(chat: ReceiptChat, name: str) -> None:
    row = await sent_prompt(chat)
    if name == "answered":
        await chat.press(ANA, f"answer:{await chat.prompt(ANA)}:a")
    elif name == "day over":
        chat.clock.move(hours=10)
    elif name == "day off":
        chat.clock.move(days=4)
    else:
        async with chat.database.write() as tx:  # the address is unknown then, and the delivery is not deleted yet
            await tx.execute(schema.addresses.delete())
    before = len(await chat.rows(ANA))
    await chat.receive_status(row, DeliveryStatus.FAILED, 131047)
    assert len(await chat.rows(ANA)) == before


# ---------------------------------------------------------------- late receipts


async def test_a_late_receipt_about_yesterdays_prompt_does_not_repeat_todays(chat: ReceiptChat) -> None:
    yesterdays = await sent_prompt(chat)
    chat.clock.move(days=1)
    await chat.type(ANA, "ayuda", at=chat.clock() - HOUR)
    assert await chat.tick() == 1
    await chat.send_waiting(ANA)
    before = len(await chat.rows(ANA))
    await chat.receive_status(yesterdays, DeliveryStatus.FAILED, 131047)
    assert len(await chat.rows(ANA)) == before


async def test_the_reply_window_stays_open_for_a_servant_who_wrote_after_the_failure(chat: ReceiptChat) -> None:
    row = await sent_prompt(chat)
    failed_at = int(chat.clock().timestamp())
    chat.clock.move(minutes=10)
    await chat.type(ANA, "ayuda")
    ref = row["platform_ref"]
    await chat.receive_receipt(
        Receipt(
            "whatsapp", f"{ref}:failed", ref, DeliveryStatus.FAILED, row["id"], failed_at, 131047, error_meaning(131047)
        )
    )
    assert (await chat.place(ANA)).heard_at == chat.clock()


async def test_a_servant_who_wrote_after_the_failure_stays_reachable(chat: ReceiptChat) -> None:
    row = await sent_prompt(chat)
    failed_at = int(chat.clock().timestamp())
    chat.clock.move(days=6)
    await chat.type(ANA, "ayuda")
    ref = row["platform_ref"]
    await chat.receive_receipt(
        Receipt(
            "whatsapp", f"{ref}:failed", ref, DeliveryStatus.FAILED, row["id"], failed_at, 131026, error_meaning(131026)
        )
    )
    assert (await chat.place(ANA)).is_reachable
    assert (await chat.rows(ANA))[-1]["state"] == "waiting"
