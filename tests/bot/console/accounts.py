"""An officer whose words and recovery code the test holds, and what their browser makes of them, in Python."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import ClientSession
from sqlalchemy import Row, select, update

from bot.console import auth_keys
from bot.console.throttle import THROTTLE
from storage import schema
from storage.confidential import ledger
from storage.confidential.officers import OfficerState, ReaderKeys
from storage.confidential.protocol import boxes, lists
from storage.confidential.protocol.boxes import Box, OfficerBox
from storage.confidential.protocol.canonical import canonical, decode, encode
from storage.confidential.protocol.errors import Altered
from storage.confidential.protocol.notebooks import seal_notebook
from storage.confidential.protocol.signatures import export_key
from tests.bot.console.office import SECRET, Office, OfficerWithKeys
from tests.bot.console.test_signin import open_page
from tests.fakes.unit import Keyholder, Unit
from tests.screen import ROUNDS

CODE_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ0123456789"


@dataclass(frozen=True)
class Words:
    """Seven words with their salt, and what a browser derives from both."""

    text: str
    salt: str = field(default_factory=lambda: encode(os.urandom(16)))

    @property
    def auth(self) -> str:
        return encode(boxes.derive(self._secret, "auth"))

    @property
    def wrap(self) -> bytes:
        return boxes.derive(self._secret, "wrap")

    @property
    def _secret(self) -> bytes:
        return boxes.stretch(self.text, decode(self.salt), ROUNDS)


NEW, NEWER = Words("hielo isla jabon koala lapiz mango nieve"), Words("olla pato queso rio sol tren uva")


@dataclass(frozen=True)
class Code:
    """A recovery code, as on its paper."""

    secret: bytes = field(default_factory=lambda: os.urandom(32))

    @classmethod
    def read(cls, paper: str) -> "Code":
        """The code that a page has shown."""
        bits = "".join(f"{CODE_LETTERS.index(letter):05b}" for letter in paper.strip().replace("-", ""))
        return cls(int(bits[:256], 2).to_bytes(32, "big"))

    @property
    def paper(self) -> str:
        """As a page prints it, with its check byte."""
        checked = self.secret + hashlib.sha256(self.secret).digest()[:1]
        bits = "".join(f"{byte:08b}" for byte in checked) + "0"
        letters = "".join(CODE_LETTERS[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))
        return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))

    @property
    def auth(self) -> str:
        return encode(boxes.derive(self.secret, "code-auth"))

    @property
    def wrap(self) -> bytes:
        return boxes.derive(self.secret, "recovery")


@dataclass
class AccountHolder(OfficerWithKeys):
    """An officer with words, a code, and boxes that both open."""

    words: Words = field(default_factory=lambda: Words("abeto barco cielo dado eco faro gallo"))
    code: Code = field(default_factory=Code)
    secrets: OfficerBox | None = None

    def join(self, unit: Unit) -> ReaderKeys:
        """Make keys, and what the browser of a new reader sends."""
        keys = super().join(unit)
        assert self.holder is not None
        self.secrets = secrets_of(self.holder, unit)
        return ReaderKeys(keys.joining, self.wrapped("words"), self.wrapped("code"), keys.notebook)

    def wrapped(self, wrap: Literal["words", "code"], key: bytes = b"") -> Box:
        """The private keys in the box of words or code; `key` is that of other ones."""
        assert self.secrets is not None
        own = self.words.wrap if wrap == "words" else self.code.wrap
        return boxes.wrap_officer(key or own, self.secrets, wrap)

    def new_words(self, words: Words) -> dict[str, object]:
        """What the page posts for new words."""
        bundle = self.wrapped("words", words.wrap)
        return {"auth": self.words.auth, "salt": words.salt, "new_auth": words.auth, "bundle": bundle}

    def new_code(self, code: Code, replaces: Box) -> dict[str, object]:
        """What the page posts for a new code."""
        box, former = self.wrapped("code", code.wrap), boxes.box_hash(replaces)
        return {"auth": self.words.auth, "replaces": former, "code_auth": code.auth, "recovery_bundle": box}

    def recovery(self, words: Words, code: Code) -> dict[str, object]:
        """What the page for lost words posts."""
        new = {"salt": words.salt, "auth": words.auth, "bundle": self.wrapped("words", words.wrap)}
        newer = {"new_code_auth": code.auth, "recovery_bundle": self.wrapped("code", code.wrap)}
        return {"email": self.email, "code_auth": self.code.auth, **new, **newer}


def secrets_of(holder: Keyholder, unit: Unit) -> OfficerBox:
    """What an officer's boxes hold."""
    reading, signing = export_key(holder.reading), export_key(holder.signing)
    pair = {"reading": reading, "signing": signing}
    return {"v": 2, "id": holder.id, **pair, "notebook": encode(os.urandom(32)), "unit": unit.point}  # type: ignore[typeddict-item]


