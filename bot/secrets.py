"""The generated keys in DATA_DIR/secrets, and whether they are those with which the database was written."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.config import WrongSetting
from bot.key_proofs import proved_wrong
from storage import key_evidence, key_fingerprints, permissions, sessions
from storage.database import Database, Transaction
from storage.key_evidence import UNUSED, Evidence

FIRST_KEY_NAMES = ("route", "inbox", "audit", "csrf", "webhook")
"""Those of versions that stored no fingerprints."""
KEY_NAMES = (*FIRST_KEY_NAMES, "outbox", "session", "factor", "metrics")
KEY_BYTES = 32
DRAW_LABEL = b"integra/v1/draw of blocks"
CHAT_LABEL = b"integra/v1/cookies of browser chats"
ADOPT = "integra migrate --adopt-secrets"
LAST_RESORT = f"lost for good: {ADOPT}"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Generated keys of this installation, each for one use; none of them decrypts a confidential query."""

    route: bytes  # encrypts chat addresses of open cases
    inbox: bytes  # encrypts updates while they wait
    audit: bytes  # of the ledger's rows
    csrf: bytes
    webhook: str  # a platform sends it with each webhook request to authenticate itself
    outbox: bytes  # encrypts deliveries while they wait
    session: bytes  # of the console: a row of the database alone is no session
    factor: bytes  # encrypts the secrets of officers' second factors
    metrics: str  # the bearer token of `/metrics`

    @property
    def draw(self) -> bytes:
        """The key of the draws for blocks, derived: after a change answers not drawn yet are drawn otherwise."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=DRAW_LABEL).derive(self.inbox)

    @property
    def chat(self) -> bytes:
        """The key that signs the cookies of browser chats, derived: after a change every visitor begins a new chat."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=CHAT_LABEL).derive(self.inbox)


async def load(database: Database, data_dir: Path) -> Secrets:
    """Read the keys of the database; at its first start, create those that are missing and store their fingerprints.

    Raises WrongSetting when the folder cannot be used or its keys are not those of the database, DatabaseUnavailable.
    """
    async with database.read() as tx:
        stored = await key_fingerprints.stored(tx)
    keys = read(data_dir)  # afterwards: another process may be creating them, and stores the fingerprints last
    _refuse(problem(data_dir, keys, stored))
    if not stored.keys() >= set(KEY_NAMES):
        keys = await _claim(database, data_dir)
    return _secrets(keys)


async def borrow(database: Database, data_dir: Path) -> Secrets:
    """Read the keys for a copy of the database: nothing is created or stored, missing keys are invented.

    Raises WrongSetting as `load` does, DatabaseUnavailable.
    """
    async with database.read() as tx:
        stored = await key_fingerprints.stored(tx)
        evidence = UNUSED if stored else await key_evidence.read(tx)
    keys = read(data_dir)
    _refuse(problem(data_dir, keys, stored, evidence))
    return _secrets(keys | _generate_missing(keys))


def _secrets(keys: Mapping[str, bytes]) -> Secrets:
    tokens = {name: keys[name].hex() for name in ("webhook", "metrics")}
    return Secrets(**{name: keys[name] for name in KEY_NAMES if name not in tokens}, **tokens)  # type: ignore[arg-type]


async def adopt(database: Database, data_dir: Path) -> list[str]:
    """Let the database continue with the keys in the folder, creating missing ones; return the names of those lost.

    What was encrypted with the keys before stays as it is, and can be read again once they are back and adopted.

    Raises WrongSetting, also while other processes are connected to PostgreSQL or store keys, and DatabaseUnavailable.
    """
    async with database.read() as tx:
        before = await key_fingerprints.stored(tx)
    async with database.write() as tx:
        await key_fingerprints.lock(tx)
        await _refuse_other_processes(tx, before)
        keys = read(data_dir)  # under the lock: another process may have created some
        new = _generate_missing(keys)
        fingerprints = _fingerprints(keys | new)
        lost = [name for name in KEY_NAMES if name in before and before[name] != fingerprints[name]]
        if not before:
            evidence = await key_evidence.read(tx)
            replaced = {*new, *proved_wrong(keys, evidence)}
            lost = [name for name in FIRST_KEY_NAMES if evidence.is_used and name in replaced]
        await key_fingerprints.replace(tx, fingerprints)
        _create(data_dir, new)
    return lost


