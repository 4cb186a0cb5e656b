"""`integra check` on a broken course, a faulty bank and scenarios in quarantine; and its list for lawyers."""

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


def use_course(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    """Let commands load this course instead of the shipped one."""
    monkeypatch.setattr(course, "load", lambda *_, **__: library)


def with_changed_articles(library: Library, *articles: str) -> Library:
    """The course after these articles changed on 1 March 2027."""
    newer = {name: library.articles[name].model_copy(update={"since": date(2027, 3, 1)}) for name in articles}
    return replace(library, articles=dict(library.articles) | newer)


def test_a_problem_of_the_bank_fails_the_check(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    use_course(monkeypatch, library)
    problem = Problem("scenarios/valores/uno.toml", "situation.es", "hard to read (seen: 41.0); expected 60 or more")
    monkeypatch.setattr(bank_checks, "faults", lambda _: [problem])
    assert integra("check") == (1, "", f"{problem}\n1 problem.\n")


def test_quarantine_is_a_warning(integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    rare = min(
        {article for scenario in library.scenarios.values() for article in scenario.cited},
        key=lambda article: (_count(library, article), article),
    )
    with_quarantine = with_changed_articles(library, rare)
    assert len(with_quarantine.quarantined) == _count(library, rare)
    use_course(monkeypatch, with_quarantine)
    monkeypatch.setattr(bank_checks, "faults", lambda _: [])
    code, out, err = integra("check")
    assert (code, err) == (0, "")
    first, *rest = out.splitlines()
    assert first.startswith(f"Warning: {len(with_quarantine.quarantined)} in quarantine")
    for line, scenario_id in zip(rest, sorted(with_quarantine.quarantined), strict=False):
        assert line == (
            f"  {library.files[scenario_id]}: reviewed {library.scenarios[scenario_id].reviewed_on}; "
            f"{library.articles[rare].label('en')} (changed 2027-03-01)"
        )
    assert rest[-1].startswith("No problems: ")


def _count(library: Library, article: str) -> int:
    """How many scenarios cite the article."""
    return sum(article in scenario.cited for scenario in library.scenarios.values())


def test_a_competency_without_any_scenario_left_fails_the_check(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library
) -> None:
    use_course(monkeypatch, with_changed_articles(library, *library.articles))
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
    for name in competency.articles:
        article = articles[name].article.model_copy(update={"mark": "V2", "source": "VALLE"})
        articles[name] = articles[name].model_copy(update={"article": article})
    use_course(monkeypatch, replace(library, articles=articles))
    code, out, err = integra("check", "--law")
    assert (code, err) == (0, "")
    flat = "".join(character for character in out if character not in "│\n ")
    secondary = [citation for citation in articles.values() if citation.article.mark == "V2"]
    assert f"Por validar: {len(secondary)} artículos" in out
    for citation in secondary:
        assert citation.label("es").replace(" ", "") in flat
    assert f"competencias:{competency.id}" in flat
    for scenario in library.askable[competency.id]:
        assert scenario.id in flat
    assert "2026-04-10" in out
    assert max(map(len, out.splitlines())) <= 120


@pytest.mark.parametrize("command", [("check",), ("run",), ("check", "--law")])
def test_no_command_accepts_a_broken_course(
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
    assert not list((tmp_path / "data").glob("*.db")), "no database was created"


@pytest.mark.parametrize(
    ("url", "effect"),
    [("http://127.0.0.1:8080", "open on this machine only"), ("https://integra.example.mx", "closed until it is")],
)
def test_an_address_that_the_notice_lacks_is_a_warning(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library, url: str, effect: str
) -> None:
    use_course(monkeypatch, library)
    monkeypatch.setattr(bank_checks, "faults", lambda _: [])
    given = {"PUBLIC_URL": url, "TRUSTED_PROXIES": "127.0.0.1"}
    code, out, err = integra("check", **given, RESPONSIBLE_ADDRESS="", TRANSPARENCY_ADDRESS="")
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if line.startswith("Warning: ")]
    assert [line.split()[1] for line in lines] == ["RESPONSIBLE_ADDRESS", "TRANSPARENCY_ADDRESS"]
    assert all(effect in line for line in lines)
    _, out, _ = integra("check", **given, TRANSPARENCY_ADDRESS="")
    assert [line.split()[1] for line in out.splitlines() if line.startswith("Warning: ")] == ["TRANSPARENCY_ADDRESS"]
    _, out, _ = integra("check", **given)
    assert "Warning" not in out


@pytest.mark.parametrize(("url", "is_warned"), [("http://127.0.0.1:8080", False), ("https://integra.example.mx", True)])
def test_a_proxy_that_is_not_named_is_a_warning(
    integra: Integra, monkeypatch: pytest.MonkeyPatch, library: Library, url: str, is_warned: bool
) -> None:
    use_course(monkeypatch, library)
    monkeypatch.setattr(bank_checks, "faults", lambda _: [])
    _, out, _ = integra("check", PUBLIC_URL=url)
    assert ("Warning: TRUSTED_PROXIES is not set" in out) is is_warned
