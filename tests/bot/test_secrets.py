"""Generated keys: created once, those of one database, refused beside another, adopted only when asked for."""

import asyncio
import errno
import os
import stat
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from bot import secrets
from bot.cli.migrate import LOSSES
from bot.config import WrongSetting
from storage import key_fingerprints, permissions
from storage.database import Database, Transaction, open_database
from tests.keys import invented

OTHER_KEYS = "does not hold the keys that this database was written with"
MISSING_KEYS = "lacks keys that this database was written with"


def files_of(data_dir: Path) -> dict[str, bytes]:
    """Every file in the folder of the keys, by name; empty when there is no folder."""
    folder = data_dir / "secrets"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


async def stored_in(database: Database) -> dict[str, str]:
    async with database.read() as tx:
        return await key_fingerprints.stored(tx)


async def refusal(database: Database, data_dir: Path) -> str:
    """The line with which the keys of a folder are refused; neither folder nor database changes."""
    before = files_of(data_dir), await stored_in(database)
    with pytest.raises(WrongSetting) as error:
        await secrets.load(database, data_dir)
    assert (files_of(data_dir), await stored_in(database)) == before
    (line,) = str(error.value).splitlines()
    assert repr(str(data_dir / "secrets")) in line
    assert "integra migrate --adopt-secrets" in line
    return line


# ---------------------------------------------------------------- the first start


