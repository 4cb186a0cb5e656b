"""Database errors as one line for the operator: the setting, what is wrong, and the remedy."""

import sqlite3
from collections.abc import Iterator

from bot.config import WrongSetting, load
from storage.database import PermissionDenied
from storage.migrate import UnknownSchema

SQLITE = {
    "SQLITE_NOTADB": "the file is not an SQLite database; name another",
    "SQLITE_CORRUPT": "the file is damaged; restore a backup",
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_READONLY": "the file may not be written; check the permissions of the file and of its folder",
    "SQLITE_CANTOPEN": "the file cannot be opened or created; does its folder exist, and may this account write to it?",
    "SQLITE_IOERR": "the disk fails to read or write, or it is full; check the disk",
    "SQLITE_BUSY": "another program has locked the file; stop it",
}
"""By the beginning of SQLite's error name."""
RETRY = "another process changed the same rows; run it again"
READ_ONLY = "that server is read-only (a replica, or configured so); name the primary"
POSTGRES = {
    "3D000": "there is no such database on that server; create it, or name another",
    "28P01": "the server refuses user or password; check both",
    "28000": "the server refuses the user; does the role exist, and may it connect from this host?",
    "53300": "the server has no connections left; raise max_connections, or close other clients",
    "53100": "the server's disk is full; free some space there",
    "57P03": "the server is starting or stopping; try again",
    "3F000": "its user may not use any schema there; make it the owner of the database",
    "25006": READ_ONLY,
    "40001": RETRY,
    "40P01": RETRY,
}
"""By SQLSTATE."""
UNAVAILABLE = "the database does not answer"
NETWORK = {
    "ConnectionRefusedError": "connection refused; is PostgreSQL running on that host and port?",
    "gaierror": "there is no such host; check its name",
    "TimeoutError": "timed out; check host, port and firewall",
    "FileNotFoundError": "there is no such socket or folder; check the path",
    "PermissionError": "permission denied on its socket or folder; check the permissions of the path",
    "ConnectionResetError": "the connection was closed; is it PostgreSQL, and does it need ssl=require?",
}
"""By the class of the innermost error."""


def message(error: BaseException) -> str:
    """Return one line without secrets: of the errors and their causes only codes and class names are used."""
    return f"{setting_name()}: {_problem(error)}"


def unknown_schema(error: UnknownSchema) -> str:
    """Return one line about the database of a newer version."""
    return f"{setting_name()}: the database has schema {error}, newer than this version of Integra; upgrade Integra"


def setting_name() -> str:
    """Return the name of the setting that says where the database is."""
    try:
        return "DATABASE_URL" if load().database_url else "DATA_DIR"
    except WrongSetting:
        return "DATABASE_URL"


def _problem(error: BaseException) -> str:
    causes = list(_causes(error))
    for cause in causes:
        code = str(getattr(cause, "sqlstate", "") or "")
        if code in POSTGRES:
            return POSTGRES[code]
        if isinstance(cause, sqlite3.Error):
            name = str(getattr(cause, "sqlite_errorname", ""))
            for prefix, text in SQLITE.items():
                if name.startswith(prefix):
                    return text
    if isinstance(error, PermissionDenied):
        return f"its user may not create or change tables there ({error}); make it the owner of the database"
    kind = type(causes[-1]).__name__
    if kind in NETWORK:
        return f"{UNAVAILABLE}: {NETWORK[kind]}"
    return f"{UNAVAILABLE} ({kind}); is it running, and may this account write there?"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and its causes, outermost first; SQLAlchemy stores the driver's error as `orig`."""
    while error is not None:
        yield error
        error = getattr(error, "orig", None) or error.__cause__
