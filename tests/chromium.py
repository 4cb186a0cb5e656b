"""Find a browser for the tests, or install one by name; run by `make test` before pytest."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """0 when the browser tests can run, or are skipped loudly; 1 when they must run and cannot (CI=true)."""
    if _found() or _from_debian():
        return 0
    print("!" * 100)
    print("!! No chromium: the browser tests are SKIPPED. Install it (Debian: apt-get install chromium) and run again.")
    print("!" * 100, flush=True)
    return 1 if os.environ.get("CI") == "true" else 0


def _found() -> bool:
    return any(shutil.which(name) for name in NAMES)


def _from_debian() -> bool:
    """As root on Debian: apt installs it, and says so."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print("Installing chromium for the browser tests (apt-get install chromium) ...", flush=True)
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    for step in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
        if subprocess.run(step, check=False, **quiet).returncode:  # type: ignore[call-overload]
            return False
    return _found()


if __name__ == "__main__":
    sys.exit(main())
