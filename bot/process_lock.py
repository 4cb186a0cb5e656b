"""The lock file beside an SQLite database: one process serves it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bot.config import WrongSetting


@contextmanager
def hold(database: Path) -> Iterator[None]:
    """Hold the lock until the end of the block, or of the process. Raises WrongSetting while another holds it."""
    with _open(database) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WrongSetting(
                f"DATABASE_URL: another process runs on this SQLite database ({str(database)!r}); stop it, "
                "or use PostgreSQL for several"
            ) from error
        yield


@contextmanager
def hold_if_free(database: Path | None) -> Iterator[bool]:
    """Hold the lock if no other process does, until the end of the block; yields whether this process may send.

    None: the database is not SQLite, where each credential has a lock of its own. Raises WrongSetting when the lock
    file cannot be made.
    """
    if database is None:
        yield True
        return
    with _open(database) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _open(database: Path) -> TextIO:
    path = database.resolve().with_suffix(".lock")
    try:
        return path.open("w")
    except OSError as error:
        raise WrongSetting(f"DATABASE_URL: cannot make {str(path)!r} ({error.strerror}); let us write there") from error
