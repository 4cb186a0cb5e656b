"""`integra whatsapp templates`: what Meta has of our message templates, and bringing it what is missing."""

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import config
from bot.channels.whatsapp.client import Graph, GraphFault, NoAnswer
from bot.cli.output import awaited, fail, say
from bot.config import WHATSAPP, Settings
from bot.course_loader import load_course
from content.course.template import Template
from content.library import Library
from content.text import LANGUAGES

whatsapp = typer.Typer(help="WhatsApp: what has to be arranged with Meta.", no_args_is_help=True)
templates = typer.Typer(help="Message templates, which Meta approves before they may be sent.", no_args_is_help=True)
whatsapp.add_typer(templates, name="templates")

WIDTH = 120
FIELDS = ("category", "header", "body", "footer", "buttons")
TOKEN_REFUSED = (0, 190)
FORBIDDEN = (3, 10, *range(200, 300), 131005)
TOO_MANY_CALLS = (4, 17, 32, 613, 80007, 80008)
UNKNOWN_OBJECT = 33  # a subcode of 100: no such id, or not for this token


@dataclass(frozen=True, slots=True)
class Pair:
    """One template in one language: ours, Meta's entry, or both."""

    name: str
    code: str
    ours: Mapping[str, Any] | None = None  # what would be submitted
    theirs: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.code}"

    @property
    def differing(self) -> list[str]:
        """Fields that read differently here and at Meta; none where one side is missing."""
        if self.ours is None or self.theirs is None:
            return []
        one, other = _read(self.ours), _read(self.theirs)
        return [field for field in FIELDS if one[field] != other[field]]

    @property
    def verdict(self) -> str:
        if self.theirs is None:
            return "missing at Meta"
        if self.ours is None:
            return "only at Meta"
        return f"differs in {', '.join(self.differing)}" if self.differing else "same"


@templates.command()
@awaited
async def status() -> None:
    """A table: whether ours are at Meta and the same, approved, in which category and how well received."""
    settings, library = _start()
    async with _meta(settings) as graph:
        found = pairs(library, await graph.templates())
    console = Console(width=WIDTH, file=io.StringIO(), force_terminal=False)
    table = Table()
    for column in ("Template", "Language", "Ours", "At Meta", "Category", "Quality", "Reason"):
        table.add_column(column, overflow="fold")
    for pair in found:
        table.add_row(*(Text(cell) for cell in (pair.name, pair.code, *_state(pair))))
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    say(console.file.getvalue().rstrip())


@templates.command()
@awaited
async def diff() -> None:
    """Each template and language: the same, missing at Meta, differing (both texts), or only at Meta."""
    settings, library = _start()
    async with _meta(settings) as graph:
        found = pairs(library, await graph.templates())
    for pair in found:
        say(f"{pair}: {pair.verdict}")
        for field in pair.differing:
            for side, whole in (("here", pair.ours), ("at Meta", pair.theirs)):
                say(f"  {field} {side}:")
                for line in _read(whole or {})[field].splitlines() or ["(none)"]:
                    say(f"    {line}")


@templates.command()
@awaited
async def push(
    only: Annotated[str | None, typer.Option(help="Name of one template; without it: all.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Submit; without it only what would be done is told.")] = False,
) -> None:
    """Create at Meta what is missing there. What differs is told and left alone."""
    settings, library = _start()
    if only is not None and only not in library.templates:
        fail(f"--only: no such template (seen: {only!r}); there are: {', '.join(sorted(library.templates))}")
    async with _meta(settings) as graph:
        found = [one for one in pairs(library, await graph.templates()) if one.ours and only in (None, one.name)]
        missing = [pair for pair in found if pair.theirs is None]
        for pair in found:
            if pair.differing:
                say(f"{pair}: {pair.verdict}; left alone. Make them the same: at Meta, or ours.")
        refused = [pair for pair in missing if not (await _submit(graph, pair) if apply else _announce(pair))]
    same = sum(pair.verdict == "same" for pair in found)
    differing = len(found) - same - len(missing)
    done = f"{len(missing) - len(refused)} {'submitted' if apply else 'missing'}"
    say(f"{done}, {same} the same, {differing} differing.")
    if refused:
        fail(f"{len(refused)} refused.")
    if missing and not apply:
        say("Nothing was submitted; submit it with --apply.")


