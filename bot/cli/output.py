"""How commands speak and end: lines on standard output, one clear line a fault on standard error."""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, ParamSpec

P = ParamSpec("P")


def print_line(line: str = "") -> None:
    print(line, flush=True)  # noqa: T201


def fail(says: str) -> NoReturn:
    """End with exit code 1."""
    print(says, file=sys.stderr)  # noqa: T201
    raise SystemExit(1)


def async_command(work: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """typer never awaits: run the coroutine to its end."""

    @functools.wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(work(*args, **kwargs))

    return run
