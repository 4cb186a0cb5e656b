"""The rule for writing: under which epoch a letter may be sealed, and to whom a new one has to be granted."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from storage.confidential.protocol import fields
from storage.confidential.protocol.boxes import normalise
from storage.confidential.protocol.errors import Altered, Expired, Refused
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.threads import Granted, Thread, barred

ASKER: Final = fields.ASKER


@dataclass(frozen=True, slots=True)
class Seal:
    """The epoch of the next letter; where `is_grant`, the letter grants it to exactly these readers."""

    epoch: int
    is_grant: bool
    readers: tuple[str, ...]
    excluded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What the author of the next letter wants changed; `excluded` is the asker's only."""

    added: tuple[str, ...] = ()
    leaves: bool = False
    excluded: tuple[str, ...] | None = None
    resumes: bool = False


def base_grant(thread: Thread, chain: Chain, seen: int) -> Granted:
    """The newest grant that counts: one first seen after its author left changes neither readers nor exclusions.

    It does where all officers of the one before are gone: only those whom it names can go on.
    """
    base = next((one for one in reversed(thread.grants) if _counts(one, chain, seen)), thread.grants[0])
    return next((one for one in (base, thread.grants[-1]) if _has_officer(one, chain)), base)


def _counts(granted: Granted, chain: Chain, seen: int) -> bool:
    return granted.seq <= seen or granted.author == ASKER or chain.is_active(granted.author)


def _has_officer(granted: Granted, chain: Chain) -> bool:
    return any(chain.is_officer(one) and chain.is_active(one) for one in granted.grant["readers"])


def next_seal(
    thread: Thread,
    chain: Chain,
    author: str,
    *,
    seen: int,
    floor: int,
    is_in_force: bool,
    change: Change | None = None,
    talk: Thread | None = None,
) -> Seal:
    """Which epoch to keep or to grant.

    `seen` is the number of the newest letter that this device remembers, `floor` the serial of the newest list that
    it does; `talk` is lane talk where the letter is a note. Raises Altered, Refused or Expired.
    """
    change = change or Change()
    if chain.serial < max(thread.list_serial, floor):
        raise Altered("list.floor")
    if author != ASKER and (author not in thread.readers or not chain.is_active(author)):
        raise Refused("seal.author")
    newest, base = thread.grants[-1], base_grant(thread, chain, seen)
    excluded = _excluded(base, author, change)
    out = {*excluded, *(barred(thread, chain) - (set(change.added) if author == ASKER else set()))}
    readers = _readers(base, chain, author, change, out, talk)
    if (
        newest is base
        and not change.resumes
        and (newest.author == ASKER or (newest.author in base.grant["readers"] and chain.is_active(newest.author)))
        and readers == tuple(base.grant["readers"])
        and excluded == tuple(base.grant["excluded"])
    ):
        return Seal(newest.epoch, False, readers, excluded)
    if not any(chain.is_officer(reader) for reader in readers):
        raise Refused("seal.readers")
    if not is_in_force:
        raise Expired("seal.grant")
    return Seal(newest.epoch + 1, True, readers, excluded)


def keepers(chain: Chain, excluded: Iterable[str]) -> list[str]:
    """Those of the excluded who keep the recovery key of the newest list, by their names there.

    With a second custodian they would read what is sealed to it.
    """
    custodians = {normalise(name) for name in chain.newest["custodians"]}
    return [one for one in excluded if one in chain.by_id and normalise(chain.by_id[one]["join"]["name"]) in custodians]


def _excluded(base: Granted, author: str, change: Change) -> tuple[str, ...]:
    if change.excluded is None:
        return tuple(base.grant["excluded"])
    if author != ASKER:
        raise Refused("seal.excluded")
    return tuple(sorted(set(change.excluded)))


def _readers(
    base: Granted, chain: Chain, author: str, change: Change, out: Iterable[str], talk: Thread | None
) -> tuple[str, ...]:
    """Readers of the grant that counts, without those who are gone or `out`, with those who are handed to."""
    if any(not chain.is_active(one) or one in set(out) for one in change.added):
        raise Refused("seal.added")
    former = set(base.grant["readers"])
    readers = {one for one in former if chain.is_active(one)} | set(change.added)
    if any(not chain.is_officer(one) and not chain.is_active(one) for one in former) and not keepers(chain, out):
        readers |= {one for one in chain.by_id if chain.is_active(one) and not chain.is_officer(one)}
    readers -= {*out, *((author,) if change.leaves else ())}
    if talk is not None:
        readers &= set(talk.readers)
    return tuple(sorted(readers))
