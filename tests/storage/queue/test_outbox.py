"""The outbox: order, claims, leases, transitions and counts, on both databases."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text

from storage import envelopes
from storage.database import Database, Transaction, open_database
from storage.people import servants
from storage.queue import backlog, claims, outbox, receipts
from storage.queue.backlog import Backlog
from storage.queue.outbox import Delivery, DeliveryKind, DeliveryState, NewDelivery, PostponedDelivery
from storage.queue.receipts import DeliveryStatus
from storage.queue.tuning import LEASE
from storage.schema import deliveries, institutions
from tests import delivery_worker
from tests.cast import MONDAY_NINE as NOW
from tests.opened_deliveries import KEY
from tests.planning import due_now

CHANNELS = ("telegram", "webchat")
MINUTE = timedelta(minutes=1)

on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


def new(
    key: str,
    address: str = "ana",
    kind: DeliveryKind = DeliveryKind.REPLY,
    due_at: datetime = NOW,
    deadline: datetime | None = None,
    channel: str = "telegram",
) -> NewDelivery:
    return NewDelivery(key, channel, address, kind, f'"{key}"', due_at, deadline)


async def claim(tx: Transaction, now: datetime = NOW, worker: str = "one", limit: int = 50) -> list[Delivery]:
    return await delivery_worker.claim(tx, worker, CHANNELS, now, limit)


async def keys(tx: Transaction, now: datetime = NOW, worker: str = "one", limit: int = 50) -> list[str]:
    return [one.key for one in await claim(tx, now, worker, limit)]


async def row(tx: Transaction, key: str) -> dict[str, object]:
    found = (await tx.execute(select(deliveries).where(deliveries.c.key == key))).mappings().one()
    return dict(found)


# ---------------------------------------------------------------- adding and order


async def test_an_idempotency_key_is_added_once_for_ever(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [])
        await outbox.add(tx, [new("a"), new("a"), new("b", "beto")])
        await outbox.add(tx, [new("a", due_at=NOW - MINUTE)])
        (first, _) = await claim(tx)
        assert (first.key, first.body, first.attempts) == ("a", '"a"', 1)
        await delivery_worker.finish(tx, first.id, DeliveryState.SENT, NOW)
    async with database.write() as tx:
        await outbox.add(tx, [new("a")])
        assert await keys(tx) == [], "a sent delivery is not sent again"


async def test_all_deliveries_of_a_recipient_are_claimed_by_one_worker_in_order(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("a1"), new("b1", "beto"), new("a2"), new("c1", "carmen")])
        assert await keys(tx, limit=2) == ["a1", "b1", "a2"], "two recipients, with all of their deliveries"
        await outbox.add(tx, [new("a3"), new("b2", "beto")])
        assert await keys(tx, worker="two") == ["c1"], "deliveries after claimed ones wait"
        await delivery_worker.finish(tx, (await row(tx, "a1"))["id"], DeliveryState.SENT, NOW)  # type: ignore[arg-type]
        assert await keys(tx, worker="two") == []
        await delivery_worker.finish(tx, (await row(tx, "a2"))["id"], DeliveryState.SENT, NOW)  # type: ignore[arg-type]
        assert await keys(tx, worker="two") == ["a3"]


async def test_a_clock_set_back_between_two_messages_does_not_change_their_order(database: Database) -> None:
    async with database.write() as tx:
        moments = {"a1": NOW - MINUTE, "a2": NOW - 60 * MINUTE, "a3": NOW}
        await outbox.add(tx, [new(key, due_at=moment) for key, moment in moments.items()])
        assert await keys(tx, NOW - 2 * MINUTE) == []
        assert await keys(tx) == ["a1", "a2", "a3"]


async def test_a_button_press_is_acknowledged_whatever_else_is_in_flight(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("a1")])
        assert await keys(tx) == ["a1"]
        await outbox.add(tx, [new("press", kind=DeliveryKind.SIGNAL), new("a2")])
        assert await keys(tx) == ["press"]


async def test_a_delivery_returned_without_an_attempt_is_due_as_before(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("a1")])
        (first,) = await claim(tx)
        await outbox.postpone_all(tx, "one", [PostponedDelivery(first.id, None, is_attempt=False)])
        (again,) = await claim(tx, worker="two")
        assert (again.key, again.attempts) == ("a1", 1)


async def test_a_reply_goes_before_a_notice_before_a_prompt(database: Database) -> None:
    async with database.write() as tx:
        wanted = [
            new("p", "ana", DeliveryKind.PROMPT, NOW - 9 * MINUTE),
            new("n", "beto", DeliveryKind.NOTICE, NOW - 5 * MINUTE),
            new("r", "carmen", DeliveryKind.REPLY, NOW),
        ]
        await outbox.add(tx, wanted)
        assert await keys(tx, limit=1) == ["r"]
        assert await keys(tx, limit=1) == ["n"]
        assert await keys(tx, limit=1) == ["p"]


async def test_a_postponed_prompt_does_not_block_a_reply_to_the_same_recipient(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("p", kind=DeliveryKind.PROMPT)])
        (prompt,) = await claim(tx)
        await delivery_worker.postpone(tx, prompt.id, NOW + MINUTE, "throttled")
        await outbox.add(tx, [new("r")])
        assert await keys(tx) == ["r"]


@pytest.mark.parametrize("kinds", [(DeliveryKind.REPLY,) * 3, (*(DeliveryKind.NOTICE,) * 2, DeliveryKind.PROMPT)])
async def test_a_postponed_message_blocks_later_ones_to_the_same_recipient(
    database: Database, kinds: tuple[DeliveryKind, ...]
) -> None:
    """A prompt does not wait for a reply: only the key tells that both are to the same person."""
    async with database.write() as tx:
        await outbox.add(tx, [new(f"m{number}", kind=kind) for number, kind in enumerate(kinds)])
        first, second, third = await claim(tx)
        await delivery_worker.postpone(tx, first.id, NOW + MINUTE, "down")
        await outbox.postpone_all(tx, "one", [PostponedDelivery(second.id, None), PostponedDelivery(third.id, None)])
        assert await keys(tx) == []
        assert await keys(tx, NOW + MINUTE) == ["m0", "m1", "m2"]


async def test_nothing_is_claimed_before_it_is_due_or_on_another_channel(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("later", due_at=NOW + MINUTE), new("elsewhere", channel="whatsapp")])
        assert await keys(tx) == []
        names = ("telegram", "webchat", "whatsapp")
        assert await claims.due_channels(tx, names, NOW) == {"whatsapp": True}
        assert await claims.due_channels(tx, names, NOW + MINUTE) == {"telegram": True, "whatsapp": True}
        assert await claims.due_channels(tx, CHANNELS, NOW + MINUTE) == {"telegram": True}, "sends on these only"
        assert await claims.due_channels(tx, (), NOW) == {}
        assert await keys(tx, NOW + MINUTE) == ["later"]


async def test_prompts_alone_are_not_urgent(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(
            tx, [new("p", kind=DeliveryKind.PROMPT), new("n", kind=DeliveryKind.NOTICE, due_at=NOW + MINUTE)]
        )
        assert await claims.due_channels(tx, CHANNELS, NOW) == {"telegram": False}
        assert await claims.due_channels(tx, CHANNELS, NOW + MINUTE) == {"telegram": True}


async def test_a_claimed_delivery_has_its_deadline(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("p", kind=DeliveryKind.PROMPT, deadline=NOW + MINUTE), new("r", "beto")])
        assert {one.key: one.deadline for one in await claim(tx)} == {"p": NOW + MINUTE, "r": None}


async def test_no_more_recipients_are_claimed_than_the_limit(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new(f"{number}", f"address {number}") for number in range(30)])
        sizes = [len(await keys(tx, limit=7)) for _ in range(6)]
    assert sizes == [7, 7, 7, 7, 2, 0]


# ---------------------------------------------------------------- leases and workers


async def test_deliveries_of_a_dead_worker_are_claimed_again_after_their_lease(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("a")])
        assert await keys(tx) == ["a"]
        assert not await claims.has_expired_lease(tx, NOW + LEASE)
        assert await claims.has_expired_lease(tx, NOW + LEASE + timedelta(seconds=1))
        assert await keys(tx, NOW + LEASE, "two") == [], "the lease has not expired yet"
        (again,) = await claim(tx, NOW + LEASE + timedelta(seconds=1), "two")
        assert again.attempts == 2


async def test_a_stopping_worker_releases_only_its_own_deliveries(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(tx, [new("a"), new("b", "beto")])
        assert await keys(tx, worker="one", limit=1) == ["a"]
        assert await keys(tx, worker="two", limit=1) == ["b"]
        await outbox.release(tx, "one")
        assert await keys(tx, worker="three") == ["a"]


@on_postgres
async def test_deliveries_with_receipts_are_not_released_before_their_lease_expires(database: Database) -> None:
    async with database.write() as tx:
        await outbox.add(
            tx, [NewDelivery(on, on, on, DeliveryKind.REPLY, "{}", NOW) for on in ("telegram", "whatsapp")]
        )
        for on in ("telegram", "whatsapp"):
            await claims.claim(tx, "dead", on, NOW, 10)
        await outbox.release_all(tx, except_channels={"whatsapp"})
        assert len(await claims.claim(tx, "heir", "telegram", NOW, 10)) == 1
        assert not await claims.claim(tx, "heir", "whatsapp", NOW, 10)
        assert await outbox.reclaim(tx, "heir", NOW + LEASE + timedelta(seconds=1), in_flight=()) >= 1
        assert len(await claims.claim(tx, "heir", "whatsapp", NOW, 10)) == 1


async def test_a_claim_respects_its_limit_whatever_the_planner_estimates(database: Database) -> None:
    """Where the planner estimates one row it may run a subquery again for every row, including its limit.

    Rolled back at the end: the statistics would affect the tests that share this database.
    """

    class Undo(Exception):
        pass

    with suppress(Undo):
        async with database.write() as tx:
            await outbox.add(tx, [new("the only one")])
            await tx.execute(text("ANALYZE deliveries"))
            await outbox.add(tx, [new(f"{number}", f"address {number}") for number in range(40)])
            assert len(await claim(tx, limit=8)) == 8
            raise Undo


async def test_many_workers_send_all_deliveries_once_and_in_order(database: Database, database_url: str) -> None:
    people, each = 8, 5
    opened = [open_database(database_url) for _ in range(3)]
    async with database.write() as tx:
        wanted = [new(f"{n}", f"address {n % people}") for n in range(people * each)]
        await outbox.add(tx, wanted)
    sent: list[tuple[str, int]] = []

    async def work(mine: Database, name: str) -> None:
        while len(sent) < people * each:
            async with mine.write() as tx:
                claimed = await delivery_worker.claim(tx, name, CHANNELS, NOW, 3)
            for one in claimed:
                sent.append((one.address, int(one.key)))
                await asyncio.sleep(0)
                async with mine.write() as tx:
                    await delivery_worker.finish(tx, one.id, DeliveryState.SENT, NOW)

    await asyncio.wait_for(asyncio.gather(*(work(one, f"worker {n}") for n, one in enumerate(opened * 2))), 120)
    for one in opened:
        await one.close()
    assert len(sent) == people * each
    for person in range(people):
        order = [number for address, number in sent if address == f"address {person}"]
        assert order == list(range(person, people * each, people))


# ---------------------------------------------------------------- the diagram


STEPS = {
    **{
        (DeliveryState.CLAIMED, f"end {state}"): state
        for state in (DeliveryState.SENT, DeliveryState.REFUSED, DeliveryState.DOUBTED, DeliveryState.DROPPED)
    },
    (DeliveryState.CLAIMED, "postpone"): DeliveryState.WAITING,
    (DeliveryState.CLAIMED, "give_back"): DeliveryState.WAITING,
    (DeliveryState.WAITING, "claim"): DeliveryState.CLAIMED,
    (DeliveryState.WAITING, "drop_unreachable"): DeliveryState.DROPPED,
}
VERBS = (
    "claim",
    "postpone",
    "give_back",
    "drop_unreachable",
    *(
        f"end {state}" for state in DeliveryState if state not in ("claimed", "failed")
    ),  # that is told by the platform alone
)
FINAL = (DeliveryState.SENT, DeliveryState.REFUSED, DeliveryState.DOUBTED, DeliveryState.DROPPED)


async def do(tx: Transaction, verb: str, delivery_id: int) -> None:
    if verb == "claim":
        await claim(tx)
    elif verb == "postpone":
        await delivery_worker.postpone(tx, delivery_id, NOW, "down")
    elif verb == "give_back":
        await outbox.release(tx, "one")
    elif verb == "drop_unreachable":
        await outbox.drop_unreachable(tx, "telegram", "ana", NOW)
    else:
        await delivery_worker.finish(
            tx, delivery_id, DeliveryState(verb.removeprefix("end ")), NOW, ref="77", fault="why"
        )


async def delivery_in_state(tx: Transaction, state: DeliveryState) -> int:
    """Add a delivery and bring it to that state by allowed transitions; return its id."""
    await outbox.add(tx, [new("a")])
    delivery_id = await tx.scalar(select(deliveries.c.id))
    assert delivery_id is not None
    if state is not DeliveryState.WAITING:
        assert await keys(tx) == ["a"]
    if state in FINAL:
        await delivery_worker.finish(tx, delivery_id, state, NOW)
    return int(delivery_id)


async def test_only_the_transitions_of_the_diagram_are_allowed(database: Database) -> None:
    for state, verb in product((one for one in DeliveryState if one is not DeliveryState.FAILED), VERBS):
        if verb == "end waiting":
            continue
        async with database.write() as tx:
            await tx.execute(deliveries.delete())
            delivery_id = await delivery_in_state(tx, state)
            await do(tx, verb, delivery_id)
            after = (await row(tx, "a"))["state"]
        assert after == STEPS.get((state, verb), state), f"{state} --{verb}--> {after}"


@pytest.mark.parametrize("state", FINAL)
async def test_the_body_is_emptied_when_a_delivery_has_ended(database: Database, state: DeliveryState) -> None:
    async with database.write() as tx:
        delivery_id = await delivery_in_state(tx, DeliveryState.CLAIMED)
        await delivery_worker.finish(tx, delivery_id, state, NOW, ref="77", fault="x" * 200)
        found = await row(tx, "a")
    assert found["body"] is None
    assert found["fault"] == "x" * 80


@pytest.mark.parametrize("state", FINAL)
async def test_only_what_tells_no_more_than_who_is_enrolled_keeps_its_recipient_and_times(
    database: Database, state: DeliveryState
) -> None:
    """A message that shows a prompt does not, whatever caused it; what else follows from an action keeps the day."""
    kinds = {"signal": DeliveryKind.SIGNAL, "reply": DeliveryKind.REPLY, "notice": DeliveryKind.NOTICE}
    async with database.write() as tx:
        wanted = [new(key, kind=kind, deadline=NOW + 9 * MINUTE) for key, kind in kinds.items()]
        await outbox.add(tx, [*wanted, replace(new("shows", deadline=NOW + 9 * MINUTE), prompt_id=7)])
        waiting = {key: (await row(tx, key))["address"] for key in (*kinds, "shows")}
        for claimed in await claim(tx):
            await delivery_worker.finish(tx, claimed.id, state, NOW + MINUTE, ref="77")
        ended = {key: await row(tx, key) for key in waiting}
    assert (waiting["notice"], waiting["shows"]) == ("ana", "ana")
    assert waiting["reply"] == waiting["signal"] == envelopes.Envelopes(KEY).name("telegram", "ana")
    columns = ("address", "platform_ref", "due_at", "deadline", "lease_until", "ended_at")
    day = NOW.replace(hour=0, minute=0)
    for key, found in ended.items():
        values = ("ana", "77", NOW, NOW + 9 * MINUTE, None, NOW + MINUTE)
        expected = values if key in ("notice", "shows") else ("", None, day, None, None, day)
        assert tuple(found[name] for name in columns) == expected, key


async def test_deliveries_to_an_unreachable_recipient_are_dropped_and_others_are_not(database: Database) -> None:
    async with database.write() as tx:
        await tx.execute(insert(institutions).values(code="LEON", name="León", sphere="municipal"))
        place = await servants.institution_by_code(tx, "LEON")
        assert place is not None
        for address in ("ana", "beto"):
            await servants.enrol(
                tx,
                "telegram",
                address,
                institution_id=place.id,
                language="es",
                hour=9,
                notice_version="1",
                now=NOW,
                today=NOW.date(),
            )
        await outbox.add(tx, [new("a1")])
        assert await keys(tx, limit=1) == ["a1"]
        await outbox.add(tx, [new("a2"), new("b", "beto"), new("web", channel="webchat")])
        await outbox.drop_unreachable(tx, "telegram", "ana", NOW)
        states = {key: (await row(tx, key))["state"] for key in ("a1", "a2", "b", "web")}
        assert states == {"a1": "claimed", "a2": "dropped", "b": "waiting", "web": "waiting"}
        assert (await row(tx, "a2"))["body"] is None
        due = await due_now(tx, NOW.date(), 9)
        assert [one.address for one in due] == ["beto"]


# ---------------------------------------------------------------- counts and ages


async def test_counts_and_ages_of_waiting_deliveries(database: Database) -> None:
    async with database.write() as tx:
        assert await backlog.oldest_delivery_age(tx, NOW) == 0.0
        assert not await claims.due_channels(tx, CHANNELS, NOW)
        await outbox.add(tx, [new("a", due_at=NOW - MINUTE), new("b", "beto"), new("c", due_at=NOW + 9 * MINUTE)])
        assert await backlog.oldest_delivery_age(tx, NOW) == 60.0
        assert await backlog.oldest_delivery_age(tx, NOW - 2 * MINUTE) == 0.0, "not due yet"
        assert await keys(tx, limit=1) == ["a"]
        assert await backlog.counts(tx, NOW - MINUTE) == {("telegram", "claimed"): 1, ("telegram", "waiting"): 2}


async def test_the_backlog_of_each_channel(database: Database) -> None:
    async with database.write() as tx:
        assert await backlog.backlogs(tx, NOW, NOW - MINUTE) == {}
        names = ("refused", "doubted", "failed")
        lost = [new(f"lost {name}", f"address {name}", DeliveryKind.NOTICE) for name in names]
        await outbox.add(tx, [*lost, new("sent", "beto")])
        for one in await claim(tx):
            state = {"lost refused": DeliveryState.REFUSED, "lost doubted": DeliveryState.DOUBTED}.get(
                one.key, DeliveryState.SENT
            )
            await delivery_worker.finish(tx, one.id, state, NOW, ref=one.key)
        await receipts.record_status(tx, "telegram", 0, "lost failed", DeliveryStatus.FAILED, NOW)
        await outbox.add(tx, [new("a", due_at=NOW - MINUTE), new("b", due_at=NOW), new("c", due_at=NOW + MINUTE)])
        await outbox.add(tx, [new("web", channel="webchat", due_at=NOW + MINUTE)])
        later = NOW + MINUTE / 2
        assert await backlog.backlogs(tx, later, NOW - MINUTE) == {
            "telegram": Backlog(3, NOW - MINUTE, 2),
            "webchat": Backlog(1),
        }
        assert (await backlog.backlogs(tx, later, NOW))["telegram"].lost == 0, "ended before"


async def test_the_channels_are_those_that_have_deliveries(database: Database) -> None:
    async with database.write() as tx:
        assert await outbox.channels(tx) == ()
        await outbox.add(tx, [new(f"{channel} {n}", channel=channel) for channel in ("b", "a", "c") for n in range(3)])
        assert await outbox.channels(tx) == ("a", "b", "c")
        await outbox.delete_all(tx, "b", "ana")
        assert await outbox.channels(tx) == ("a", "c")


async def test_deliveries_of_a_channel_that_is_off_or_gone_are_counted_and_lose_their_leases(
    database: Database,
) -> None:
    late = NOW + LEASE + timedelta(seconds=1)
    async with database.write() as tx:
        await outbox.add(tx, [new("sent", channel="gone"), new("held", "beto", channel="gone")])
        await outbox.add(tx, [new("waits", "carla", channel="gone")])
        sent, _ = await claims.claim(tx, "dead", "gone", NOW, 2)
        await delivery_worker.finish(tx, sent.id, DeliveryState.SENT, NOW)
        assert await backlog.counts(tx, NOW - MINUTE) == {
            ("gone", "sent"): 1,
            ("gone", "claimed"): 1,
            ("gone", "waiting"): 1,
        }
        assert await backlog.count_expired_leases(tx, late) == 1
        assert await claims.has_expired_lease(tx, late)
        assert await outbox.reclaim(tx, "heir", late) == 1
        assert await backlog.oldest_delivery_age(tx, late) == (late - NOW).total_seconds()
        assert await backlog.count_delayed(tx, NOW - MINUTE) == {"gone": 2}
        assert await backlog.backlogs(tx, late, NOW) == {"gone": Backlog(2, NOW)}
        assert await claims.due_channels(tx, CHANNELS, late) == {}, "no sender of this process has them"


# ---------------------------------------------------------------- any history


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("ab"), st.sampled_from([DeliveryKind.REPLY, DeliveryKind.PROMPT])),
        st.tuples(st.just("claim"), st.sampled_from(["one", "two"]), st.integers(1, 4)),
        st.tuples(
            st.just("end"),
            st.integers(0, 9),
            st.sampled_from([DeliveryState.SENT, DeliveryState.DOUBTED, DeliveryState.REFUSED]),
        ),
        st.tuples(st.just("postpone"), st.integers(0, 9), st.integers(0, 90)),
        st.tuples(st.just("give_back"), st.sampled_from(["one", "two"])),
        st.tuples(st.just("wait"), st.integers(0, 100)),
        st.tuples(st.just("block"), st.sampled_from("ab")),
    ),
    min_size=8,
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_in_any_history_no_two_workers_hold_one_delivery_and_order_is_preserved(
    sqlite_url: str, acts: list[tuple[object, ...]]
) -> None:
    asyncio.run(_live(sqlite_url, acts))


async def _live(url: str, acts: list[tuple[object, ...]]) -> None:
    database = open_database(url)
    try:
        async with database.write() as tx:
            await tx.execute(deliveries.delete())
            history = _History()
            for act in acts:
                await history.step(tx, act)
    finally:
        await database.close()


class _History:
    """A simple model of the outbox: which worker holds which delivery until when, and which have ended."""

    def __init__(self) -> None:
        self.now = NOW
        self.held: dict[int, tuple[str, datetime]] = {}
        self.over: set[int] = set()
        self.count = 0

    async def step(self, tx: Transaction, act: tuple[object, ...]) -> None:
        match act:
            case ("add", str(address), DeliveryKind() as kind):
                self.count += 1
                await outbox.add(tx, [new(f"k{self.count}", address, kind, self.now)])
            case ("claim", str(worker), int(limit)):
                await self._claim(tx, worker, limit)
            case ("end", int(place), DeliveryState() as state) if self.held:
                delivery_id = sorted(self.held)[place % len(self.held)]
                await delivery_worker.finish(tx, delivery_id, state, self.now)
                del self.held[delivery_id]
                self.over.add(delivery_id)
            case ("postpone", int(place), int(seconds)) if self.held:
                delivery_id = sorted(self.held)[place % len(self.held)]
                await delivery_worker.postpone(tx, delivery_id, self.now + timedelta(seconds=seconds), "down")
                del self.held[delivery_id]
            case ("give_back", str(worker)):
                await outbox.release(tx, worker)
                self.held = {one: hold for one, hold in self.held.items() if hold[0] != worker}
            case ("wait", int(seconds)):
                self.now += timedelta(seconds=seconds)
            case ("block", str(address)):
                await outbox.drop_unreachable(tx, "telegram", address, self.now)

    async def _claim(self, tx: Transaction, worker: str, limit: int) -> None:
        claimed = await claim(tx, self.now, worker, limit)
        assert len({(one.address, one.kind in outbox.FOLLOWING) for one in claimed}) <= limit
        own = {one.id for one in claimed}
        for one in claimed:
            assert one.id not in self.over, "an ended delivery is never claimed again"
            assert one.id not in self.held or self.held[one.id][1] < self.now, "its lease has not expired"
            assert one.body is not None
            self.held[one.id] = (worker, self.now + LEASE)
            is_named = one.kind in outbox.FOLLOWING
            held_back = select(deliveries.c.id).where(
                outbox.is_to(tx, "telegram", one.address),
                deliveries.c.address.startswith(envelopes.NAME_MARK) == is_named,
                deliveries.c.priority <= one.priority,
                deliveries.c.id < one.id,
                deliveries.c.state.in_(("waiting", "claimed")),
            )
            before = set(await tx.scalars(held_back))
            assert before <= own, "an earlier delivery is still to be sent, by another worker"
        assert [(one.priority, one.id) for one in claimed] == sorted((one.priority, one.id) for one in claimed)
