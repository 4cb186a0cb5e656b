"""New words and new recovery codes on both databases: each replaces what was read, or nothing."""

from dataclasses import replace

import pytest

from storage.confidential import accounts, officers
from storage.confidential.accounts import Account, Code, Words
from storage.confidential.officers import OfficerState
from storage.database import Database
from tests.storage.confidential.test_officers import NOW, box, joined

CARMEN, DORA = "carmen@ueipci.example", "dora@ueipci.example"
FIRST, SECOND = Words("salt 1", "hash 1", box("words 1")), Words("salt 2", "hash 2", box("words 2"))
CODE, OTHER_CODE = Code("code 1", box("code 1")), Code("code 2", box("code 2"))


async def with_code(database: Database, email: str = CARMEN) -> Account:
    """An officer with words and a code."""
    officer_id = await joined(database, email)
    async with database.write() as tx:
        await accounts.keep_code(tx, officer_id, "code")
        account = await accounts.by_email(tx, email)
    assert account is not None
    return account


async def now(database: Database, account: Account) -> Account | None:
    async with database.read() as tx:
        return await accounts.by_id(tx, account.id)


async def test_new_words_replace_hash_and_box_and_leave_the_code(database: Database) -> None:
    carmen, dora = await with_code(database), await with_code(database, DORA)
    async with database.write() as tx:
        assert await accounts.replace_words(tx, carmen, FIRST)
        known = await officers.credentials(tx, CARMEN)
    assert known is not None
    assert (known.salt, known.auth_hash, known.bundle) == ("salt 1", "hash 1", box("words 1"))
    assert await now(database, carmen) == replace(carmen, auth_hash="hash 1", bundle=box("words 1"))
    assert await now(database, dora) == dora


async def test_of_two_new_words_at_once_one_wins(database: Database) -> None:
    carmen = await with_code(database)
    async with database.write() as tx:
        assert [await accounts.replace_words(tx, carmen, words) for words in (FIRST, SECOND)] == [True, False]
    assert await now(database, carmen) == replace(carmen, auth_hash="hash 1", bundle=box("words 1"))


async def test_a_new_code_replaces_hash_and_box_and_leaves_the_words(database: Database) -> None:
    carmen = await with_code(database)
    async with database.write() as tx:
        assert [await accounts.replace_code(tx, carmen, code) for code in (CODE, OTHER_CODE)] == [True, False]
    assert await now(database, carmen) == replace(carmen, code_hash="code 1", recovery_bundle=box("code 1"))


async def test_a_code_is_not_replaced_with_words_that_are_others_meanwhile(database: Database) -> None:
    carmen = await with_code(database)
    async with database.write() as tx:
        assert await accounts.replace_words(tx, carmen, FIRST)
        assert not await accounts.replace_code(tx, carmen, CODE)


async def test_a_code_from_before_codes_could_sign_in_is_replaced_once(database: Database) -> None:
    officer_id = await joined(database)
    async with database.write() as tx:
        carmen = await accounts.by_id(tx, officer_id)
        assert carmen is not None
        assert carmen.code_hash is None
        assert [await accounts.replace_code(tx, carmen, code) for code in (CODE, OTHER_CODE)] == [True, False]


async def test_lost_words_replace_words_and_code_together_and_once(database: Database) -> None:
    carmen = await with_code(database)
    async with database.write() as tx:
        assert await accounts.replace_both(tx, carmen, FIRST, CODE)
        assert not await accounts.replace_both(tx, carmen, SECOND, OTHER_CODE)
    expected = Account(carmen.id, "hash 1", box("words 1"), "code 1", box("code 1"))
    assert await now(database, carmen) == expected


@pytest.mark.parametrize("gone", officers.GONE)
async def test_who_is_gone_has_no_account_and_changes_none(database: Database, gone: OfficerState) -> None:
    carmen = await with_code(database)
    async with database.write() as tx:
        await officers.leave(tx, [carmen.id], gone)
        assert await accounts.by_email(tx, CARMEN) is None
        assert await accounts.by_id(tx, carmen.id) is None
        assert not await accounts.replace_words(tx, carmen, FIRST)
        assert not await accounts.replace_code(tx, carmen, CODE)
        assert not await accounts.replace_both(tx, carmen, FIRST, CODE)


async def test_an_unknown_address_and_one_that_was_only_invited_have_no_account(database: Database) -> None:
    async with database.write() as tx:
        await officers.invite(tx, DORA, "Dora", "officer", None, NOW)
        assert await accounts.by_email(tx, DORA) is None
        assert await accounts.by_email(tx, "nadie@ueipci.example") is None
