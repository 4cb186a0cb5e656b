"""What PostgreSQL keeps beside the rows: the transaction of each row (`xmin`), in physical copies, and its WAL.

Measured, not promised: who has these sees which rows were written together, and in which order.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from storage.database import Database
from tests.attack.guessing.series import Person

RECORD = re.compile(
    r"\): +\d+/ *(?P<size>\d+), tx: +(?P<transaction>\d+), lsn: [0-9A-F]+/(?P<start>[0-9A-F]+),.*desc: (?P<verb>\S+) "
    r".*?\b(?:old_)?off: (?P<offset>\d+)(?:.*?new_off: (?P<new_offset>\d+))?"
    r".*?blkref #0: rel \d+/\d+/(?P<file>\d+)[^#]* blk (?P<block>\d+)"
    r"(?:[^#]*blkref #1: .*? blk (?P<old_block>\d+))?"
)
SEGMENT = 16 * 1024 * 1024  # bytes
Place = tuple[int, int]
"""Block and number of a row within it."""
PAGE_HEADER = 24  # bytes, where a record goes on on the next page


@dataclass
class Hidden:
    """The transaction of each row when a copy first shows it; ids of transactions grow."""

    routes: dict[str, int] = field(default_factory=dict)
    cases: dict[str, int] = field(default_factory=dict)
    answers: dict[int, int] = field(default_factory=dict)  # servant's id by transaction
    addresses: dict[int, Person] = field(default_factory=dict)  # by the transaction that changed it last
    letters: dict[int, str] = field(default_factory=dict)  # the case by transaction
    tables: dict[int, str] = field(default_factory=dict)  # by the number of the file

    async def look(self, database: Database) -> None:
        """Take what a physical copy of this moment shows."""
        async with database.read() as tx:

            async def rows(statement: str) -> list[tuple[object, ...]]:
                return [tuple(row) for row in await tx.exec_driver_sql(statement)]

            xid = "xmin::text::bigint"
            for row, number in await rows(f"SELECT row, {xid} FROM routes"):
                self.routes.setdefault(str(row), int(str(number)))
            for case, number in await rows(f"SELECT id, {xid} FROM cases"):
                self.cases.setdefault(str(case), int(str(number)))
            for servant, number in await rows(f"SELECT servant_id, {xid} FROM answers"):
                self.answers.setdefault(int(str(number)), int(str(servant)))
            for channel, address, number in await rows(f"SELECT channel, address, {xid} FROM addresses"):
                self.addresses[int(str(number))] = (str(channel), str(address))
            for case, number in await rows(f"SELECT case_id, {xid} FROM letters"):
                self.letters[int(str(number))] = str(case)
            files = await rows("SELECT pg_relation_filenode(oid), relname FROM pg_class WHERE relkind = 'r'")
            self.tables |= {int(str(number)): str(name) for number, name in files if number is not None}

    def route_of(self, case: str) -> int:
        """The transaction of the last link that was made before a case was stored; 0: none is known."""
        return max((number for number in self.routes.values() if number < self.cases[case]), default=0)

    def by_last_contact(self, case: str) -> Person | None:
        """The transaction that made the link also noted when that address was heard."""
        return self.addresses.get(self.route_of(case))

    def by_answer_before(self, case: str, people: Mapping[int, Person]) -> Person | None:
        """Who answered a prompt last, before the run of actions that ended in the link."""
        route = self.route_of(case)
        before = max((number for number in self.answers if number < route), default=0)
        return people.get(self.answers[before]) if before else None


# ---------------------------------------------------------------- the log


@dataclass(frozen=True, slots=True)
class Record:
    """One change of a row in the log: its transaction, table, place before and after, and the bytes written."""

    transaction: int
    verb: str
    table: str
    place: Place
    new_place: Place
    content: bytes


def read_log(program: Path, folder: Path, tables: Mapping[int, str]) -> list[Record]:
    """All changes of rows of known tables in the log's segments."""
    found = []
    for segment in sorted(path for path in folder.iterdir() if re.fullmatch(r"[0-9A-F]{24}", path.name)):
        content = segment.read_bytes()
        dump = subprocess.run([program, "-r", "Heap", segment], check=False, capture_output=True, text=True)
        for line in dump.stdout.splitlines():
            if (match := RECORD.search(line)) and int(match["file"]) in tables:
                start, size = int(match["start"], 16) % SEGMENT, int(match["size"])
                place = (int(match["old_block"] or match["block"]), int(match["offset"]))
                table, part = tables[int(match["file"])], content[start : start + size + PAGE_HEADER]
                new_place = (int(match["block"]), int(match["new_offset"] or match["offset"]))
                found.append(Record(int(match["transaction"]), match["verb"], table, place, new_place, part))
    return found


def texts(content: bytes) -> list[str]:
    """The first short texts of a row that begins with a channel's name."""
    start = re.search(rb"[\x11\x13\x0f](?=telegram|whatsapp|webchat)", content)
    found: list[str] = []
    at = start.start() if start else len(content)
    while at < len(content) and content[at] & 1 and content[at] > 1 and len(found) < 4:
        size = content[at] >> 1
        found.append(content[at + 1 : at + size].decode("latin-1"))
        at += size
    return found


def by_log(records: Iterable[Record], hidden: Hidden, people: Mapping[int, Person]) -> dict[str, Person]:
    """The asker of each case, by what stood in the address of an update when it was stored.

    That text is the same for all that one person sends; a transaction that stored an answer as well tells whose it is.
    The transaction of an officer's letter changes the row that the link's transaction made.
    """
    written: dict[Place, str] = {}
    links: dict[Place, int] = {}  # the transaction of each link, by where its row lies now
    names: dict[int, set[str]] = defaultdict(set)  # of the updates that a transaction handled
    made = {case: hidden.route_of(case) for case in hidden.cases}
    for record in records:
        if record.table == "updates" and record.verb.startswith("INSERT"):
            fields = texts(record.content)
            written[record.place] = fields[2] if len(fields) > 2 else ""
        elif record.table == "updates":
            names[record.transaction].add(written.get(record.place, ""))
        elif record.table == "routes" and record.verb.startswith("INSERT"):
            links[record.place] = record.transaction
        elif record.table == "routes" and "UPDATE" in record.verb:
            links[record.new_place] = links.pop(record.place, 0)
            if record.transaction in hidden.letters:
                made[hidden.letters[record.transaction]] = links[record.new_place]
    owners = {
        name: people[servant]
        for transaction, servant in hidden.answers.items()
        if servant in people
        for name in names.get(transaction, ())
        if name
    }
    return {case: owners[name] for case, link in made.items() for name in names.get(link, ()) if name in owners}
