"""Find a browser for the tests, or install one; run by `make test` before pytest."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first that is found is used; the headless shell, which opens no windows, needs a quarter less CPU time."""


def main() -> int:
    """Exit code 0 when the browser tests can run or are skipped with a warning; 1 when they must run and cannot
    (CI=true)."""
    if find_browser() or _install_on_debian():
        return 0
    print("!" * 100)
    print("!! No chromium: the browser tests are SKIPPED. Install it and run again; on Debian:")
    print(f"!! apt-get install {NAMES[0]}")
    print("!" * 100, flush=True)
    return 1 if os.environ.get("CI") == "true" else 0


def find_browser() -> str | None:
    """The path of an installed browser."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _install_on_debian() -> bool:
    """As root on Debian, install it with apt and print that; whether it worked."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print("Installing chromium for the browser tests (apt-get install chromium-headless-shell) ...", flush=True)
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    for step in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", NAMES[0]]):
        if subprocess.run(step, check=False, **quiet).returncode:  # type: ignore[call-overload]
            return False
    return find_browser() is not None


if __name__ == "__main__":
    sys.exit(main())
