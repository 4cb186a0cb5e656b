"""Everybody who may or may not read: what each holds, and how each asks the server for the letters of a case."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, update

from bot.console import site
from storage import schema
from storage.confidential import cases, sessions
from storage.confidential.protocol import boxes
from storage.confidential.protocol.canonical import canonical, decode, encode
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.signatures import import_key
from tests.attack.matrix.holdings import Holdings, from_box, pairs_of
from tests.attack.model.host import SECRET, Account, Host
from tests.attack.model.officer import session_headers
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Opened
from tests.fakes.unit import Keyholder, Unit, new_id, new_key

FOLIO = re.compile("[0-9A-F]{4}-[0-9A-F]{4}")
NO_SESSION = {"Accept": "application/json"}


class Refused(Exception):
    """The server gives nothing; the message is the status of its response."""


async def requested(host: Host, path: str, headers: Mapping[str, str]) -> Any:
    """What a console request responds with. Raises Refused."""
    async with host.box.web.get(host.box.url + path, headers=headers) as response:
        if response.status != 200:
            raise Refused(str(response.status))
        return await response.json()


async def thread(host: Host, locator: str, case: str) -> Any:
    """What the letterbox responds with, if it is this case. Raises Refused."""
    status, body = await host.box.post("/c/thread", {"locator": locator})
    if status != 200 or body["case"] != case:
        raise Refused(str(status))
    return body


@dataclass(eq=False)
class Person:
    """One person; `holds` is all that this person ever held outside the server."""

    name: str
    holds: Holdings = field(default_factory=Holdings)

    async def open(self, host: Host, case: str, chain: Chain) -> Opened:
        """Check and open a case with what the server gives. Raises Refused, ProtocolError."""
        raise NotImplementedError


# ---------------------------------------------------------------- who has keys


@dataclass(eq=False)
class Officer(Person):
    """An officer with an account; one who comes back has another, and still the keys and the session of the first."""

    accounts: list[tuple[Account, Mapping[str, str]]] = field(default_factory=list)

    @property
    def keys(self) -> Keyholder:
        return self.accounts[-1][0].officer

    def renew(self) -> Keyholder:
        """Make new keys."""
        keys = Keyholder(self.name + " otra vez" * len(self.accounts))
        self.accounts.append((Account(keys, os.urandom(32), os.urandom(32)), {}))
        return keys

    async def enrol(self, host: Host, unit: Unit) -> None:
        """Get an account for the newest keys, as signing up leaves it, and sign in."""
        account, _ = self.accounts.pop()
        row = {**account.row(unit, is_head=False), "email": f"{account.id}@ueipci.example"}
        async with host.box.database.write() as tx:
            await tx.execute(insert(schema.officers).values(row))
            token = await sessions.begin(tx, SECRET.session, account.id, "totp", host.box.now)
        self.accounts.append((account, session_headers(token)))
        pairs = pairs_of(account.officer.reading, account.officer.signing)
        self.holds |= Holdings({account.wrapping, account.notebook}, pairs)

    async def letters(self, host: Host, case: str) -> tuple[Keyholder, Any]:
        """What the server gives to the newest account that it gives anything. Raises Refused."""
        fault = Refused("no account")
        for account, headers in reversed(self.accounts):
            try:
                return account.officer, await requested(host, f"/console/cases/{case}/letters", headers)
            except Refused as refused:
                fault = refused
        raise fault

    async def open(self, host: Host, case: str, chain: Chain) -> Opened:
        keys, body = await self.letters(host, case)
        return keys.open(body["letters"], body["access"], chain)

    async def heads(self, host: Host) -> set[str]:
        """The cases whose newest letters the server names when the newest account is unlocked."""
        try:
            body = await requested(host, "/console/trust?from=1", self.accounts[-1][1])
        except Refused:
            return set()
        return {head["case"] for head in body["heads"]}

    async def queue(self, host: Host) -> set[str]:
        """The folios on the page of all cases."""
        async with host.box.web.get(host.box.url + "/console/cases", headers=self.accounts[-1][1]) as response:
            return {*FOLIO.findall(await response.text())}


@dataclass(eq=False)
class Recovery(Person):
    """The recovery key: its custodians take letters and sealed keys out of the database."""

    keys: Keyholder = field(default_factory=lambda: Keyholder("Respaldo", "recovery"))

    def __post_init__(self) -> None:
        self.holds |= Holdings(pairs=pairs_of(self.keys.reading, self.keys.signing))

    async def open(self, host: Host, case: str, chain: Chain) -> Opened:
        async with host.box.database.read() as tx:
            access = await cases.access(tx, case, self.keys.id)
            if access is None:
                raise Refused("none")
            return self.keys.open(await cases.letters(tx, case), access, chain)


@dataclass(eq=False)
class Words(Person):
    """An asker who comes back with eight words and nothing else."""

    asker: Asker = field(kw_only=True)

    def __post_init__(self) -> None:
        self.holds |= Holdings({self.asker.wrapping, decode(self.asker.locator)})

    async def open(self, host: Host, case: str, chain: Chain) -> Opened:
        self.asker.read(await thread(host, self.asker.locator, case))
        return self.asker.opened


@dataclass(eq=False)
class OldBox(Person):
    """The same words, where the server has put back the first version of the box; holds what that opens."""

    asker: Asker = field(kw_only=True)
    first: Mapping[str, Any] = field(default_factory=dict)

    async def remember(self, host: Host) -> None:
        """Keep the box as it is now."""
        body = await thread(host, self.asker.locator, self.asker.case)
        self.first = {"asker_box": canonical(body["box"]), "asker_version": body["version"]}
        self.holds |= from_box(self.asker.wrapping, body["box"], body["case"], body["version"])

    async def open(self, host: Host, case: str, chain: Chain) -> Opened:
        newest = await self._exchange(host, self.first)
        try:
            body = await thread(host, self.asker.locator, case)
        finally:
            await self._exchange(host, newest)
        inside = boxes.unwrap_asker(self.asker.wrapping, body["box"], case, body["version"])
        reading, signing = import_key(inside["reading"]), import_key(inside["signing"])
        again = Asker(host.box.today, case, reading, signing, wrapping=self.asker.wrapping)
        again.read(body)
        return again.opened

    async def _exchange(self, host: Host, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put a box in the place of the stored one, which is returned."""
        table = schema.cases
        async with host.box.database.write() as tx:
            columns = select(table.c.asker_box, table.c.asker_version).where(table.c.id == self.asker.case)
            stored = (await tx.execute(columns)).one()._mapping
            await tx.execute(update(table).where(table.c.id == self.asker.case).values(**row))
        return dict(stored)


