"""Output and exit of commands: lines on standard output, one line per error on standard error."""

import asyncio
import functools
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, ParamSpec

P = ParamSpec("P")


def print_line(line: str = "") -> None:
    """Print a line on standard output at once; if it cannot be written, end with exit code 1."""
    with _writing():
        print(line, flush=True)  # noqa: T201


def write_bytes(content: bytes) -> None:
    """Write bytes on standard output; if they cannot be written, end with exit code 1."""
    with _writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


@contextmanager
def _writing() -> Iterator[None]:
    """A full disk behind standard output is one line; a pipe whose reader has left ends the command without one."""
    try:
        yield
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still flushes at its end
        if isinstance(error, BrokenPipeError):
            raise SystemExit(1) from None
        fail(f"standard output: cannot be written ({error.strerror})")


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
