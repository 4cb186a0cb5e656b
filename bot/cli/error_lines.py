"""Errors that a command may end in, as lines for the operator."""

from bot.cli import database_errors
from bot.config import WrongSetting
from content.problems import BrokenContent
from storage.database import DatabaseError, DatabaseUnavailable
from storage.migrate import UnknownSchema


def message(error: Exception) -> str | None:
    """What is wrong, where, and what to do; None: an error that none of ours expects, for a traceback."""
    match error:
        case WrongSetting() | BrokenContent():
            return str(error)
        case UnknownSchema():
            return database_errors.unknown_schema(error)
        case DatabaseUnavailable() | DatabaseError():
            return database_errors.message(error)
    return None
