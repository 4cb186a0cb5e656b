import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "handlers", "content", "storage")
LOCKS = ("requirements.lock", "requirements-dev.lock")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the wheel that is built from a copy of this checkout, without any network."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            (source / name).write_bytes((ROOT / name).read_bytes())
    for name in _ours():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*pip, *offline, ".", "-w", made], cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = made.glob("integra-*.whl")
    return set(zipfile.ZipFile(path).namelist())


def _ours() -> list[str]:
    """Every file of the four packages that is not made by running them."""
    return sorted(
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )


def test_every_file_of_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    assert set(_ours()) - wheel == set()


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
def test_the_wheel_holds_what_the_product_reads_at_run_time(wheel: set[str], pattern: str) -> None:
    assert [name for name in wheel if re.fullmatch(pattern, name)]


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    foreign = {name for name in wheel if name.partition("/")[0] not in PACKAGES and ".dist-info/" not in name}
    assert foreign == set()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index_and_pins_everything_by_hash(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=\S)", text.replace("\\\n", " ").strip())
    for entry in (one for one in entries if one and not one.startswith("#")):
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,-]+\])?==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_the_lock_holds_every_dependency_that_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = {name: _locked(name) for name in LOCKS}
    for wanted in project["project"]["dependencies"]:
        assert _name(wanted) in locked["requirements.lock"]
        assert _name(wanted) in locked["requirements-dev.lock"]
    for group in project["dependency-groups"].values():
        for wanted in group:
            assert _name(wanted) in locked["requirements-dev.lock"], wanted


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _locked(lock: str) -> set[str]:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    return {_name(line) for line in lines if re.match(r"[A-Za-z0-9]", line)}


def test_the_same_version_is_tested_as_is_shipped() -> None:
    pins = [
        dict(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in LOCKS
    ]
    shipped, tested = pins
    assert shipped
    assert {name: tested.get(name) for name in shipped} == shipped
