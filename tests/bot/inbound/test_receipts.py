from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from structlog.testing import capture_logs

from bot.channels.events import DeliveryStatus, Receipt
from bot.channels.whatsapp.errors import Meaning, meaning
from bot.inbound import receipts
from content.library import Library
from handlers import outgoing
from handlers.message import Parcel
from storage import schema
from storage.channels import channel_facts
from storage.channels.channel_facts import PEOPLE
from storage.database import Database
from storage.queue.outbox import DeliveryState
from tests import delivery_worker
from tests.cast import MONDAY_NINE, Clock
from tests.conftest import clear_tables
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone, whatsapp_installation

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
Row = dict[str, Any]
EVERYTHING = (schema.deliveries, schema.addresses, schema.servants, schema.prompts, schema.channel_facts)


class Post(Chat):
    """A house whose deliveries leave, and that hears what became of them."""

    async def leaves(self, who: Phone, state: DeliveryState = DeliveryState.SENT) -> Row:
        """All that waits for a person leaves (or is doubted); gives the last of it."""
        async with self.database.write() as tx:
            while claimed := await delivery_worker.claim(tx, "worker", [who.channel], self.clock(), 50):
                for one in claimed:
                    ref = f"wamid.OUT{one.id}" if state is DeliveryState.SENT else ""
                    await delivery_worker.finish(tx, one.id, state, self.clock(), ref=ref)
        return (await self.rows(who))[-1]

    async def hears_of(
        self, row: Row, fate: DeliveryStatus, code: int = 0, *, sent_back: bool = True, ref: str = ""
    ) -> None:
        """What the platform tells of a delivery, now."""
        ref = ref or row["platform_ref"] or f"wamid.OUT{row['id']}"
        at = int(self.clock().timestamp())
        number = row["id"] if sent_back else 0
        await self.told(Receipt("whatsapp", f"{ref}:{fate}", ref, fate, number, at, code))

    async def told(self, receipt: Receipt) -> None:
        async with self.database.write() as tx:
            await receipts.receive(tx, self.library, self.installation, receipt, self.clock())

    async def now(self, who: Phone, row: Row) -> Row:
        """The same delivery as it is now."""
        (found,) = [one for one in await self.rows(who) if one["id"] == row["id"]]
        return found

    async def everything(self) -> list[list[Any]]:
        async with self.database.read() as tx:
            return [[tuple(row) for row in await tx.execute(table.select())] for table in EVERYTHING]


@pytest.fixture
async def post(database: Database, library: Library, clock: Clock) -> Post:
    one = Post(database, library, clock)
    await one.open()
    return one


async def asked(post: Post, who: Phone = ANA, state: DeliveryState = DeliveryState.SENT, language: str = "es") -> Row:
    """Somebody enrolled yesterday, spoke an hour ago, and was sent today's prompt freely; it is Tuesday, 9:00."""
    await post.enrol(who, language=language)
    await post.leaves(who)
    post.clock.moment = MONDAY_NINE + DAY
    await post.types(who, "ayuda", at=post.clock() - HOUR)
    await post.leaves(who)
    assert await post.tick() == 1
    assert not (await post.place(who)).knocked_at
    row = await post.leaves(who, state)
    assert row["kind"] == "prompt"
    return row


# ---------------------------------------------------------------- in any order


ORDERS = [
    *permutations(DeliveryStatus),
    *permutations([DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.READ]),
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: " ".join(order))
async def test_in_every_order_the_delivery_ends_as_the_most_that_is_known(
    post: Post, order: tuple[DeliveryStatus, ...]
) -> None:
    row = await asked(post)
    for fate in order:
        await post.hears_of(row, fate, 130472 if fate is DeliveryStatus.FAILED else 0)
    found = await post.now(ANA, row)
    assert (found["fate"], found["state"], found["body"]) == ("read", "sent", None)


