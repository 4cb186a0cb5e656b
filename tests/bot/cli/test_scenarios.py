"""`integra export scenarios` and `integra import scenarios`: authors work without git."""

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
from tests.terminal import Ended, Integra, prompt

FORMATS = ("xlsx", "csv", "json", "gift")
COMPETENCY, TOPIC = "excusa-por-escrito", "conflicto-de-interes"
BANK = (
    plain(competency=COMPETENCY),
    plain(id="otra", competency=COMPETENCY, variant=2, reviewer=" =1+1 "),
    plain(id="007", competency="igual-trato", variant=50, state="draft"),
)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course with a bank of three."""
    root = tmp_path_factory.mktemp("shipped")
    for folder in ("articles", "assessments", "institutions", "messages", "topics"):
        shutil.copytree(SHIPPED / folder, root / folder)
    place = root / "scenarios" / "all"
    place.mkdir(parents=True)
    for scenario in BANK:
        (place / f"{scenario.id}.toml").write_text(to_toml(scenario), encoding="utf-8")
    return root


@pytest.fixture
def integra(
    tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Integra]:
    """In `tmp_path`, with DATA_DIR `data` and the small course."""
    monkeypatch.setattr(course, "load", partial(course.load, shipped))
    with prompt(tmp_path, monkeypatch, capsys) as integra:
        yield integra


def done(ended: Ended) -> str:
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def told(ended: Ended) -> list[str]:
    assert (ended.code, ended.out) == (1, "")
    return ended.err.splitlines()


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def now(tmp_path: Path) -> Library:
    """The course as a start would read it."""
    return load_course(Settings(data_dir=tmp_path / "data"))


@pytest.fixture
def taken(integra: Integra, tmp_path: Path) -> list[dict[str, Any]]:
    """The bank as JSON, to change."""
    found = json.loads(done(integra("export", "scenarios", "--format", "json")))
    assert isinstance(found, list)
    return found


def give(tmp_path: Path, scenarios: list[dict[str, Any]]) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(scenarios), encoding="utf-8")
    return path


# ---------------------------------------------------------------- there and back


@pytest.mark.parametrize("command", [["export"], ["export", "scenarios"], ["import", "scenarios"]])
def test_the_commands_explain_themselves(integra: Integra, command: list[str]) -> None:
    assert "Usage:" in done(integra(*command, "--help"))


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_taken_out_and_is_brought_back_changes_nothing(integra: Integra, tmp_path: Path, format: str) -> None:
    assert done(integra("export", "scenarios", "--format", format, "--to", f"mine.{format}")) == (
        f"3 scenarios written to mine.{format}.\n"
    )
    assert done(integra("import", "scenarios", f"mine.{format}", "--apply")) == "0 new, 0 changed, 3 unchanged.\n"
    assert files(tmp_path) == [f"mine.{format}"]


@pytest.mark.parametrize("format", ["csv", "json", "gift"])
def test_without_a_file_it_goes_to_standard_output(integra: Integra, format: str) -> None:
    out = done(integra("export", "scenarios", "--format", format))
    assert "caja" in out
    assert "Opción 0" in out


def test_the_bank_comes_in_the_order_of_the_course(integra: Integra) -> None:
    out = done(integra("export", "scenarios", "--format", "csv")).removeprefix("\ufeff")
    assert [row["identificador"] for row in csv.DictReader(io.StringIO(out, newline=""))] == ["007", "caja", "otra"]


def test_somebody_s_work_is_not_written_over(integra: Integra, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("work", encoding="utf-8")
    command = ("export", "scenarios", "--format", "csv", "--to", "mine.csv")
    (line,) = told(integra(*command))
    assert line.startswith("mine.csv: exists already")
    assert (tmp_path / "mine.csv").read_text(encoding="utf-8") == "work"
    done(integra(*command, "--force"))
    assert files(tmp_path) == ["mine.csv"]


def test_a_place_that_cannot_be_written_is_one_line(integra: Integra) -> None:
    (line,) = told(integra("export", "scenarios", "--format", "csv", "--to", "nowhere/mine.csv"))
    assert line == "nowhere/mine.csv: cannot be written (No such file or directory)"


@pytest.mark.parametrize("module", ["xlsxwriter", "python_calamine"])
def test_without_the_extra_there_is_one_line(
    integra: Integra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    done(integra("export", "scenarios", "--format", "xlsx", "--to", "mine.xlsx"))
    monkeypatch.setitem(sys.modules, module, None)
    out = ("export", "scenarios", "--format", "xlsx", "--to", "other.xlsx")
    (line,) = told(integra(*out) if module == "xlsxwriter" else integra("import", "scenarios", "mine.xlsx"))
    assert 'spreadsheets need the extra "xlsx"' in line
    assert files(tmp_path) == ["mine.xlsx"]


# ---------------------------------------------------------------- what is written


def test_a_dry_run_tells_and_writes_nothing(integra: Integra, tmp_path: Path, taken: list[dict[str, Any]]) -> None:
    taken[1]["todo"]["es"] = "Otra cosa."
    path = give(tmp_path, [*taken, taken[2] | {"id": "nueva", "variant": 60}])
    out = done(integra("import", "scenarios", path)).splitlines()
    assert out[:2] == ["new: nueva (excusa-por-escrito 60, published)", "changed: caja (todo.es)"]
    assert out[-2:] == ["1 new, 1 changed, 2 unchanged.", "Nothing was written; write it with --apply."]
    assert files(tmp_path) == ["mine.json"]


def test_a_change_after_a_review_asks_for_another_one(
    integra: Integra, tmp_path: Path, taken: list[dict[str, Any]]
) -> None:
    taken[1]["reviewer"] = "Asesoría jurídica"
    done(integra("import", "scenarios", give(tmp_path, [taken[1]]), "--apply"))
    taken[1]["todo"]["es"] = "Otra cosa."
    told = done(integra("import", "scenarios", give(tmp_path, [taken[1]])))
    assert "caja: changed since Asesoría jurídica reviewed it on" in told
    taken[1]["reviewed_on"] = "2027-01-15"
    assert "changed since" not in done(integra("import", "scenarios", give(tmp_path, [taken[1]])))


def test_what_is_written_is_the_course_from_then_on(
    integra: Integra, tmp_path: Path, taken: list[dict[str, Any]]
) -> None:
    taken[1]["todo"]["es"] = "Otra cosa."
    path = give(tmp_path, [taken[1], taken[2] | {"id": "nueva", "variant": 60, "competency": "igual-trato"}])
    assert "Written below data/content." in done(integra("import", "scenarios", path, "--apply"))
    assert files(tmp_path / "data") == [
        "content/scenarios/codigo-de-etica/nueva.toml",
        "content/scenarios/conflicto-de-interes/caja.toml",
    ]
    library = now(tmp_path)
    assert library.scenarios["caja"].todo.es == "Otra cosa."
    assert library.scenarios["caja"].todo.en == BANK[0].todo.en
    assert sorted(library.scenarios) == ["007", "caja", "nueva", "otra"]
    assert "0 new, 0 changed, 2 unchanged." in done(integra("import", "scenarios", path))
    assert "Otra cosa." in done(integra("export", "scenarios", "--format", "csv"))


def test_a_scenario_that_changes_its_topic_stays_one_file(
    integra: Integra, tmp_path: Path, taken: list[dict[str, Any]]
) -> None:
    for competency, variant in ((COMPETENCY, 70), ("igual-trato", 71)):
        path = give(tmp_path, [taken[1] | {"competency": competency, "variant": variant}])
        done(integra("import", "scenarios", path, "--apply"))
    assert files(tmp_path / "data") == ["content/scenarios/conflicto-de-interes/caja.toml"]
    assert now(tmp_path).scenarios["caja"].competency == "igual-trato"


def test_questions_of_moodle_change_the_texts_of_their_language(integra: Integra, tmp_path: Path) -> None:
    done(integra("export", "scenarios", "--format", "gift", "--language", "en", "--to", "mine.txt"))
    path = tmp_path / "mine.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("Mira el hecho.", "Look.", 1), encoding="utf-8")
    assert told(integra("import", "scenarios", path, "--language", "es"))[0].startswith(f"{path}: its first line says")
    done(integra("import", "scenarios", path, "--apply"))
    assert now(tmp_path).scenarios["007"] == plain(
        **BANK[2].model_dump() | {"todo": {"es": "Mira el hecho.", "en": "Look."}}
    )


def test_what_check_will_find_is_told_before(integra: Integra, tmp_path: Path, taken: list[dict[str, Any]]) -> None:
    taken[1]["situation"]["es"] = "Esta frase no acaba nunca y sigue y sigue " + "sin parar " * 30
    out = done(integra("import", "scenarios", give(tmp_path, taken)))
    assert "`integra check` will say: data/content/scenarios/conflicto-de-interes/caja.toml: situation.es: " in out


# ---------------------------------------------------------------- what is wrong


def test_all_mistakes_are_told_at_once_and_nothing_is_written(integra: Integra, tmp_path: Path) -> None:
    done(integra("export", "scenarios", "--format", "csv", "--to", "mine.csv"))
    path = tmp_path / "mine.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    rows[1][15] = "Porque sí."
    rows[2][1] = "baile"
    rows[3][4] = "listo"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    assert told(integra("import", "scenarios", "mine.csv", "--apply")) == [
        "mine.csv: row 2, column P (opción B, por qué, es): 20 to 50 words (seen: 2)",
        "mine.csv: row 3, column B (competencia): no such competency (seen: 'baile')",
        "mine.csv: row 4, column E (estado): Input should be 'draft', 'reviewed', 'published' or 'retired' "
        "(seen: 'listo')",
        "3 problems. Nothing was written.",
    ]
    assert files(tmp_path) == ["mine.csv"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("mine.doc", b"", "cannot tell what it is by its name; expected one of .xlsx, .csv"),
        ("mine.xlsx", b"no", "not readable as a spreadsheet"),
        ("mine.csv", b"\xff", "not in UTF-8"),
        ("mine.json", b"{", "not readable as JSON"),
        ("mine.gift", b"\xff", "not in UTF-8"),
        ("absent.csv", None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_that_is_no_such_thing_is_one_line(
    integra: Integra, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (line,) = told(integra("import", "scenarios", name))
    assert line.startswith(f"{name}: {says}")


def test_a_language_is_for_gift_only(integra: Integra, tmp_path: Path) -> None:
    (line,) = told(integra("import", "scenarios", give(tmp_path, []), "--language", "en"))
    assert line == "--language: .json holds both languages; it is for GIFT files"


def test_when_writing_fails_nothing_of_it_is_there(
    integra: Integra, tmp_path: Path, taken: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote: list[Scenario] = []

    def full(scenario: Scenario) -> str:
        if wrote:
            raise OSError(errno.ENOSPC, "No space left on device")
        wrote.append(scenario)
        return to_toml(scenario)

    monkeypatch.setattr(toml_json, "to_toml", full)
    path = give(tmp_path, [one | {"todo": text("Otra cosa.")} for one in taken])
    (line,) = told(integra("import", "scenarios", path, "--apply"))
    assert line == "DATA_DIR: cannot write below 'data/content' (No space left on device)"
    assert files(tmp_path) == ["mine.json"]


def test_what_would_not_load_again_is_not_written(
    integra: Integra, tmp_path: Path, taken: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toml_json, "to_toml", lambda _: "id = ")
    path = give(tmp_path, [taken[0] | {"todo": text("Otra cosa.")}])
    (line,) = told(integra("import", "scenarios", path, "--apply"))
    assert line.startswith("data/content/scenarios/codigo-de-etica/007.toml: not readable as TOML")
    assert files(tmp_path) == ["mine.json"]


# ---------------------------------------------------------------- check


def test_check_reads_the_files_of_the_house_and_without_settings_only_the_shipped_ones(
    integra: Integra, tmp_path: Path
) -> None:
    place = tmp_path / "data" / "content" / "scenarios" / TOPIC
    place.mkdir(parents=True)
    (place / "caja.toml").write_text("id = ", encoding="utf-8")
    assert any(
        "data/content/scenarios/conflicto-de-interes/caja.toml: not readable as TOML" in line
        for line in told(integra("check"))
    )
    broken = told(integra("check", MIN_GROUP="2"))
    assert any(line.startswith("MIN_GROUP: ") for line in broken)
    assert not any("data/content" in line for line in broken)


@pytest.mark.parametrize(
    "command", [["run"], ["report"], ["check", "--law"], ["export", "scenarios", "--format", "csv"]]
)
def test_nothing_starts_with_a_broken_file_of_the_house(integra: Integra, tmp_path: Path, command: list[str]) -> None:
    place = tmp_path / "data" / "content" / "scenarios" / TOPIC
    place.mkdir(parents=True)
    (place / "caja.toml").write_text("id = ", encoding="utf-8")
    (line,) = told(integra(*command))
    assert line.startswith("data/content/scenarios/conflicto-de-interes/caja.toml: not readable as TOML")
