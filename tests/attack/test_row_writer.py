"""A random writer of rows acts between the steps of honest people, and gains nothing.

No key of his opens a letter that an honest page sealed for others; no page shows a text that its author did not write,
hides one that was seen, or drops a reader who has not left; no honest restore leaves a case dead. A failure prints the
seed and the steps. `ATTACK_SECONDS=600 pytest tests/attack/test_row_writer.py` takes its time, and then shows as well
that the writer finds what is not protected (in less than a minute each); `ATTACK_SEED` begins elsewhere than the day.
"""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest
from playwright.async_api import Browser

from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.threads import Thread
from tests.attack.model.host import Host
from tests.attack.model.operated import operated
from tests.attack.model.running import play

pytestmark = pytest.mark.attack

SECONDS = float(os.environ.get("ATTACK_SECONDS", "0"))
SHORT, ONE_EPISODE = 3.0, 0.1  # seconds in the run of all tests
SEED = int(os.environ.get("ATTACK_SEED", datetime.now(UTC).strftime("%y%m%d0000")))
PROTOCOL, PAGES = "storage.confidential.protocol", "tests.attack.model"


async def test_a_writer_of_rows_gains_nothing(host: Host) -> None:
    assert await play(host, count(SEED), SECONDS or SHORT)


async def test_nor_does_he_where_the_pages_run_in_a_browser(sqlite_host: Host, browser: Browser) -> None:
    async with operated(browser) as pages:
        assert await play(sqlite_host, count(SEED), SECONDS or ONE_EPISODE, pages)


# ---------------------------------------------------------------- that he would find what is not protected


def _nothing(*_: object) -> None:
    """Check nothing."""


def _same(*_: object) -> bool:
    return True


def _one_unit(_: str) -> str:
    return "x" * 22


def _same_epoch(thread: Thread, *_: object, **__: object) -> Seal:
    """Keep the epoch whatever became of its readers."""
    newest = thread.grants[-1]
    return Seal(newest.epoch, False, tuple(newest.grant["readers"]), tuple(newest.grant["excluded"]))


def _believed(thread: Any, chain: Any, first: str, seq: int, last: str) -> int:
    """As many letters as are remembered, whatever became of them."""
    return seq


def _given(known: Any, _: object) -> Any:
    return known


UNPROTECTED: Mapping[str, Mapping[str, object]] = {
    "signatures of letters": {f"{PROTOCOL}.threads.verify_letter": _nothing},
    "readers who have left": {f"{PAGES}.officer.next_seal": _same_epoch, f"{PAGES}.asker.next_seal": _same_epoch},
    "the unit": {
        f"{PROTOCOL}.lists.unit_pin": _one_unit,
        "storage.confidential.unit_trust.unit_pin": _one_unit,
        f"{PROTOCOL}.lists._check_keys": _nothing,
        f"{PROTOCOL}.lists._check_unit": _nothing,
        f"{PROTOCOL}.lists.check_successions": _nothing,
        f"{PROTOCOL}.lists.check_proofs": _nothing,
        f"{PROTOCOL}.lists.check_floor": _nothing,
        "handlers.casework.trust._above_floor": _given,
    },
    "what was seen": {f"{PROTOCOL}.threads.check_seen": _believed, f"{PAGES}.officer._is_same_asker": _same},
}
"""What is replaced; most attacks meet more than one check, so that one alone is not missed."""


@pytest.mark.skipif(not SECONDS, reason="takes minutes: set ATTACK_SECONDS")
@pytest.mark.parametrize("unprotected", UNPROTECTED)
async def test_he_finds_what_is_not_protected(sqlite_host: Host, unprotected: str) -> None:
    with ExitStack() as stack:
        for name, replacement in UNPROTECTED[unprotected].items():
            stack.enter_context(patch(name, replacement))
        with pytest.raises(AssertionError, match=r"^seed \d+: (read|forged|order|gap|dropped): "):
            await play(sqlite_host, count(SEED), SECONDS)