RANKS = [DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.DELIVERED, DeliveryStatus.READ]
CODES = [0, 4, 190, 130472, 131026, 131047, 131049, 131050, 132015]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    heard=st.lists(st.tuples(st.sampled_from(RANKS), st.booleans()), min_size=1, max_size=6),
    code=st.sampled_from(CODES),
)
async def test_what_was_told_once_may_be_told_again_and_changes_nothing(
    database: Database, library: Library, heard: list[tuple[DeliveryStatus, bool]], code: int
) -> None:
    await clear_tables(database)
    post = Post(database, library, Clock())
    await post.open()
    row = await asked(post)
    for fate, sent_back in heard:
        await post.hears_of(row, fate, code, sent_back=sent_back)
    found = await post.now(ANA, row)
    assert found["fate"] == max((fate for fate, _ in heard), key=RANKS.index)
    assert found["state"] == ("failed" if found["fate"] == "failed" else "sent")
    before = await post.everything()
    for fate, sent_back in reversed(heard):
        await post.hears_of(row, fate, code, sent_back=sent_back)
    assert await post.everything() == before


@pytest.mark.parametrize("fate", [DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.READ])
async def test_a_doubted_prompt_is_proven_sent_and_never_leaves_again(post: Post, fate: DeliveryStatus) -> None:
    row = await asked(post, state=DeliveryState.DOUBTED)
    assert (row["state"], row["platform_ref"]) == ("doubted", None)
    await post.hears_of(row, fate)
    found = await post.now(ANA, row)
    assert (found["state"], found["fate"], found["platform_ref"]) == ("sent", fate, f"wamid.OUT{row['id']}")
    await post.hears_of(row, DeliveryStatus.READ, sent_back=False)
    assert (await post.now(ANA, row))["fate"] == "read", "its reference is known now"
    assert len(await post.rows(ANA)) == 3


async def test_a_delivery_of_another_reference_is_not_touched(post: Post) -> None:
    row = await asked(post)
    before = await post.everything()
    for fate in DeliveryStatus:
        await post.hears_of(row, fate, 131026, ref="wamid.OTHER")
    assert await post.everything() == before


async def test_a_word_about_something_that_is_unknown_or_was_forgotten_is_passed_over(post: Post) -> None:
    await asked(post)
    before = await post.everything()
    for number in (0, 10**15):
        for fate in DeliveryStatus:
            await post.told(Receipt("whatsapp", f"k{number}", "wamid.UNKNOWN", fate, number, 0, 131026))
    assert await post.everything() == before


# ---------------------------------------------------------------- what a failure leads to


@dataclass(frozen=True)
class Consequence:
    """What a failure of a prompt changes; of whatever else was said, the first three only."""

    code: int
    meaning: Meaning
    is_gone: bool = False
    no_marketing: bool = False
    stops: bool = False
    is_silent: bool = False
    is_put_off: bool = False
    is_asked_again: bool = False


CONSEQUENCES = [
    Consequence(130429, Meaning.SLOWER, is_put_off=True),
    Consequence(131056, Meaning.PERSON_LATER),
    Consequence(131047, Meaning.BY_TEMPLATE, is_silent=True, is_asked_again=True),
    Consequence(131026, Meaning.PERSON_GONE, is_gone=True),
    Consequence(131049, Meaning.NOT_TODAY, is_put_off=True),
    Consequence(131050, Meaning.NO_MARKETING, no_marketing=True),
    Consequence(130472, Meaning.NEVER),
    Consequence(132015, Meaning.TEMPLATE_STOPPED, is_put_off=True),
    Consequence(131008, Meaning.OURS),
    Consequence(131048, Meaning.REST, is_put_off=True),
    Consequence(131031, Meaning.CHANNEL_STOPPED, stops=True),
    Consequence(0, Meaning.CHANNEL_STOPPED, stops=True),
    Consequence(999_999, Meaning.OURS),
]


def test_every_meaning_has_its_consequence() -> None:
    assert {one.meaning for one in CONSEQUENCES} == set(Meaning)
    assert all(meaning(one.code) is one.meaning for one in CONSEQUENCES)


