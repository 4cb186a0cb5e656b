"""Leaves out of a page's modules what this page does not use: pages share modules, and a phone loads each line.

A part of a module is what begins in the first column: an import, a declaration, or a statement, which always stays. A
declaration stays where its name stands in a part that stays, be it in a string: too much may stay, never too little. So
a module must not declare a name only for what its value does on the way.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.web.module_forms import EXPORT_LIST, EXPORTED, IMPORT, UnknownForm, listed

START = re.compile(r"^(?=[A-Za-z_$])", re.MULTILINE)
DECLARED = re.compile(r"(?:export )?(?:async )?(?:function|const|let|class) ([\w$]+)")
COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)
NAME = re.compile(r"(?:(?<=\.\.\.)|(?<![\w$.]))[A-Za-z_$][\w$]*")


@dataclass
class _Module:
    """A module's parts; what each name means there; what stays, and what others take of it."""

    path: Path
    parts: list[str]
    declared: dict[str, int] = field(default_factory=dict)  # name -> its part
    taken: dict[str, tuple[Path, str]] = field(default_factory=dict)  # name here -> module and name there
    whole: dict[str, Path] = field(default_factory=dict)  # name here -> module
    kept: set[int] = field(default_factory=set)
    used: set[str] = field(default_factory=set)  # names from elsewhere
    exported: set[str] = field(default_factory=set)  # names that others use


def pruned(texts: Mapping[Path, str]) -> dict[Path, str]:
    """The modules of a page, each with what is used of it. Raises UnknownForm."""
    modules = {path: _parsed(path, text) for path, text in texts.items()}
    waiting = [(one, at) for one in modules.values() for at, part in enumerate(one.parts) if _always_stays(part)]
    while waiting:
        module, at = waiting.pop()
        if at not in module.kept:
            module.kept.add(at)
            waiting += _needed(module, module.parts[at], modules)
    return {path: _written(module) for path, module in modules.items()}


def _parsed(path: Path, text: str) -> _Module:
    module = _Module(path, [part for part in START.split(COMMENT.sub("", text)) if part.strip()])
    for at, part in enumerate(module.parts):
        if part.count("`") % 2:
            raise UnknownForm(f"{path.name}: a text with a letter in the first column: {part.splitlines()[0]!r}")
        if found := DECLARED.match(part):
            module.declared[found[1]] = at
        if found := IMPORT.match(part):
            source = (path.parent / found["path"]).resolve()
            if found["whole"]:
                module.whole[found["whole"]] = source
            module.taken |= {here: (source, there) for there, here in listed(found["names"] or "")}
    return module


def _always_stays(part: str) -> bool:
    return not (DECLARED.match(part) or IMPORT.match(part) or EXPORT_LIST.match(part))


def _needed(module: _Module, part: str, modules: Mapping[Path, _Module]) -> Iterator[tuple[_Module, int]]:
    """The parts whose names stand in this one, here and in the modules that these names come from."""
    for name in set(NAME.findall(part)):
        if name in module.declared:
            yield module, module.declared[name]
        for source, there in _elsewhere(module, name, part, modules):
            module.used.add(name)
            yield from _exported(modules[source], there, modules)


def _elsewhere(module: _Module, name: str, part: str, modules: Mapping[Path, _Module]) -> Iterator[tuple[Path, str]]:
    if name in module.taken:
        yield module.taken[name]
    if name in module.whole:
        source = module.whole[name]
        for there in re.findall(rf"(?<![\w$.]){re.escape(name)}\b(?:\.([\w$]+))?", part):
            yield from ((source, one) for one in ([there] if there else modules[source].declared))


def _exported(module: _Module, name: str, modules: Mapping[Path, _Module]) -> Iterator[tuple[_Module, int]]:
    """The part behind an exported name, which a module may have from another one."""
    module.exported.add(name)
    if name in module.declared:
        yield module, module.declared[name]
    elif name in module.taken:
        module.used.add(name)
        source, there = module.taken[name]
        yield from _exported(modules[source], there, modules)


def _written(module: _Module) -> str:
    """The module with its parts that stay, and with the imports and exports that are used."""
    text = "".join(part for at, part in enumerate(module.parts) if at in module.kept or not DECLARED.match(part))
    text = IMPORT.sub(lambda found: _import(found, module.used), text)
    text = EXPORT_LIST.sub(lambda found: _list("export", found["names"], module.exported, ";"), text)
    return EXPORTED.sub(lambda found: found[0] if found["name"] in module.exported else "", text)


def _import(found: re.Match[str], used: set[str]) -> str:
    if found["whole"]:
        return found[0] if found["whole"] in used else ""
    return _list("import", found["names"], used, f' from "{found["path"]}";')


def _list(word: str, names: str, used: set[str], end: str) -> str:
    kept = [name if name == called else f"{name} as {called}" for name, called in listed(names) if called in used]
    return f"{word} {{ {', '.join(kept)} }}{end}" if kept else ""
