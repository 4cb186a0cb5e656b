"""A server with letterbox and console for tests, and officers whose private keys the test holds."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot import console
from bot.console import site
from bot.secrets import Secrets
from bot.web import letterbox
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES, SECRETS
from bot.web.templating import Pages
from content.library import Library
from handlers.context import Installation
from storage.confidential import cases, officers, sealing, wire_format
from storage.confidential.officers import KeyList, Keys, OfficerState
from storage.database import Database
from tests.fakes.unit import new_id, new_key

SECRET = Secrets(route=b"r" * 32, inbox=b"i" * 32, audit=b"a" * 32, csrf=b"c" * 32, webhook="w")
ZONE = ZoneInfo("America/Mexico_City")
START = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # a Monday morning in Guanajuato


def encoded_public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """The public key as stored and sent: base64url of the uncompressed point."""
    return wire_format.encode(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


@dataclass
class OfficerWithKeys:
    """An officer whose private keys the test holds."""

    id: str
    name: str
    email: str
    reading: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    signing: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    @property
    def reader(self) -> dict[str, str]:
        """The officer's entry in a list of readers."""
        return {
            "id": self.id,
            "name": self.name,
            "role": "officer",
            "reading": encoded_public_key(self.reading),
            "signing": encoded_public_key(self.signing),
        }

    def keys(self, *, unit_bundle: str | None = None, auth_hash: str = "hash") -> Keys:
        return Keys(
            encoded_public_key(self.reading),
            encoded_public_key(self.signing),
            wire_format.encode(b"s" * 16),
            auth_hash,
            "{}",
            "{}",
            unit_bundle,
        )


class Unit:
    """The unit's signing key and the recovery key, as the first officer's browser makes them."""

    def __init__(self) -> None:
        self.key, self.recovery = new_key(), new_key()

    def sign(self, serial: int, *listed: OfficerWithKeys, extra: tuple[dict[str, str], ...] = ()) -> tuple[str, str]:
        """Body and signature of a list of these officers, the recovery key and `extra` entries."""
        recovery = {
            "id": sealing.RECOVERY,
            "name": "Recuperación",
            "role": "recovery",
            "reading": encoded_public_key(self.recovery),
            "signing": "",
        }
        readers = [listed[0].reader, recovery, *(officer.reader for officer in listed[1:]), *extra]
        body = wire_format.canonical(
            {
                "v": 1,
                "suite": 1,
                "serial": serial,
                "day": "2026-11-23",
                "unit": encoded_public_key(self.key),
                "readers": readers,
            }
        )
        return body, sealing.sign(self.key, "integra/v1/keys|" + body)


class Office:
    """The server, its clock, and direct changes to its database."""

    def __init__(self, database: Database, library: Library) -> None:
        self.database, self.now = database, START
        self.address = ""
        self.app = web.Application()
        self.app[DATABASE], self.app[LIBRARY], self.app[SECRETS] = database, library, SECRET
        self.app[CLOCK] = lambda: self.now
        self.app[INSTALLATION] = Installation(ZONE, "http://127.0.0.1:8080", SECRET.route, 10, draw_key=bytes(32))
        self.app[PAGES] = Pages(library)
        letterbox.attach(self.app)
        console.attach(self.app)

    def advance_clock(self, **span: int) -> None:
        self.now += timedelta(**span)

    async def invite(self, email: str, name: str, role: str = "officer") -> str:
        async with self.database.write() as tx:
            return await officers.invite(tx, email, name, role, None, self.now)

    async def enrol(
        self, officer: OfficerWithKeys, role: str = "officer", state: OfficerState = OfficerState.ACTIVE
    ) -> None:
        """Sign up an officer with keys that the test holds."""
        token = await self.invite(officer.email, officer.name, role)
        async with self.database.write() as tx:
            officer.id = (await officers.by_invite(tx, token, self.now)).id
            await officers.sign_up(tx, token, officer.keys(), state, self.now)

    async def put_in_force(self, serial: int, signed: tuple[str, str]) -> None:
        async with self.database.write() as tx:
            assert await officers.add_key_list(tx, KeyList(serial, *signed))

    async def signed_in(self, officer: OfficerWithKeys) -> "Desk":
        """Open a session without a passphrase; return a client with its cookie."""
        async with self.database.write() as tx:
            token = await officers.open_session(tx, officer.id, self.now)
        return Desk(self.address, token)

    async def submit_case(self, readers: list[dict[str, str]], content: dict[str, str]) -> tuple[str, bytes]:
        """Store a case, sealed as the asker's page seals it; return its id and key."""
        case_id, key, asker = new_id(), b"k" * 32, new_key()
        context = sealing.letter_context(case_id, 1, 1, "asker", self.now.astimezone(ZONE).date(), "")
        envelope = sealing.parse_envelope(sealing.seal_letter(key, context, content))
        access = [
            cases.Access(1, reader["id"], sealing.seal_access(key, reader["reading"], case_id, 1, reader["id"]))
            for reader in readers
        ]
        day = self.now.astimezone(ZONE).date()
        case = cases.Case(
            id=case_id,
            day=day,
            state=cases.CaseState.RECEIVED,
            epoch=1,
            due_on=day + timedelta(days=3),
            size_step=2,
            origin="form",
            asker_key=encoded_public_key(asker),
            asker_bundle="{}",
        )
        async with self.database.write() as tx:
            await cases.add(tx, case, wire_format.encode(case_id.encode()), access, cases.Letter(1, 1, envelope.text))
        return case_id, key


class Desk:
    """A signed-in client without scripts."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self.cookie = {site.SESSION_COOKIE: token}
        self.csrf = _csrf(officers.session_key(token))

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with (
            ClientSession(cookies=self.cookie, cookie_jar=CookieJar(unsafe=True)) as client,
            client.get(self.address + path, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text()

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        given = {"Content-Type": "application/json", "X-CSRF": self.csrf} | headers
        async with (
            ClientSession(cookies=self.cookie, cookie_jar=CookieJar(unsafe=True)) as client,
            client.post(self.address + path, data=json.dumps(body), headers=given, allow_redirects=False) as answer,
        ):
            text = await answer.text()
            return answer.status, json.loads(text) if text else None


def _csrf(session_key: str) -> str:
    return hmac.new(SECRET.csrf, session_key.encode(), hashlib.sha256).hexdigest()


@asynccontextmanager
async def open_office(database: Database, library: Library) -> AsyncIterator[Office]:
    """Yield the server, listening on a free port."""
    office = Office(database, library)
    async with TestServer(office.app) as server:
        office.address = str(server.make_url("")).rstrip("/")
        yield office
