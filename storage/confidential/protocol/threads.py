"""Threads: the rules between the letters of a case, checked by the server without a key and by readers with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from storage.confidential.protocol import fields
from storage.confidential.protocol.boxes import normalise
from storage.confidential.protocol.canonical import decode
from storage.confidential.protocol.errors import Altered, Refused, WrongKey
from storage.confidential.protocol.keys import commit
from storage.confidential.protocol.letters import (
    Content,
    Context,
    Grant,
    Letter,
    letter_hash,
    open_letter,
    verify_letter,
)
from storage.confidential.protocol.lists import Chain

ASKER: Final = fields.ASKER
_KINDS_OF_ASKER: Final = {"ask", "reply", "close", "resume"}
_KINDS_OF_OFFICER: Final = {
    "talk": {"answer", "question", "reply", "hand", "close", "resume"},
    "notes": {"note", "hand", "resume"},
}


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant in its thread: which epoch it began, by whom and in which letter."""

    epoch: int
    author: str
    seq: int
    grant: Grant


@dataclass(frozen=True, slots=True)
class Thread:
    """A verified thread: its letters, their hashes, and its grants in order of epochs."""

    letters: tuple[Letter, ...] = ()
    hashes: tuple[str, ...] = ()
    grants: tuple[Granted, ...] = ()

    @property
    def case(self) -> str:
        return self.letters[0]["context"]["case"]

    @property
    def lane(self) -> str:
        return self.letters[0]["context"]["lane"]

    @property
    def seq(self) -> int:
        return len(self.letters)

    @property
    def list_serial(self) -> int:
        """The newest list that a letter names."""
        return max((letter["context"]["list"] for letter in self.letters), default=0)

    @property
    def readers(self) -> tuple[str, ...]:
        """Who may read the newest epoch, the asker apart."""
        return tuple(self.grants[-1].grant["readers"])

    @property
    def excluded(self) -> tuple[str, ...]:
        return tuple(self.grants[-1].grant["excluded"])

    @property
    def asker_signing(self) -> str:
        """The asker's public signing key; empty in lane notes."""
        asker = self.grants[0].grant["asker"]
        return asker["signing"] if asker else ""


# ---------------------------------------------------------------- without a key


def check_thread(letters: Sequence[Letter], chain: Chain) -> Thread:
    """Check a whole thread of one lane by the rules 1 to 6. Raises Altered."""
    thread = Thread()
    if not letters:
        raise Altered("thread.empty")
    for letter in letters:
        thread = extend(thread, letter, chain)
    return thread


def extend(thread: Thread, letter: Letter, chain: Chain) -> Thread:
    """The thread with one letter more, which is checked by the rules 1 to 6. Raises Altered."""
    context = letter["context"]
    _check_order(thread, context)
    _check_epoch(thread, context)
    _check_list(thread, context, chain)
    _check_author(thread, context, chain)
    _check_grant(thread, context, chain)
    verify_letter(letter, _signing_key(thread, context, chain))
    grants = thread.grants
    if context["grant"]:
        grants = (*grants, Granted(context["epoch"], context["author"], context["seq"], context["grant"]))
    return Thread((*thread.letters, letter), (*thread.hashes, letter_hash(letter)), grants)


def _check_order(thread: Thread, context: Context) -> None:
    """Rule 1: one case and lane, numbers without a gap, each letter naming the one before."""
    if thread.letters and (context["case"], context["lane"]) != (thread.case, thread.lane):
        raise Altered("thread.case")
    if context["seq"] != thread.seq + 1:
        raise Altered("thread.seq")
    if context["previous"] != (thread.hashes[-1] if thread.hashes else ""):
        raise Altered("thread.previous")
    if set(context["lost"]) & set(thread.hashes):
        raise Altered("thread.lost")


def _check_epoch(thread: Thread, context: Context) -> None:
    """Rule 3: an epoch begins with a grant and only so; a letter of kind resume always grants."""
    before = thread.grants[-1].epoch if thread.grants else 0
    if context["epoch"] != before + (context["grant"] is not None):
        raise Altered("thread.epoch")
    if context["kind"] == "resume" and not context["grant"]:
        raise Altered("thread.resume")


def _check_list(thread: Thread, context: Context, chain: Chain) -> None:
    """Rule 4, lists: never an older one than before, none newer than ours, and none of another chain."""
    if thread.letters and context["list"] < thread.letters[-1]["context"]["list"]:
        raise Altered("thread.list")
    if context["list"] > chain.serial or chain.hashes.get(context["list"], context["listhash"]) != context["listhash"]:
        raise Altered("thread.listhash")


def _check_author(thread: Thread, context: Context, chain: Chain) -> None:
    """Rules 2 and 5 and the signer of rule 4: who may write which kind of letter."""
    author, lane, kind = context["author"], context["lane"], context["kind"]
    if author == ASKER:
        if lane != "talk" or kind not in _KINDS_OF_ASKER or (kind == "ask") != (context["seq"] == 1):
            raise Altered("thread.kind")
        return
    if not thread.letters and lane == "talk":
        raise Altered("thread.author")
    if not thread.letters and kind != "note":
        raise Altered("thread.kind")
    if not chain.is_active(author, context["list"]):
        raise Altered("thread.signer")
    readers = thread.readers if thread.grants else context["grant"]["readers"] if context["grant"] else ()
    if author not in readers:
        raise Altered("thread.author")
    allowed = _KINDS_OF_OFFICER[lane] if chain.is_officer(author) else {"hand"}
    if kind not in allowed:
        raise Altered("thread.kind")


