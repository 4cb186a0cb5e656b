"""An attacker's attempts to have an article shown that is not in force for sure, or that was not verified."""

import shutil
from pathlib import Path

import pytest

from content import library as course
from content.library import SHIPPED, Library
from content.problems import BrokenContent

SCENARIO = "scenarios/prevencion-corrupcion/canasta-en-el-escritorio.toml"
NOT_IN_FORCE = ("lraeg-57-bis", "lgra-64-quintus", "lgra-49-xi")
PLACES = {
    "a scenario": (SCENARIO, 'articles = ["lgra-40"]', 'articles = ["{id}"]', "options.0.articles.0"),
    "an answer": ("faq/valores.toml", '["lgra-7", "lgra-49-i"]', '["{id}"]', "entries.0.articles.0"),
    "a competency": ("topics/valores.toml", '["lgra-7", "lgra-49-i"]', '["{id}"]', "competencies.0.articles.0"),
    "the self-assessment": (
        "assessments/conflicto.toml",
        'intro_articles = ["lgra-208-ii", "lgra-49-ii"]',
        'intro_articles = ["{id}"]',
        "intro_articles.0",
    ),
    "a question": ("assessments/conflicto.toml", 'articles = ["lgra-3-vi"]', 'articles = ["{id}"]', "questions.5"),
    "an outcome": (
        "assessments/conflicto.toml",
        'articles = ["lgra-58", "lgra-3-vi", "lgra-60"]',
        'articles = ["lgra-58", "{id}"]',
        "outcomes.0.articles.1",
    ),
    "a note": ("assessments/conflicto.toml", 'articles = ["lgra-3-vi", "lgra-58"]', 'articles = ["{id}"]', "notes."),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "content", ignore=shutil.ignore_patterns("*.py", "__pycache__")))


def change(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert old in text, file
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def problems(root: Path) -> list[str]:
    with pytest.raises(BrokenContent) as broken:
        course.load(root)
    return [str(one) for one in broken.value.problems]


@pytest.mark.parametrize("place", PLACES)
def test_what_is_not_in_force_for_sure_cannot_be_cited_in(place: str, copy: Path) -> None:
    file, old, new, field = PLACES[place]
    change(copy, file, old, new.replace("{id}", "lraeg-57-bis"))
    assert any(
        file in line and field in line and "not in force for sure" in line and "'lraeg-57-bis'" in line
        for line in problems(copy)
    )


@pytest.mark.parametrize("article", NOT_IN_FORCE)
def test_each_of_them_is_known_to_authors_and_refused(article: str, library: Library, copy: Path) -> None:
    assert article not in library.articles, "neither shown, nor offered to authors as one that may be cited"
    change(copy, SCENARIO, 'articles = ["lgra-40"]', f'articles = ["{article}"]')
    assert any("not in force for sure" in line for line in problems(copy))


@pytest.mark.parametrize("mark", ["V", "V2"])
def test_the_mark_does_not_help(mark: str, copy: Path) -> None:
    change(copy, "articles/lraeg.toml", 'mark = "V2"\nin_force = false', f'mark = "{mark}"\nin_force = false')
    change(copy, SCENARIO, 'articles = ["lgra-40"]', 'articles = ["lraeg-57-bis"]')
    assert any("not in force for sure" in line for line in problems(copy))


def test_an_article_that_ceases_to_be_in_force_is_reported_wherever_it_is_cited(copy: Path) -> None:
    change(
        copy,
        "articles/lgra.toml",
        'article = "40"\nfraction = ""\nmark = "V"\nin_force = true',
        'article = "40"\nfraction = ""\nmark = "V"\nin_force = false',
    )
    found = "\n".join(problems(copy))
    for file in (SCENARIO, "faq/prevencion-corrupcion.toml", "topics/prevencion-corrupcion.toml", "assessments/"):
        assert file in found


def test_whether_it_is_in_force_has_to_be_said(copy: Path) -> None:
    change(copy, "articles/lgra.toml", "in_force = true\n", "")
    assert any("articles.0.in_force" in line and "required" in line for line in problems(copy))


@pytest.mark.parametrize("mark", ["U", "R", "I", ""])
def test_an_article_with_another_mark_is_refused(mark: str, copy: Path) -> None:
    change(copy, "articles/lraeg.toml", 'mark = "V2"', f'mark = "{mark}"')
    assert any("articles/lraeg.toml" in line and "mark" in line for line in problems(copy))
