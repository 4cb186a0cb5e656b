"""An officer's account: new words, a new recovery code, signing out everywhere, the way back after lost words."""

from collections.abc import Collection

from handlers.casework.joining import KeysRefused
from handlers.casework.office import OfficerContext
from storage.confidential import accounts, ledger, officers
from storage.confidential.accounts import Account, Code, Words
from storage.confidential.ledger import Failures, Verb
from storage.confidential.officers import OfficerState
from storage.confidential.protocol import boxes
from storage.confidential.protocol.lists import Chain


class AccountChanged(Exception):
    """Words or code are others meanwhile; nothing was changed."""


async def replace_words(context: OfficerContext, account: Account, words: Words) -> None:
    """Replace the words and sign out all devices, this one too. Raises AccountChanged."""
    if not await accounts.replace_words(context.tx, account, words):
        raise AccountChanged
    await officers.sign_out(context.tx, [account.id])
    await context.append_to_ledger(Verb.NEW_WORDS)


async def replace_code(context: OfficerContext, account: Account, code: Code, replaces: str) -> None:
    """Replace the recovery code; `replaces` is the hash of the box that the page has read. Raises AccountChanged."""
    known = account.recovery_bundle
    if known is None or boxes.box_hash(known) != replaces:
        raise AccountChanged
    if not await accounts.replace_code(context.tx, account, code):
        raise AccountChanged
    await context.append_to_ledger(Verb.NEW_WORDS)


async def recover(context: OfficerContext, account: Account, words: Words, code: Code) -> None:
    """Replace words and code of an officer who had the code, and sign out all devices. Raises AccountChanged."""
    if not await accounts.replace_both(context.tx, account, words, code):
        raise AccountChanged
    await officers.sign_out(context.tx, [account.id])
    await context.append_to_ledger(Verb.LOST_WORDS)


async def note_sign_in(context: OfficerContext, *, is_new: bool) -> list[Failures]:
    """Write down that an officer signed in, and return the failed attempts on the account since the time before.

    Unlocking a session that is open is written down only where it is told of such attempts, so that it is told once.
    """
    failures = await ledger.failures_since_sign_in(context.tx, context.officer.id)
    if is_new or failures:
        await context.append_to_ledger(Verb.SIGN_IN)
    return failures


async def sign_out_everywhere(context: OfficerContext) -> None:
    """End the sessions of all devices, this one's too."""
    await officers.sign_out(context.tx, [context.officer.id])
    await context.append_to_ledger(Verb.END_SESSIONS)


async def suspend(context: OfficerContext, chain: Chain, officer_ids: Collection[str]) -> None:
    """Record that officers whom the newest list of this chain has ended are suspended. Raises KeysRefused."""
    if not officer_ids:
        return
    ended = {one for one, reader in chain.by_id.items() if reader["ended"] == chain.serial}
    if not ended >= {*officer_ids}:
        raise KeysRefused
    await officers.leave(context.tx, officer_ids, OfficerState.SUSPENDED)
    await context.append_to_ledger(Verb.SUSPEND)
