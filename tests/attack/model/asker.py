"""An asker's page played in Python: it asks the real server, and checks and seals as the page's scripts do."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from storage.confidential.protocol import boxes, keys, lists, threads
from storage.confidential.protocol.boxes import AskerBox
from storage.confidential.protocol.canonical import decode, encode
from storage.confidential.protocol.epochs import Seal, next_seal
from storage.confidential.protocol.errors import Altered, Expired, ProtocolError, Refused, WrongKey
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.signatures import PrivateKey, export_key, import_key, point_of
from storage.confidential.protocol.threads import ASKER
from tests.attack.model.host import Host
from tests.attack.model.officer import last_counted
from tests.attack.model.people import drawn_id, drawn_key
from tests.attack.model.truth import Shown, Truth, Visit
from tests.fakes.correspondence import UNWRITTEN, Opened, Written, is_in_force, new_content, open_rows, write


@dataclass(frozen=True)
class Signer:
    """Who writes, as tests/fakes/correspondence.py wants it."""

    signing: PrivateKey
    id: str = ASKER


class AskerPage:
    """One asker with eight words, who comes back with nothing else."""

    def __init__(self, host: Host, rng: random.Random, truth: Truth, name: str) -> None:
        self.host, self.box, self.rng, self.truth, self.name = host, host.box, rng, truth, name
        self.locator, self.wrapping = encode(rng.randbytes(32)), rng.randbytes(32)
        self.case = ""

    @property
    def today(self) -> date:
        return self.box.today

    # ------------------------------------------------------------ a new case

    async def submit(self, text: str, excluded: Sequence[str] = ()) -> Visit:
        """Seal a query to all active readers but the excluded, and send it."""
        async with self.box.web.get(self.box.url + "/c/keys") as response:
            if response.status != 200:
                return Visit("closed")
            body = await response.json()
        try:
            chain = lists.check_alone(lists.parse_list(body["list"]), self.box.unit.pin, self.today)
        except ProtocolError as error:
            return Visit(error.kind)
        readers = sorted(one for one in chain.by_id if chain.is_active(one) and one not in excluded)
        return await self._send_first(text, chain, Seal(1, True, tuple(readers), tuple(sorted(excluded))))

    async def _send_first(self, text: str, chain: Chain, seal: Seal) -> Visit:
        case, reading, signing = drawn_id(self.rng), drawn_key(self.rng), drawn_key(self.rng)
        token, key = await self.box.token(), self.rng.randbytes(keys.SIZE)
        await self.host.between()
        own = {"reading": point_of(reading), "signing": point_of(signing)}
        grant = {
            "commit": keys.commit(key, case, "talk", 1),
            "readers": [*seal.readers],
            "excluded": [*seal.excluded],
            "asker": own,
        }
        context = {"case": case, "day": self.today.isoformat(), "grant": grant}
        content = new_content(text)
        written = write(UNWRITTEN, chain, Signer(signing), "ask", content, seal, context, key)
        opened = UNWRITTEN.followed_by(written, chain)
        memory = self._memory(case, reading, signing, chain)
        self.truth.wrote(Visit("sent", case), ASKER, text, seal.readers)
        self.truth.sends(written.letter, written.access)
        sealed = self._sealed(_seen(memory, chain, opened), signing)
        digest = hashlib.sha256(decode(self.locator)).hexdigest()
        del sealed["version"]
        body = {"token": token, "locator_hash": digest, "decision_on": "", **_posted(written), **sealed}
        status, answer = await self._post("/c/cases", body)
        if status != 201:
            return Visit(f"refused {answer}")
        self.case = case
        return Visit("sent", case, [Shown(ASKER, text)], text, kept=1)

    def _memory(self, case: str, reading: PrivateKey, signing: PrivateKey, chain: Chain) -> AskerBox:
        memory: Any = {
            "v": 2,
            "case": case,
            "unit": chain.newest["unit"],
            "version": 0,
            "list": lists.pin_of(chain.newest),
            "reading": export_key(reading),
            "signing": export_key(signing),
        }
        made: AskerBox = memory
        return made

    def _sealed(self, memory: AskerBox, signing: PrivateKey) -> dict[str, Any]:
        box, version = boxes.wrap_asker(self.wrapping, memory), memory["version"]
        return {"box": box, "version": version, "signature": boxes.sign_bundle(signing, memory["case"], version, box)}

    # ------------------------------------------------------------ coming back

    async def visit(self, text: str = "") -> Visit:
        """Come back with the words, read, and reply where there is a text."""
        status, body = await self._post("/c/thread", {"locator": self.locator})
        if status not in (200, 409):
            return Visit(f"no case ({status})")
        try:
            memory, chain, opened = self._verified(body)
        except WrongKey:
            return Visit("wrong_key")
        except (ProtocolError, KeyError):
            return Visit("altered")
        shown = [
            Shown(letter["context"]["author"], one)
            for letter, one in zip(opened.thread.letters, opened.texts, strict=True)
        ]
        visit = Visit("thread", body["case"], shown)
        if not text:
            return await self._keep(visit, memory, chain, opened)
        return await self._reply(visit, memory, chain, opened, text)

    def _verified(self, body: dict[str, Any]) -> tuple[AskerBox, Chain, Opened]:
        memory = boxes.unwrap_asker(self.wrapping, body["box"], body["case"], body["version"])
        if lists.unit_pin(memory["unit"]) != self.box.unit.pin:
            raise Altered("unit")
        chain = lists.check_pinned(lists.parse_list(body["list"]), self.box.unit.pin, memory["list"]["serial"])
        lists.check_floor(chain.newest, memory["list"])
        reading = import_key(memory["reading"])
        if body["access"] is None:
            raise WrongKey("access")
        opened = open_rows(body["letters"], body["access"], chain, reading)
        threads.check_seen(opened.thread, chain, memory["first"], memory["seen"]["seq"], memory["seen"]["hash"])
        own = {"reading": point_of(reading), "signing": point_of(import_key(memory["signing"]))}
        if opened.thread.grants[0].grant["asker"] != own or opened.thread.case != memory["case"]:
            raise Altered("asker.keys")
        return memory, chain, opened

    async def _post(self, path: str, body: object) -> tuple[int, Any]:
        async with self.box.web.post(self.box.url + path, json=body) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else {}

    async def _keep(self, visit: Visit, memory: AskerBox, chain: Chain, opened: Opened) -> Visit:
        await self.host.between()
        following = _seen(memory, chain, opened)
        sealed = self._sealed(following, import_key(memory["signing"]))
        status, _ = await self._post("/c/seen", {"locator": self.locator, **sealed})
        return visit if status != 201 else _kept(visit, following["seen"]["seq"])

    async def _reply(self, visit: Visit, memory: AskerBox, chain: Chain, opened: Opened, text: str) -> Visit:
        signing, thread = import_key(memory["signing"]), opened.thread
        rule: Any = {"seen": memory["seen"]["seq"], "floor": memory["list"]["serial"]}
        try:
            seal = next_seal(thread, chain, ASKER, is_in_force=is_in_force(chain, self.today), **rule)
        except (Refused, Expired):
            return visit
        context = {"case": thread.case, "day": self.today.isoformat()}
        key = self.rng.randbytes(keys.SIZE)
        written = write(opened, chain, Signer(signing), "reply", new_content(text), seal, context, key)
        longer = opened.followed_by(written, chain)
        await self.host.between()
        self.truth.wrote(visit, ASKER, text, seal.readers)
        self.truth.sends(written.letter, written.access)
        following = _seen(memory, chain, longer)
        sealed = self._sealed(following, signing)
        status, _ = await self._post("/c/letters", {"locator": self.locator, **_posted(written), **sealed})
        if status != 201:
            return visit
        return Visit("thread", visit.case, [*visit.shown, Shown(ASKER, text)], text, following["seen"]["seq"])


def _posted(written: Written) -> dict[str, Any]:
    return {"letter": written.letter, "access": written.access}


def _kept(visit: Visit, count: int) -> Visit:
    return Visit(visit.says, visit.case, visit.shown, visit.sent, count)


def _seen(memory: AskerBox, chain: Chain, opened: Opened) -> AskerBox:
    """The next version of the box, which remembers the newest letter and list."""
    hashes = opened.thread.hashes
    seq = last_counted(opened.thread, chain, memory["seen"]["seq"]) if memory["version"] else 1
    newest: Any = {"seen": {"seq": seq, "hash": hashes[seq - 1]}, "list": lists.pin_of(chain.newest)}
    return {**memory, **newest, "first": hashes[0], "version": memory["version"] + 1}