@pytest.mark.parametrize("case", CONSEQUENCES, ids=lambda case: f"{case.meaning} {case.code}")
async def test_what_a_failed_prompt_leads_to(post: Post, case: Consequence) -> None:
    row = await asked(post)
    with capture_logs() as logs:
        await post.hears_of(row, DeliveryStatus.FAILED, case.code)
    place = await post.place(ANA)
    assert (await post.now(ANA, row))["state"] == "failed"
    assert place.is_reachable is not case.is_gone
    assert place.no_marketing is case.no_marketing
    assert (place.heard_at is None) is case.is_silent
    assert (place.put_off_on is not None) is case.is_put_off
    if case.is_put_off:
        assert place.put_off_on == (MONDAY_NINE + DAY).date()
    async with post.database.read() as tx:
        assert await channel_facts.stopped(tx) == ({"whatsapp": f"code {case.code}"} if case.stops else {})
    again = [one for one in await post.rows(ANA) if one["state"] == "waiting"]
    assert len(again) == int(case.is_asked_again)
    (line,) = logs
    assert (line["delivery"], line["code"], line["meaning"]) == (row["id"], case.code, case.meaning.value)
    assert ANA.address not in str(logs)
    assert ANA.alias not in str(logs)


@pytest.mark.parametrize("case", CONSEQUENCES, ids=lambda case: f"{case.meaning} {case.code}")
async def test_what_a_failed_reply_leads_to(post: Post, case: Consequence) -> None:
    await post.enrol(ANA)
    row = await post.leaves(ANA)
    assert row["kind"] == "reply"
    await post.hears_of(row, DeliveryStatus.FAILED, case.code)
    place = await post.place(ANA)
    assert place.is_reachable is not case.is_gone
    assert place.no_marketing is case.no_marketing
    assert (place.heard_at is None) is case.is_silent
    assert place.put_off_on is None
    async with post.database.read() as tx:
        assert await channel_facts.stopped(tx) == ({"whatsapp": f"code {case.code}"} if case.stops else {})
    assert [one["id"] for one in await post.rows(ANA)] == [row["id"]], "nothing is said again"


async def test_a_failure_concerns_nobody_else(post: Post) -> None:
    row = await asked(post)
    await post.enrol(BETO)
    before = await post.place(BETO), await post.rows(BETO)
    for code in (131047, 131026, 131050, 131049):
        async with post.database.write() as tx:
            await tx.execute(update(schema.deliveries).where(schema.deliveries.c.id == row["id"]).values(fate=None))
        await post.hears_of(row, DeliveryStatus.FAILED, code)
    assert (await post.place(BETO), await post.rows(BETO)) == before


async def test_whoever_is_gone_is_asked_on_another_channel_and_what_waited_is_dropped(post: Post) -> None:
    row = await asked(post)
    known = await post.servant(ANA)
    async with post.database.write() as tx:
        elsewhere = {"channel": "telegram", "address": ANA_ON_TELEGRAM.address, "servant_id": known.id}
        await tx.execute(insert(schema.addresses).values(elsewhere))
        await tx.execute(update(schema.servants).values(channel="whatsapp"))
    await post.types(ANA, "ayuda")
    await post.hears_of(row, DeliveryStatus.FAILED, 131026)
    assert (await post.rows(ANA))[-1]["state"] == "dropped"
    post.clock.move(days=1)
    assert await post.tick() == 1
    assert [bool(await post.reads(who)) for who in (ANA, ANA_ON_TELEGRAM)] == [False, True]


async def test_whose_prompt_did_not_arrive_is_planned_first_on_the_next_day(post: Post) -> None:
    for who in (BETO, ANA):
        await post.enrol(who)
        await post.leaves(who)
    post.clock.moment = MONDAY_NINE + DAY
    assert await post.tick() == 2
    row = await post.leaves(ANA)
    await post.hears_of(row, DeliveryStatus.FAILED, 131049)
    async with post.database.write() as tx:
        await channel_facts.note(tx, "whatsapp", PEOPLE, "1", post.clock())
    for who in (ANA, BETO):
        await post.reads(who)
    post.clock.move(days=1)
    assert await post.tick() == 1
    assert [bool(await post.reads(who)) for who in (ANA, BETO)] == [True, False]


# ---------------------------------------------------------------- silent after all: once more, by template


def waiting(rows: list[Row]) -> list[Parcel]:
    return [outgoing.unpack(row["address"], row["key"], row["body"]) for row in rows if row["state"] == "waiting"]


