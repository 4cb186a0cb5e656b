"""`integra whatsapp templates`: compare our message templates with Meta's, and submit those that are missing."""

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import config
from bot.channels.http_client import NoResponse
from bot.channels.whatsapp.client import Graph, GraphError
from bot.channels.whatsapp.errors import concerns_all, row_of
from bot.cli.output import async_command, fail, print_line
from bot.config import WHATSAPP_SETTINGS, Settings
from bot.course_loader import load_course
from content.course.template import Template
from content.library import Library
from content.text import LANGUAGES

commands = typer.Typer(help="WhatsApp: what has to be set up at Meta.", no_args_is_help=True)
templates = typer.Typer(help="Message templates, which Meta approves before they may be sent.", no_args_is_help=True)
commands.add_typer(templates, name="templates")

WIDTH = 120
FIELDS = ("category", "header", "body", "footer", "buttons")


@dataclass(frozen=True, slots=True)
class TemplatePair:
    """One template in one language: ours, Meta's entry, or both."""

    name: str
    code: str
    ours: Mapping[str, Any] | None = None  # the payload that would be submitted
    theirs: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.code}"

    @property
    def differing_fields(self) -> list[str]:
        """Fields whose text differs between ours and Meta's; none where one side is missing."""
        if self.ours is None or self.theirs is None:
            return []
        ours, theirs = _visible_texts(self.ours), _visible_texts(self.theirs)
        return [field for field in FIELDS if ours[field] != theirs[field]]

    @property
    def verdict(self) -> str:
        if self.theirs is None:
            return "missing at Meta"
        if self.ours is None:
            return "only at Meta"
        return f"differs in {', '.join(self.differing_fields)}" if self.differing_fields else "same"


@templates.command()
@async_command
async def status() -> None:
    """Show a table: whether ours are at Meta and the same, their status, category and quality."""
    settings, library = _load()
    async with _graph(settings) as graph:
        found = pairs(library, await graph.templates())
    console = Console(width=WIDTH, file=io.StringIO(), force_terminal=False)
    table = Table()
    for column in ("Template", "Language", "Ours", "At Meta", "Category", "Quality", "Reason"):
        table.add_column(column, overflow="fold")
    for pair in found:
        table.add_row(*(Text(cell) for cell in (pair.name, pair.code, *_table_cells(pair))))
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    print_line(console.file.getvalue().rstrip())


@templates.command()
@async_command
async def diff() -> None:
    """Compare each template and language: the same, missing at Meta, differing (both texts), or only at Meta."""
    settings, library = _load()
    async with _graph(settings) as graph:
        found = pairs(library, await graph.templates())
    for pair in found:
        print_line(f"{pair}: {pair.verdict}")
        for field in pair.differing_fields:
            for side, template in (("here", pair.ours), ("at Meta", pair.theirs)):
                print_line(f"  {field} {side}:")
                for line in _visible_texts(template or {})[field].splitlines() or ["(none)"]:
                    print_line(f"    {line}")


@templates.command()
@async_command
async def push(
    only: Annotated[str | None, typer.Option(help="Name of one template; without it: all.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Submit; without it the changes are only listed.")] = False,
) -> None:
    """Create the templates that are missing at Meta. Those that differ are listed and not changed."""
    settings, library = _load()
    if only is not None and only not in library.templates:
        fail(f"--only: no such template (seen: {only!r}); there are: {', '.join(sorted(library.templates))}")
    async with _graph(settings) as graph:
        found = [pair for pair in pairs(library, await graph.templates()) if pair.ours and only in (None, pair.name)]
        missing = [pair for pair in found if pair.theirs is None]
        for pair in found:
            if pair.differing_fields:
                print_line(f"{pair}: {pair.verdict}; not changed. Make them the same at Meta or here.")
        refused = [pair for pair in missing if not (await _submit(graph, pair) if apply else _announce(pair))]
    same = sum(pair.verdict == "same" for pair in found)
    differing = len(found) - same - len(missing)
    done = f"{len(missing) - len(refused)} {'submitted' if apply else 'missing'}"
    print_line(f"{done}, {same} the same, {differing} differing.")
    if refused:
        fail(f"{len(refused)} refused.")
    if missing and not apply:
        print_line("Nothing was submitted; submit it with --apply.")


