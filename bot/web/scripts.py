"""Serves the script and style of a page; its modules are joined into one file, so that a phone fetches no two dozen.

Understands the forms of import and export of bot/web/module_forms.py, and refuses every other one.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import rjsmin
from aiohttp import web

from bot.web.compressed import REVALIDATED, Compressed
from bot.web.module_forms import EXPORT_LIST, EXPORTED, IMPORT, LEFT, UnknownForm, listed
from bot.web.pruning import pruned
from bot.web.templating import STATIC


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


def joined(entry: Path, replaced: Mapping[Path, str] | None = None) -> str:
    """The script of a page: each module in a function of its own, those that it imports before it, without comments
    and without what the page does not use.

    `replaced` has other texts for some modules, in tests. Raises UnknownForm, OSError.
    """
    collected: dict[Path, str] = {}
    _collect(entry.resolve(), collected, replaced or {}, ())
    texts = pruned(collected)
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
    if left := LEFT.search(EXPORT_LIST.sub("", EXPORTED.sub("", IMPORT.sub("", text)))):
        raise UnknownForm(f"{path.name}: {left[0].strip()!r}")
    texts[path] = text


def _wrapped(path: Path, text: str, names: Mapping[Path, str]) -> str:
    """A module as a function that returns what it exports."""
    body = IMPORT.sub(lambda found: _taken(found, names[(path.parent / found["path"]).resolve()]), text)
    body = EXPORT_LIST.sub("", EXPORTED.sub("", body))
    return f"const {names[path]} = (() => {{\n{body}\nreturn {{ {', '.join(_exports(text))} }};\n}})();"


def _taken(found: re.Match[str], source: str) -> str:
    """What an import becomes: names of the object that the other module's function has returned."""
    if found["whole"]:
        return f"const {found['whole']} = {source};"
    names = ", ".join(name if name == called else f"{name}: {called}" for name, called in listed(found["names"]))
    return f"const {{ {names} }} = {source};"


def _exports(text: str) -> Iterator[str]:
    for found in EXPORTED.finditer(text):
        yield found["name"]
    for found in EXPORT_LIST.finditer(text):
        yield from (name for name, _ in listed(found["names"]))
