"""The file that an export writes, or standard output; a file that exists is not overwritten by mistake."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from bot.cli.output import fail, write_bytes


def refuse_existing(to: Path | None, *, force: bool) -> None:
    """End with exit code 1 if the file exists, unless it may be overwritten."""
    if to is not None and to.exists() and not force:
        fail(f"{to}: exists already and may hold edits; choose another name, or give --force")


def write(content: bytes, to: Path | None) -> None:
    """Write to a file, or to standard output if there is none; if it cannot be written, end with exit code 1."""
    if to is not None:
        _write_file(content, to)
    else:
        write_bytes(content)


def _write_file(content: bytes, path: Path) -> None:
    """Write the file atomically: through a temporary file beside it."""
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.replace(file.name, path)
            except OSError:
                os.unlink(file.name)
                raise
    except OSError as error:
        fail(f"{path}: cannot be written ({error.strerror})")
