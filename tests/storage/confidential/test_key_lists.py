"""The chain of signed lists as rows, on both databases."""

import asyncio

from storage.confidential import key_lists
from storage.confidential.protocol.lists import SignedList, read_list
from storage.database import Database
from tests.fakes.unit import Keyholder, Unit


async def test_all_lists_are_kept_and_serials_are_unique(database: Database) -> None:
    unit = Unit.with_recovery_key()
    first, second = unit.first_list(), unit.next_list(days=30)
    async with database.write() as tx:
        assert await key_lists.newest(tx) is None
        assert await key_lists.all_lists(tx) == []
        assert await key_lists.add(tx, second)
        assert await key_lists.add(tx, first)
        assert not await key_lists.add(tx, unit.sign(unit.next_keys() | {"serial": 2}))
        stored, newest = await key_lists.all_lists(tx), await key_lists.newest(tx)
    assert [read_list(row.body) for row in stored] == [first, second]
    assert newest == stored[1]


async def test_of_concurrent_lists_with_one_serial_one_is_stored(database: Database) -> None:
    unit = Unit.with_recovery_key()
    unit.first_list()
    rivals = [unit.sign(unit.next_keys(adding=[Keyholder(f"Dora {number}")])) for number in range(10)]

    async def add(signed: SignedList) -> bool:
        async with database.write() as tx:
            return await key_lists.add(tx, signed)

    assert sum(await asyncio.gather(*(add(signed) for signed in rivals))) == 1
