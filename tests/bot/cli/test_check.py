"""`integra check` on a course that is broken, poor or in quarantine, and its list for lawyers."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from content import library as course
from content.library import SHIPPED, Library
from content.problems import Problem
from content.quality import bank_checks
from tests.terminal import Integra, command_line


@pytest.fixture
def integra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Integra]:
    with command_line(tmp_path, monkeypatch, capsys, DATA_DIR=str(tmp_path / "data")) as integra:
        yield integra


def teach(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    """The commands find this course instead of the shipped one."""
    monkeypatch.setattr(course, "load", lambda *_, **__: library)


def changed(library: Library, *articles: str) -> Library:
    """The course after these articles changed."""
    newer = {one: library.articles[one].model_copy(update={"since": date(2027, 3, 1)}) for one in articles}
    return replace(library, articles=dict(library.articles) | newer)


def test_a_fault_of_the_bank_fails_the_check(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    teach(monkeypatch, library)
    fault = Problem("scenarios/valores/uno.toml", "situation.es", "hard to read (seen: 41.0); expected 60 or more")
    monkeypatch.setattr(bank_checks, "faults", lambda _: [fault])
    assert integra("check") == (1, "", f"{fault}\n1 problem.\n")


def test_quarantine_is_a_warning(integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    rare = min({a for one in library.scenarios.values() for a in one.cited}, key=lambda a: (_count(library, a), a))
    small = changed(library, rare)
    assert len(small.quarantined) == _count(library, rare)
    teach(monkeypatch, small)
    monkeypatch.setattr(bank_checks, "faults", lambda _: [])
    code, out, err = integra("check")
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first.startswith(f"Warning: {len(small.quarantined)} in quarantine")
    for line, one in zip(rest, sorted(small.quarantined), strict=False):
        assert line == (
            f"  {library.files[one]}: reviewed {library.scenarios[one].reviewed_on}; "
            f"{library.articles[rare].label('en')} (changed 2027-03-01)"
        )
    assert rest[-1].startswith("All is well: ")


def _count(library: Library, article: str) -> int:
    return sum(article in one.cited for one in library.scenarios.values())


def test_a_competency_without_any_scenario_left_fails_the_check(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    teach(monkeypatch, changed(library, *library.articles))
    code, out, err = integra("check")
    assert (code, out) == (1, "")
    assert err.startswith(f"Warning: {len(library.scenarios)} in quarantine")
    for competency in library.competencies:
        assert f"{competency} is not asked any more (seen: all " in err


def test_the_list_for_lawyers_shows_each_article_and_where_it_is_cited(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    competency = next(iter(library.competencies.values()))
    articles = dict(library.articles)
    for one in competency.articles:
        article = articles[one].article.model_copy(update={"mark": "V2", "source": "VALLE"})
        articles[one] = articles[one].model_copy(update={"article": article})
    teach(monkeypatch, replace(library, articles=articles))
    code, out, err = integra("check", "--law")
    assert (code, err) == (0, "")
    flat = "".join(part for part in out if part not in "│\n ")
    secondary = [one for one in articles.values() if one.article.mark == "V2"]
    assert f"Por validar: {len(secondary)} artículos" in out
    for citation in secondary:
        assert citation.label("es").replace(" ", "") in flat
    assert f"competencias:{competency.id}" in flat
    for scenario in library.askable[competency.id]:
        assert scenario.id in flat
    assert "2026-02-08" in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize("command", [("check",), ("run",), ("check", "--law")])
def test_no_command_takes_a_broken_course(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, library: Library, command: tuple[str, ...]
) -> None:
    root = tmp_path / "content"
    shutil.copytree(SHIPPED, root, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    first, second, *_ = library.files.values()
    for file, old, new in ((first, "\nright = true", "\nright = false"), (second, 'author = "', 'autor = "')):
        text = (root / file).read_text(encoding="utf-8")
        (root / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    shipped = course.load
    monkeypatch.setattr(course, "load", lambda *_, **__: shipped(root))
    code, out, err = integra(*command)
    assert (code, out) == (1, "")
    assert f"{first}: Value error, exactly one option has right = true (seen: 0)" in err
    assert f"{second}: author: Field required" in err
    assert f"{second}: autor: Extra inputs are not permitted (seen: " in err
    assert not list((tmp_path / "data").glob("*.db")), "nothing was begun"
