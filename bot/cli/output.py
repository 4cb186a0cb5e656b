"""Output and exit of commands: lines on standard output, one line per error on standard error."""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, ParamSpec

P = ParamSpec("P")


def print_line(line: str = "") -> None:
    """Print a line on standard output at once."""
    print(line, flush=True)  # noqa: T201


def warn(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def fail(message: str) -> NoReturn:
    """Print the message on standard error and end with exit code 1."""
    print(message, file=sys.stderr)  # noqa: T201
    raise SystemExit(1)


def async_command(function: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Let typer call a coroutine function: run it in an event loop of its own."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(function(*args, **kwargs))

    return run
