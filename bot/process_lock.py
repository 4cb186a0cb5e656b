"""The lock file beside an SQLite database: one process serves it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.config import WrongSetting


@contextmanager
def hold(database: Path) -> Iterator[None]:
    """Hold the lock until the end of the block, or of the process. Raises WrongSetting while another holds it."""
    with hold_if_free(database) as is_ours:
        if not is_ours:
            raise WrongSetting(
                f"DATABASE_URL: another process runs on this SQLite database ({str(database)!r}); stop it, "
                "wait for it if it is a tick, or use PostgreSQL for several"
            )
        yield


@contextmanager
def hold_if_free(database: Path) -> Iterator[bool]:
    """Hold the lock until the end of the block, unless another process holds it; yields whether we hold it.

    Raises WrongSetting when the lock file cannot be made.
    """
    path = database.resolve().with_suffix(".lock")
    try:
        lock = path.open("w")
    except OSError as error:
        raise WrongSetting(f"DATABASE_URL: cannot make {str(path)!r} ({error.strerror}); let us write there") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
