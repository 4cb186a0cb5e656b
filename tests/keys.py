"""Keys in a folder, for databases that tests and benchmarks fill before any process has started on them."""

import os
from pathlib import Path

from bot import secrets
from bot.secrets import Secrets

OUTBOX = b"o" * 32
"""With which tests and benchmarks encrypt the deliveries that they add."""


def write(data_dir: Path) -> None:
    """Write new keys, as a process would that had filled the database."""
    secrets.folder(data_dir).mkdir(parents=True)
    for name in secrets.KEY_NAMES:
        key = OUTBOX if name == "outbox" else os.urandom(secrets.KEY_BYTES)
        (secrets.folder(data_dir) / name).write_bytes(key)


def invented() -> Secrets:
    """Keys for a site that a test serves by itself, each with bytes of its own."""
    letters = {name: name[:1].encode() * 32 for name in ("route", "inbox", "audit", "csrf")}
    return Secrets(**letters, webhook="w", outbox=OUTBOX, session=b"s" * 32, factor=b"f" * 32, metrics="m")
