"""Letterbox and console of one installation on a loopback port, and the officers who have accounts in it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import ClientSession, DummyCookieJar, web
from aiohttp.test_utils import TestServer, unused_port
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import delete, insert

from bot import console
from bot.web import letterbox
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES, SECRETS
from bot.web.templating import Pages
from content.library import Library
from storage import schema
from storage.confidential.protocol import boxes, lists, notebooks
from storage.confidential.protocol.boxes import Box, OfficerBox
from storage.confidential.protocol.canonical import canonical, decode, encode
from storage.confidential.protocol.notebooks import Notebook
from storage.confidential.protocol.signatures import export_key
from storage.confidential.unit_trust import HEAD_FILE, UNIT_FILE
from storage.database import Database, Transaction
from tests.fakes.letterbox import NOW, Letterbox, new_installation
from tests.fakes.unit import Keyholder, Unit
from tests.keys import invented

SECRET = invented()
FAST_ROUNDS = 1000
ROLE = {True: "admin", False: "officer"}


@dataclass(frozen=True)
class Account:
    """An officer with what opens her bundle and her notebook; only with words she can sign in in a browser."""

    officer: Keyholder
    wrapping: bytes
    notebook: bytes
    auth_hash: str = "-"
    words: str = ""

    @classmethod
    def with_words(cls, officer: Keyholder, words: str) -> "Account":
        """An account for a browser that stretches words fast (tests/screen.py)."""
        secret = boxes.stretch(words, decode(officer.id), FAST_ROUNDS)
        auth = encode(boxes.derive(secret, "auth")).encode()
        cheap: Any = {"iterations": 1, "lanes": 1, "memory_cost": 64}
        hashed = Argon2id(salt=os.urandom(16), length=32, **cheap).derive_phc_encoded(auth)
        return cls(officer, boxes.derive(secret, "wrap"), os.urandom(32), hashed, words)

    @property
    def id(self) -> str:
        return self.officer.id

    @property
    def email(self) -> str:
        return f"{self.officer.name.lower()}@ueipci.example"

    def row(self, unit: Unit, *, is_head: bool) -> dict[str, Any]:
        """The row of the account as signing up leaves it."""
        officer = self.officer
        bundle = boxes.wrap_officer(self.wrapping, self._keys(unit), "words")
        return {
            "id": officer.id,
            "email": self.email,
            "name": officer.name,
            "role": ROLE[is_head],
            "state": "active",
            "joining": canonical(unit.joining(officer)),
            "salt": officer.id,
            "auth_hash": self.auth_hash,
            "bundle": canonical(bundle),
            "notebook": canonical(self._empty_notebook(unit)),
            "notebook_version": 1,
        }

    def _keys(self, unit: Unit) -> OfficerBox:
        officer = self.officer
        return {
            "v": 2,
            "id": officer.id,
            "notebook": encode(self.notebook),
            "unit": unit.point,
            "reading": export_key(officer.reading),
            "signing": export_key(officer.signing),
        }

    def _empty_notebook(self, unit: Unit) -> Box:
        pin = lists.pin_of(unit.lists[0]["list"])
        empty: Notebook = {
            "v": 2,
            "id": self.id,
            "version": 1,
            "unit": unit.point,
            "list": pin,
            "cases": [],
            "passkeys": [],
        }
        return notebooks.seal_notebook(self.notebook, empty)


@dataclass
class Host:
    """The running installation; `box` are its letterbox and database.

    `between` is called between two requests of one page.
    """

    box: Letterbox
    secrets: Path
    between: Callable[[], Awaitable[None]]

    async def begin(self, unit: Unit, accounts: Sequence[Account]) -> None:
        """Begin with an adopted unit, these officers and no query."""
        self.forget_trust()
        self.box.unit = unit
        async with self.box.database.write() as tx:
            await _empty(tx)
            for at, account in enumerate(accounts):
                await tx.execute(insert(schema.officers).values(account.row(unit, is_head=at == 0)))
        await self.box.publish()

    def forget_trust(self) -> None:
        """Let no unit be adopted, as in a new installation."""
        for name in (UNIT_FILE, HEAD_FILE):
            (self.secrets / name).unlink(missing_ok=True)
        self.box.installation.unit.verified = None

    def adopt(self, pin: lists.Pin) -> None:
        """Restore the files of the unit as a copy had them."""
        self.forget_trust()
        self.box.installation.unit.adopt(self.box.unit.point, pin)


async def _empty(tx: Transaction) -> None:
    for table in reversed(schema.metadata.sorted_tables):
        if table.name in _USED:
            await tx.execute(delete(table))


_USED = {
    *("officers", "invites", "sessions", "key_lists", "ledger"),
    *("cases", "access", "letters", "links", "link_counts", "routes"),
}


@asynccontextmanager
async def running(database: Database, library: Library) -> AsyncIterator[Host]:
    """Run letterbox and console on a database."""
    app = web.Application()
    server = TestServer(app, port=unused_port())  # known before the start, as the settings contain the address
    url = f"http://127.0.0.1:{server.port}"
    with TemporaryDirectory() as folder:
        installation = new_installation(url, Path(folder))
        async with ClientSession(cookie_jar=DummyCookieJar()) as session:
            box = Letterbox(database, library, url, installation, session, now=NOW)
            app[DATABASE], app[LIBRARY], app[INSTALLATION], app[PAGES] = database, library, installation, Pages(library)
            app[CLOCK], app[SECRETS] = lambda: box.now, SECRET
            app[letterbox.CAPS] = letterbox.LetterboxCaps(persons=100_000)  # on a clock that stands still
            letterbox.attach(app)
            console.attach(app)
            async with server:
                yield Host(box, Path(folder), quiet)


async def quiet() -> None:
    """Let nothing happen."""
