"""Updates of several users in one batch: each has the same result as if handled alone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from content import limits
from content.learning.memories import replay
from content.library import Library
from handlers import router
from handlers.context import WorkContext
from handlers.learning.memories import review_of
from handlers.message import Update, UpdateKind
from storage import schema
from storage.database import Database, Transaction
from storage.learning import memories, record
from tests.cast import Clock
from tests.conftest import rolled_back
from tests.handlers.account.test_link_channels import linked, phrase_of
from tests.handlers.conversation import choices, text_of
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone
from tests.opened_deliveries import opened

CARMEN, DORA = Phone("100003", channel="telegram"), Phone("d" * 22, channel="webchat")
STRANGER = Phone("MX.7777", "+524770007777")
ALL_USERS = (ANA_ON_TELEGRAM, ANA, BETO, CARMEN, DORA, STRANGER)
BETOS_NEW_PHONE = Phone("MX.9999", "+524770009999")


@dataclass
class Scene:
    """Ana on two channels; Beto; Carmen, who has answered; Dora, who has to accept a newer notice; a stranger."""

    chat: Chat
    prompts: dict[Phone, int] = field(default_factory=dict)

    async def open(self) -> "Scene":
        await linked(self.chat)
        for who in (BETO, CARMEN, DORA):
            await self.chat.enrol(who)
        for who in ALL_USERS[:-1]:
            self.prompts[who] = await self.chat.prompt(who)
        await self.chat.press(CARMEN, f"answer:{self.prompts[CARMEN]}:a")
        dora = (await self.chat.servant(DORA)).id
        async with self.chat.database.write() as tx:
            await tx.execute(update(schema.servants).where(schema.servants.c.id == dora).values(notice_version="old"))
        for who in ALL_USERS:
            await self.chat.unread(who)
        return self

    def press(self, who: Phone, letter: str, prompt_of: Phone | None = None, prefix: str = "answer") -> Update:
        """A press of a button below a prompt, of `who` unless `prompt_of` says otherwise."""
        choice = f"{prefix}:{self.prompts.get(prompt_of or who, 10**12)}" + (f":{letter}" if letter else "")
        return self.update(who, UpdateKind.CHOICE, choice=choice, **_refs(who))

    def update(self, who: Phone, kind: UpdateKind, **fields: Any) -> Update:
        now = int(self.chat.clock().timestamp())
        return Update(who.channel, f"b {who.address}", who.address, kind, alias=who.alias, at=now, **fields)

    async def handle(self, tx: Transaction, updates: Sequence[Update]) -> None:
        await router.receive_all(WorkContext(tx, self.chat.library, self.chat.installation, self.chat.clock()), updates)

    async def handle_all(self, *updates: Update) -> None:
        async with self.chat.database.write() as tx:
            await self.handle(tx, updates)


def _refs(who: Phone) -> dict[str, str]:
    return {"ref": "55", "press": "p"} if who.channel == "telegram" else {}


@pytest.fixture
async def scene(database: Database, library: Library, clock: Clock) -> Scene:
    return await Scene(await Chat(database, library, clock).open()).open()


async def answers(scene: Scene, who: Phone) -> list[tuple[int, str]]:
    known = await scene.chat.servant(who)
    async with scene.chat.database.read() as tx:
        return [(answer.prompt_id, answer.option) for answer in await record.answers_of(tx, known.id)]


# ---------------------------------------------------------------- answers in one batch


async def test_each_answer_is_recorded_once_and_gets_its_feedback(scene: Scene) -> None:
    letters = {ANA: "a", BETO: "b"}
    await scene.handle_all(*(scene.press(who, letter) for who, letter in letters.items()))
    for who, letter in letters.items():
        async with scene.chat.database.read() as tx:
            prompt = await record.prompt(tx, scene.prompts[who])
        assert prompt is not None
        option = scene.chat.library.scenarios[prompt.scenario_id].option(letter)
        assert option is not None
        assert option.why.es in text_of(await scene.chat.unread(who))
        assert await answers(scene, who) == [(prompt.id, letter)]


async def test_of_two_answers_to_one_prompt_in_a_batch_the_first_counts(scene: Scene) -> None:
    await scene.handle_all(scene.press(ANA, "b"), scene.press(BETO, "a"), scene.press(ANA_ON_TELEGRAM, "c"))
    assert await answers(scene, ANA) == [(scene.prompts[ANA], "b")]
    first_stands = scene.chat.phrase("answer.stands", letter="B")
    assert first_stands not in text_of(await scene.chat.unread(ANA))
    assert first_stands in text_of(await scene.chat.unread(ANA_ON_TELEGRAM))
    known = await scene.chat.servant(ANA)
    async with scene.chat.database.read() as tx:
        (row,) = (await memories.of(tx, [known.id])).values()
        (given,) = await record.answers_of(tx, known.id)
    assert [row.memory] == replay([[review_of(given)]])


async def test_in_a_batch_no_servant_answers_anothers_prompt(scene: Scene) -> None:
    await scene.handle_all(scene.press(BETO, "a", prompt_of=ANA), scene.press(ANA, "b"), scene.press(STRANGER, "a"))
    assert await answers(scene, ANA) == [(scene.prompts[ANA], "b")]
    assert await answers(scene, BETO) == []
    assert text_of(await scene.chat.unread(BETO)) == phrase_of(scene.chat, "help.old_button")


async def test_in_a_batch_only_the_servant_with_an_older_notice_is_asked_to_accept_it(scene: Scene) -> None:
    await scene.handle_all(scene.press(DORA, "a"), scene.press(ANA, "b"))
    assert await answers(scene, DORA) == []
    (reply,) = await scene.chat.unread(DORA)
    assert any(choice.startswith("enroll:renew:") for choice in choices([reply]))
    assert await answers(scene, ANA) == [(scene.prompts[ANA], "b")]


async def test_a_button_that_is_too_long_answers_nothing(scene: Scene) -> None:
    choice = f"answer:{scene.prompts[ANA]}:{'x' * limits.CHOICE_BYTES}:a"
    await scene.handle_all(scene.update(ANA, UpdateKind.CHOICE, choice=choice), scene.press(BETO, "a"))
    assert await answers(scene, ANA) == []
    assert len(await answers(scene, BETO)) == 1


# ---------------------------------------------------------------- a batch compared with single updates


ACTIONS: dict[str, Callable[[Scene, Phone], Update]] = {
    **{f"presses {letter}": lambda scene, who, letter=letter: scene.press(who, letter) for letter in "abcz"},  # type: ignore[misc]
    "presses another servant's button": lambda scene, who: scene.press(
        who, "a", prompt_of=BETO if who is CARMEN else CARMEN
    ),
    "presses a button of an unknown prompt": lambda scene, who: scene.press(who, "a", prompt_of=STRANGER),
    "presses a malformed one": lambda scene, who: scene.update(
        who, UpdateKind.CHOICE, choice="answer:1:a:b:" + "a" * 80
    ),
    "presses a truncated one": lambda scene, who: scene.update(who, UpdateKind.CHOICE, choice="answer"),
    "is sure": lambda scene, who: scene.press(who, "sure", prefix="sure"),
    "asks why": lambda scene, who: scene.press(who, "", prefix="why"),
    "types a": lambda scene, who: scene.update(who, UpdateKind.TEXT, text="a"),
    "asks for today's": lambda scene, who: scene.update(who, UpdateKind.COMMAND, command="hoy"),
    "blocks": lambda scene, who: scene.update(who, UpdateKind.BLOCKED),
    "unblocks": lambda scene, who: scene.update(who, UpdateKind.UNBLOCKED),
    "opts out of marketing": lambda scene, who: scene.update(who, UpdateKind.PREFERENCE, choice="stop"),
    "moves": lambda scene, who: scene.update(
        who, UpdateKind.MOVED, moved_to=f"new {who.address}", moved_alias=BETOS_NEW_PHONE.alias if who is BETO else ""
    ),
}
BATCHES = st.permutations(ALL_USERS).flatmap(
    lambda users: st.tuples(*(st.tuples(st.just(who), st.sampled_from(sorted(ACTIONS))) for who in users))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=BATCHES, size=st.integers(1, len(ALL_USERS)))
async def test_a_batch_has_the_same_result_as_single_updates(
    scene: Scene, batch: Sequence[tuple[Phone, str]], size: int
) -> None:
    updates = [ACTIONS[action](scene, who) for who, action in batch[:size]]

    async def one_by_one(tx: Transaction) -> None:
        for single in sorted(updates, key=_order):
            await scene.handle(tx, [single])

    async def in_one_batch(tx: Transaction) -> None:
        await scene.handle(tx, updates)

    assert await outcome(scene, in_one_batch) == await outcome(scene, one_by_one)


def _order(update: Update) -> int:
    """The order in a batch: platform events first, then answers, then everything else as it arrived."""
    if update.kind in (UpdateKind.BLOCKED, UpdateKind.MOVED, UpdateKind.PREFERENCE):
        return 0
    return 1 if update.choice.startswith("answer") else 2


TABLES = ("answers", "packed_memories", "prompts", "addresses", "servants")


async def outcome(scene: Scene, handle: Callable[[Transaction], Awaitable[None]]) -> dict[str, object]:
    """The state of the tables after `handle`, which is rolled back."""
    async with scene.chat.database.write() as tx, rolled_back(tx):
        await handle(tx)
        found: dict[str, object] = {}
        for name in TABLES:
            rows = await tx.execute(select(schema.metadata.tables[name]))
            found[name] = sorted(map(repr, rows))
        sent = sorted(await opened(tx), key=lambda row: (row["address"], row["id"]))
        found["deliveries"] = [{name: value for name, value in row.items() if name != "id"} for row in sent]
    return found