# ---------------------------------------------------------------- who has none


@dataclass(eq=False)
class Staff(Person):
    """A liaison or an author: has an account, and reads no queries."""

    role: str = field(kw_only=True)
    headers: Mapping[str, str] = field(default_factory=dict)

    async def enrol(self, host: Host) -> None:
        """Get an account without keys, and sign in."""
        officer_id, auth = new_id(), os.urandom(32)
        row = {"id": officer_id, "email": f"{officer_id}@leon.example", "name": self.name, "state": "active"}
        row |= {"role": self.role, "salt": officer_id, "auth_hash": "-"}
        async with host.box.database.write() as tx:
            await tx.execute(insert(schema.officers).values(row))
            self.headers = session_headers(await sessions.begin(tx, SECRET.session, officer_id, "totp", host.box.now))
        self.holds |= Holdings({auth})

    async def open(self, host: Host, case: str, chain: Chain) -> Opened:
        await requested(host, f"/console/cases/{case}/letters", self.headers)
        raise AssertionError("the server gives letters to an account without keys")


@dataclass(eq=False)
class Outsider(Person):
    """Has the whole database and the folder of secrets, and pairs of keys of their own."""

    def steal(self, host: Host) -> None:
        """Take all keys of the server."""
        secrets = (SECRET.route, SECRET.inbox, SECRET.audit, SECRET.csrf, SECRET.draw)
        stolen = {*secrets, host.box.installation.route_key, host.box.installation.draw_key}
        self.holds |= Holdings(stolen, pairs_of(new_key(), new_key()))

    async def open(self, host: Host, case: str, chain: Chain) -> Opened:
        async with host.box.database.read() as tx:
            known = select(schema.cases.c.locator_hash).where(schema.cases.c.id == case)
            locator = encode(bytes.fromhex((await tx.execute(known)).scalar_one()))
            sessions = [*await tx.scalars(select(schema.sessions.c.token_hash))]
        is_open = [await self._enters(host, case, session) for session in ("", *sessions[:1])]
        if any(is_open):
            raise AssertionError("the server gives letters for what its database holds")
        await thread(host, locator, case)
        raise AssertionError("the server gives letters for the hash of a locator")

    async def _enters(self, host: Host, case: str, session: str) -> bool:
        headers = {**NO_SESSION, "Cookie": f"{site.SESSION_COOKIE}={session}"}
        try:
            await requested(host, f"/console/cases/{case}/letters", headers if session else NO_SESSION)
        except Refused:
            return False
        return True
