"""What askers and officers post alike: a letter that follows those before it, with the keys that it grants."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from storage.confidential import cases
from storage.confidential.protocol import fields, keys, threads
from storage.confidential.protocol.errors import Altered, Malformed, Refused
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.threads import Thread
from storage.database import Transaction

ACCESS: Final = fields.array(keys.ACCESS, 0, 201)
"""The format of the keys that come with a letter: of 200 readers and the asker."""


class LetterRefused(Exception):
    """A letter was refused and nothing was stored; `reason` is the code that the page receives.

    keys: the letter names another list than the newest. day: the browser's date differs from ours by more than a day.
    seq: another letter was stored first. closed: the case accepts no more letters. Of askers only, token: unknown,
    redeemed or expired. case: a case with this id exists. thread: no case has this locator. version: the box was
    changed elsewhere.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def extended(before: Thread, letter: Letter, author: str, chain: Chain, today: date) -> Thread:
    """The thread with a letter of this author, by all rules that need no key.

    Raises LetterRefused (seq, keys, day), Malformed, Altered.
    """
    context = letter["context"]
    if (context["author"], context["lane"]) != (author, cases.TALK):
        raise Malformed("letter.context.author")
    if context["seq"] != before.seq + 1:
        raise LetterRefused("seq")
    try:
        return threads.check_posted(before, letter, chain, today)
    except Refused as fault:
        raise LetterRefused("day" if fault.reason == "posted.day" else "keys") from fault


async def followed(tx: Transaction, case_id: str, letter: Letter, author: str, chain: Chain, today: date) -> Thread:
    """The stored thread of a case with this letter. Raises as `extended` does."""
    if letter["context"]["case"] != case_id:
        raise Malformed("letter.context.case")
    before = threads.check_thread(await cases.letters(tx, case_id), chain)
    return extended(before, letter, author, chain, today)


def check_granted(thread: Thread, letter: Letter, access: Sequence[Access]) -> None:
    """Check that a letter comes with keys for exactly the readers that it grants, and otherwise with none.

    Raises Altered.
    """
    context = letter["context"]
    if context["grant"]:
        keys.check_rows(access, context["case"], context["lane"], context["epoch"], thread.readers)
    elif access:
        raise Altered("access.rows")


async def store(tx: Transaction, letter: Letter, access: Sequence[Access]) -> None:
    """Store a checked letter with its keys. Raises LetterRefused."""
    try:
        await cases.add_letter(tx, letter, access)
    except cases.OutOfOrder as fault:
        raise LetterRefused("seq") from fault
