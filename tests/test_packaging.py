"""The wheel and the lock files: which files are packaged, and that every dependency is pinned by hash."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.imports import files

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "handlers", "content", "storage")
RUNTIME, DEVELOPMENT, PEERS = LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-peers.lock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The file names in a wheel built from a copy of this checkout, without network access."""
    source, output = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            (source / name).write_bytes((ROOT / name).read_bytes())
    for name in _package_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*pip, *offline, ".", "-w", output], cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = output.glob("integra-*.whl")
    return set(zipfile.ZipFile(path).namelist())


def _package_files() -> list[str]:
    """Every file of the four packages, except compiled bytecode."""
    return sorted(
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def test_every_file_of_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    assert set(_package_files()) - wheel == set()


@pytest.mark.parametrize(
    "pattern",
    [
        r"content/scenarios/.+\.toml",
        r"content/messages/.+\.toml",
        r"content/.+articles.+\.toml|content/articles.+",
        r"content/assessments/.+\.toml",
        r"bot/templates/chat\.html",
        r"bot/templates/console/cases\.html",
        r"bot/static/sealing/hpke\.js",
        r"bot/static/vendor/pico/pico\.min\.css",
        r"storage/migrations/env\.py",
        r"storage/migrations/versions/0001_.+\.py",
    ],
)
def test_the_wheel_contains_what_the_product_reads_at_run_time(wheel: set[str], pattern: str) -> None:
    assert [name for name in wheel if re.fullmatch(pattern, name)]


def test_the_wheel_contains_nothing_else(wheel: set[str]) -> None:
    foreign = {name for name in wheel if name.partition("/")[0] not in PACKAGES and ".dist-info/" not in name}
    assert foreign == set()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_and_pins_everything_by_hash(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip())
    for entry in (entry for entry in entries if entry and not entry.startswith("#")):
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_the_lock_files_contain_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    program = {_name(requirement) for requirement in project["project"]["dependencies"]}
    group = {name: {_name(one) for one in requirements} for name, requirements in project["dependency-groups"].items()}
    extras = {
        _name(one) for requirements in project["project"]["optional-dependencies"].values() for one in requirements
    }
    assert program | extras | group["build"] <= _locked(RUNTIME).keys()
    assert program | extras | group["build"] | group["dev"] <= _locked(DEVELOPMENT).keys()
    assert program | group["peers"] <= _locked(PEERS).keys()
    assert group.keys() == {"build", "dev", "peers"}


def test_the_tested_versions_are_those_that_are_shipped() -> None:
    shipped, tested = _locked(RUNTIME), _locked(DEVELOPMENT)
    assert shipped
    assert {name: tested.get(name) for name in shipped} == shipped


def test_a_peer_holds_no_library_of_ours_back() -> None:
    """aiogram allows older versions only, so it is locked by itself."""
    for lock in (RUNTIME, DEVELOPMENT):
        assert "aiogram" not in _locked(lock), lock


def test_every_imported_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    declared = {_name(requirement) for requirement in [*project["dependencies"], *extras]}
    distributions = packages_distributions()
    imported = {
        module.partition(".")[0]
        for path in files(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for module in _imported_modules(node)
    } - {*sys.stdlib_module_names, *PACKAGES}
    undeclared = {name for name in imported if not declared & {_name(one) for one in distributions.get(name, [name])}}
    assert undeclared == set()


def _imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def test_make_looks_for_the_pythons_that_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [one.rpartition(" ")[2] for one in project["classifiers"] if one.startswith("Programming Language")]
    names = re.findall(r"^PY \?= (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert names == [" ".join(f"python{version}" for version in reversed(declared))]
    assert project["requires-python"] == f">={declared[0]}"


def test_every_pattern_of_packaged_files_matches_some() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    patterns = [f"{package}/{one}" for package, own in tools["setuptools"]["package-data"].items() for one in own]
    assert [pattern for pattern in patterns if not any(ROOT.glob(pattern))] == []


def _name(requirement: str) -> str:
    """The package name of a requirement, normalized as PyPI does."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def _locked(lock: str) -> dict[str, str]:
    """The version of each package in a lock, by its normalized name."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==(\S+)", (ROOT / lock).read_text(encoding="utf-8"), re.M)
    return {_name(name): version for name, version in pins}
