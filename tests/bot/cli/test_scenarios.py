"""`integra export scenarios` and `integra import scenarios`, by which authors work without git."""

import csv
import errno
import io
import json
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.config import Settings
from bot.course_loader import load_course
from content import library as course
from content.course.scenario import Scenario
from content.exchange import toml_json
from content.exchange.toml_json import to_toml
from content.library import SHIPPED, Library
from tests.content.exchange.authors import plain, text
from tests.terminal import CommandResult, Integra, command_line

FORMATS = ("xlsx", "csv", "json", "gift")
COMPETENCY, TOPIC = "excusa-por-escrito", "conflicto-de-interes"
BANK = (
    plain(competency=COMPETENCY),
    plain(id="otra", competency=COMPETENCY, variant=2, reviewer=" =1+1 "),
    plain(id="007", competency="igual-trato", variant=50, state="draft"),
)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose bank has three scenarios."""
    root = tmp_path_factory.mktemp("shipped")
    for name in ("articles", "assessments", "institutions", "messages", "topics"):
        shutil.copytree(SHIPPED / name, root / name)
    folder = root / "scenarios" / "all"
    folder.mkdir(parents=True)
    for scenario in BANK:
        (folder / f"{scenario.id}.toml").write_text(to_toml(scenario), encoding="utf-8")
    return root


@pytest.fixture
def integra(
    tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Integra]:
    """Runs commands in `tmp_path`, with the default DATA_DIR `data` and the small course."""
    monkeypatch.setattr(course, "load", partial(course.load, shipped))
    with command_line(tmp_path, monkeypatch, capsys) as integra:
        yield integra


def output(result: CommandResult) -> str:
    """What a successful command printed."""
    assert (result.code, result.err) == (0, "")
    return result.out


def error_lines(result: CommandResult) -> list[str]:
    """The lines that a failed command printed on standard error."""
    assert (result.code, result.out) == (1, "")
    return result.err.splitlines()


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def loaded_course(tmp_path: Path) -> Library:
    """The course as the next start would load it."""
    return load_course(Settings(data_dir=tmp_path / "data"))


@pytest.fixture
def exported(integra: Integra, tmp_path: Path) -> list[dict[str, Any]]:
    """The bank as exported in JSON, to be changed by the test."""
    scenarios = json.loads(output(integra("export", "scenarios", "--format", "json")))
    assert isinstance(scenarios, list)
    return scenarios


def write_json(tmp_path: Path, scenarios: list[dict[str, Any]]) -> Path:
    """A file to import."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(scenarios), encoding="utf-8")
    return path


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("command", [["export"], ["export", "scenarios"], ["import", "scenarios"]])
def test_the_commands_explain_themselves(integra: Integra, command: list[str]) -> None:
    assert "Usage:" in output(integra(*command, "--help"))


@pytest.mark.parametrize("format", FORMATS)
def test_an_exported_file_that_is_imported_again_changes_nothing(integra: Integra, tmp_path: Path, format: str) -> None:
    assert output(integra("export", "scenarios", "--format", format, "--to", f"mine.{format}")) == (
        f"3 scenarios written to mine.{format}.\n"
    )
    assert output(integra("import", "scenarios", f"mine.{format}", "--apply")) == "0 new, 0 changed, 3 unchanged.\n"
    assert files(tmp_path) == [f"mine.{format}"]


@pytest.mark.parametrize("format", ["csv", "json", "gift"])
def test_without_a_file_the_export_goes_to_standard_output(integra: Integra, format: str) -> None:
    out = output(integra("export", "scenarios", "--format", format))
    assert "caja" in out
    assert "Opción 0" in out


def test_scenarios_are_exported_in_the_order_of_the_course(integra: Integra) -> None:
    out = output(integra("export", "scenarios", "--format", "csv")).removeprefix("\ufeff")
    assert [row["identificador"] for row in csv.DictReader(io.StringIO(out, newline=""))] == ["007", "caja", "otra"]


