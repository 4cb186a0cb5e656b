"""Officers' notebooks: one version follows the other, on both databases."""

import asyncio
from typing import Any

from storage.confidential import notebooks, officers
from storage.confidential.notebooks import StoredNotebook
from storage.confidential.officers import OfficerState, ReaderKeys
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import encode
from storage.database import Database
from tests.fakes.letterbox import NOW
from tests.fakes.unit import Keyholder, Unit


def box(words: str) -> Box:
    return {"iv": encode(bytes(12)), "body": encode(words.encode())}


async def joined(database: Database, name: str) -> str:
    joining: Any = Unit.with_recovery_key().joining(Keyholder(name))
    keys = ReaderKeys(joining, box("words"), box("code"), box("notebook"))
    async with database.write() as tx:
        token = await officers.invite(tx, f"{name}@ueipci.example", name, "officer", None, NOW)
        return await officers.sign_up(tx, token, "salt", "hash", OfficerState.ACTIVE, NOW, keys)


async def test_a_notebook_is_replaced_by_its_next_version_only(database: Database) -> None:
    carmen, dora = await joined(database, "carmen"), await joined(database, "dora")
    async with database.write() as tx:
        for version in (0, 1, 3):
            assert not await notebooks.replace(tx, carmen, version, box("wrong"))
        assert await notebooks.replace(tx, carmen, 2, box("second"))
        assert not await notebooks.replace(tx, carmen, 2, box("again"))
        assert await notebooks.newest(tx, carmen) == StoredNotebook(2, box("second"))
        assert await notebooks.newest(tx, dora) == StoredNotebook(1, box("notebook"))
        assert await notebooks.newest(tx, "unknown") is None


async def test_who_has_no_notebook_gets_none_by_replacing_it(database: Database) -> None:
    async with database.write() as tx:
        token = await officers.invite(tx, "lia@leon.example", "Lía", "liaison", None, NOW)
        liaison = await officers.sign_up(tx, token, "salt", "hash", OfficerState.ACTIVE, NOW)
        for version in (1, 2):
            assert not await notebooks.replace(tx, liaison, version, box("x"))
        assert await notebooks.newest(tx, liaison) is None


async def test_of_concurrent_versions_of_a_notebook_one_is_stored(database: Database) -> None:
    carmen = await joined(database, "carmen")

    async def replace(number: int) -> bool:
        async with database.write() as tx:
            return await notebooks.replace(tx, carmen, 2, box(f"tab {number}"))

    assert sum(await asyncio.gather(*(replace(number) for number in range(10)))) == 1
