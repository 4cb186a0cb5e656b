"""Loads the course with this installation's own files on top of the shipped ones."""

from pathlib import Path

from bot.config import Settings
from content import library
from content.library import Library


def overlay_folder(settings: Settings) -> Path:
    """Folder of course files written on this installation; each replaces the shipped file of the same name."""
    return settings.data_dir / "content"


def load_course(settings: Settings) -> Library:
    """The course, checked. Raises BrokenContent."""
    return library.load(overlay=overlay_folder(settings))
