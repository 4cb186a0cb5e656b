"""Serves the script and style of a page; its modules are joined into one file, so that a phone fetches no two dozen.

Understands the forms of import and export that our modules use, each on lines of its own, and refuses every other one.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import rjsmin
from aiohttp import web

from bot.web.compressed import REVALIDATED, Compressed
from bot.web.templating import STATIC

IMPORT = re.compile(r'^import (?:\* as (?P<whole>\w+)|\{(?P<names>[^}]*)\}) from "(?P<path>[^"]+)";$', re.MULTILINE)
EXPORTED = re.compile(r"^export (?=(?:async )?(?:const|let|function|class) (?P<name>[\w$]+))", re.MULTILINE)
EXPORT_LIST = re.compile(r"^export \{(?P<names>[^}]*)\};$", re.MULTILINE)
LEFT = re.compile(r"^\s*(?:import|export)\b.*$|\bimport\s*[.(].*$", re.MULTILINE)


@cache
def of_page(folder: str) -> Compressed:
    """The script of the page whose entry module is `bot/static/<folder>/<folder>.js`."""
    return Compressed(joined(STATIC / folder / f"{folder}.js").encode(), "text/javascript")


@cache
def style_of_page(folder: str) -> Compressed:
    """The style sheet `bot/static/<folder>/<folder>.css`."""
    return Compressed((STATIC / folder / f"{folder}.css").read_bytes(), "text/css")


def asset(folder: str, request: web.Request) -> web.Response:
    """Respond with the script or the style sheet of a page, by the `file` in the path; raise 404."""
    make = {f"{folder}.js": of_page, f"{folder}.css": style_of_page}.get(request.match_info["file"])
    if make is None:
        raise web.HTTPNotFound
    return make(folder).response(request, REVALIDATED)


class UnknownForm(Exception):
    """A module imports or exports in a way that cannot be joined, or in a circle; the message names file and line."""


def joined(entry: Path, replaced: Mapping[Path, str] | None = None) -> str:
    """The script of a page: each module in a function of its own, those that it imports before it, without comments.

    `replaced` has other texts for some modules, in tests. Raises UnknownForm, OSError.
    """
    texts: dict[Path, str] = {}
    _collect(entry.resolve(), texts, replaced or {}, ())
    names = {path: f"${number}" for number, path in enumerate(texts)}
    return str(rjsmin.jsmin("\n".join(_wrapped(path, text, names) for path, text in texts.items())))


def _collect(path: Path, texts: dict[Path, str], replaced: Mapping[Path, str], above: tuple[Path, ...]) -> None:
    """Add the modules that this one imports, then this one. Raises UnknownForm."""
    if path in above:
        raise UnknownForm(f"{path.name}: imports itself, by way of {above[-1].name}")
    if path in texts:
        return
    text = replaced[path] if path in replaced else path.read_text(encoding="utf-8")
    for found in IMPORT.finditer(text):
        _collect((path.parent / found["path"]).resolve(), texts, replaced, (*above, path))
    texts[path] = text


def _wrapped(path: Path, text: str, names: Mapping[Path, str]) -> str:
    """A module as a function that returns what it exports. Raises UnknownForm."""
    body = IMPORT.sub(lambda found: _taken(found, names[(path.parent / found["path"]).resolve()]), text)
    body = EXPORT_LIST.sub("", EXPORTED.sub("", body))
    if left := LEFT.search(body):
        raise UnknownForm(f"{path.name}: {left[0].strip()!r}")
    return f"const {names[path]} = (() => {{\n{body}\nreturn {{ {', '.join(_exports(text))} }};\n}})();"


def _taken(found: re.Match[str], source: str) -> str:
    """What an import becomes: names of the object that the other module's function has returned."""
    if found["whole"]:
        return f"const {found['whole']} = {source};"
    names = re.sub(r"([\w$]+) as ([\w$]+)", r"\1: \2", found["names"])
    return f"const {{{names}}} = {source};"


def _exports(text: str) -> Iterator[str]:
    for found in EXPORTED.finditer(text):
        yield found["name"]
    for found in EXPORT_LIST.finditer(text):
        yield from (name.strip() for name in found["names"].split(",") if name.strip())