def read(data_dir: Path) -> dict[str, bytes]:
    """The keys that exist, by name. Raises WrongSetting when one is damaged or cannot be read."""
    keys = {}
    for name in KEY_NAMES:
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
                f"restore it from a backup; lost for good: move it elsewhere, then {ADOPT}"
            )
    return keys


def problem(data_dir: Path, keys: Mapping[str, bytes], stored: Mapping[str, str], evidence: Evidence = UNUSED) -> str:
    """Why these keys are not those of a database with these fingerprints, in one line; empty when they are.

    A database that was used and stores none was written by an earlier version: it needs all keys that there were then,
    and those with which its rows were written.
    """
    present = _fingerprints(keys)
    needed = {*stored, *(FIRST_KEY_NAMES if evidence.is_used else ())}
    missing = [name for name in KEY_NAMES if name not in keys and name in needed]
    other = [name for name in KEY_NAMES if name in stored and name in present and present[name] != stored[name]]
    other += proved_wrong(keys, evidence)
    if not missing and not other:
        return ""
    place = f"DATA_DIR: {str(folder(data_dir))!r}"
    if other:
        return (
            f"{place} does not hold the keys that this database was written with (others: {', '.join(other)}); keep "
            "that folder, and name the DATA_DIR with this database's keys, or the DATABASE_URL of these keys; if these "
            f"are the right ones after all, or the others are {LAST_RESORT}"
        )
    return (
        f"{place} lacks keys that this database was written with ({', '.join(missing)}); name the DATA_DIR that holds "
        f"them, or copy them from a backup or another machine of this installation; if they are {LAST_RESORT}"
    )


def folder(data_dir: Path) -> Path:
    """The folder of the keys."""
    return data_dir / "secrets"


async def _claim(database: Database, data_dir: Path) -> dict[str, bytes]:
    """Create the missing keys and store the fingerprints of all, or neither.

    Of processes that start at once, one is the first. The others wait for it, then find its keys in the same folder,
    or are refused before they have created any.
    """
    await permissions.check(database)
    async with database.write() as tx:
        await key_fingerprints.lock(tx)
        stored = await key_fingerprints.stored(tx)
        evidence = UNUSED if stored else await key_evidence.read(tx)
        keys = read(data_dir)
        _refuse(problem(data_dir, keys, stored, evidence))
        new = _generate_missing(keys)
        await key_fingerprints.add(tx, _fingerprints(keys | new))
        _create(data_dir, new)
    return keys | new


async def _refuse_other_processes(tx: Transaction, before: Mapping[str, str]) -> None:
    """Raise WrongSetting while others are connected, or when one has stored other keys than `before`."""
    if number := await sessions.count_of_other_processes(tx):
        raise WrongSetting(
            f"DATABASE_URL: processes of Integra are connected to this database ({number} sessions); stop all, "
            "on every machine, and try again"
        )
    if await key_fingerprints.stored(tx) != before:
        raise WrongSetting("DATA_DIR: another process has stored its keys meanwhile; see that none runs, and try again")


def _refuse(line: str) -> None:
    if line:
        raise WrongSetting(line)


def _fingerprints(keys: Mapping[str, bytes]) -> dict[str, str]:
    return {name: key_fingerprints.fingerprint(name, key) for name, key in keys.items()}


def _generate_missing(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: os.urandom(KEY_BYTES) for name in KEY_NAMES if name not in keys}


def _create(data_dir: Path, keys: Mapping[str, bytes]) -> None:
    """Write new keys with file mode 600, each complete or not at all, so that a power cut loses none.

    Raises WrongSetting.
    """
    try:
        created = [path for path in (folder(data_dir), *folder(data_dir).parents) if not path.exists()]
        folder(data_dir).mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, key in keys.items():
            unfinished = folder(data_dir) / f".{name}"
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(folder(data_dir) / name)
        for changed in (folder(data_dir), *(path.parent for path in created)):
            _sync_folder(changed)
    except OSError as error:
        raise _unusable(data_dir, error) from error


def _sync_folder(path: Path) -> None:
    """Make the names in a folder durable. A file system that cannot do so (EINVAL) is accepted."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _unusable(data_dir: Path, error: OSError) -> WrongSetting:
    return WrongSetting(f"DATA_DIR: cannot use {str(data_dir)!r} ({error.strerror})")
