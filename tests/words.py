"""Splits source code into the words of its identifiers and its prose, to look for refused ones."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@dataclass(frozen=True)
class Word:
    """One lower-case word of a source file; `is_identifier` tells identifiers from docstrings, comments, log events."""

    text: str
    line: int
    is_identifier: bool


def split(name: str) -> list[str]:
    """Lower-case words of snake_case, CamelCase or prose: `is_URLOf` gives is, url, of."""
    return [part.lower() for part in PART.findall(name)]


def words(source: str) -> Iterator[Word]:
    """All words of identifiers, docstrings, comments and log event names; other strings are data."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.COMMENT):
            for text in split(token.string):
                yield Word(text, token.start[0], token.type == tokenize.NAME)
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for line, prose in _prose(node):
            for text in split(prose):
                yield Word(text, line, is_identifier=False)
        if isinstance(node, ast.FormattedValue):  # f-strings are one token up to Python 3.11
            for name in (one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)):
                for text in split(name):
                    yield Word(text, node.lineno, is_identifier=True)


def _prose(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Strings of a node that are read as prose: statements that are a bare string, and names of log events."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        yield node.lineno, node.value.value
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LOG_METHODS
        and node.args
    ):
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield node.lineno, first.value
