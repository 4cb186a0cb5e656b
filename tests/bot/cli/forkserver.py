"""Starts `integra` as a process within some hundredths of a second: a server that has imported all commands is forked.

Such a process has streams, a folder, an environment and signals of its own, and it ends as the interpreter ends; the
imports alone are done already. Each request on the server's standard input, a socket, is one message: the arguments,
folder and environment, with the file descriptors of a socket that gets the pid and later the exit code, of standard
output and of standard error.
"""

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module, reload
from pathlib import Path
from runpy import run_module
from typing import NamedTuple

from bot.cli.main import Commands
from content import library
from storage import postgres
from tests import shipped_course

ROOT = Path(__file__).parents[3]
LONGEST = 65_536  # bytes of a request
MODULES = ("aiosqlite", "alembic.command", "alembic.script", "asyncpg", "sqlalchemy.dialects.postgresql.asyncpg")
"""What commands import when they need it, in addition to their own modules."""


class Request(NamedTuple):
    """What a process is to run, and where."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]


class ForkedProcess:
    """A process, as the test that started it sees it."""

    def __init__(self, reports: socket.socket) -> None:
        self._reports = reports
        self.pid = int(reports.recv(LONGEST))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while the process runs."""
        try:
            return self.wait(0)
        except TimeoutError:
            return None

    def wait(self, timeout: float) -> int:
        """The exit code; TimeoutError if the process has not ended after so many seconds."""
        if self.returncode is None:
            self._reports.settimeout(timeout)
            try:
                self.returncode = int(self._reports.recv(LONGEST))
            except BlockingIOError as error:  # how a socket without patience says it
                raise TimeoutError from error
            self._reports.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class ForkServer:
    """The server, as the worker of pytest that started it sees it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._requests, standard_input = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with standard_input:
            self._process = subprocess.Popen(
                [sys.executable, __file__],
                stdin=standard_input.fileno(),
                stdout=subprocess.DEVNULL,
                env=dict(environment),
            )

    def start(self, request: Request, stdout: int, stderr: int) -> ForkedProcess:
        """Start `integra`; its output goes to these file descriptors."""
        reports, reports_of_server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with reports_of_server:
            message = json.dumps(request).encode()
            socket.send_fds(self._requests, [message], [reports_of_server.fileno(), stdout, stderr])
        return ForkedProcess(reports)

    def close(self) -> None:
        """End the server."""
        self._requests.close()
        self._process.wait()


# ---------------------------------------------------------------- in the server


def serve() -> Request:
    """Fork a process for each request; return in that process, with what it is to run."""
    requests = socket.socket(fileno=os.dup(0))
    reports: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector, requests:
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data is not None:
                    selector.unregister(key.fd)
                    _reap(key.fd, key.data, reports.pop(key.data))
                    continue
                message, descriptors, _, _ = socket.recv_fds(requests, LONGEST, 3)
                if not message:
                    _kill(reports)
                    sys.exit()
                pid = os.fork()
                if pid == 0:
                    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
                    for other in reports.values():
                        other.close()
                    return _take_place(Request(*json.loads(message)), descriptors)
                reports[pid] = _report(pid, descriptors)
                selector.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)


def _report(pid: int, descriptors: list[int]) -> socket.socket:
    """Report the pid, and close what belongs to the process alone."""
    for descriptor in descriptors[1:]:
        os.close(descriptor)
    reports = socket.socket(fileno=descriptors[0])
    reports.send(str(pid).encode())
    return reports


def _reap(pidfd: int, pid: int, reports: socket.socket) -> None:
    os.close(pidfd)
    _, status = os.waitpid(pid, 0)
    with reports:
        reports.send(str(os.waitstatus_to_exitcode(status)).encode())


def _kill(running: dict[int, socket.socket]) -> None:
    """Kill what a test that was interrupted left running."""
    for pid, reports in running.items():
        os.kill(pid, signal.SIGKILL)
        reports.close()


def _take_place(request: Request, descriptors: list[int]) -> Request:
    """Take the streams, the folder and the environment that were asked for."""
    null = os.open(os.devnull, os.O_RDONLY)
    for stream, descriptor in enumerate((null, *descriptors[1:])):
        os.dup2(descriptor, stream)
    for descriptor in (null, *descriptors):
        os.close(descriptor)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv[1:] = request.arguments
    reload(postgres)  # it draws the name of this process's sessions when it is imported
    return request


def _import_commands() -> None:
    for name in (*MODULES, *(place.partition(":")[0] for place in Commands.places.values())):
        import_module(name)


if __name__ == "__main__":
    _import_commands()
    shipped_course.share()
    library.load()
    gc.collect()
    gc.freeze()  # otherwise the collector of each process walks through all of this again
    serve()
    run_module("bot", run_name="__main__")
