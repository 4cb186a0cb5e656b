"""Points at which a line of the product can be changed so that a test should fail, and the changed lines."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("bot", "handlers", "content", "storage")
LEFT_OUT = ("storage/migrations", "bot/static", "bot/templates")

COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
OPERATIONS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "+"),
}
OPPOSITES = {"min": "max", "max": "min", "any": "all", "all": "any"}
CONDITIONS = ("where", "and_", "or_", "filter")  # calls whose arguments are conditions
CHAINED = ("order_by", "limit", "with_for_update", "distinct", "group_by", "on_conflict_do_nothing", "strip", "lower")
"""Methods that return what they are called on, with one property more."""
LOGGERS = ("log", "logger")


@dataclass(frozen=True, slots=True)
class Point:
    """One change: the text from `start` to `end` (offsets in the file) becomes `text`."""

    path: str
    line: int
    start: int
    end: int
    text: str
    function: str  # qualified name of the function; empty outside functions

    def changed(self, source: str) -> str:
        """The file with the change."""
        return source[: self.start] + self.text + source[self.end :]

    def lines(self, source: str) -> tuple[str, str]:
        """The line (or lines) before and after the change, without what surrounds them, on one line each."""
        first = source.rfind("\n", 0, self.start) + 1
        last = source.find("\n", self.end)
        last = len(source) if last < 0 else last
        after = source[first : self.start] + self.text + source[self.end : last]
        return " ".join(source[first:last].split()), " ".join(after.split())


def all_points(root: Path) -> list[Point]:
    """All points of the product, by file and place."""
    files = (path.relative_to(root).as_posix() for name in PACKAGES for path in sorted((root / name).rglob("*.py")))
    return [point for path in files if not path.startswith(LEFT_OUT) for point in points_of(root, path)]


def points_of(root: Path, path: str) -> list[Point]:
    """The points of one file."""
    source = (root / path).read_text("utf-8")
    return sorted(set(_Finder(path, source).find()), key=lambda point: (point.start, point.end, point.text))


class _Finder:
    """Walks one file."""

    def __init__(self, path: str, source: str) -> None:
        self._path, self._source = path, source
        self._starts = [0]
        for line in source.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._bytes = source.encode()

    def find(self) -> Iterator[Point]:
        yield from self._walk(ast.parse(self._source), "", "")

    def _walk(self, node: ast.AST, function: str, prefix: str) -> Iterator[Point]:
        """The points in a node. `prefix`: what stands before the names of functions in it, as code objects have it."""
        if _is_left_out(node):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            function = prefix + getattr(node, "name", "<lambda>")
            prefix = f"{function}.<locals>."
        elif isinstance(node, ast.ClassDef):
            prefix += f"{node.name}."
        for start, end, text in self._changes(node):
            yield Point(self._path, self._source.count("\n", 0, start) + 1, start, end, text, function)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_strict_zip(node, child):
                    yield from self._walk(child, function, prefix)

    # ------------------------------------------------------------ places in the text

    def _at(self, line: int, column: int) -> int:
        return len(self._bytes[: self._starts[line - 1] + column].decode())

    def _span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _text(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        start, end = self._span(node)
        return self._source[start:end]

    # ------------------------------------------------------------ changes of one node

    def _changes(self, node: ast.AST) -> Iterator[tuple[int, int, str]]:
        """Start, end and new text of each change of a node itself."""
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                yield self._between(left, right, *COMPARISONS[type(op)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS and not _is_text(left, right):
                yield self._between(left, right, *OPERATIONS[type(op)])
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right) if isinstance(
                left, ast.Compare | ast.Call | ast.UnaryOp
            ):
                yield (*self._span(node), f"({self._text(left)})")
                yield (*self._span(node), f"({self._text(right)})")
            case ast.BoolOp(op=op, values=values):
                word = " and " if isinstance(op, ast.And) else " or "
                for left_out in range(len(values)):
                    kept = [f"({self._text(value)})" for index, value in enumerate(values) if index != left_out]
                    yield (*self._span(node), f"({word.join(kept)})" if len(kept) > 1 else kept[0])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield (*self._span(node), f"bool({self._text(operand)})")
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not isinstance(
                test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant
            ):
                yield (*self._span(test), f"(not ({self._text(test)}))")
            case ast.Constant(value=bool() as value):
                yield (*self._span(node), str(not value))
            case ast.Constant(value=int() | float() as value):
                yield (*self._span(node), f"{value + 1}")
            case ast.Call():
                yield from self._changes_of_call(node)
            case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Raise():
                yield (*self._span(node), "pass")
            case ast.Continue():
                yield (*self._span(node), "break")
            case ast.Break():
                yield (*self._span(node), "continue")

    def _changes_of_call(self, node: ast.Call) -> Iterator[tuple[int, int, str]]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if isinstance(node.func, ast.Name) and name in OPPOSITES:
            yield (*self._span(node.func), OPPOSITES[name])
        if name in CHAINED and isinstance(node.func, ast.Attribute):
            yield (*self._span(node), self._text(node.func.value))
        parts: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
        is_record = name[:1].isupper()  # without a field it cannot be made: every test would see that
        removable = parts if name in CONDITIONS and len(parts) > 1 else [] if is_record else [*node.keywords]
        for part in removable:
            if isinstance(part, ast.Starred) or (isinstance(part, ast.keyword) and part.arg is None):
                continue
            if _is_strict_zip(node, part):
                continue
            kept = [self._text(other) for other in parts if other is not part]
            start, end = self._span(node.func)
            yield start, self._span(node)[1], f"{self._source[start:end]}({', '.join(kept)})"

    def _between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> tuple[int, int, str]:
        """The change of the operator between two operands, which may be in parentheses."""
        start, end = self._span(left)[1], self._span(right)[0]
        gap = self._source[start:end]
        return start, end, gap.replace(old, new, 1) if old in gap else gap.replace(" ".join(old.split()), new, 1)


def _is_left_out(node: ast.AST) -> bool:
    """What no test should see: logging, assertions, `if TYPE_CHECKING`, the main guard. See also `_is_strict_zip`."""
    if isinstance(node, ast.Assert):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        owner = getattr(node.value.func, "value", None)
        return isinstance(owner, ast.Name) and owner.id in LOGGERS
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")


def _is_strict_zip(node: ast.AST, part: ast.AST) -> bool:
    """Whether a part of a call is `strict=True` of zip: an assertion that both sides are of one length.

    It raises only where other lines are wrong, as `assert` does, and those have changes of their own.
    """
    is_zip = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip"
    return is_zip and isinstance(part, ast.keyword) and ast.unparse(part) == "strict=True"


def _is_text(left: ast.expr, right: ast.expr) -> bool:
    """Whether an operand is a text, so that the operation is no arithmetic."""
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in (left, right)
    )
