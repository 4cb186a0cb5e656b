"""Programs that do the same work with other libraries, and the environment of those that cap libraries of ours."""

import sys
from pathlib import Path

PEERS_PYTHON = Path(sys.prefix) / "peers" / "bin" / "python"
"""Has aiogram (requirements-peers.lock); `make peers` installs it."""


def interpreter(module: str) -> str:
    """The Python that runs a module, ours or a peer's."""
    return str(PEERS_PYTHON) if module.startswith(f"{__name__}.aiogram_") else sys.executable
