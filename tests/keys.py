"""Keys in a folder, for databases that tests and benchmarks fill before any process has started on them."""

import os
from pathlib import Path

from bot import secrets


def write(data_dir: Path) -> None:
    """Write new keys, as a process would that had filled the database."""
    secrets.folder(data_dir).mkdir(parents=True)
    for name in secrets.KEY_NAMES:
        (secrets.folder(data_dir) / name).write_bytes(os.urandom(secrets.KEY_BYTES))
