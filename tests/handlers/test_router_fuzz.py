"""Random updates of two servants and a stranger, in any order: nothing raises, no data crosses between users, and typed
text is neither stored nor repeated."""

import asyncio
import json
import shutil
import string
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from content import library
from content.library import Library
from handlers import router
from handlers.context import Installation, WorkContext
from handlers.message import Action, Update, UpdateKind
from handlers.outgoing import unpack
from storage import schema
from storage.database import Database, Transaction, open_database
from storage.people import servants
from tests.cast import ANA, BETO, INSTITUTIONS, Clock
from tests.opened_deliveries import opened
from tests.planning import plan

COURSE = library.load()
INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"), "http://127.0.0.1:8080", bytes(32), min_group=10, draw_key=bytes(32)
)
STRANGER = "100003"
CANARY = "zqxcanarioqxz"
"""Part of every typed text: it must never be repeated or stored."""

PREFIXES = (*router.BUTTONS, "unknown", "")
PIECES = st.one_of(
    st.sampled_from(
        [
            "on",
            "yes",
            "no",
            "start",
            "quit",
            "hour",
            "list",
            "notice",
            "renew",
            "move",
            "pause",
            "resume",
            "language",
            "es",
            "en",
            "0",
            "1",
            "2",
            "7",
            "9",
            "a",
            "b",
            "sure",
            "LEON",
            "SALUD",
            "2026-12-1",
            "ynu-",
            "yyyyyyyyyyyyyy",
            "today",
        ]
    ),
    st.text(max_size=12),
    st.integers(-5, 10**18).map(str),
    st.text("٠١٢٣४५", min_size=1, max_size=4),
)
CHOICES = st.builds(
    lambda prefix, rest: ":".join([prefix, *rest])[:80], st.sampled_from(PREFIXES), st.lists(PIECES, max_size=5)
)
TEXTS = st.one_of(
    st.sampled_from(["A", "b", "LEON", "leon", "ALTA SALUD", "baja", "¡SALIR!", "ayuda", "Celaya", "‮‫", "👩‍⚖️", "​"]),
    st.text(st.characters(codec="utf-8"), max_size=60),
)


@dataclass(frozen=True)
class Step:
    """One step of a story: an update of a user, the press of a button that was really sent, or the clock."""

    who: str
    what: str  # update | button | hour
    kind: UpdateKind = UpdateKind.TEXT
    text: str = ""
    pick: int = 0


USERS = st.sampled_from([ANA.address, BETO.address, STRANGER])
STEPS = st.one_of(
    st.builds(
        Step,
        USERS,
        st.just("update"),
        st.just(UpdateKind.COMMAND),
        st.sampled_from([*router.COMMANDS, "settings", "x"]),
    ),
    st.builds(Step, USERS, st.just("update"), st.just(UpdateKind.CHOICE), CHOICES),
    st.builds(Step, USERS, st.just("update"), st.just(UpdateKind.TEXT), TEXTS),
    st.builds(
        Step,
        USERS,
        st.just("update"),
        st.sampled_from([UpdateKind.ATTACHMENT, UpdateKind.LONG_TEXT, UpdateKind.BLOCKED, UpdateKind.UNBLOCKED]),
    ),
    st.builds(Step, USERS, st.just("button"), pick=st.integers(0, 10_000)),
    st.builds(Step, USERS, st.just("button"), pick=st.integers(0, 10_000)),
    st.builds(Step, USERS, st.just("hour"), pick=st.integers(1, 30)),
)


@given(st.lists(STEPS, max_size=25))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_interleaving_of_updates_is_handled(migrated_file: Path, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "integra.db"
        shutil.copy(migrated_file, path)
        asyncio.run(_run(COURSE, f"sqlite+aiosqlite:///{path}", steps))
        stored = b"".join(file.read_bytes() for file in Path(folder).iterdir())
    assert CANARY.encode() not in stored, "typed text was stored"


async def _run(course: Library, url: str, steps: list[Step]) -> None:
    database = open_database(url)
    clock = Clock()
    try:
        async with database.write() as tx:
            for code, name, sphere in INSTITUTIONS:
                await servants.add_institution(tx, code, name, sphere)
        for number, step in enumerate(steps):
            await _handle(database, course, clock, number, step)
        async with database.read() as tx:
            await _assert_nothing_crossed(tx)
    finally:
        await database.close()


async def _handle(database: Database, course: Library, clock: Clock, number: int, step: Step) -> None:
    if step.what == "hour":
        clock.move(hours=step.pick)
        await plan(database, course, INSTALLATION, clock())
        return
    async with database.write() as tx:
        update = await _update(tx, number, step)
        before = await tx.scalar(select(func.max(schema.deliveries.c.id))) or 0
        await router.receive(WorkContext(tx, course, INSTALLATION, clock()), update)
        replies = [row for row in await opened(tx) if row["id"] > before]
    assert {row["address"] for row in replies} <= {step.who}, "a message to another user"
    parcels = [unpack(row["address"], row["key"], row["body"]) for row in replies]
    if update.press:
        assert parcels[0].action is Action.ACKNOWLEDGE, "a press was not acknowledged"
    if update.kind not in (
        UpdateKind.BLOCKED,
        UpdateKind.UNBLOCKED,
        UpdateKind.MOVED,
        UpdateKind.PREFERENCE,
        UpdateKind.CHOICE,
    ):
        assert any(parcel.action is Action.SEND for parcel in parcels), f"no answer to {update.kind}"
    for parcel in parcels:
        assert CANARY not in parcel.text, "typed text was repeated"
        assert all(len(button.choice.encode()) <= 64 for row in parcel.rows for button in row)


async def _update(tx: Transaction, number: int, step: Step) -> Update:
    facts: dict[str, Any] = {"channel": "telegram", "key": str(number), "address": step.who, "ref": "7"}
    if step.what == "button":
        return Update(**facts, kind=UpdateKind.CHOICE, choice=await _real_button(tx, step), press="p")
    match step.kind:
        case UpdateKind.CHOICE:
            return Update(**facts, kind=step.kind, choice=step.text, press="p")
        case UpdateKind.COMMAND:
            return Update(**facts, kind=step.kind, command=step.text, text=f"LEON {CANARY}"[: step.pick % 5 or None])
        case UpdateKind.TEXT:
            return Update(**facts, kind=step.kind, text=f"{step.text} {CANARY}" if step.pick % 2 else step.text)
    return Update(**facts, kind=step.kind)


async def _real_button(tx: Transaction, step: Step) -> str:
    """The payload of a button that was really sent, not always to the user who presses it now."""
    bodies = [row["body"] for row in await opened(tx)]
    choices = [button[1] for body in bodies if body for row in json.loads(body)[2] for button in row if button[1]]
    return choices[-1 - step.pick % min(len(choices), 30)] if choices else string.ascii_lowercase


async def _assert_nothing_crossed(tx: Transaction) -> None:
    statement = select(func.count()).where(
        schema.answers.c.prompt_id == schema.prompts.c.id,
        schema.answers.c.servant_id != schema.prompts.c.servant_id,
    )
    assert await tx.scalar(statement) == 0, "a servant answered another's prompt"
    owners = await tx.scalar(select(func.count(func.distinct(schema.addresses.c.address))))
    active = await tx.scalar(select(func.count()).select_from(schema.servants).where(schema.servants.c.state != "left"))
    assert owners == active