def test_an_existing_file_is_not_overwritten_without_force(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("work", encoding="utf-8")
    command = ("export", "scenarios", "--format", "csv", "--to", "mine.csv")
    (line,) = error_lines(integra(*command))
    assert line.startswith("mine.csv: exists already")
    assert (tmp_path / "mine.csv").read_text(encoding="utf-8") == "work"
    output(integra(*command, "--force"))
    assert files(tmp_path) == ["mine.csv"]


def test_a_path_that_cannot_be_written_is_one_line(integra: Integra) -> None:
    (line,) = error_lines(integra("export", "scenarios", "--format", "csv", "--to", "nowhere/mine.csv"))
    assert line == "nowhere/mine.csv: cannot be written (No such file or directory)"


@pytest.mark.parametrize("module", ["xlsxwriter", "python_calamine"])
def test_a_missing_spreadsheet_library_is_one_line(
    integra: Integra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    output(integra("export", "scenarios", "--format", "xlsx", "--to", "mine.xlsx"))
    monkeypatch.setitem(sys.modules, module, None)
    out = ("export", "scenarios", "--format", "xlsx", "--to", "other.xlsx")
    (line,) = error_lines(integra(*out) if module == "xlsxwriter" else integra("import", "scenarios", "mine.xlsx"))
    assert 'spreadsheets need the extra "xlsx"' in line
    assert files(tmp_path) == ["mine.xlsx"]


# ---------------------------------------------------------------- what an import writes


def test_a_dry_run_reports_and_writes_nothing(integra: Integra, tmp_path: Path, exported: list[dict[str, Any]]) -> None:
    exported[1]["todo"]["es"] = "Otra cosa."
    path = write_json(tmp_path, [*exported, exported[2] | {"id": "nueva", "variant": 60}])
    out = output(integra("import", "scenarios", path)).splitlines()
    assert out[:2] == ["new: nueva (excusa-por-escrito 60, published)", "changed: caja (todo.es)"]
    assert out[-2:] == ["1 new, 1 changed, 2 unchanged.", "Nothing was written; write it with --apply."]
    assert files(tmp_path) == ["mine.json"]


def test_a_change_after_a_review_asks_for_another_one(
    integra: Integra, tmp_path: Path, exported: list[dict[str, Any]]
) -> None:
    exported[1]["reviewer"] = "Asesoría jurídica"
    output(integra("import", "scenarios", write_json(tmp_path, [exported[1]]), "--apply"))
    exported[1]["todo"]["es"] = "Otra cosa."
    out = output(integra("import", "scenarios", write_json(tmp_path, [exported[1]])))
    assert "caja: changed since Asesoría jurídica reviewed it on" in out
    exported[1]["reviewed_on"] = "2027-01-15"
    assert "changed since" not in output(integra("import", "scenarios", write_json(tmp_path, [exported[1]])))


def test_imported_scenarios_belong_to_the_course(
    integra: Integra, tmp_path: Path, exported: list[dict[str, Any]]
) -> None:
    exported[1]["todo"]["es"] = "Otra cosa."
    path = write_json(
        tmp_path, [exported[1], exported[2] | {"id": "nueva", "variant": 60, "competency": "igual-trato"}]
    )
    assert "Written below data/content." in output(integra("import", "scenarios", path, "--apply"))
    assert files(tmp_path / "data") == [
        "content/scenarios/codigo-de-etica/nueva.toml",
        "content/scenarios/conflicto-de-interes/caja.toml",
    ]
    library = loaded_course(tmp_path)
    assert library.scenarios["caja"].todo.es == "Otra cosa."
    assert library.scenarios["caja"].todo.en == BANK[0].todo.en
    assert sorted(library.scenarios) == ["007", "caja", "nueva", "otra"]
    assert "0 new, 0 changed, 2 unchanged." in output(integra("import", "scenarios", path))
    assert "Otra cosa." in output(integra("export", "scenarios", "--format", "csv"))


def test_a_scenario_that_changes_its_topic_keeps_its_file(
    integra: Integra, tmp_path: Path, exported: list[dict[str, Any]]
) -> None:
    for competency, variant in ((COMPETENCY, 70), ("igual-trato", 71)):
        path = write_json(tmp_path, [exported[1] | {"competency": competency, "variant": variant}])
        output(integra("import", "scenarios", path, "--apply"))
    assert files(tmp_path / "data") == ["content/scenarios/conflicto-de-interes/caja.toml"]
    assert loaded_course(tmp_path).scenarios["caja"].competency == "igual-trato"


def test_a_gift_file_changes_the_texts_of_its_language(integra: Integra, tmp_path: Path) -> None:
    output(integra("export", "scenarios", "--format", "gift", "--language", "en", "--to", "mine.txt"))
    path = tmp_path / "mine.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("Mira el hecho.", "Look.", 1), encoding="utf-8")
    assert error_lines(integra("import", "scenarios", path, "--language", "es"))[0].startswith(
        f"{path}: its first line says"
    )
    output(integra("import", "scenarios", path, "--apply"))
    assert loaded_course(tmp_path).scenarios["007"] == plain(
        **BANK[2].model_dump() | {"todo": {"es": "Mira el hecho.", "en": "Look."}}
    )


def test_an_import_reports_what_check_will_find(
    integra: Integra, tmp_path: Path, exported: list[dict[str, Any]]
) -> None:
    exported[1]["situation"]["es"] = "Esta frase no acaba nunca y sigue y sigue " + "sin parar " * 30
    out = output(integra("import", "scenarios", write_json(tmp_path, exported)))
    assert "`integra check` will report: data/content/scenarios/conflicto-de-interes/caja.toml: situation.es: " in out


# ---------------------------------------------------------------- invalid files


def test_all_mistakes_are_reported_at_once_and_nothing_is_written(integra: Integra, tmp_path: Path) -> None:
    output(integra("export", "scenarios", "--format", "csv", "--to", "mine.csv"))
    path = tmp_path / "mine.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    rows[1][15] = "Porque sí."
    rows[2][1] = "baile"
    rows[3][4] = "listo"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    assert error_lines(integra("import", "scenarios", "mine.csv", "--apply")) == [
        "mine.csv: row 2, column P (opción B, por qué, es): 20 to 50 words (seen: 2)",
        "mine.csv: row 3, column B (competencia): no such competency (seen: 'baile')",
        "mine.csv: row 4, column E (estado): Input should be 'draft', 'reviewed', 'published' or 'retired' "
        "(seen: 'listo')",
        "3 problems. Nothing was written.",
    ]
    assert files(tmp_path) == ["mine.csv"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.doc", b"", "unknown file extension; expected one of .xlsx, .csv"),
        ("mine.xlsx", b"no", "not readable as a spreadsheet"),
        ("mine.csv", b"\xff", "not in UTF-8"),
        ("mine.json", b"{", "not readable as JSON"),
        ("mine.gift", b"\xff", "not in UTF-8"),
        ("absent.csv", None, "cannot be read (No such file or directory)"),
    ],
)
def test_an_unreadable_file_is_one_line(
    integra: Integra, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (line,) = error_lines(integra("import", "scenarios", name))
    assert line.startswith(f"{name}: {message}")


def test_the_language_option_is_for_gift_only(integra: Integra, tmp_path: Path) -> None:
    (line,) = error_lines(integra("import", "scenarios", write_json(tmp_path, []), "--language", "en"))
    assert line == "--language: .json holds both languages; it is for GIFT files"


def test_a_failed_write_leaves_no_file(
    integra: Integra, tmp_path: Path, exported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Scenario] = []

    def fill_disk(scenario: Scenario) -> str:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(scenario)
        return to_toml(scenario)

    monkeypatch.setattr(toml_json, "to_toml", fill_disk)
    path = write_json(tmp_path, [scenario | {"todo": text("Otra cosa.")} for scenario in exported])
    (line,) = error_lines(integra("import", "scenarios", path, "--apply"))
    assert line == "DATA_DIR: cannot write below 'data/content' (No space left on device)"
    assert files(tmp_path) == ["mine.json"]


def test_a_file_that_would_not_load_is_not_written(
    integra: Integra, tmp_path: Path, exported: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toml_json, "to_toml", lambda _: "id = ")
    path = write_json(tmp_path, [exported[0] | {"todo": text("Otra cosa.")}])
    (line,) = error_lines(integra("import", "scenarios", path, "--apply"))
    assert line.startswith("data/content/scenarios/codigo-de-etica/007.toml: not readable as TOML")
    assert files(tmp_path) == ["mine.json"]


# ---------------------------------------------------------------- check


def test_check_reads_the_overlay_and_with_broken_settings_only_the_shipped_files(
    integra: Integra, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "content" / "scenarios" / TOPIC
    folder.mkdir(parents=True)
    (folder / "caja.toml").write_text("id = ", encoding="utf-8")
    assert any(
        "data/content/scenarios/conflicto-de-interes/caja.toml: not readable as TOML" in line
        for line in error_lines(integra("check"))
    )
    broken = error_lines(integra("check", MIN_GROUP="2"))
    assert any(line.startswith("MIN_GROUP: ") for line in broken)
    assert not any("data/content" in line for line in broken)


@pytest.mark.parametrize(
    "command", [["run"], ["report"], ["check", "--law"], ["export", "scenarios", "--format", "csv"]]
)
def test_nothing_starts_with_a_broken_file_in_the_overlay(integra: Integra, tmp_path: Path, command: list[str]) -> None:
    folder = tmp_path / "data" / "content" / "scenarios" / TOPIC
    folder.mkdir(parents=True)
    (folder / "caja.toml").write_text("id = ", encoding="utf-8")
    (line,) = error_lines(integra(*command))
    assert line.startswith("data/content/scenarios/conflicto-de-interes/caja.toml: not readable as TOML")
