"""An asker's browser in Python: it seals, signs and opens with the protocol's functions.

Its words are not stretched (`with_words` does): locator and wrapping key are random, which no server can tell apart.
"""

import copy
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from storage.confidential.protocol import boxes, keys, lists, threads, tokens
from storage.confidential.protocol.boxes import AskerBox, Box
from storage.confidential.protocol.canonical import decode, encode
from storage.confidential.protocol.epochs import Change, Seal, next_seal
from storage.confidential.protocol.lists import Chain, Pin
from storage.confidential.protocol.signatures import PrivateKey, export_key, point_of
from tests.fakes.correspondence import UNWRITTEN, Opened, Written, is_in_force, new_content, open_rows, write
from tests.fakes.unit import Keyholder, Unit, new_id, new_key


@dataclass
class Asker:
    """An asker's browser; `opened` is the thread as it knows it, `pin` the newest list, `version` that of its box."""

    day: date
    case: str = field(default_factory=new_id)
    reading: PrivateKey = field(default_factory=new_key)
    signing: PrivateKey = field(default_factory=new_key)
    locator: str = field(default_factory=lambda: encode(os.urandom(32)))
    wrapping: bytes = field(default_factory=lambda: os.urandom(32))
    opened: Opened = UNWRITTEN
    pin: Pin | None = None
    unit: str = ""
    version: int = 0
    id = threads.ASKER

    @classmethod
    def with_words(cls, words: str, day: date, rounds: int = boxes.ROUNDS) -> "Asker":
        """An asker whose case a browser opens with these words."""
        secret = boxes.asker_secret(words, rounds)
        return cls(day, locator=encode(boxes.derive(secret, "locator")), wrapping=boxes.derive(secret, "asker-wrap"))

    @property
    def locator_hash(self) -> str:
        return hashlib.sha256(decode(self.locator)).hexdigest()

    @property
    def texts(self) -> Sequence[str]:
        """What the page shows."""
        return self.opened.texts

    def twin(self) -> "Asker":
        """The same case in a second tab."""
        return copy.copy(self)

    def posting(
        self,
        unit: Unit,
        token: str,
        text: str = "¿Puedo firmar?",
        fields: Mapping[str, str] | None = None,
        excluded: Sequence[Keyholder] = (),
        readers: Sequence[Keyholder] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """The body of POST /c/cases, to all active readers but the excluded, or to exactly `readers`.

        `changes` replace its fields.
        """
        chain, out = unit.chain, {one.id for one in excluded}
        active = [one for one in chain.by_id if chain.is_active(one) and one not in out]
        granted = sorted(active if readers is None else (one.id for one in readers))
        seal = Seal(1, True, tuple(granted), tuple(sorted(out)))
        content, key = new_content(text, fields, tokens.bell(decode(token))), os.urandom(keys.SIZE)
        own = {"reading": point_of(self.reading), "signing": point_of(self.signing)}
        commitment = keys.commit(key, self.case, "talk", 1)
        grant = {"commit": commitment, "readers": granted, "excluded": [*seal.excluded], "asker": own}
        bound = {"case": self.case, "day": self.day.isoformat(), "grant": grant}
        written = write(UNWRITTEN, chain, self, "ask", content, seal, bound, key)
        self.opened, self.version, self.unit = UNWRITTEN, 0, unit.point
        box = self._follow(written, chain)
        del box["locator"], box["version"]
        return {"token": token, "locator_hash": self.locator_hash, "decision_on": "", **box, **changes}

    def reply_body(
        self,
        unit: Unit,
        text: str = "Gracias.",
        *,
        kind: str = "reply",
        change: Change | None = None,
        seal: Seal | None = None,
        context: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """The body of POST /c/letters by the rule for writing, which then counts as sent; `changes` replace fields."""
        written = self.written(unit, text, kind=kind, change=change, seal=seal, context=context)
        return {**self._follow(written, unit.chain), **changes}

    def written(
        self,
        unit: Unit,
        text: str = "Gracias.",
        *,
        kind: str = "reply",
        change: Change | None = None,
        seal: Seal | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Written:
        """The next letter alone; `seal` and `context` replace what the rule says."""
        chain, thread = unit.chain, self.opened.thread
        seal = seal or next_seal(
            thread, chain, self.id, seen=thread.seq, floor=1, is_in_force=is_in_force(chain, self.day), change=change
        )
        bound = {"case": self.case, "day": self.day.isoformat(), **(context or {})}
        return write(self.opened, chain, self, kind, new_content(text), seal, bound)

    def _follow(self, written: Written, chain: Chain) -> dict[str, Any]:
        """Take over a letter of one's own; return it with its rows and the next version of the box."""
        self.opened = self.opened.followed_by(written, chain)
        self.pin = lists.pin_of(chain.newest)
        return {"letter": written.letter, "access": written.access, **self.seen_body()}

    def seen_body(self) -> dict[str, Any]:
        """The body of POST /c/seen: the next version of the box."""
        self.version += 1
        box = boxes.wrap_asker(self.wrapping, self._memory())
        signature = boxes.sign_bundle(self.signing, self.case, self.version, box)
        return {"locator": self.locator, "box": box, "version": self.version, "signature": signature}

    def _memory(self) -> AskerBox:
        thread = self.opened.thread
        assert self.pin is not None
        return {
            "v": 2,
            "case": self.case,
            "reading": export_key(self.reading),
            "signing": export_key(self.signing),
            "unit": self.unit,
            "list": self.pin,
            "first": thread.hashes[0],
            "seen": {"seq": thread.seq, "hash": thread.hashes[-1]},
            "version": self.version,
        }

    def read(self, body: Mapping[str, Any]) -> Sequence[str]:
        """Check and open what POST /c/thread responds with; return the texts. Raises ProtocolError."""
        stored: Box = body["box"]
        memory = boxes.unwrap_asker(self.wrapping, stored, body["case"], body["version"])
        chain = lists.check_pinned(
            lists.parse_list(body["list"]), lists.unit_pin(memory["unit"]), memory["list"]["serial"]
        )
        lists.check_floor(chain.newest, memory["list"])
        self.pin, self.unit = lists.pin_of(chain.newest), chain.newest["unit"]
        opened = open_rows(body["letters"], body["access"], chain, self.reading)
        threads.check_seen(opened.thread, chain, memory["first"], memory["seen"]["seq"], memory["seen"]["hash"])
        self.opened, self.version = opened, memory["version"]
        return self.texts
