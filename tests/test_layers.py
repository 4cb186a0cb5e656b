"""The structure of the code: imports point down, platforms stay in their folders, words are plain, files are short."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.channels import registry
from tests.imports import PACKAGES, ROOT, circle, files, imports, modules, place, read
from tests.words import Word, split, words

MAY_USE = {
    "bot": {"bot", "handlers", "content", "storage"},
    "handlers": {"handlers", "content", "storage"},
    "content": {"content"},
    "storage": {"storage"},
}
"""Top-level packages and what they may import; content and storage never import each other."""

PLATFORMS = tuple(sorted(path.parent.name for path in (ROOT / "bot" / "channels").glob("*/registration.py")))
"""A folder with a registration is a channel."""

FLOORS = {  # a module may import from its own package and from lower floors
    "bot": 9,  # bot/__main__.py
    "bot.cli": 8,
    "bot.lifecycle": 7,
    "bot.app": 6,
    "bot.console": 5,
    "bot.delivery": 5,
    "bot.inbound": 5,
    "bot.scheduler": 5,
    "bot.channels.registry": 4,
    **{f"bot.channels.{platform}": 3 for platform in PLATFORMS},
    "bot.channels": 2,  # the contract that every channel keeps
    "bot.web": 1,
    "bot.course_loader": 1,
    "bot.batching": 0,
    "bot.cli.output": 0,
    "bot.secrets": 0,
    "bot.process_lock": 0,
    "bot.key_proofs": -1,
    "bot.config": -1,
    "bot.config_checks": -2,
    "bot.loopback": -3,
    "bot.json_body": -3,
    "bot.setting_names": -2,
    "bot.encryption": -2,
    "bot.logging_setup": -1,
    "handlers.router": 4,
    "handlers.orientation": 3,
    "handlers.account": 2,
    "handlers.administration": 2,
    "handlers.casework": 2,
    "handlers.learning": 1,
    "handlers": 0,
}

MAY_NAME_PLATFORMS = {  # besides each channel's folder
    "bot/channels/registry.py",  # one line for each
    "bot/config.py",  # their settings
    "bot/setting_names.py",  # whose settings are told apart from other programs' by their prefix
    "content/limits.py",  # cites where the limits come from
}
OF_A_PLATFORM = {"bot/templates/chat.html", "bot/templates/chat_bubble.html", "bot/templates/chat_sorry.html"}
"""Pages of the browser chat; templates have one folder, as they share one environment."""

REFUSED_WORDS = (
    *("whoever", "somebody", "nobody", "heed", "reckon", "anew", "lately", "house", "manner", "fate", "knock"),
    *("ring", "bell", "deed", "strongbox", "gathering", "hearing", "bulletin", "lane", "road"),
)
REFUSED_IN_IDENTIFIERS = ("told", "book")
INFLECTIONS = ("", "s", "ed", "ing")
MODULES_OF_BLOCKS = (  # a column, and the code of the partitions of all answers
    "bench/dashboards.py",
    "handlers/administration/block_export.py",
    "handlers/administration/demo.py",
    "handlers/administration/reports.py",
    "handlers/learning/answer.py",
    "storage/learning/lanes.py",
    "storage/learning/record.py",
    "storage/reports/blocks.py",
    "storage/reports/figures.py",
    "storage/reports/ladders.py",
    "storage/schema/learning.py",
    "tests/attack/drill.py",
    "tests/attack/controls.py",
    "tests/attack/inference.py",
    "tests/attack/invented_year.py",
    "tests/attack/test_subtraction.py",
    "tests/storage/learning/test_lanes.py",
    "tests/storage/reports/test_ladders.py",
    "tests/storage/reports/test_blocks.py",
)
PROTOCOL, ITS_TESTS = "storage/confidential/protocol", "tests/storage/confidential/protocol"
MODULES_OF_THE_PROTOCOL = {  # fields of docs/protocol.md
    f"{PROTOCOL}/epochs.py": {"lane"},
    f"{PROTOCOL}/keys.py": {"lane"},
    f"{PROTOCOL}/letters.py": {"lane", "bell"},
    f"{PROTOCOL}/notebooks.py": {"lane"},
    f"{PROTOCOL}/statements.py": {"lane"},
    f"{PROTOCOL}/threads.py": {"lane"},
    f"{PROTOCOL}/tokens.py": {"bell"},
    "storage/confidential/cases.py": {"lane"},
    "handlers/casework/cases.py": {"bell"},
    "handlers/casework/letters.py": {"lane"},
    "handlers/orientation/consult.py": {"bell"},
    "bot/console/cases.py": {"bell"},
    "bot/console/recovery.py": {"bell"},
    "handlers/casework/recovery.py": {"bell"},
    f"{ITS_TESTS}/checks.py": {"lane", "bell"},
    "tests/fakes/asker.py": {"bell"},
    "tests/fakes/letterbox.py": {"bell"},
    "tests/handlers/casework/desk.py": {"bell"},
    "tests/handlers/orientation/test_consult.py": {"bell"},
    "tests/vectors/of_boxes.py": {"bell"},
    "tests/vectors/of_formats.py": {"lane", "bell"},
    "tests/vectors/of_notebooks.py": {"lane"},
    "tests/vectors/of_threads.py": {"lane"},
    "tests/vectors/primitives.py": {"lane"},
    "tests/vectors/story.py": {"lane", "bell"},
}
ALLOWED_WORDS = {  # words that a fixed format needs, by module
    "bot/console/auth_keys.py": {"lanes"},  # a parameter of Argon2id
    "tests/bot/console/test_signin.py": {"lanes"},
    **{name: {"lane", "lanes"} for name in MODULES_OF_BLOCKS},
    **MODULES_OF_THE_PROTOCOL,
}

LONGEST_FILE = 400  # lines
NOT_SHORTENED = "storage/migrations/versions"  # steps of the schema are as long as they are
AT_THE_TOP = {
    ".ci",
    ".editorconfig",
    ".env.example",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "bench",
    "docs",
    "pyproject.toml",
    "requirements-dev.lock",
    "requirements-peers.lock",
    "requirements.lock",
    "tests",
    *PACKAGES,
}


# ---------------------------------------------------------------- imports


def floor(module: str) -> tuple[str, float]:
    """The longest listed name that a module is or lies below, with its floor."""
    name = module
    while name not in FLOORS and "." in name:
        name = name.rpartition(".")[0]
    return name, FLOORS.get(name, 0)


def test_every_form_of_import_is_read() -> None:
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
async def handle():
    import bot.app, os
import json
from .channels import channel
from . import server
"""
    known = dict.fromkeys(["storage.outbox", "handlers.router", "bot.cli", "bot.channels.channel", "bot.server"])
    assert [(one.of, one.is_hidden) for one in read("bot.example", source, known=known)] == [
        ("storage.outbox", False),
        ("storage.outbox", False),
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
def test_circles_are_found(graph: dict[str, set[str]], found: list[str]) -> None:
    assert circle(graph) == found


def test_there_is_something_to_look_at() -> None:
    assert len(modules()) > 100
    assert len(imports()) > 500
    assert {one.by.partition(".")[0] for one in imports()} == set(PACKAGES)
    assert {floor(module)[0] for module in modules()} == set(FLOORS) | {"content", "storage"}, (
        "a listed package is gone"
    )


def test_imports_point_down_only() -> None:
    wrong = [one for one in imports() if one.of.partition(".")[0] not in MAY_USE[one.by.partition(".")[0]]]
    assert wrong == [], "\n".join(map(str, wrong))


def test_within_a_package_imports_point_to_lower_floors_only() -> None:
    wrong = [
        one
        for one in imports()
        if one.by.partition(".")[0] == one.of.partition(".")[0]
        and floor(one.by)[0] != floor(one.of)[0]
        and floor(one.by)[1] <= floor(one.of)[1]
    ]
    assert wrong == [], "\n".join(map(str, wrong))


def test_no_import_of_ours_hides_in_a_function() -> None:
    hidden = [one for one in imports() if one.is_hidden]
    assert hidden == [], "\n".join(map(str, hidden))


def test_there_are_no_circles() -> None:
    graph: dict[str, set[str]] = {}
    for one in imports():
        graph.setdefault(one.by, set()).add(one.of)
    assert circle(graph) == []


def test_there_are_no_circles_of_packages() -> None:
    """Between folders such as content/course and content/quality; of bot and handlers their floors see to it."""
    graph: dict[str, set[str]] = {}
    for one in imports():
        by, of = (".".join(name.split(".")[:2]) for name in (one.by, one.of))
        if by != of and by.partition(".")[0] in ("content", "storage"):
            graph.setdefault(by, set()).add(of)
    assert circle(graph) == []


def test_content_and_handlers_read_no_clock_and_no_environment() -> None:
    for path in files("handlers", "content", "storage"):
        source = path.read_text(encoding="utf-8")
        for banned in ("os.environ", "os.getenv", "datetime.now(", "date.today(", "utcnow(", "time.time("):
            assert banned not in source, f"{place(path)} uses {banned}"


def test_only_storage_knows_the_database_library_and_calls_a_transaction() -> None:
    """Elsewhere a transaction is opened and passed on; the library's types have names of ours at the door."""
    found = []
    for path in files("bot", "handlers", "content"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")) or (
                isinstance(node, ast.Import) and any(alias.name.startswith("sqlalchemy") for alias in node.names)
            ):
                found.append(f"{place(path)}:{node.lineno} imports sqlalchemy")
            if isinstance(node, ast.Attribute) and _is_transaction(node.value):
                found.append(f"{place(path)}:{node.lineno} calls {node.attr} of a transaction")
    assert found == []


def _is_transaction(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id == "tx") or (isinstance(node, ast.Attribute) and node.attr == "tx")


# ---------------------------------------------------------------- platforms


def test_every_folder_of_a_channel_is_registered() -> None:
    assert sorted(one.name for one in registry.REGISTRATIONS) == list(PLATFORMS)


def test_only_a_channels_own_folder_names_its_platform() -> None:
    found = []
    for path in (*files(), *sorted((ROOT / "bot" / "templates").rglob("*.html"))):
        name = place(path)
        if name in MAY_NAME_PLATFORMS | OF_A_PLATFORM or "migrations/versions" in name:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").lower().splitlines(), 1):
            found += [
                f"{name}:{number} {platform}"
                for platform in PLATFORMS
                if platform in line and not name.startswith(f"bot/channels/{platform}/")
            ]
    assert found == []


def test_no_exception_is_kept_without_a_need() -> None:
    for name in MAY_NAME_PLATFORMS | OF_A_PLATFORM:
        assert any(platform in (ROOT / name).read_text(encoding="utf-8").lower() for platform in PLATFORMS), name


# ---------------------------------------------------------------- words

SAMPLE = '''
"""Told to nobody."""
log = object()
class TheRoadHome:  # reckoned
    """Rings."""
    def told_again(self, string: str) -> None:
        log.info("lane_lost", lane=f"{house}")
        text = "somebody: data, not prose"
'''


def is_refused(word: Word) -> bool:
    """Whether a word, or an inflected form of one, is on the lists."""
    lists = (*REFUSED_WORDS, *REFUSED_IN_IDENTIFIERS) if word.is_identifier else REFUSED_WORDS
    return any(word.text == listed + ending for listed in lists for ending in INFLECTIONS)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("is_due", ["is", "due"]),
        ("DeliveryState", ["delivery", "state"]),
        ("parseURLOf", ["parse", "url", "of"]),
        ("MAX_TEXT", ["max", "text"]),
        ("a docstring's words", ["a", "docstring", "s", "words"]),
    ],
)
def test_names_are_split_into_words(name: str, parts: list[str]) -> None:
    assert split(name) == parts