@pytest.mark.parametrize(("language", "code"), [("es", "es_MX"), ("en", "en_US")])
async def test_a_prompt_refused_after_it_was_taken_goes_again_by_template(post: Post, language: str, code: str) -> None:
    row = await asked(post, language=language)
    first = await post.prompt(ANA)
    post.clock.move(minutes=2)
    await post.hears_of(row, DeliveryStatus.FAILED, 131047)
    (again,) = waiting(await post.rows(ANA))
    assert again.token == f"{row['key'].removesuffix(':say')}:again:say"
    assert again.opening is not None
    assert (again.opening.template, again.opening.code) == ("pregunta_diaria", code)
    assert again.rows[0][0].choice == f"answer:{first}:a"
    assert await post.prompt(ANA) == first
    found = (await post.rows(ANA))[-1]
    assert (found["kind"], found["deadline"]) == ("prompt", row["deadline"])
    place = await post.place(ANA)
    assert (place.heard_at, place.knocked_at) == (None, post.clock())


async def test_it_goes_again_once_however_often_it_fails(post: Post) -> None:
    row = await asked(post)
    for _ in range(3):
        await post.hears_of(row, DeliveryStatus.FAILED, 131047)
    again = await post.leaves(ANA)
    assert len(await post.rows(ANA)) == 4
    await post.hears_of(again, DeliveryStatus.FAILED, 131047)
    await post.hears_of(again, DeliveryStatus.FAILED, 131026)
    assert len(await post.rows(ANA)) == 4
    assert await post.tick() == 0


async def test_sent_directly_it_goes_again_as_the_whole_question(post: Post) -> None:
    post.installation = whatsapp_installation("direct")
    row = await asked(post)
    await post.hears_of(row, DeliveryStatus.FAILED, 131047)
    (again,) = waiting(await post.rows(ANA))
    assert again.opening is not None
    number = await post.prompt(ANA)
    assert again.opening.choices == tuple(f"answer:{number}:{letter}" for letter in "abc")


NOT_AGAIN = ["it is answered", "the day is over", "on a day off", "the person left"]


@pytest.mark.parametrize("name", NOT_AGAIN)
async def test_when_it_does_not_go_again(post: Post, name: str) -> None:
    row = await asked(post)
    if name == "it is answered":
        await post.press(ANA, f"answer:{await post.prompt(ANA)}:a")
    elif name == "the day is over":
        post.clock.move(hours=10)
    elif name == "on a day off":
        post.clock.move(days=4)
    else:
        async with post.database.write() as tx:  # and is a stranger; the delivery is not forgotten yet
            await tx.execute(schema.addresses.delete())
    before = len(await post.rows(ANA))
    await post.hears_of(row, DeliveryStatus.FAILED, 131047)
    assert len(await post.rows(ANA)) == before


# ---------------------------------------------------------------- words that come late


async def test_a_late_word_about_yesterdays_prompt_does_not_repeat_todays(post: Post) -> None:
    yesterdays = await asked(post)
    post.clock.move(days=1)
    await post.types(ANA, "ayuda", at=post.clock() - HOUR)
    assert await post.tick() == 1
    await post.leaves(ANA)
    before = len(await post.rows(ANA))
    await post.hears_of(yesterdays, DeliveryStatus.FAILED, 131047)
    assert len(await post.rows(ANA)) == before


async def test_whoever_spoke_after_the_failure_is_not_called_silent(post: Post) -> None:
    row = await asked(post)
    failed_at = int(post.clock().timestamp())
    post.clock.move(minutes=10)
    await post.types(ANA, "ayuda")
    ref = row["platform_ref"]
    await post.told(Receipt("whatsapp", f"{ref}:failed", ref, DeliveryStatus.FAILED, row["id"], failed_at, 131047))
    assert (await post.place(ANA)).heard_at == post.clock()


async def test_whoever_spoke_after_the_failure_is_not_given_up(post: Post) -> None:
    row = await asked(post)
    failed_at = int(post.clock().timestamp())
    post.clock.move(days=6)
    await post.types(ANA, "ayuda")
    ref = row["platform_ref"]
    await post.told(Receipt("whatsapp", f"{ref}:failed", ref, DeliveryStatus.FAILED, row["id"], failed_at, 131026))
    assert (await post.place(ANA)).is_reachable
    assert (await post.rows(ANA))[-1]["state"] == "waiting"
