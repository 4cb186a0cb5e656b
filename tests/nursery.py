"""Makes processes of the product quickly: imports all and reads the course once, then forks one for each line it reads.

A line on standard input starts `integra run`; "born <pid>" and, once it is dead, "dead <status>" are printed.
"""

import os
import sys

from bot import cli
from content import library as course


def main() -> None:
    library = course.load()
    course.load = lambda *_, **__: library
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live()
        print(f"born {pid}", flush=True)
        _, status = os.waitpid(pid, 0)
        print(f"dead {os.waitstatus_to_exitcode(status)}", flush=True)


def _live() -> None:
    """Become the product; its own words go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    sys.argv = ["integra", "run"]
    try:
        cli.main()
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 0)
    os._exit(0)


if __name__ == "__main__":
    main()
