"""What a command can meet at the database, as one line: which setting, what is wrong there, what to do."""

import sqlite3
from collections.abc import Iterator

from bot.config import WrongSetting, load
from storage.database import PermissionDenied

SQLITE = {
    "SQLITE_NOTADB": "the file is no database of SQLite; name another",
    "SQLITE_CORRUPT": "the file is damaged; go back to a copy",
    "SQLITE_FULL": "the disk is full; make room",
    "SQLITE_READONLY": "the file may not be written; look at the rights of it and of its folder",
    "SQLITE_CANTOPEN": "the file cannot be opened or made; is its folder there, and may we write in it?",
    "SQLITE_IOERR": "the disk does not read or write, or it is full; look at it",
    "SQLITE_BUSY": "another program holds the file; stop it",
}
"""By how the name of the fault begins."""
POSTGRES = {
    "3D000": "there is no such database on that server; make it, or name another",
    "28P01": "the server refuses user or password; look at both",
    "28000": "the server refuses the user; is there such a one, and may it come from here?",
    "53300": "the server has no connection left for us; raise its limit, or stop who holds them",
    "53100": "the server's disk is full; make room there",
    "57P03": "the server is just starting or stopping; try again",
    "3F000": "its user may use no schema there; let it own the database",
    "25006": "that server only reads (a replica, or set so); name the one that writes",
}
"""By the code of the fault (SQLSTATE)."""
AWAY = "the database does not answer"
NETWORK = {
    "ConnectionRefusedError": "nobody listens there; is it running, on that host and port?",
    "gaierror": "there is no such host; look at its name",
    "TimeoutError": "nothing came back in time; look at host, port and firewall",
    "FileNotFoundError": "there is no such socket or folder; look at the path",
    "PermissionError": "we have no right to its socket or folder; look at the path's rights",
    "ConnectionResetError": "it hangs up; is it PostgreSQL, and does it want ssl=require?",
}
"""By the kind of the fault."""


def told(fault: BaseException) -> str:
    """One line without any secret: of all that the causes say, only codes and kinds are read."""
    return f"{setting()}: {_what(fault)}"


def setting() -> str:
    """Who says where the database is."""
    try:
        return "DATABASE_URL" if load().database_url else "DATA_DIR"
    except WrongSetting:
        return "DATABASE_URL"


def _what(fault: BaseException) -> str:
    causes = list(_causes(fault))
    for one in causes:
        code = str(getattr(one, "sqlstate", "") or "")
        if code in POSTGRES:
            return POSTGRES[code]
        if isinstance(one, sqlite3.Error):
            name = str(getattr(one, "sqlite_errorname", ""))
            for begins, says in SQLITE.items():
                if name.startswith(begins):
                    return says
    if isinstance(fault, PermissionDenied):
        return f"its user may not make or change tables there ({fault}); let it own the database"
    kind = type(causes[-1]).__name__
    return f"{AWAY}: {NETWORK[kind]}" if kind in NETWORK else f"{AWAY} ({kind}); is it running, and may we write there?"


def _causes(fault: BaseException | None) -> Iterator[BaseException]:
    """The fault and what it comes from; SQLAlchemy keeps the driver's own under another name."""
    while fault is not None:
        yield fault
        fault = getattr(fault, "orig", None) or fault.__cause__
