"""What `integra check` finds in the database and in the folder of the generated keys; it changes nothing."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from bot import secrets
from bot.cli import database_errors
from bot.config import Settings, WrongSetting
from storage import migrate
from storage.database import DatabaseError, DatabaseUnavailable, parse_url
from storage.inspection import Inspection, inspect
from storage.migrate import UnknownSchema


@dataclass(frozen=True, slots=True)
class Findings:
    """One line each: what must be corrected before a start, and what is worth knowing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def look(settings: Settings) -> Findings:
    """Look at the database and at the keys. An SQLite file that does not exist is no problem: a start creates it."""
    findings = Findings()
    seen = await _look_at_database(settings, findings)
    _look_at_keys(settings.data_dir, seen, findings)
    return findings


async def _look_at_database(settings: Settings, findings: Findings) -> Inspection | None:
    """Add what is wrong with the database; return what was seen of it, or None."""
    try:
        if problem := _file_problem(settings):
            findings.problems.append(f"{database_errors.setting_name()}: {problem}")
            return None
        if _is_new_file(settings):
            return Inspection(None, {})
        seen = await inspect(settings.database)
    except UnknownSchema as error:
        findings.problems.append(database_errors.unknown_schema(error))
        return None
    except (DatabaseUnavailable, DatabaseError) as error:
        findings.problems.append(database_errors.message(error))
        return None
    if seen.is_read_only:
        findings.problems.append(f"{database_errors.setting_name()}: {database_errors.READ_ONLY}")
        return None
    if seen.revision != migrate.newest():
        findings.notes.append(_schema_note(seen.revision))
    return seen


def _schema_note(revision: str | None) -> str:
    if revision is None:
        return "The database has no tables yet: the first start creates them."
    return (
        f"The database has schema {revision}: the next start migrates it to {migrate.newest()}. Take a backup before."
    )


def _is_new_file(settings: Settings) -> bool:
    path = _sqlite_file(settings)
    return path is not None and not path.exists()


def _file_problem(settings: Settings) -> str:
    """Why an SQLite file cannot be written or created, or an empty string."""
    path = _sqlite_file(settings)
    if path is None:
        return ""
    if not path.exists():
        return "" if _may_create(path) else database_errors.SQLITE["SQLITE_CANTOPEN"]
    if not path.is_file():
        return database_errors.SQLITE["SQLITE_CANTOPEN"]
    may_write = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)
    return "" if may_write else database_errors.SQLITE["SQLITE_READONLY"]


def _sqlite_file(settings: Settings) -> Path | None:
    url = parse_url(settings.database)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _may_create(path: Path) -> bool:
    """Whether a file or folder could be created: whether its nearest folder that exists may be written."""
    nearest = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), Path("/"))
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _look_at_keys(data_dir: Path, seen: Inspection | None, findings: Findings) -> None:
    try:
        keys = secrets.read(data_dir)
    except WrongSetting as error:
        findings.problems.append(str(error))
        return
    if seen is not None and (problem := secrets.problem(data_dir, keys, seen.fingerprints, seen.evidence)):
        findings.problems.append(problem)
    elif len(keys) < len(secrets.NAMES) and seen is not None and not _may_create(secrets.folder(data_dir) / "new"):
        findings.problems.append(
            f"DATA_DIR: {str(secrets.folder(data_dir))!r} cannot be created or written, and keys are to be generated "
            "there; let this account write there, or name another folder"
        )
