"""Episodes one after the other for so many seconds; what is found comes with its seed and steps."""

import random
import time
from collections.abc import Iterator

from tests.attack.model.asker import AskerPage
from tests.attack.model.episodes import Episode, Pages
from tests.attack.model.host import Account, Host
from tests.attack.model.officer import OfficerPage
from tests.attack.model.truth import Found, Truth
from tests.fakes.unit import Keyholder


def _asker(host: Host, rng: random.Random, truth: Truth, name: str) -> AskerPage:
    return AskerPage(host, rng, truth, name)


def _officer(host: Host, rng: random.Random, truth: Truth, account: Account) -> OfficerPage:
    return OfficerPage(host, rng, truth, account)


def _account(rng: random.Random, officer: Keyholder) -> Account:
    return Account(officer, rng.randbytes(32), rng.randbytes(32))


PLAYED = Pages(_asker, _officer, _account)
"""Pages played in Python."""


async def play(host: Host, seeds: Iterator[int], seconds: float, pages: Pages = PLAYED) -> int:
    """Play episodes; return how many. Raises AssertionError with seed and steps where an invariant does not hold."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        seed = next(seeds)
        episode = Episode(host, seed, pages)
        try:
            await episode.play()
        except Found as found:
            steps = "\n".join(f"  {step}" for step in episode.steps)
            raise AssertionError(f"seed {seed}: {found}\n{steps}") from None
        count += 1
    return count
