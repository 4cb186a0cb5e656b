"""People join, leave, are excluded and included, recuse, hand over and resume at random: who can read may read.

What they do goes through the real server; who may read is said by a model of sets (tests/attack/matrix/sets.py). A
failure prints the seed and the steps. `ATTACK_SECONDS=600 pytest tests/attack/test_people_change.py` takes its time,
and then shows as well that the test misses each protection; `ATTACK_SEED` begins elsewhere than the day.
"""

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from content.library import Library
from storage.confidential.protocol import epochs
from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.threads import Thread
from storage.database import open_database
from tests.attack.matrix.changes import Episode, Unexpected
from tests.attack.model.host import Host, running
from tests.fakes import correspondence

pytestmark = pytest.mark.attack

SECONDS = float(os.environ.get("ATTACK_SECONDS", "0"))
SHORT = 3.0  # seconds in the run of all tests
SEED = int(os.environ.get("ATTACK_SEED", datetime.now(UTC).strftime("%y%m%d0000")))


async def play(host: Host, seed: int, seconds: float) -> int:
    """Play episodes; return how many. Raises AssertionError with seed and steps where a person reads otherwise."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        episode = Episode(host, seed + count)
        try:
            await episode.play()
        except (Unexpected, AssertionError, ProtocolError) as found:
            steps = "\n".join(f"  {step}" for step in episode.steps)
            raise AssertionError(f"seed {seed + count}: {found}\n{steps}") from None
        count += 1
    return count


async def test_however_people_change_who_can_read_may_read(host: Host) -> None:
    assert await play(host, SEED, SECONDS or SHORT)


# ---------------------------------------------------------------- that what is not protected would be found


def _same_epoch(thread: Thread, *given: Any, **rule: Any) -> Seal:
    """Keep the epoch for the same readers, even where its author is none of them."""
    seal, newest = epochs.next_seal(thread, *given, **rule), thread.grants[-1]
    now = tuple(newest.grant["readers"]), tuple(newest.grant["excluded"])
    resumes = rule["change"] is not None and rule["change"].resumes
    return Seal(newest.epoch, False, *now) if (seal.readers, seal.excluded) == now and not resumes else seal


def _sealed_to_all(thread: Thread, chain: Chain, letter: Letter, key: bytes) -> list[Access]:
    """Seal a key to its readers, and to all others who are active."""
    everybody: Any = {**letter, "context": {**letter["context"]}}
    grant = {**(letter["context"]["grant"] or {}), "readers": [one for one in chain.by_id if chain.is_active(one)]}
    everybody["context"]["grant"] = grant
    return ACCESS(thread, chain, everybody, key)


def _without_exclusions(base: Any, chain: Chain, author: str, change: Any, _: Any, talk: Any) -> tuple[str, ...]:
    """The readers of the next epoch, whom the asker excludes among them."""
    return READERS(base, chain, author, change, (), talk)


def _nothing(*_: object) -> None:
    """Check nothing."""


def _is_known(chain: Chain, reader: str, _: int | None = None) -> bool:
    """Whether a list has ever named a reader."""
    return reader in chain.by_id


ACCESS, READERS = correspondence._access, epochs._readers
PROTOCOL, FAKES = "storage.confidential.protocol", "tests.fakes"
UNPROTECTED: Mapping[str, Mapping[str, object]] = {
    "the rule for writing": {f"{FAKES}.unit.next_seal": _same_epoch, f"{FAKES}.asker.next_seal": _same_epoch},
    "keys for readers only": {
        f"{FAKES}.correspondence._access": _sealed_to_all,
        "handlers.casework.posting.check_granted": _nothing,
    },
    "exclusions": {f"{PROTOCOL}.epochs._readers": _without_exclusions, f"{PROTOCOL}.threads._check_grant": _nothing},
    "readers who have left": {f"{PROTOCOL}.lists.Chain.is_active": _is_known},
    "a new key for each epoch": {f"{FAKES}.correspondence.os": SimpleNamespace(urandom=bytes)},
}
"""What is replaced."""


@pytest.mark.skipif(not SECONDS, reason="takes a minute: set ATTACK_SECONDS")
@pytest.mark.parametrize("unprotected", UNPROTECTED)
async def test_what_is_not_protected_is_found(sqlite_url: str, library: Library, unprotected: str) -> None:
    database = open_database(sqlite_url)
    with ExitStack() as stack:
        for name, replacement in UNPROTECTED[unprotected].items():
            stack.enter_context(patch(name, replacement))
        async with running(database, library) as host:
            with pytest.raises(AssertionError, match=r"^seed \d+: .*(reads? |is given |the rules let )"):
                await play(host, SEED, SECONDS)
    await database.close()