def opens(officer: AccountHolder, box: Box, words: Words) -> bool:
    """Whether words open a box of this officer's keys."""
    return _opens(officer, box, words.wrap, "words")


def opens_with_code(officer: AccountHolder, box: Box, code: Code) -> bool:
    """Whether a recovery code opens a box of this officer's keys."""
    return _opens(officer, box, code.wrap, "code")


def _opens(officer: AccountHolder, box: Box, key: bytes, wrap: Literal["words", "code"]) -> bool:
    try:
        return boxes.unwrap_officer(key, box, officer.id, wrap) == officer.secrets
    except Altered:
        return False


def as_box(text: str) -> Box:
    """A stored box."""
    box: Box = json.loads(text)
    return box


# ---------------------------------------------------------------- the server


async def enrol(
    office: Office, officer: AccountHolder, role: str = "officer", state: OfficerState = OfficerState.ACTIVE
) -> AccountHolder:
    """Sign an officer up whose words and code open the account: in a trial, where they are enough."""
    office.trust.adopts_itself = True
    await office.enrol(officer, role, state)
    auth_hash, code_hash = await auth_keys.slow_hash(officer.words.auth), await auth_keys.slow_hash(officer.code.auth)
    values = {"salt": officer.words.salt, "auth_hash": auth_hash}
    if officer.secrets is not None:
        values |= {"code_hash": code_hash, "notebook": canonical(_first_notebook(office, officer.secrets))}
    table = schema.officers
    async with office.database.write() as tx:
        await tx.execute(update(table).where(table.c.id == officer.id).values(values))
    return officer


def _first_notebook(office: Office, secrets: OfficerBox) -> Box:
    pin = lists.pin_of(office.unit.newest["list"])
    first = {
        "v": 2,
        "id": secrets["id"],
        "version": 1,
        "unit": secrets["unit"],
        "list": pin,
        "cases": [],
        "passkeys": [],
    }
    return seal_notebook(decode(secrets["notebook"]), first)  # type: ignore[arg-type]


async def row(office: Office, officer: AccountHolder) -> Row[Any]:
    """The officer's row."""
    async with office.database.read() as tx:
        return (await tx.execute(select(schema.officers).where(schema.officers.c.id == officer.id))).one()


async def write(office: Office, officer: AccountHolder, **values: object) -> None:
    """Change the officer's row, as a writer of rows can."""
    async with office.database.write() as tx:
        await tx.execute(update(schema.officers).where(schema.officers.c.id == officer.id).values(values))


async def verbs(office: Office) -> list[str]:
    """What the ledger says but for sign-ins, oldest first."""
    await office.app[THROTTLE].settled()
    table = schema.ledger
    async with office.database.read() as tx:
        assert await ledger.first_invalid(tx, SECRET.audit) is None
        others = select(table.c.verb).where(table.c.verb.not_like("sign-in%"))
        return [*await tx.scalars(others.order_by(table.c.seq))]


async def stranger(office: Office, path: str, body: object) -> tuple[int, Any]:
    """Post from a browser without a session."""
    async with ClientSession() as client:
        return await (await open_page(office, client)).post(path, body)


async def signs_in(office: Office, email: str, words: Words) -> tuple[int, Any]:
    """Status and body of a sign-in with these words."""
    return await stranger(office, "/console/signin", {"email": email, "auth": words.auth})
