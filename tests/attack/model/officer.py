"""An officer's console played in Python: it asks the real server, and checks and seals as the console's scripts do."""

import hashlib
import hmac
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.console import site
from storage.confidential import officers, sessions
from storage.confidential.protocol import boxes, keys, lists, notebooks, threads
from storage.confidential.protocol.epochs import base_grant, next_seal
from storage.confidential.protocol.errors import Altered, Expired, ProtocolError, Refused, WrongKey
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.notebooks import Notebook, SeenCase
from storage.confidential.protocol.signatures import point_of
from tests.attack.model.host import SECRET, Account, Host
from tests.attack.model.truth import Shown, Truth, Visit
from tests.fakes.correspondence import Opened, is_in_force, new_content, open_rows, write


@dataclass
class Floor:
    """What the browser of one device remembers of an officer."""

    version: int = 0
    serial: int = 0

    def rise(self, version: int, serial: int) -> None:
        self.version, self.serial = max(self.version, version), max(self.serial, serial)


@dataclass
class Unlocked:
    """An unlocked console: its notebook, the chain of lists, the headers of its session."""

    notebook: Notebook
    chain: Chain
    headers: Mapping[str, str]

    def entry(self, case: str) -> SeenCase | None:
        return next((one for one in self.notebook["cases"] if one["case"] == case), None)


class NotShown(Exception):
    """The page shows no letters; the message is what it says instead."""


