"""Documents match the code: settings, commands, phrases, links, and the files and tests that they name."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from bot.channels import registry
from bot.cli.lazy_group import LazyGroup
from bot.cli.main import cli
from bot.config import Settings
from content.library import Library
from handlers.router import COMMANDS
from storage.queue.retention import DELIVERY_RETENTION

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bot", "handlers", "content")
DOCUMENTS = tuple(sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))))
SERVANT, ADMINISTRATOR = ROOT / "docs" / "servant.md", ROOT / "docs" / "administrator.md"
CONTRIBUTING = ROOT / "docs" / "contributing.md"
OPERATIONS = ROOT / "docs" / "operations.md"
THREATS = ROOT / "docs" / "threat-model.md"

ALL_OF_A_SECTION = ("words.", "words_with.", "typed.", "telegram.")
"""Sections that are read as a whole: words that users type for commands, and texts shown by Telegram around a chat."""

COMPOSED = (
    "button.{es,en}",  # handlers/account/enroll: the other language
    "button.{yes,no,unsure}",  # handlers/orientation/assess: replies
    "button.{sure,think,guess}",  # handlers/learning/answer: confidence
    "reason.{new,confident-error,mistake,review,unanswered}",  # as content/learning/selection: Reason
    "season.{regalos,declaraciones,cierre-anual,elecciones,entrega-recepcion}",  # as a competency's seasons
    "weekday.{1,2,3,4,5,6,7}",  # handlers/learning/typed_answer: the day of a prompt
    "progress.level.{held,fading,practising}",  # as content/learning/levels: Level
    f"channel.{{{','.join(one.name for one in registry.REGISTRATIONS)}}}",  # content/phrases: Phrases.channel_name
    "front.{chat,letterbox,console}",  # bot/web/landing: doors
    "front.{chat,letterbox,console}_about",
    "webchat.note_{start,long,erased}",  # bot/channels/webchat/form: bubbles in place of the user's text
    "webchat.command.{hoy,consulta,avance,hora,pausa,idioma,misdatos,baja,ayuda}",  # bot/channels/webchat/page: menu
    "privacy.{who,what,why,basis,rights,transfer,refuse}",  # bot/templates/privacy.html
    "privacy.{who,what,why,basis,rights,transfer,refuse}_title",
    "letterbox.{unsupported,inside,altered,closed,offline,clock,wrong_key}",  # bot/templates/letterbox.html
    "letterbox.{unsupported,inside,altered,closed,offline,clock,wrong_key}_title",
    "letterbox.limit_{orientation,report,self,law,signed,device,server,trace}",
    "letterbox.state_{received,open,answered,asked_back,closed}",  # as the states of a case
    "letterbox.error_{token,keys,day}",  # as the letterbox's refusals
    "letterbox.reply_{seq,closed}",
    "console.succession.make_{same,once,call,custody}",  # bot/templates/console/succession.html: one line each
    "console.state.{received,open,answered,asked_back,closed}",
    "console.script.state_{received,open,answered,asked_back,closed}",
    "console.script.reply_{y,n,u}",  # as the letters of a sheet
    "console.role.{officer,admin,liaison,author}",
    "console.sphere.{state,municipal}",
    "console.refused.{forbidden,missing,away,other}",
    "console.refused.{forbidden,missing,away,other}_about",
    "console.script.is_{officer,recovery}",
    "console.script.role_{officer,admin}",
    "console.script.kind_{question,hand,close,resume}",  # as the kinds of letters
    "console.script.finding_{missing,lower,other,fork}",  # as bot/static/sealing/notebooks.js names them
    "console.channels.cause_{token,permission,account,number,payment,other}",
    "console.channels.refused_{prompt,notice}",
    "console.channels.language_{es,en}",
    "console.channels.status_{approved,reinstated,flagged,pending,rejected,paused,disabled}",  # as Meta's words
    "console.channels.status_{refused,other,unknown}",
    "console.channels.category_{utility,marketing,other,unknown}",
    "console.channels.quality_{green,yellow,red,other,unknown}",
    "course.level.{conoce,aplica,orienta}",  # content/quality/competency_table: as topics and scenarios write them
    "course.role.{ventanilla,compras,obra,inspeccion,recursos-humanos,salud,educacion,seguridad,tesoreria,sistemas}",
    "course.role.{jefatura,general}",
    "course.season.{regalos,declaraciones,cierre-anual,elecciones,entrega-recepcion}",
    "course.state.{draft,reviewed,published,retired}",
    "course.model.{title,rule,articles,level,roles,seasons,always,scenarios,validation,validated,partly,pending}",
    "course.model.{empty,quarantined}",
)
"""Phrase keys that are composed at run time; every other key is written in a source file in full."""


def composed() -> frozenset[str]:
    keys = set()
    for pattern in COMPOSED:
        start, names, end = re.split(r"[{}]", pattern)
        keys |= {start + name + end for name in names.split(",")}
    return frozenset(keys)


def sources(*endings: str) -> Iterator[tuple[str, str]]:
    """Path and text of our own files with these suffixes."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in endings and "vendor" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