def pairs(library: Library, entries: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Ours beside Meta's, ours first."""
    theirs = {(_word(one, "name"), _word(one, "language")): one for one in entries}
    found = []
    for template in sorted(library.templates.values(), key=lambda one: one.name):
        for language in LANGUAGES:
            found.append(_pair(template, language, theirs))
    return found + [Pair(name, code, None, one) for (name, code), one in sorted(theirs.items())]


def _pair(template: Template, language: str, theirs: dict[tuple[str, str], Mapping[str, Any]]) -> Pair:
    code = template.code(language)
    return Pair(template.name, code, template.submission(language), theirs.pop((template.name, code), None))


# ---------------------------------------------------------------- talking to Meta


def _start() -> tuple[Settings, Library]:
    settings = config.load()
    if not settings.has_whatsapp:
        fail(f"{', '.join(WHATSAPP).upper()}: not set; WhatsApp is off")
    return settings, load_course(settings)


@asynccontextmanager
async def _meta(settings: Settings) -> AsyncIterator[Graph]:
    """Meta's door; what goes wrong there ends the command with one line."""
    assert settings.whatsapp_access_token is not None
    assert settings.whatsapp_phone_number_id is not None
    assert settings.whatsapp_business_account_id is not None
    graph = Graph(
        settings.whatsapp_access_token.get_secret_value(),
        settings.whatsapp_api_url,
        settings.whatsapp_phone_number_id,
        settings.whatsapp_business_account_id,
    )
    try:
        yield graph
    except GraphFault as fault:
        _give_up(fault)
    except NoAnswer as fault:
        fail(f"WHATSAPP_API_URL: no answer from {settings.whatsapp_api_url} ({fault.kind}); try again")
    finally:
        await graph.close()


def _give_up(fault: GraphFault) -> NoReturn:
    if fault.code in TOKEN_REFUSED:
        fail(f"WHATSAPP_ACCESS_TOKEN: Meta refuses it ({fault}); make a new one for the system user")
    if fault.code in FORBIDDEN:
        needs = "the system user needs whatsapp_business_management, and the account among its assets"
        fail(f"WHATSAPP_ACCESS_TOKEN: a permission is missing ({fault}); {needs}")
    if fault.code == 100:
        fail(f"WHATSAPP_BUSINESS_ACCOUNT_ID: not an account that this token can see ({fault}){_because(fault)}")
    if fault.code in TOO_MANY_CALLS:
        fail(f"Meta has had too many calls from us ({fault}); try again in an hour")
    fail(f"Meta refuses ({fault}){_because(fault)}")


def _announce(pair: Pair) -> bool:
    say(f"{pair}: would be submitted")
    return True


async def _submit(graph: Graph, pair: Pair) -> bool:
    """Create one; False: Meta refused this one. A fault that would meet the next one too is raised."""
    assert pair.ours is not None
    try:
        answer = await graph.create_template(pair.ours)
    except GraphFault as fault:
        if fault.code in (*TOKEN_REFUSED, *FORBIDDEN, *TOO_MANY_CALLS) or fault.subcode == UNKNOWN_OBJECT:
            raise
        say(f"{pair}: refused ({fault}){_because(fault)}")
        return False
    except NoAnswer as fault:
        if not fault.in_doubt:
            raise
        fail(f"{pair}: no answer ({fault.kind}); it may be there all the same: look with `status` before another push")
    wanted, given = pair.ours["category"], _word(answer, "category")
    filed = f", filed as {given} and not as {wanted}" if given not in ("", wanted) else ""
    say(f"{pair}: submitted, {_word(answer, 'status') or 'no status'}{filed}")
    return True


def _because(fault: GraphFault) -> str:
    return f": {_plain(fault.says)}" if fault.says else ""


# ---------------------------------------------------------------- reading both sides


def _state(pair: Pair) -> tuple[str, str, str, str, str]:
    """The cells of the table after name and language."""
    ours = "" if pair.ours is None else str(pair.ours["category"])
    if pair.theirs is None:
        return "yes", "missing", ours, "", ""
    theirs = _word(pair.theirs, "category")
    category = theirs if ours in ("", theirs) else f"{theirs} (ours: {ours})"
    reason = _word(pair.theirs, "rejected_reason")
    score = pair.theirs.get("quality_score")
    return (
        "no" if pair.ours is None else "differs" if pair.differing else "same",
        _word(pair.theirs, "status"),
        category,
        _word(score, "score") if isinstance(score, dict) else "",
        "" if reason == "NONE" else reason,
    )


def _read(whole: Mapping[str, Any]) -> dict[str, str]:
    """What a person would see of a template, as it is submitted or as Meta shows it: a text a field."""
    read = dict.fromkeys(FIELDS, "") | {"category": _word(whole, "category")}
    for component in _items(whole, "components"):
        kind = _word(component, "type").lower()
        if kind == "buttons":
            read[kind] = "\n".join(_button(button) for button in _items(component, "buttons"))
        elif kind in FIELDS:
            read[kind] = _word(component, "text") or _word(component, "format")
    return read


def _button(button: Mapping[str, Any]) -> str:
    kind = _word(button, "type")
    return _word(button, "text") + ("" if kind == "QUICK_REPLY" else f" ({kind})")


def _items(whole: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = whole.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _word(whole: Mapping[str, Any], key: str) -> str:
    found = whole.get(key)
    return _plain(found) if isinstance(found, str) else ""


def _plain(text: str) -> str:
    """What Meta sends goes to a terminal: only what can be printed, with its line breaks."""
    lines = text.replace("\r\n", "\n").strip().split("\n")
    return "\n".join("".join(sign for sign in line if sign.isprintable()) for line in lines)
