"""What `integra check` finds in the database and in the folder of the generated keys; it changes nothing."""

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from bot import secrets
from bot.cli import database_errors, error_lines
from bot.config import Settings, WrongSetting
from handlers.casework import trust
from storage import migrate
from storage.confidential.unit_trust import BrokenTrustFile, UnitTrust
from storage.database import DatabaseError, DatabaseUnavailable, parse_url, sqlite_file
from storage.inspection import Inspection, inspect
from storage.migrate import UnknownSchema

GONE = (
    "The letterbox is closed: the lists of the adopted unit are not in this database. Restore key_lists from a backup; "
    "or, to begin with a new unit, move unit.pub and list.head in secrets/ away and invite its first officer."
)
NEW_FILE = Inspection(None, {})
CLOSED = {
    "adoption": "no unit is adopted on this machine; integra unit adopt FINGERPRINT, as the first officer reads it out",
    "altered": "the lists of readers in the database are not those of the adopted unit, or older than one seen before; "
    "restore key_lists from a backup, and find out who writes to the database",
    "expired": "the list of readers has expired; its signer renews it in the console",
    "custody": "three custodians of the recovery key have to rehearse; the console says under Respaldo what is missing",
    "readers": "fewer than two people can read queries; invite another officer",
}


@dataclass(frozen=True, slots=True)
class Findings:
    """One line each: what must be corrected before a start, and what is worth knowing."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def look(settings: Settings) -> Findings:
    """Look at the database and at the keys. An SQLite file that does not exist is no problem: a start creates it."""
    seen, problems = await _inspect(settings)
    notes = []
    if seen is not None and seen is not NEW_FILE and seen.revision != migrate.newest():
        notes.append(_schema_note(seen.revision))
    if seen is not None:
        notes += _unit_notes(settings, seen)
    return Findings([*problems, *_key_problems(settings.data_dir, seen)], notes)


async def _inspect(settings: Settings) -> tuple[Inspection | None, list[str]]:
    """What was seen of the database, or None and what is wrong with it."""
    file = sqlite_file(parse_url(settings.database))
    if file is not None and (problem := _file_problem(file)):
        return None, [f"{database_errors.setting_name()}: {problem}"]
    if file is not None and not file.exists():
        return NEW_FILE, []
    try:
        seen = await inspect(settings.database)
    except (UnknownSchema, DatabaseUnavailable, DatabaseError) as error:
        return None, [str(error_lines.message(error))]
    if seen.is_read_only:
        return None, [f"{database_errors.setting_name()}: {database_errors.READ_ONLY}"]
    return seen, []


def _schema_note(revision: str | None) -> str:
    if revision is None:
        return "The database has no tables yet: the first start creates them."
    return (
        f"The database has schema {revision}: the next start migrates it to {migrate.newest()}. Take a backup before."
    )


def _file_problem(file: Path) -> str:
    """Why an SQLite file cannot be written or created, or an empty string."""
    if not file.exists():
        return "" if _may_create(file) else database_errors.SQLITE["SQLITE_CANTOPEN"]
    if not file.is_file():
        return database_errors.SQLITE["SQLITE_CANTOPEN"]
    may_write = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK)
    return "" if may_write else database_errors.SQLITE["SQLITE_READONLY"]


def _may_create(path: Path) -> bool:
    """Whether a file or folder could be created: whether its nearest folder that exists may be written."""
    nearest = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), Path("/"))
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _key_problems(data_dir: Path, seen: Inspection | None) -> list[str]:
    """What is wrong with the keys, for the database that was seen; None: it could not be looked at."""
    try:
        keys = secrets.read(data_dir)
    except WrongSetting as error:
        return [str(error)]
    if seen is None:
        return []
    if problem := secrets.problem(data_dir, keys, seen.fingerprints, seen.evidence):
        return [problem]
    folder = secrets.folder(data_dir)
    if len(keys) == len(secrets.KEY_NAMES) or _may_create(folder / "new"):
        return []
    return [
        f"DATA_DIR: {str(folder)!r} cannot be created or written, and keys are to be generated there; let this account "
        "write there, or name another folder"
    ]


def _unit_notes(settings: Settings, seen: Inspection) -> list[str]:
    """Why no confidential query can be taken, or that this will soon be so; nothing before an officer has signed up."""
    if not seen.key_lists:
        return [GONE] if UnitTrust(secrets.folder(settings.data_dir)).has_unit else []
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    try:
        unit = UnitTrust(secrets.folder(settings.data_dir))
        known = trust.look(seen.key_lists, seen.custody, unit, today)
    except trust.Closed as closed:
        return [f"The letterbox is closed: {CLOSED[closed.reason]}."]
    except BrokenTrustFile as fault:
        return [f"The letterbox is closed: {fault}."]
    left = trust.days_until_expiry(known, today)
    if left > trust.WARNED_BEFORE:
        return []
    days, until = f"{left} day{'' if left == 1 else 's'}", known.chain.newest["until"]
    return [f"The list of readers expires in {days} ({until}): renew it in the console."]
