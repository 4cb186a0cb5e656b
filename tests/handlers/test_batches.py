"""Several people's updates in one batch: each is handled as if it had come by itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from content.library import Library
from handlers import router
from handlers.message import Update, UpdateKind
from storage import schema
from storage.database import Database, Transaction
from storage.learning import record
from tests.cast import Clock
from tests.handlers.account.test_link_channels import joined, words_of
from tests.handlers.conversation import choices, words
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone

CARMEN, DORA = Phone("100003", channel="telegram"), Phone("d" * 22, channel="webchat")
STRANGER = Phone("MX.7777", "+524770007777")
EVERYBODY = (ANA_ON_TELEGRAM, ANA, BETO, CARMEN, DORA, STRANGER)
BETOS_NEW = Phone("MX.9999", "+524770009999")


@dataclass
class Square:
    """Ana on two channels; Beto; Carmen, who has answered; Dora, who has to accept a newer notice; a stranger."""

    chat: Chat
    prompts: dict[Phone, int] = field(default_factory=dict)

    async def open(self) -> "Square":
        await joined(self.chat)
        for who in (BETO, CARMEN, DORA):
            await self.chat.enrol(who)
        for who in EVERYBODY[:-1]:
            self.prompts[who] = await self.chat.prompt(who)
        await self.chat.press(CARMEN, f"answer:{self.prompts[CARMEN]}:a")
        dora = (await self.chat.servant(DORA)).id
        async with self.chat.database.write() as tx:
            await tx.execute(update(schema.servants).where(schema.servants.c.id == dora).values(notice_version="old"))
        for who in EVERYBODY:
            await self.chat.reads(who)
        return self

    def presses(self, who: Phone, letter: str, whose: Phone | None = None, owner: str = "answer") -> Update:
        choice = f"{owner}:{self.prompts.get(whose or who, 10**12)}" + (f":{letter}" if letter else "")
        return self.does(who, UpdateKind.CHOICE, choice=choice, **_marks(who))

    def does(self, who: Phone, kind: UpdateKind, **fields: Any) -> Update:
        now = int(self.chat.clock().timestamp())
        return Update(who.channel, f"b {who.address}", who.address, kind, alias=who.alias, at=now, **fields)

    async def take(self, tx: Transaction, updates: Sequence[Update]) -> None:
        await router.receive_all(tx, self.chat.library, self.chat.installation, updates, self.chat.clock())

    async def take_all(self, *updates: Update) -> None:
        async with self.chat.database.write() as tx:
            await self.take(tx, updates)


def _marks(who: Phone) -> dict[str, str]:
    return {"ref": "55", "press": "p"} if who.channel == "telegram" else {}


@pytest.fixture
async def square(database: Database, library: Library, clock: Clock) -> Square:
    return await Square(await Chat(database, library, clock).open()).open()


async def answers(square: Square, who: Phone) -> list[tuple[int, str]]:
    known = await square.chat.servant(who)
    async with square.chat.database.read() as tx:
        return [(one.prompt_id, one.option) for one in await record.answers_of(tx, known.id)]


# ---------------------------------------------------------------- stories


async def test_each_answer_is_recorded_once_and_each_is_told_why(square: Square) -> None:
    letters = {ANA: "a", BETO: "b"}
    await square.take_all(*(square.presses(who, letter) for who, letter in letters.items()))
    for who, letter in letters.items():
        async with square.chat.database.read() as tx:
            prompt = await record.prompt(tx, square.prompts[who])
        assert prompt is not None
        option = square.chat.library.scenarios[prompt.scenario_id].option(letter)
        assert option is not None
        assert option.why.es in words(await square.chat.reads(who))
        assert await answers(square, who) == [(prompt.id, letter)]


async def test_of_one_question_answered_on_two_channels_at_once_the_first_counts(square: Square) -> None:
    await square.take_all(square.presses(ANA, "b"), square.presses(BETO, "a"), square.presses(ANA_ON_TELEGRAM, "c"))
    assert await answers(square, ANA) == [(square.prompts[ANA], "b")]
    stands = square.chat.phrase("answer.stands", letter="B")
    assert stands not in words(await square.chat.reads(ANA))
    assert stands in words(await square.chat.reads(ANA_ON_TELEGRAM))
    known = await square.chat.servant(ANA)
    async with square.chat.database.read() as tx:
        (memory,) = (await record.memories_of(tx, known.id)).values()
    assert memory.repetitions == 1


async def test_among_the_answers_of_others_nobody_answers_what_is_not_theirs(square: Square) -> None:
    await square.take_all(square.presses(BETO, "a", whose=ANA), square.presses(ANA, "b"), square.presses(STRANGER, "a"))
    assert await answers(square, ANA) == [(square.prompts[ANA], "b")]
    assert await answers(square, BETO) == []
    assert words(await square.chat.reads(BETO)) == words_of(square.chat, "help.old_button")


async def test_whoever_has_to_accept_a_newer_notice_is_asked_for_that_and_the_others_answer(square: Square) -> None:
    await square.take_all(square.presses(DORA, "a"), square.presses(ANA, "b"))
    assert await answers(square, DORA) == []
    (asked,) = await square.chat.reads(DORA)
    assert any(one.startswith("enroll:renew:") for one in choices([asked]))
    assert await answers(square, ANA) == [(square.prompts[ANA], "b")]


async def test_a_button_that_is_too_long_answers_nothing(square: Square) -> None:
    choice = f"answer:{square.prompts[ANA]}:{'x' * router.MAX_CHOICE_BYTES}:a"
    await square.take_all(square.does(ANA, UpdateKind.CHOICE, choice=choice), square.presses(BETO, "a"))
    assert await answers(square, ANA) == []
    assert len(await answers(square, BETO)) == 1


# ---------------------------------------------------------------- as if one by one


ACTS: dict[str, Callable[[Square, Phone], Update]] = {
    **{f"presses {letter}": lambda square, who, letter=letter: square.presses(who, letter) for letter in "abcz"},  # type: ignore[misc]
    "presses another's": lambda square, who: square.presses(who, "a", whose=BETO if who is CARMEN else CARMEN),
    "presses nobody's": lambda square, who: square.presses(who, "a", whose=STRANGER),
    "presses rubbish": lambda square, who: square.does(who, UpdateKind.CHOICE, choice="answer:1:a:b:" + "a" * 80),
    "presses half a button": lambda square, who: square.does(who, UpdateKind.CHOICE, choice="answer"),
    "is sure": lambda square, who: square.presses(who, "sure", owner="sure"),
    "asks why": lambda square, who: square.presses(who, "", owner="why"),
    "types a": lambda square, who: square.does(who, UpdateKind.TEXT, text="a"),
    "asks for today's": lambda square, who: square.does(who, UpdateKind.COMMAND, command="hoy"),
    "blocks us": lambda square, who: square.does(who, UpdateKind.BLOCKED),
    "comes back": lambda square, who: square.does(who, UpdateKind.UNBLOCKED),
    "wants no marketing": lambda square, who: square.does(who, UpdateKind.PREFERENCE, choice="stop"),
    "moves": lambda square, who: square.does(
        who, UpdateKind.MOVED, moved_to=f"new {who.address}", moved_alias=BETOS_NEW.alias if who is BETO else ""
    ),
}
BATCHES = st.permutations(EVERYBODY).flatmap(
    lambda people: st.tuples(*(st.tuples(st.just(who), st.sampled_from(sorted(ACTS))) for who in people))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=BATCHES, size=st.integers(1, len(EVERYBODY)))
async def test_a_batch_comes_to_the_same_as_each_by_themselves(
    square: Square, batch: Sequence[tuple[Phone, str]], size: int
) -> None:
    updates = [ACTS[action](square, who) for who, action in batch[:size]]

    async def one_by_one(tx: Transaction) -> None:
        for one in sorted(updates, key=_moment):
            await square.take(tx, [one])

    async def together(tx: Transaction) -> None:
        await square.take(tx, updates)

    assert await outcome(square, together) == await outcome(square, one_by_one)


def _moment(one: Update) -> int:
    """What the platform tells of people is noted first, then answers are kept; otherwise in the order of coming."""
    if one.kind in (UpdateKind.BLOCKED, UpdateKind.MOVED, UpdateKind.PREFERENCE):
        return 0
    return 1 if one.choice.startswith("answer") else 2


TABLES = ("answers", "memories", "prompts", "addresses", "servants")


async def outcome(square: Square, handle: Callable[[Transaction], Awaitable[None]]) -> dict[str, object]:
    """What it would come to; everything is as before afterwards."""
    async with square.chat.database.write() as tx, tx.begin_nested() as attempt:
        await handle(tx)
        found: dict[str, object] = {}
        for name in TABLES:
            rows = await tx.execute(select(schema.metadata.tables[name]))
            found[name] = sorted(map(repr, rows))
        columns = [one for one in schema.deliveries.c if one.name != "id"]
        rows = await tx.execute(select(*columns).order_by(schema.deliveries.c.address, schema.deliveries.c.id))
        found["deliveries"] = [tuple(row) for row in rows]
        await attempt.rollback()
    return found
