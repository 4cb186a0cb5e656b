"""A query that its asker has read, and the attackers who alter it: a writer of rows, alone or with help."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Table, delete, insert, update

from storage import schema
from storage.confidential import cases
from storage.confidential.protocol import lists, threads
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.signatures import PrivateKey
from storage.confidential.unit_trust import HEAD_FILE, UNIT_FILE
from storage.database import Transaction
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Opened, Written, new_content, write
from tests.fakes.letterbox import TODAY, Letterbox
from tests.fakes.unit import Keyholder, Unit

TABLES: tuple[Table, ...] = (schema.cases, schema.access, schema.letters, schema.key_lists)
FORGED = "No pasa nada."
Shown = Literal["altered", "wrong-key", "thread"]
CASES, ACCESS, LETTERS, LISTS = TABLES


@dataclass
class Forger:
    """A signature in the name of `id`."""

    id: str
    signing: PrivateKey


@dataclass
class Scene:
    """A query that Carmen answered and its asker read, another query, and Dora, an officer who reads neither."""

    box: Letterbox
    tx: Transaction
    asker: Asker
    other: Asker
    dora: Keyholder

    @property
    def carmen(self) -> Keyholder:
        return self.box.unit.officer

    async def letters(self) -> list[Letter]:
        return await cases.letters(self.tx, self.asker.case)

    async def opened(self) -> Opened:
        """With Carmen's key."""
        row = await cases.access(self.tx, self.asker.case, self.carmen.id)
        return self.carmen.open(await self.letters(), row, self.box.unit.chain)

    async def set(self, table: Table, where: ColumnElement[bool], **values: object) -> None:
        column = table.c.id if table is CASES else table.c.case_id
        await self.tx.execute(update(table).where(column == self.asker.case, where).values(**values))

    async def set_case(self, **values: object) -> None:
        await self.set(CASES, CASES.c.id == self.asker.case, **values)

    async def set_letter(self, seq: int, letter: Any) -> None:
        text = letter if isinstance(letter, str) else canonical(letter)
        await self.set(LETTERS, LETTERS.c.seq == seq, letter=text)

    async def set_access(self, **values: object) -> None:
        await self.set(ACCESS, ACCESS.c.reader == "asker", **values)

    async def remove_letters(self, *seqs: int) -> None:
        await self.tx.execute(delete(LETTERS).where(LETTERS.c.case_id == self.asker.case, LETTERS.c.seq.in_(seqs)))

    async def set_lists(self, unit: Unit) -> None:
        await self.tx.execute(delete(LISTS))
        await unit.publish(self.tx)

    async def forge(self, author: Forger, opened: Opened | None = None, *, grants: bool = False, **bound: Any) -> None:
        """Add a third letter in this name, under the case key or as a grant, with its rows of access."""
        opened, chain = opened or await self.opened(), self.box.unit.chain
        epoch = len(opened.thread.grants) + grants
        seal = Seal(epoch, grants, (self.carmen.id,), ())
        context = {"case": self.asker.case, "day": TODAY.isoformat(), **bound}
        kind = "reply" if author.id == threads.ASKER else "answer"
        await self.store(write(opened, chain, author, kind, new_content(FORGED), seal, context))

    async def store(self, written: Written) -> None:
        context = written.letter["context"]
        row = {"case_id": self.asker.case, "lane": "talk", "seq": context["seq"], "letter": canonical(written.letter)}
        await self.tx.execute(insert(LETTERS), row)
        for access in written.access:
            await self.set(ACCESS, ACCESS.c.reader == access["reader"], epoch=access["epoch"], sealed=access["sealed"])


@dataclass(frozen=True)
class Attack:
    """One alteration; `columns` are those that it changes, `shows` is what the asker's page answers."""

    name: str
    columns: tuple[str, ...]
    run: Callable[[Scene], Awaitable[None]]
    shows: Shown


ATTACKS: list[Attack] = []
Run = Callable[[Scene], Awaitable[None]]


def attack(*columns: str, shows: Shown = "altered") -> Callable[[Run], Run]:
    def register(run: Run) -> Run:
        ATTACKS.append(Attack(run.__name__, columns, run, shows))
        return run

    return register


def flipped(text: str, at: int = 30) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def put_trust(box: Letterbox, point: str, head: str) -> None:
    folder = box.installation.unit.folder
    assert folder is not None
    (folder / UNIT_FILE).write_text(point)
    (folder / HEAD_FILE).write_text(head)
    box.installation.unit.verified = None


def restore_trust(box: Letterbox) -> None:
    """Put back what an administrator changed outside the database."""
    put_trust(box, box.unit.point, canonical(lists.pin_of(box.unit.newest["list"])))
