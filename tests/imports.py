"""Reads which of our modules import which, and finds circles."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "handlers", "content", "storage")


@dataclass(frozen=True)
class Import:
    """One import of a module of ours, as it is written in a file."""

    by: str
    of: str
    line: int
    is_hidden: bool  # inside a function or method

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.of}"


def files(*folders: str) -> list[Path]:
    """Our Python files below some folders of the project; without folders, those of the product."""
    return sorted(
        path for folder in folders or PACKAGES for path in (ROOT / folder).rglob("*.py") if "vendor" not in path.parts
    )


def place(path: Path) -> str:
    """A file as it is named in the project, e.g. `bot/app.py`."""
    return path.relative_to(ROOT).as_posix()


@cache
def modules() -> Mapping[str, Path]:
    """Our modules by their dotted names."""
    found = {}
    for path in files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def read(module: str, source: str, *, known: Mapping[str, object]) -> list[Import]:
    """The imports of our own modules in a file; `from package import module` counts as an import of the module."""
    return [
        Import(module, target, node.lineno, is_hidden)
        for node, is_hidden in _walk(ast.parse(source), False)
        for target in sorted(_targets(module, node, known))
    ]


@cache
def imports() -> tuple[Import, ...]:
    """All imports between our modules."""
    return tuple(
        found
        for module, path in modules().items()
        for found in read(module, path.read_text(encoding="utf-8"), known=modules())
    )


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Some circle of a graph, as the path around it; empty if there is none."""
    done: set[str] = set()

    def follow(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for after in sorted(graph.get(node, ())):
            if found := follow(after, [*path, node]):
                return found
        done.add(node)
        return []

    for start in sorted(graph):
        if found := follow(start, []):
            return found
    return []


def _walk(node: ast.AST, inside: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, inside or is_function)


def _targets(module: str, node: ast.Import | ast.ImportFrom, known: Mapping[str, object]) -> set[str]:
    if isinstance(node, ast.Import):
        wanted = {alias.name for alias in node.names}
    else:
        base = node.module or ""
        if node.level:
            above = module.split(".")[: -node.level]
            base = ".".join([*above, *([node.module] if node.module else [])])
        inner = {f"{base}.{alias.name}" for alias in node.names}
        wanted = {name for name in inner if name in known} or {base}
    return {name for name in wanted if name.partition(".")[0] in PACKAGES}
