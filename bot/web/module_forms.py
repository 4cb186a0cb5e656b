"""The forms of import and export that our modules use, each on lines of its own; bot/web/scripts.py joins no others."""

import re

IMPORT = re.compile(r'^import (?:\* as (?P<whole>\w+)|\{(?P<names>[^}]*)\}) from "(?P<path>[^"]+)";$', re.MULTILINE)
EXPORTED = re.compile(r"^export (?=(?:async )?(?:const|let|function|class) (?P<name>[\w$]+))", re.MULTILINE)
EXPORT_LIST = re.compile(r"^export \{(?P<names>[^}]*)\};$", re.MULTILINE)
LEFT = re.compile(r"^\s*(?:import|export)\b.*$|\bimport\s*[.(].*$", re.MULTILINE)


class UnknownForm(Exception):
    """A module imports or exports in a way that cannot be joined, or in a circle; the message names file and line."""


def listed(names: str) -> list[tuple[str, str]]:
    """What stands between the braces of an import or export: each name, and what it is called on this side."""
    pairs = (name.strip().partition(" as ") for name in names.split(",") if name.strip())
    return [(name, called or name) for name, _, called in pairs]