def _check_grant(thread: Thread, context: Context, chain: Chain) -> None:
    """Rule 6: readers are active, one is an officer, none is excluded; only the asker changes who is."""
    grant = context["grant"]
    if not grant:
        return
    readers, excluded = grant["readers"], grant["excluded"]
    if not all(chain.is_active(reader, context["list"]) for reader in readers):
        raise Altered("thread.readers")
    if not any(chain.is_officer(reader) for reader in readers) or set(readers) & set(excluded):
        raise Altered("thread.readers")
    former = thread.excluded if thread.grants else ()
    if context["author"] != ASKER and tuple(excluded) != former:
        raise Altered("thread.excluded")
    if context["author"] != ASKER and set(readers) & barred(thread, chain):
        raise Altered("thread.barred")


def barred(thread: Thread, chain: Chain) -> frozenset[str]:
    """Readers whom officers grant nothing to: those who are excluded under another id.

    Who joins the unit once more has a new id and the same name; a new recovery key takes the place of the former one.
    The asker may include them, so whom their newest grant names is not barred.
    """
    asked = next((one.grant["readers"] for one in reversed(thread.grants) if one.author == ASKER), [])
    excluded = {_person(chain, one) for one in (thread.excluded if asked else ()) if one in chain.by_id}
    return frozenset(one for one in chain.by_id if _person(chain, one) in excluded and one not in asked)


def _person(chain: Chain, reader: str) -> str:
    """Who a reader is, whatever their id: a name, or the recovery key."""
    join = chain.by_id[reader]["join"]
    return (normalise(join["name"]) or join["name"]) if chain.is_officer(reader) else ""


def _signing_key(thread: Thread, context: Context, chain: Chain) -> str:
    if context["author"] != ASKER:
        return chain.by_id[context["author"]]["join"]["signing"]
    if thread.grants:
        return thread.asker_signing
    asker = context["grant"]["asker"] if context["grant"] else None
    if asker is None:
        raise Altered("thread.author")
    return asker["signing"]


def check_posted(thread: Thread, letter: Letter, chain: Chain, today: date, talk: Thread | None = None) -> Thread:
    """What the server checks before it stores a letter: the rules, the newest list, the day, readers of notes.

    Raises Altered, or Refused for what an honest page mends by itself: an older list, a wrong clock.
    """
    extended = extend(thread, letter, chain)
    context = letter["context"]
    if context["list"] != chain.serial:
        raise Refused("posted.list")
    if abs(date.fromisoformat(context["day"]) - today) > timedelta(days=1):
        raise Refused("posted.day")
    if context["lane"] == "notes" and (talk is None or not set(extended.readers) <= set(talk.readers)):
        raise Refused("posted.readers")
    return extended


# ---------------------------------------------------------------- with a key


def open_thread(thread: Thread, key: bytes) -> list[Content]:
    """All contents, from the key of the newest epoch backwards (rule 7); nothing if any key is not committed to.

    Raises WrongKey when the given key is not that of the newest epoch, Altered or Malformed otherwise.
    """
    keys = {thread.grants[-1].epoch: key}
    if not _is_committed(thread.grants[-1], thread, key):
        raise WrongKey("access.commit")
    for former, later in zip(reversed(thread.grants[:-1]), reversed(thread.grants[1:]), strict=True):
        content = open_letter(keys[later.epoch], thread.letters[later.seq - 1])
        keys[former.epoch] = decode(content["before"], "content.before")
        if not _is_committed(former, thread, keys[former.epoch]):
            raise Altered("content.before")
    return [open_letter(keys[letter["context"]["epoch"]], letter) for letter in thread.letters]


def _is_committed(granted: Granted, thread: Thread, key: bytes) -> bool:
    return commit(key, thread.case, thread.lane, granted.epoch) == granted.grant["commit"]


# ---------------------------------------------------------------- against what was seen before


def check_seen(thread: Thread, chain: Chain, first: str, seq: int, last: str) -> int:
    """Compare a thread with the remembered first letter, and the newest one by number and hash; how many were seen.

    What a resume names as lost explains that the remembered letter is gone, and leaves all from the resume on unseen;
    but not the resume of an officer who has left, who may have signed it since. Raises Altered.
    """
    if first != thread.hashes[0]:
        raise Altered("seen.first")
    explained = [one["context"] for one in thread.letters if last in one["context"]["lost"]]
    for resume in explained:
        if resume["author"] == ASKER or chain.is_active(resume["author"]):
            return min(resume["seq"] - 1, seq)
    if seq > thread.seq:
        raise Altered("seen.seq")
    if thread.hashes[seq - 1] != last:
        raise Altered("seen.hash")
    return seq
