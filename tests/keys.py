"""Keys in a folder, for databases that tests and benchmarks fill before any process has started on them."""

import os
from pathlib import Path

from bot import secrets
from bot.secrets import Secrets


def write(data_dir: Path) -> None:
    """Write new keys, as a process would that had filled the database."""
    secrets.folder(data_dir).mkdir(parents=True)
    for name in secrets.KEY_NAMES:
        (secrets.folder(data_dir) / name).write_bytes(os.urandom(secrets.KEY_BYTES))


def invented() -> Secrets:
    """Keys for a site that a test serves by itself, each with bytes of its own."""
    letters = {name: name[:1].encode() * 32 for name in ("route", "inbox", "audit", "csrf")}
    return Secrets(**letters, webhook="w", outbox=b"o" * 32, session=b"s" * 32, factor=b"f" * 32, metrics="m")
