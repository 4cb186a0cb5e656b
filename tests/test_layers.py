import ast
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_USE = {
    "bot": {"bot", "handlers", "content", "storage"},
    "handlers": {"handlers", "content", "storage"},
    "content": {"content"},
    "storage": {"storage"},
}
"""Imports point down only; the two grounds stand side by side."""
LONGEST = 400  # lines of a file
AT_THE_TOP = {
    ".ci",
    ".env.example",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "bench",
    "docs",
    "pyproject.toml",
}
AT_THE_TOP |= {"requirements.lock", "requirements-dev.lock", "tests", *MAY_USE}
EXEMPT = {"storage/migrations/versions"}  # steps of the schema are as long as they are


@dataclass(frozen=True)
class Import:
    """One import of a module of ours, as it stands in a file."""

    by: str
    of: str
    line: int
    is_hidden: bool  # inside a function or method

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.of}"


def files() -> list[Path]:
    return sorted(path for package in MAY_USE for path in (ROOT / package).rglob("*.py"))


@cache
def names() -> dict[str, Path]:
    """Our modules by their dotted names."""
    found = {}
    for path in files():
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def read(module: str, source: str) -> list[Import]:
    """The imports of our own modules in a file; `from package import module` counts as an import of the module."""
    return [
        Import(module, known, node.lineno, is_hidden)
        for node, is_hidden in _walk(ast.parse(source), False)
        for known in sorted(_targets(module, node))
    ]


def _walk(node: ast.AST, inside: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, inside
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, inside or is_function)


def _targets(module: str, node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.Import):
        wanted = {alias.name for alias in node.names}
    else:
        base = node.module or ""
        if node.level:
            above = module.split(".")[: -node.level]
            base = ".".join([*above, *([node.module] if node.module else [])])
        inner = {f"{base}.{alias.name}" for alias in node.names}
        wanted = {one for one in inner if one in names()} or {base}
    return {one for one in wanted if one.partition(".")[0] in MAY_USE}


@cache
def imports() -> tuple[Import, ...]:
    return tuple(one for module, path in names().items() for one in read(module, path.read_text(encoding="utf-8")))


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Some circle of a graph, as the way round it; empty when there is none."""
    done: set[str] = set()

    def follow(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for after in sorted(graph.get(node, ())):
            if found := follow(after, [*way, node]):
                return found
        done.add(node)
        return []

    for start in sorted(graph):
        if found := follow(start, []):
            return found
    return []


def test_the_reader_sees_every_form_of_import() -> None:
    source = """
import storage.outbox
from storage import outbox as box, servants
from storage.database import Database
if True:
    from handlers import router
class Case:
    import content.library
    def method(self):
        from bot import cli
        return lambda: __import__
async def turn():
    import bot.app, os
import json
from .channels import channel
from . import server
"""
    found = [(one.of, one.is_hidden) for one in read("bot.example", source)]
    assert found == [
        ("storage.outbox", False),
        ("storage.outbox", False),
        ("storage.servants", False),
        ("storage.database", False),
        ("handlers.router", False),
        ("content.library", False),
        ("bot.cli", True),
        ("bot.app", True),
        ("bot.channels.channel", False),
        ("bot.server", False),
    ]


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({}, []),
        ({"a": {"b", "c"}, "b": {"c"}}, []),
        ({"a": {"a"}}, ["a", "a"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"d"}, "b": {"c"}, "c": {"e", "d"}, "e": {"b"}}, ["b", "c", "e", "b"]),
    ],
)
def test_the_finder_of_circles_finds_them(graph: dict[str, set[str]], found: list[str]) -> None:
    assert circle(graph) == found


def test_there_is_something_to_look_at() -> None:
    assert len(names()) > 50
    assert len(imports()) > 150
    assert {one.by.partition(".")[0] for one in imports()} == set(MAY_USE)


def test_imports_point_down_only() -> None:
    wrong = [one for one in imports() if one.of.partition(".")[0] not in MAY_USE[one.by.partition(".")[0]]]
    assert wrong == [], "\n".join(map(str, wrong))


def test_nobody_imports_the_command_line_but_its_entry() -> None:
    assert {one.by for one in imports() if one.of == "bot.cli"} == {"bot.__main__"}


def test_no_import_of_ours_hides_in_a_function() -> None:
    hidden = [one for one in imports() if one.is_hidden]
    assert hidden == [], "\n".join(map(str, hidden))


def test_there_are_no_circles() -> None:
    graph: dict[str, set[str]] = {}
    for one in imports():
        graph.setdefault(one.by, set()).add(one.of)
    assert circle(graph) == []


def test_only_channels_and_the_wiring_know_a_platform() -> None:
    """Whatever is named after a platform's library stays in its own files."""
    knows = {
        str(path.relative_to(ROOT))
        for path in files()
        for node, _ in _walk(ast.parse(path.read_text(encoding="utf-8")), False)
        if (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name or "").partition(".")[0]  # type: ignore[union-attr]
        == "telegram"
    }
    assert knows
    assert all(name.startswith("bot/channels/telegram/channel") for name in knows), sorted(knows)


def test_content_and_handlers_read_no_clock_and_no_environment() -> None:
    for path in files():
        if path.is_relative_to(ROOT / "bot"):
            continue
        source = path.read_text(encoding="utf-8")
        for banned in ("os.environ", "os.getenv", "datetime.now(", "date.today(", "utcnow(", "time.time("):
            assert banned not in source, f"{path.relative_to(ROOT)} uses {banned}"


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_idea_and_opens_with_one_sentence(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    place = str(path.relative_to(ROOT))
    if any(place.startswith(folder) for folder in EXEMPT):
        return
    assert len(source.splitlines()) <= LONGEST
    if source.strip():
        assert ast.get_docstring(ast.parse(source)), "no opening sentence"


def test_the_top_folder_holds_only_what_belongs_there() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no clone, or no git: nothing says what belongs to the project")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"git does not tell: {listed.stderr.strip()}")
    assert {path.split("/")[0] for path in listed.stdout.split("\0") if path} == AT_THE_TOP