# ---------------------------------------------------------------- settings and commands


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_explained(name: str) -> None:
    assert f"`{name.upper()}`" in OPERATIONS.read_text(encoding="utf-8")
    assert re.search(rf"^#? ?{name.upper()}=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_table_of_settings_lists_exactly_the_settings() -> None:
    known = {name.upper() for name in Settings.model_fields}
    listed = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \|", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for names in listed for name in re.findall(r"[A-Z_]+", names)} == known


def _commands() -> Iterator[str]:
    group = get_command(cli)
    assert isinstance(group, LazyGroup)
    for name in group.places:
        command = group.import_command(name)
        if hasattr(command, "commands"):
            yield from (f"integra {name} {subcommand}" for subcommand in command.commands)
        else:
            yield f"integra {name}"


def test_every_command_of_the_command_line_is_documented() -> None:
    assert isinstance(cli, typer.Typer)
    rows = re.findall(r"^\| `(integra [a-z -]+)` \|", ADMINISTRATOR.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(_commands())


def test_every_command_of_the_chat_is_documented() -> None:
    rows = re.findall(r"^\| `/([a-z]+)` \|", SERVANT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(COMMANDS)


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_make_target_that_is_named_exists() -> None:
    for path in DOCUMENTS:
        named = re.findall(r"\bmake ([a-z-]+)(?=`|\s+#|$)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= _make_targets(), path.name


def test_every_make_target_is_documented() -> None:
    rows = re.findall(r"^\| (`make .+?) \|", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`make ([a-z-]+)`", row)} == _make_targets() - {"run"}


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    released = re.findall(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == version


def test_the_threat_model_states_the_retention_of_addresses() -> None:
    words = {8: "eight days", 30: "thirty days"}
    assert f"deleted {words[DELIVERY_RETENTION.days]} after" in " ".join(THREATS.read_text(encoding="utf-8").split())


# ---------------------------------------------------------------- phrases

IN_CODE = re.compile(r"""["'`]([a-z_]+(?:\.[a-z_0-9]+)+)["'`](?!\s*~)""")
NO_PHRASE = re.compile(r".*\.(?:html|css|js|txt)|area\.key")
"""Names of files that look like keys, and the example in bot/web/templating.py."""

SECTIONS = {
    "letterbox.": ("letterbox.html", "/letterbox/"),
    "console.script.": ("/console/",),
    "console.monitor.": ("console/monitor.py",),
    "figure.": ("administration/figure_text.py",),
    "report.": ("cli/report_format.py",),
}
"""Sections whose keys are written without the section's name, with parts of the paths of the files that do so."""


def test_every_phrase_that_is_used_exists(library: Library) -> None:
    keys = library.phrases.keys
    known = {key[:end] for key in keys for end, sign in enumerate(key) if sign == "."} | keys  # sections are read too
    top_sections = {key.partition(".")[0] for key in keys}
    missing = [
        f"{file}: {key}"
        for file, text in sources(".py", ".html")
        if not file.startswith("content/")
        for key in IN_CODE.findall(text)
        if key.partition(".")[0] in top_sections and key not in known and not NO_PHRASE.fullmatch(key)
    ]
    missing_arguments = [
        f"{file}: {key}"
        for file, text in sources(".py", ".html")
        for key in re.findall(r"""\b(?:Message|Button|t)\(\s*["']([\w.]+)["'](?!\s*~)""", text)
        if key not in keys and not NO_PHRASE.fullmatch(key)
    ]
    assert missing + missing_arguments == []
    assert composed() <= keys


def test_every_phrase_is_used_somewhere(library: Library) -> None:
    used = set(composed())
    for file, text in sources(".py", ".html", ".js"):
        used |= set(IN_CODE.findall(text))
        for section, files in SECTIONS.items():
            if any(part in file for part in files):
                used |= {section + word for word in re.findall(r"""["'`]([a-z_]+)["'`]""", text)}
    unused = [key for key in library.phrases.keys - used if not key.startswith(ALL_OF_A_SECTION)]
    assert sorted(unused) == []


# ---------------------------------------------------------------- the recipe of a channel


def test_the_recipe_of_a_channel_names_the_files_of_the_example() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    recipe = re.split(r"^## ", text, flags=re.MULTILINE)
    (section,) = [part for part in recipe if part.startswith("Adding a channel\n")]
    example = sorted(path.name for path in (ROOT / "tests/fakes/dummy_channel").glob("*.py"))
    named = re.findall(r"`tests/fakes/dummy_channel/(\w+\.py)`", section)
    assert sorted([*named, "__init__.py"]) == example
    for file in (
        "bot/channels/registry.py",
        "tests/fakes/dummy_platform.py",
        "tests/bot/channels/test_dummy_channel.py",
    ):
        assert f"`{file}`" in section
        assert (ROOT / file).exists()


# ---------------------------------------------------------------- links and tests that are named


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_has_a_target(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), link


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_exists(path: Path) -> None:
    named = re.findall(
        r"`((?:bot|handlers|content|storage|tests|docs)/[\w./-]*)(?:::\w+)?`", path.read_text(encoding="utf-8")
    )
    assert [file for file in named if not (ROOT / file).exists()] == []


def test_every_test_that_proves_a_claim_exists() -> None:
    named = re.findall(r"`(tests/[\w./]+\.py)::(\w+)`", THREATS.read_text(encoding="utf-8"))
    assert len(named) > 20
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_every_claim_of_the_threat_model_has_a_state() -> None:
    rows = re.findall(
        r"^\| A(\d+) \| [^|]+ \| ([a-z ]+) \| ([^|]*)\|$", THREATS.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [int(number) for number, _, _ in rows] == list(range(1, 18))
    for number, state, proof in rows:
        assert state in ("holds", "in part", "false today", "not yet"), number
        assert "::" in proof or state in ("false today", "not yet"), number
        assert ("Missing: " in proof) == (state == "false today"), number


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_has_paths_of_a_machine_or_open_tasks(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp|Users)/", text)
    assert not re.search(r"\b(?:TODO|FIXME|XXX)\b", text)