class OfficerPage:
    """One officer on one device."""

    def __init__(self, host: Host, rng: random.Random, truth: Truth, account: Account) -> None:
        self.host, self.box, self.rng, self.truth, self.account = host, host.box, rng, truth, account
        self.floor = Floor()

    @property
    def name(self) -> str:
        return self.account.officer.name

    def confirm_restore(self) -> None:
        """Let the browser forget what it has seen, as a copy was restored."""
        self.floor = Floor()

    async def visit(self, case: str, text: str = "") -> Visit:
        """Unlock the console, open a case, and answer it where there is a text."""
        try:
            return await self._visit(case, text)
        except NotShown as error:
            return Visit(str(error), case)
        except WrongKey:
            return Visit("wrong_key", case)
        except ProtocolError as error:
            return Visit(f"altered ({error.reason})", case)

    async def _visit(self, case: str, text: str) -> Visit:
        desk = await self._unlock()
        body = await self._get(f"/console/cases/{case}/letters", desk.headers)
        opened, seen = self._verified(desk, case, body)
        visit = Visit("thread", case, _shown(opened))  # it holds what was seen: a finding about it is explained
        if text:
            visit, opened, seen = await self._answer(desk, visit, opened, seen, text)
        remembered = _remembered(opened, desk.chain, seen)
        is_kept = await self._save(desk, remembered)
        return Visit(visit.says, case, visit.shown, visit.sent, remembered["seq"] if is_kept else None)

    # ------------------------------------------------------------ unlocking

    async def _unlock(self) -> Unlocked:
        account, floor = self.account, self.floor
        async with self.box.database.write() as tx:
            known = await officers.credentials(tx, account.email)
            if known is None or known.bundle is None:
                raise NotShown("no account")
            headers = session_headers(await sessions.begin(tx, SECRET.session, known.officer.id, "totp", self.box.now))
        boxes.unwrap_officer(account.wrapping, known.bundle, account.id, "words")
        if known.notebook is None or known.notebook.version < floor.version:
            raise Altered("notebook.version")
        notebook = notebooks.open_notebook(account.notebook, known.notebook.box, account.id, known.notebook.version)
        body = await self._get(f"/console/trust?from={notebook['list']['serial']}", headers)
        chain = lists.walk(notebook["list"], map(lists.parse_list, body["lists"]), lists.unit_pin(notebook["unit"]))
        if chain.newest["unit"] != notebook["unit"]:
            raise NotShown("a key of the unit that was not confirmed")
        if chain.serial < floor.serial:
            raise Altered("list.floor")
        self._check_own_keys(chain)
        notebooks.compare_heads(notebook, body["heads"])
        desk = Unlocked(notebook, chain, headers)
        await self._save(desk)
        floor.rise(desk.notebook["version"], chain.serial)
        return desk

    def _check_own_keys(self, chain: Chain) -> None:
        officer = self.account.officer
        own = chain.by_id[officer.id]["join"] if officer.id in chain.by_id else None
        if own is None or (own["reading"], own["signing"]) != (point_of(officer.reading), point_of(officer.signing)):
            raise Altered("own")

    async def _save(self, desk: Unlocked, entry: SeenCase | None = None) -> bool:
        """Store the next version of the notebook; whether it holds what it should."""
        held = desk.notebook
        kept = [one for one in held["cases"] if entry is None or one["case"] != entry["case"]]
        cases = sorted([*kept, *([entry] if entry else [])], key=lambda one: (one["case"], one["lane"]))
        pin = lists.pin_of(desk.chain.newest) if desk.chain.serial > held["list"]["serial"] else held["list"]
        if cases == held["cases"] and pin == held["list"]:
            return True
        following: Notebook = {**held, "version": held["version"] + 1, "list": pin, "cases": cases}
        sealed = notebooks.seal_notebook(self.account.notebook, following)
        status, _ = await self._post(
            "/console/notebook", {"version": following["version"], "box": sealed}, desk.headers
        )
        if status == 201:
            desk.notebook = following
            self.floor.rise(following["version"], pin["serial"])
        return status == 201

    # ------------------------------------------------------------ one case

    def _verified(self, desk: Unlocked, case: str, body: Any) -> tuple[Opened, int]:
        entry = desk.entry(case)
        if body["access"] is None:
            raise WrongKey("access.none")
        access = {**body["access"], "case": case, "lane": "talk", "reader": self.account.id}
        opened = open_rows(body["letters"], access, desk.chain, self.account.officer.reading)
        thread = opened.thread
        first = thread.letters[0]["context"]
        if (first["case"], first["lane"]) != (case, "talk"):
            raise Altered("thread.case")
        seen = 0
        if entry:
            seen = threads.check_seen(thread, desk.chain, entry["first"], entry["seq"], entry["last"])
            if not _is_same_asker(thread, entry):
                raise Altered("seen.asker")
        return opened, seen

    async def _answer(
        self, desk: Unlocked, visit: Visit, opened: Opened, seen: int, text: str
    ) -> tuple[Visit, Opened, int]:
        me, thread, chain = self.account.officer, opened.thread, desk.chain
        rule: Any = {"seen": seen, "floor": desk.notebook["list"]["serial"]}
        try:
            seal = next_seal(thread, chain, me.id, is_in_force=is_in_force(chain, self.box.today), **rule)
        except (Refused, Expired):
            return visit, opened, seen
        context = {"case": thread.case, "day": self.box.today.isoformat()}
        written = write(opened, chain, me, "answer", new_content(text), seal, context, self.rng.randbytes(keys.SIZE))
        self.truth.wrote(visit, me.id, text, seal.readers)
        self.truth.sends(written.letter, written.access)
        posted = {"letter": written.letter, "access": written.access, "bell": opened.notice}
        status, _ = await self._post(f"/console/cases/{thread.case}/letters", posted, desk.headers)
        if status != 201:
            return visit, opened, seen
        longer = opened.followed_by(written, chain)
        return Visit("thread", visit.case, _shown(longer), text), longer, longer.thread.seq

    # ------------------------------------------------------------ requests

    async def _get(self, path: str, headers: Mapping[str, str]) -> Any:
        await self.host.between()
        async with self.box.web.get(self.box.url + path, headers=headers) as response:
            if response.status != 200:
                raise NotShown(f"{response.status}")
            return await response.json()

    async def _post(self, path: str, body: object, headers: Mapping[str, str]) -> tuple[int, Any]:
        await self.host.between()
        async with self.box.web.post(self.box.url + path, json=body, headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else {}


def session_headers(token: str) -> dict[str, str]:
    """What a console page sends in this session."""
    csrf = hmac.new(SECRET.csrf, b"gate|desk", hashlib.sha256).hexdigest()
    cookies = f"{site.SESSION_COOKIE}={token}; {site.GATE_COOKIE}=desk"
    return {"Cookie": cookies, "X-CSRF": csrf, "Accept": "application/json"}


def _shown(opened: Opened) -> Sequence[Shown]:
    pairs = zip(opened.thread.letters, opened.texts, strict=True)
    return [Shown(letter["context"]["author"], text) for letter, text in pairs]


def _is_same_asker(thread: threads.Thread, entry: SeenCase) -> bool:
    return thread.asker_signing == entry["asker"]


def last_counted(thread: threads.Thread, chain: Chain, seen: int) -> int:
    """The number of the newest letter to remember: a grant by an officer who left before it was seen does not count."""
    base = base_grant(thread, chain, seen)
    return next((one.seq - 1 for one in thread.grants if one.seq > base.seq), thread.seq)


def _remembered(opened: Opened, chain: Chain, seen: int) -> SeenCase:
    thread, seq = opened.thread, last_counted(opened.thread, chain, seen)
    return {
        "case": thread.case,
        "lane": "talk",
        "first": thread.hashes[0],
        "asker": thread.asker_signing,
        "seq": seq,
        "last": thread.hashes[seq - 1],
    }
