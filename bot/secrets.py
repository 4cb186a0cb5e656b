"""The generated keys in DATA_DIR/secrets, and whether they are those with which the database was written."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.config import WrongSetting
from storage import key_fingerprints, permissions
from storage.database import Database

NAMES = ("route", "inbox", "audit", "csrf", "webhook")
KEY_BYTES = 32
ADOPT = "integra migrate --adopt-secrets"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Generated keys of this installation; none of them decrypts a confidential query."""

    route: bytes  # encrypts chat addresses of open cases
    inbox: bytes  # encrypts updates while they wait
    audit: bytes
    csrf: bytes
    webhook: str  # a platform sends it with each webhook request to authenticate itself


async def load(database: Database, data_dir: Path) -> Secrets:
    """Read the keys of the database; at its first start, create those that are missing and store their fingerprints.

    Raises WrongSetting when the folder cannot be used or its keys are not those of the database, DatabaseUnavailable.
    """
    async with database.read() as tx:
        stored = await key_fingerprints.stored(tx)
    keys = read(data_dir)  # afterwards: another process may be creating them, and stores the fingerprints last
    _refuse_mismatch(data_dir, keys, stored)
    if not stored.keys() >= set(NAMES):
        keys = await _claim(database, data_dir, keys)
    return Secrets(**{name: keys[name] for name in NAMES[:-1]}, webhook=keys["webhook"].hex())


async def adopt(database: Database, data_dir: Path) -> list[str]:
    """Let the database continue with the keys in the folder, creating missing ones; return the names that changed.

    What was encrypted with the keys before stays as it is, and can be read again once they are back and adopted.

    Raises WrongSetting, DatabaseUnavailable.
    """
    keys = read(data_dir)
    new = _generate_missing(keys)
    fingerprints = _fingerprints(keys | new)
    async with database.write() as tx:
        stored = await key_fingerprints.stored(tx)
        await key_fingerprints.replace(tx, fingerprints)
        _create(data_dir, new)
    return [name for name in NAMES if name in stored and stored[name] != fingerprints[name]]


def read(data_dir: Path) -> dict[str, bytes]:
    """The keys that exist, by name. Raises WrongSetting when one is damaged or cannot be read."""
    keys = {}
    for name in NAMES:
        path = folder(data_dir) / name
        try:
            keys[name] = path.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unusable(data_dir, error) from error
        if len(keys[name]) != KEY_BYTES:
            raise WrongSetting(
                f"DATA_DIR: {name!r} in secrets/ is damaged: {len(keys[name])} bytes, expected {KEY_BYTES}; "
                f"restore it from a backup; lost for good: remove it, then {ADOPT}"
            )
    return keys


def mismatch(data_dir: Path, keys: Mapping[str, bytes], stored: Mapping[str, str]) -> str:
    """Why these keys are not those of a database with these fingerprints, in one line; empty when they are."""
    present = _fingerprints(keys)
    missing = [name for name in NAMES if name in stored and name not in present]
    other = [name for name in NAMES if name in stored and name in present and present[name] != stored[name]]
    if not missing and not other:
        return ""
    if other:
        problem = f"does not hold the keys that this database was written with (others: {', '.join(other)})"
    else:
        problem = f"lacks keys that this database was written with ({', '.join(missing)})"
    return (
        f"DATA_DIR: {str(folder(data_dir))!r} {problem}; put that folder back from its backup or copy it from another "
        f"machine of this installation, or name another DATA_DIR or DATABASE_URL; lost for good: {ADOPT}"
    )


def folder(data_dir: Path) -> Path:
    """The folder of the keys."""
    return data_dir / "secrets"


async def _claim(database: Database, data_dir: Path, keys: dict[str, bytes]) -> dict[str, bytes]:
    """Create the missing keys and store the fingerprints of all, or neither.

    Of processes that start at once, one is the first. The others wait for it, then find its keys in the same folder,
    or are refused before they have created any.
    """
    await permissions.check(database)
    new = _generate_missing(keys)
    async with database.write() as tx:
        stored = await key_fingerprints.add(tx, _fingerprints(keys | new))
        if mismatch(data_dir, keys | new, stored):
            keys, new = read(data_dir), {}
            _refuse_mismatch(data_dir, keys, stored)
        _create(data_dir, new)
    return keys | new


def _refuse_mismatch(data_dir: Path, keys: Mapping[str, bytes], stored: Mapping[str, str]) -> None:
    if problem := mismatch(data_dir, keys, stored):
        raise WrongSetting(problem)


def _fingerprints(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {name: key_fingerprints.fingerprint(name, key) for name, key in keys.items()}


def _generate_missing(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: os.urandom(KEY_BYTES) for name in NAMES if name not in keys}


def _create(data_dir: Path, keys: Mapping[str, bytes]) -> None:
    """Write new keys with file mode 600, each complete or not at all. Raises WrongSetting."""
    try:
        folder(data_dir).mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, key in keys.items():
            unfinished = folder(data_dir) / f".{name}"
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(folder(data_dir) / name)
    except OSError as error:
        raise _unusable(data_dir, error) from error


def _unusable(data_dir: Path, error: OSError) -> WrongSetting:
    return WrongSetting(f"DATA_DIR: cannot use {str(data_dir)!r} ({error.strerror})")
