"""How one end of a case opens its letters and writes the next one, with the protocol's functions, as the pages do."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from storage.confidential.protocol import keys, letters, lists, threads
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.fields import CURVE
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Content, Letter
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.signatures import PrivateKey
from storage.confidential.protocol.threads import ASKER, Thread


def new_key() -> PrivateKey:
    return ec.generate_private_key(CURVE)


class Author(Protocol):
    """Who writes: "asker" or an officer's id, and the key that signs."""

    @property
    def id(self) -> str: ...
    @property
    def signing(self) -> PrivateKey: ...


@dataclass(frozen=True)
class Opened:
    """A verified thread as one end opened it; `key` is that of its newest epoch."""

    thread: Thread
    key: bytes
    contents: tuple[Content, ...]

    @property
    def texts(self) -> list[str]:
        return [content["text"] for content in self.contents]

    @property
    def notice(self) -> str:
        """What an officer's page posts beside each letter, so that the asker is notified."""
        return self.contents[0]["bell"]

    def followed_by(self, written: "Written", chain: Chain) -> "Opened":
        """The thread with a letter of one's own."""
        thread = threads.extend(self.thread, written.letter, chain)
        return Opened(thread, written.key, (*self.contents, letters.open_letter(written.key, written.letter)))


@dataclass(frozen=True)
class Written:
    """A sealed letter; `access` are the rows that come with it where it grants, `key` is that of its epoch."""

    letter: Letter
    access: list[Access]
    key: bytes


UNWRITTEN = Opened(Thread(), b"", ())
"""A case without letters."""


def new_content(text: str, fields: Mapping[str, str] | None = None, notice: str = "") -> Content:
    """What is sealed; `notice` stands in the first letter only."""
    return {"text": text, "fields": dict(fields or {}), "before": "", "bell": notice}


def open_rows(rows: Sequence[object], access: object, chain: Chain, reading: PrivateKey) -> Opened:
    """Check and open a thread as a server gives it. Raises ProtocolError."""
    thread = threads.check_thread([letters.parse_letter(row) for row in rows], chain)
    keys.ACCESS(access, "access")
    sealed: Access = access  # type: ignore[assignment]  # what ACCESS checked
    key = keys.open_access(sealed, reading, thread.grants[-1].grant["commit"])
    return Opened(thread, key, tuple(threads.open_thread(thread, key)))


def write(
    opened: Opened,
    chain: Chain,
    author: Author,
    kind: str,
    content: Content,
    seal: Seal,
    context: Mapping[str, Any],
    key: bytes | None = None,
) -> Written:
    """Seal and sign the next letter between asker and officers.

    `context` holds the rest of the letter's context (case, day) and may replace any of its fields, as an honest page
    would not; `key` is that of a new epoch, random if not given.
    """
    thread, grant = opened.thread, None
    key = (key or os.urandom(keys.SIZE)) if seal.is_grant else opened.key
    if seal.is_grant:
        content = {**content, "before": encode(opened.key) if seal.epoch > 1 else ""}
        commitment = keys.commit(key, context["case"], "talk", seal.epoch)
        grant = {"commit": commitment, "readers": [*seal.readers], "excluded": [*seal.excluded], "asker": None}
    whole: Any = {
        "v": 2,
        "suite": 1,
        "lane": "talk",
        "seq": thread.seq + 1,
        "epoch": seal.epoch,
        "kind": kind,
        "author": author.id,
        "list": chain.serial,
        "listhash": lists.list_hash(chain.newest),
        "previous": thread.hashes[-1] if thread.hashes else "",
        "grant": grant,
        "lost": [],
        **context,
    }
    letter = letters.seal_letter(key, whole, content, author.signing)
    return Written(letter, _access(thread, chain, letter, key) if seal.is_grant else [], key)


def _access(thread: Thread, chain: Chain, letter: Letter, key: bytes) -> list[Access]:
    """The key of a new epoch, sealed to each of its readers and to the asker."""
    context = letter["context"]
    grant = context["grant"]
    assert grant is not None
    asker = (thread.grants[0].grant if thread.grants else grant)["asker"]
    assert asker is not None
    points = {reader: chain.by_id[reader]["join"]["reading"] for reader in grant["readers"] if reader in chain.by_id}
    points[ASKER] = asker["reading"]
    return [
        keys.seal_access(key, point, context["case"], "talk", context["epoch"], reader)
        for reader, point in points.items()
    ]


def is_in_force(chain: Chain, day: date) -> bool:
    """Whether the newest list is still in force on this day."""
    return day <= date.fromisoformat(chain.newest["until"])