async def test_keys_are_generated_once_and_readable_by_the_owner_only(database: Database, tmp_path: Path) -> None:
    generated = await secrets.load(database, tmp_path / "data")
    assert await secrets.load(database, tmp_path / "data") == generated
    keys = [getattr(generated, field.name) for field in fields(generated)]
    assert len(set(keys)) == len(keys) == len(secrets.KEY_NAMES)
    assert files_of(tmp_path / "data").keys() == set(secrets.KEY_NAMES)
    for path in (tmp_path / "data" / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data" / "secrets").stat().st_mode) == 0o700


async def test_a_database_from_before_adopts_the_keys_that_are_there(database: Database, tmp_path: Path) -> None:
    keys = {name: bytes([number]) * 32 for number, name in enumerate(secrets.KEY_NAMES)}
    (tmp_path / "secrets").mkdir()
    for name, key in keys.items():
        (tmp_path / "secrets" / name).write_bytes(key)
    loaded = await secrets.load(database, tmp_path)
    assert (loaded.route, loaded.inbox, loaded.webhook) == (keys["route"], keys["inbox"], keys["webhook"].hex())
    assert files_of(tmp_path) == keys
    assert (await stored_in(database)).keys() == set(secrets.KEY_NAMES)


async def test_a_key_that_a_later_version_adds_is_created_beside_the_others(database: Database, tmp_path: Path) -> None:
    first = await secrets.load(database, tmp_path)
    async with database.write() as tx:  # as a version that did not know the last key would have left it
        everything = await key_fingerprints.stored(tx)
        await key_fingerprints.replace(tx, {name: everything[name] for name in secrets.KEY_NAMES[:-1]})
    (tmp_path / "secrets" / secrets.KEY_NAMES[-1]).unlink()
    second = await secrets.load(database, tmp_path)
    assert second.inbox == first.inbox
    assert second.metrics != first.metrics
    assert (await stored_in(database)).keys() == set(secrets.KEY_NAMES)


async def test_the_database_holds_no_key(database: Database, tmp_path: Path) -> None:
    await secrets.load(database, tmp_path)
    values = (await stored_in(database)).values()
    assert all(len(value) == 64 for value in values)
    for key in files_of(tmp_path).values():
        assert key.hex() not in "".join(values)


async def test_the_same_bytes_under_another_name_have_another_fingerprint() -> None:
    assert key_fingerprints.fingerprint("route", b"k" * 32) != key_fingerprints.fingerprint("inbox", b"k" * 32)


# ---------------------------------------------------------------- keys of another database


async def test_another_folder_is_refused_once_the_database_has_keys(database: Database, tmp_path: Path) -> None:
    await secrets.load(database, tmp_path / "ours")
    line = await refusal(database, tmp_path / "empty")
    assert f"{MISSING_KEYS} ({', '.join(secrets.KEY_NAMES)})" in line
    assert not (tmp_path / "empty").exists(), "no key was created"
    foreign = dict.fromkeys(secrets.KEY_NAMES, b"f" * 32)
    (tmp_path / "foreign" / "secrets").mkdir(parents=True)
    for name, key in foreign.items():
        (tmp_path / "foreign" / "secrets" / name).write_bytes(key)
    assert f"{OTHER_KEYS} (others: {', '.join(secrets.KEY_NAMES)})" in await refusal(database, tmp_path / "foreign")


@pytest.mark.parametrize("name", secrets.KEY_NAMES)
async def test_one_key_that_is_missing_or_another_is_named(database: Database, tmp_path: Path, name: str) -> None:
    await secrets.load(database, tmp_path)
    path = tmp_path / "secrets" / name
    path.write_bytes(b"x" * 32)
    assert f"{OTHER_KEYS} (others: {name})" in await refusal(database, tmp_path)
    path.unlink()
    assert f"{MISSING_KEYS} ({name})" in await refusal(database, tmp_path)


# ---------------------------------------------------------------- processes that start at once


async def start_at_once(url: str, *data_dirs: Path) -> list[secrets.Secrets | BaseException]:
    """Load the keys in all folders concurrently, as processes of their own on one database would."""
    databases = [open_database(url) for _ in data_dirs]
    work = [secrets.load(one, folder) for one, folder in zip(databases, data_dirs, strict=True)]
    try:
        return await asyncio.gather(*work, return_exceptions=True)
    finally:
        for one in databases:
            await one.close()


async def test_of_machines_that_start_at_once_with_different_keys_exactly_one_wins(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    results = await start_at_once(database_url, *folders)
    (winner,) = [number for number, result in enumerate(results) if isinstance(result, secrets.Secrets)]
    assert [isinstance(result, WrongSetting) for result in results].count(True) == 3
    assert [bool(files_of(folder)) for folder in folders] == [number == winner for number in range(4)]
    assert await secrets.load(database, folders[winner]) == results[winner]


async def test_processes_of_one_machine_that_start_at_once_get_the_same_keys(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    first, *others = await start_at_once(database_url, *[tmp_path] * 4)
    assert isinstance(first, secrets.Secrets)
    assert others == [first] * 3
    assert await secrets.load(database, tmp_path) == first


@pytest.mark.parametrize("is_same_folder", [True, False], ids=["same folder", "another folder"])
async def test_another_process_that_was_first_by_a_moment(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str, tmp_path: Path, is_same_folder: bool
) -> None:
    check = permissions.check
    others = tmp_path if is_same_folder else tmp_path / "other"

    async def start_another_before(ours: Database) -> None:
        """Let another process start and store its keys, after ours has found none."""
        monkeypatch.setattr(permissions, "check", check)
        (first,) = await asyncio.create_task(start_at_once(database_url, others))
        assert isinstance(first, secrets.Secrets)
        await check(ours)

    monkeypatch.setattr(permissions, "check", start_another_before)
    if is_same_folder:
        loaded = await secrets.load(database, tmp_path)
        assert loaded.route == (tmp_path / "secrets" / "route").read_bytes()
        assert await secrets.load(database, tmp_path) == loaded
    else:
        with pytest.raises(WrongSetting, match=MISSING_KEYS):
            await secrets.load(database, tmp_path)
        assert not (tmp_path / "secrets").exists()


# ---------------------------------------------------------------- keys that are lost for good


async def test_lost_keys_are_replaced_only_when_asked_for_and_the_change_can_be_undone(
    database: Database, tmp_path: Path
) -> None:
    old = await secrets.load(database, tmp_path)
    assert await secrets.adopt(database, tmp_path) == [], "nothing changes while the keys are there"
    (tmp_path / "secrets").rename(tmp_path / "kept")
    assert await secrets.adopt(database, tmp_path) == list(secrets.KEY_NAMES)
    new = await secrets.load(database, tmp_path)
    assert new != old
    (tmp_path / "secrets").rename(tmp_path / "newer")
    (tmp_path / "kept").rename(tmp_path / "secrets")
    await refusal(database, tmp_path)
    await secrets.adopt(database, tmp_path)
    assert await secrets.load(database, tmp_path) == old


async def test_of_two_that_adopt_at_once_the_second_is_refused(
    monkeypatch: pytest.MonkeyPatch, database: Database, database_url: str, tmp_path: Path
) -> None:
    await secrets.load(database, tmp_path / "old")
    stored = key_fingerprints.stored

    async def adopt_elsewhere_after(tx: Transaction) -> dict[str, str]:
        """Return what is stored, and let another process adopt keys of its own right after."""
        monkeypatch.setattr(key_fingerprints, "stored", stored)
        before = await stored(tx)
        other = open_database(database_url)
        await asyncio.create_task(secrets.adopt(other, tmp_path / "first"))
        await other.close()
        return before

    monkeypatch.setattr(key_fingerprints, "stored", adopt_elsewhere_after)
    with pytest.raises(WrongSetting, match="another process has stored its keys meanwhile"):
        await secrets.adopt(database, tmp_path / "second")
    assert not (tmp_path / "second").exists()
    await secrets.load(database, tmp_path / "first")


async def test_only_the_key_that_is_lost_is_created_and_named(database: Database, tmp_path: Path) -> None:
    old = await secrets.load(database, tmp_path)
    (tmp_path / "secrets" / "inbox").unlink()
    assert await secrets.adopt(database, tmp_path) == ["inbox"]
    new = await secrets.load(database, tmp_path)
    assert (new.route, new.audit, new.csrf, new.webhook) == (old.route, old.audit, old.csrf, old.webhook)
    assert new.inbox != old.inbox


# ---------------------------------------------------------------- a power cut


async def test_keys_and_their_names_are_durable_before_their_fingerprints(
    monkeypatch: pytest.MonkeyPatch, database: Database, tmp_path: Path
) -> None:
    synced: list[tuple[int, int]] = []  # inode, and how many keys had their name by then
    fsync = os.fsync
    folder = tmp_path / "new" / "data" / "secrets"

    def record(descriptor: int) -> None:
        named = [name for name in secrets.KEY_NAMES if (folder / name).exists()]
        synced.append((os.fstat(descriptor).st_ino, len(named)))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    await secrets.load(database, tmp_path / "new" / "data")
    every = len(secrets.KEY_NAMES)
    for path in (folder, *folder.parents[:3]):
        assert (path.stat().st_ino, every) in synced, path
    assert {(folder / name).stat().st_ino for name in secrets.KEY_NAMES} <= {inode for inode, _ in synced}


@pytest.mark.parametrize(("code", "is_accepted"), [(errno.EINVAL, True), (errno.EIO, False)], ids=["EINVAL", "EIO"])
async def test_only_a_file_system_that_cannot_sync_folders_may_go_without(
    monkeypatch: pytest.MonkeyPatch, database: Database, tmp_path: Path, code: int, is_accepted: bool
) -> None:
    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse_folders)
    if is_accepted:
        await secrets.load(database, tmp_path)
    else:
        with pytest.raises(WrongSetting, match=r"DATA_DIR: cannot use .* \(Input/output error\)"):
            await secrets.load(database, tmp_path)
        assert await stored_in(database) == {}


# ---------------------------------------------------------------- folders that cannot be used


async def test_a_damaged_key_is_reported_and_never_replaced(database: Database, tmp_path: Path) -> None:
    await secrets.load(database, tmp_path)
    damaged = tmp_path / "secrets" / "inbox"
    damaged.write_bytes(b"short")
    for work in (secrets.load, secrets.adopt):
        with pytest.raises(WrongSetting, match="'inbox' in secrets/ is damaged: 5 bytes, expected 32; restore"):
            await work(database, tmp_path)
    assert damaged.read_bytes() == b"short"


async def test_a_folder_that_cannot_be_used_leaves_no_fingerprint(database: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongSetting, match="DATA_DIR: cannot use"):
        await secrets.load(database, tmp_path / "file")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / ".audit").mkdir()  # where a key would be written
    with pytest.raises(WrongSetting, match=r"DATA_DIR: cannot use .* \(Is a directory\)"):
        await secrets.load(database, tmp_path)
    assert await stored_in(database) == {}
    (tmp_path / "secrets" / ".audit").rmdir()
    await secrets.load(database, tmp_path)
    assert files_of(tmp_path).keys() == set(secrets.KEY_NAMES)


def test_what_is_lost_with_each_key_is_said() -> None:
    assert LOSSES.keys() == set(secrets.KEY_NAMES)


def test_the_key_of_the_draws_is_derived_and_its_own() -> None:
    """It follows the key `inbox` and no other, and equals none of them."""
    made = invented()
    assert len(made.draw) == 32
    assert made.draw not in asdict(made).values()
    for name, key in asdict(made).items():
        changed: Any = {name: b"x" * 32 if isinstance(key, bytes) else "x"}
        other = replace(made, **changed).draw
        assert (other == made.draw) is (name != "inbox")