def pairs(library: Library, entries: Sequence[Mapping[str, Any]]) -> list[TemplatePair]:
    """Pair our templates with Meta's entries; entries that only Meta has come last."""
    theirs = {(_text(entry, "name"), _text(entry, "language")): entry for entry in entries}
    found = []
    for template in sorted(library.templates.values(), key=lambda template: template.name):
        for language in LANGUAGES:
            found.append(_pair(template, language, theirs))
    return found + [TemplatePair(name, code, None, entry) for (name, code), entry in sorted(theirs.items())]


def _pair(template: Template, language: str, theirs: dict[tuple[str, str], Mapping[str, Any]]) -> TemplatePair:
    code = template.code(language)
    return TemplatePair(template.name, code, template.submission(language), theirs.pop((template.name, code), None))


# ---------------------------------------------------------------- requests to Meta


def _load() -> tuple[Settings, Library]:
    settings = config.load()
    if not settings.has_whatsapp:
        fail(f"{', '.join(WHATSAPP_SETTINGS).upper()}: not set; WhatsApp is off")
    return settings, load_course(settings)


@asynccontextmanager
async def _graph(settings: Settings) -> AsyncIterator[Graph]:
    """A client of the Graph API; its errors end the command with a one-line message."""
    graph = Graph.of(settings)
    try:
        yield graph
    except GraphError as error:
        fail(f"{row_of(error.code).text(error)}{_detail_suffix(error)}")
    except NoResponse as error:
        fail(f"WHATSAPP_API_URL: no answer from {settings.whatsapp_api_url} ({error.kind}); try again")
    finally:
        await graph.close()


def _announce(pair: TemplatePair) -> bool:
    print_line(f"{pair}: would be submitted")
    return True


async def _submit(graph: Graph, pair: TemplatePair) -> bool:
    """Create one template; False: Meta refused it. An error that would refuse the next one too is raised."""
    assert pair.ours is not None
    try:
        response = await graph.create_template(pair.ours)
    except GraphError as error:
        if concerns_all(error.code, error.subcode):
            raise
        print_line(f"{pair}: refused ({error}){_detail_suffix(error)}")
        return False
    except NoResponse as error:
        if not error.in_doubt:
            raise
        fail(f"{pair}: no answer ({error.kind}); it may be there all the same: look with `status` before another push")
    wanted, assigned = pair.ours["category"], _text(response, "category")
    filed = f", filed as {assigned} and not as {wanted}" if assigned not in ("", wanted) else ""
    print_line(f"{pair}: submitted, {_text(response, 'status') or 'no status'}{filed}")
    return True


def _detail_suffix(error: GraphError) -> str:
    return f": {_printable(error.detail)}" if error.detail else ""


# ---------------------------------------------------------------- reading both sides' templates


def _table_cells(pair: TemplatePair) -> tuple[str, str, str, str, str]:
    """The cells of the table after name and language."""
    ours = "" if pair.ours is None else str(pair.ours["category"])
    if pair.theirs is None:
        return "yes", "missing", ours, "", ""
    theirs = _text(pair.theirs, "category")
    category = theirs if ours in ("", theirs) else f"{theirs} (ours: {ours})"
    reason = _text(pair.theirs, "rejected_reason")
    score = pair.theirs.get("quality_score")
    return (
        "no" if pair.ours is None else "differs" if pair.differing_fields else "same",
        _text(pair.theirs, "status"),
        category,
        _text(score, "score") if isinstance(score, dict) else "",
        "" if reason == "NONE" else reason,
    )


def _visible_texts(template: Mapping[str, Any]) -> dict[str, str]:
    """The visible text of each field of a template, from our payload or from Meta's entry."""
    texts = dict.fromkeys(FIELDS, "") | {"category": _text(template, "category")}
    for component in _items(template, "components"):
        kind = _text(component, "type").lower()
        if kind == "buttons":
            texts[kind] = "\n".join(_button(button) for button in _items(component, "buttons"))
        elif kind in FIELDS:
            texts[kind] = _text(component, "text") or _text(component, "format")
    return texts


def _button(button: Mapping[str, Any]) -> str:
    kind = _text(button, "type")
    return _text(button, "text") + ("" if kind == "QUICK_REPLY" else f" ({kind})")


def _items(node: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = node.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text(node: Mapping[str, Any], key: str) -> str:
    value = node.get(key)
    return _printable(value) if isinstance(value, str) else ""


def _printable(text: str) -> str:
    """A text of Meta's for the terminal: only printable characters and line breaks."""
    lines = text.replace("\r\n", "\n").strip().split("\n")
    return "\n".join("".join(sign for sign in line if sign.isprintable()) for line in lines)
