"""docs/architecture.md and docs/glossary.md name files and functions that exist."""

import ast
import re

import pytest

from tests.imports import ROOT

PAGES = ("docs/architecture.md", "docs/glossary.md")
FILE = re.compile(r"`((?:bot|handlers|content|storage|tests|bench|docs)/[\w./]*)`")
SYMBOLS = re.compile(r"`([\w/]+\.py)`:\s+(`[\w.]+`(?:(?:,\s+(?:and\s+)?|\s+and\s+)`[\w.]+`(?!:))*)")


def named(pattern: re.Pattern[str]) -> list[tuple[str, ...]]:
    """All matches of a pattern in the pages, as (page, groups...)."""
    return [(page, *found.groups()) for page in PAGES for found in pattern.finditer((ROOT / page).read_text("utf-8"))]


def symbols() -> set[tuple[str, str, str]]:
    """Page, file and name: all names that follow a file and a colon."""
    found = named(SYMBOLS)
    return {(page, path, name) for page, path, names in found for name in re.findall(r"`([\w.]+)`", names)}


def defined(source: str) -> set[str]:
    """Names that a module defines, constants too, methods as `Class.method`."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.ClassDef):
            functions = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{one.name}" for one in functions}
    return names


def test_the_pages_name_many() -> None:
    assert len(named(FILE)) > 100
    assert len(symbols()) > 80


@pytest.mark.parametrize(("page", "path"), sorted(set(named(FILE))))
def test_a_named_file_exists(page: str, path: str) -> None:
    assert (ROOT / path).exists(), f"{page} names {path}"


@pytest.mark.parametrize(("page", "path", "name"), sorted(symbols()))
def test_a_named_function_exists(page: str, path: str, name: str) -> None:
    assert name in defined((ROOT / path).read_text("utf-8")), f"{page} names {name} in {path}"
