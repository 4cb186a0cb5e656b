"""What askers and officers post alike: a letter that follows those before it, with the keys that it grants."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from handlers import caps
from storage.confidential import cases
from storage.confidential.protocol import fields, keys, threads
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.errors import Altered, Malformed, Refused
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.lists import Chain
from storage.confidential.protocol.threads import Thread
from storage.database import Transaction

ACCESS: Final = fields.array(keys.ACCESS, 0, 201)
"""The format of the keys that come with a letter: of 200 readers and the asker."""

_CLOSE, _HAND = "close", "hand"  # kinds of letters


class LetterRefused(Exception):
    """A letter was refused and nothing was stored; `reason` is the code that the page receives.

    keys: the letter names another list than the newest. day: the browser's date differs from ours by more than a day.
    seq: another letter was stored first. closed: the case accepts no more letters. full: the letters of the case are as
    large as they may be. Of askers only, token: unknown, redeemed or expired. case: a case with this id exists. thread:
    no case has this locator. version: the box was changed elsewhere.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooManyLetters(Exception):
    """One side of a case wrote as many letters on a day as it may; it may go on on the next, `day`."""

    def __init__(self, day: date) -> None:
        super().__init__(day.isoformat())
        self.day = day


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
    """The stored thread of a case with this letter. Raises as `extended` does, and TooManyLetters."""
    if letter["context"]["case"] != case_id:
        raise Malformed("letter.context.case")
    before = threads.check_thread(await cases.letters(tx, case_id), chain)
    thread = extended(before, letter, author, chain, today)
    _check_number(before.letters, letter)
    _check_size(before.letters, letter)
    return thread


def _check_number(before: Sequence[Letter], letter: Letter) -> None:
    """The asker and the officers have a number each, so that neither can keep the other from writing.

    A letter that closes the case is the last one and always goes. Raises TooManyLetters.
    """
    context = letter["context"]
    same = (other for other in before if other["context"]["day"] == context["day"])
    is_asker = context["author"] == fields.ASKER
    if context["kind"] == _CLOSE:
        return
    if sum((other["context"]["author"] == fields.ASKER) is is_asker for other in same) >= caps.LETTERS_A_DAY:
        raise TooManyLetters(date.fromisoformat(context["day"]) + timedelta(days=1))


def _check_size(before: Sequence[Letter], letter: Letter) -> None:
    """A case that is full can still be closed or handed over. Raises LetterRefused."""
    context = letter["context"]
    most = caps.CASE_BYTES - (caps.OFFICERS_BYTES if context["author"] == fields.ASKER else 0)
    if context["kind"] not in (_CLOSE, _HAND) and sum(len(canonical(one)) for one in (*before, letter)) > most:
        raise LetterRefused("full")


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