def test_refused_words_are_found_in_identifiers_prose_and_log_events_only() -> None:
    found = sorted((word.text, word.line, word.is_identifier) for word in words(SAMPLE) if is_refused(word))
    assert found == [
        ("house", 7, True),
        ("lane", 7, False),
        ("lane", 7, True),
        ("nobody", 2, False),
        ("reckoned", 4, False),
        ("rings", 5, False),
        ("road", 4, True),
        ("told", 6, True),
    ]


@pytest.mark.parametrize("path", files(*PACKAGES, "tests", "bench"), ids=place)
def test_no_refused_word(path: Path) -> None:
    name = place(path)
    found = {
        f"{name}:{word.line} {word.text}"
        for word in words(path.read_text(encoding="utf-8"))
        if is_refused(word) and word.text not in ALLOWED_WORDS.get(name, set())
    }
    assert not found, f"docs/glossary.md has plain words for these: {sorted(found)}"


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("path", files(), ids=place)
def test_a_file_is_short_and_opens_with_one_sentence(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if place(path).startswith(NOT_SHORTENED):
        return
    assert len(source.splitlines()) <= LONGEST_FILE
    opening = ast.get_docstring(ast.parse(source)) or ""
    assert re.match(r"[A-Z`].+[.]$", opening.partition("\n\n")[0].replace("\n", " ")), "no opening sentence"


def test_the_top_folder_holds_only_what_belongs_there() -> None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("no clone, or no git: nothing says what belongs to the project")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f"git does not list its files: {listed.stderr.strip()}")
    assert {path.split("/")[0] for path in listed.stdout.split("\0") if path} == AT_THE_TOP
