"""Loads the course with this installation's own files on top of the shipped ones."""

import os
from pathlib import Path

from bot.config import Settings, WrongSetting
from content import library
from content.library import Library


def overlay_folder(settings: Settings) -> Path:
    """Folder of course files written on this installation; each replaces the shipped file of the same name."""
    return settings.data_dir / "content"


def load_course(settings: Settings) -> Library:
    """The course, checked. Raises BrokenContent, WrongSetting."""
    if os.path.exists(settings.data_dir) and not os.path.isdir(settings.data_dir):
        raise WrongSetting(f"DATA_DIR: {str(settings.data_dir)!r} is not a folder; name one")
    return library.load(overlay=overlay_folder(settings))
