"""When the text of a law changes, scenarios that cite it are quarantined until they are reviewed again."""

import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from content import library as course
from content.learning.selection import Learner, choose
from content.library import SHIPPED, Library
from content.problems import BrokenContent
from content.quality import bank_checks

LGRA = "articles/lgra.toml"
CHANGED = date(2027, 3, 1)
REVIEWED_AGAIN = date(2027, 3, 2)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "content", ignore=shutil.ignore_patterns("*.py", "__pycache__")))


def rewrite(path: Path, pattern: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(pattern, text, re.MULTILINE), pattern
    path.write_text(re.sub(pattern, new, text, count=1, flags=re.MULTILINE), encoding="utf-8")


def new_text(root: Path, text: str = "DOF 28-02-2027", since: date = CHANGED) -> None:
    """Record a new text version of the LGRA."""
    rewrite(root / LGRA, r'^text_version = ".*"$', f'text_version = "{text}"')
    rewrite(root / LGRA, r"^version_since = .*$", f"version_since = {since}")


def confirm(root: Path, article: str, text: str = "DOF 28-02-2027") -> None:
    """Record that the wording of an article is the same as in the previous text version."""
    lines = f'id = "{article}"\nunchanged_since = 2026-02-08\nconfirmed_in = "{text}"'
    rewrite(root / LGRA, rf'^id = "{article}"$', lines)


def citing(library: Library, start: str) -> dict[str, tuple[str, ...]]:
    """Scenario ids with the ids of their cited articles that begin with `start`."""
    found = {one.id: tuple(a for a in one.cited if a.startswith(start)) for one in library.scenarios.values()}
    return {one: articles for one, articles in found.items() if articles}


def test_no_shipped_scenario_is_in_quarantine(library: Library) -> None:
    assert library.quarantined == {}


def test_a_new_text_quarantines_all_scenarios_that_cite_the_law(copy: Path, library: Library) -> None:
    new_text(copy)
    changed = course.load(copy)
    assert changed.quarantined == citing(library, "lgra-")
    asked = {one.id for scenarios in changed.askable.values() for one in scenarios}
    assert asked == set(library.scenarios) - set(changed.quarantined)


def test_a_confirmed_article_quarantines_nothing(copy: Path, library: Library) -> None:
    new_text(copy)
    articles = sorted({article for found in citing(library, "lgra-").values() for article in found})
    for article in articles[1:]:
        confirm(copy, article)
    changed = course.load(copy)
    assert set(changed.quarantined) == {one.id for one in library.scenarios.values() if articles[0] in one.cited}
    assert all(found == (articles[0],) for found in changed.quarantined.values())


def test_a_confirmation_applies_only_to_the_text_version_it_names(copy: Path, library: Library) -> None:
    article = next(iter(citing(library, "lgra-").values()))[0]
    new_text(copy)
    confirm(copy, article)
    assert course.load(copy).articles[article].since == date(2026, 2, 8)
    new_text(copy, "DOF 30-06-2027", date(2027, 7, 1))
    assert course.load(copy).articles[article].since == date(2027, 7, 1)


def test_a_scenario_that_was_reviewed_again_leaves_quarantine(copy: Path, library: Library) -> None:
    new_text(copy)
    one = next(iter(citing(library, "lgra-")))
    rewrite(copy / library.files[one], r"^reviewed_on = .*$", f"reviewed_on = {REVIEWED_AGAIN}")
    assert one not in course.load(copy).quarantined
    rewrite(copy / library.files[one], r"^reviewed_on = .*$", f"reviewed_on = {CHANGED}")
    assert one not in course.load(copy).quarantined, "reviewed on the day itself"
    rewrite(copy / library.files[one], r"^reviewed_on = .*$", f"reviewed_on = {CHANGED - timedelta(days=1)}")
    assert one in course.load(copy).quarantined


def test_a_retired_scenario_is_not_in_quarantine(copy: Path, library: Library) -> None:
    new_text(copy)
    one = next(iter(citing(library, "lgra-")))
    rewrite(copy / library.files[one], r'^state = "published"$', 'state = "retired"')
    assert one not in course.load(copy).quarantined


def test_scenarios_in_quarantine_are_not_asked(copy: Path, library: Library) -> None:
    topic = next(iter(library.topics.values()))
    new_text(copy)
    reviewed = [one for one in library.scenarios.values() if library.topic_of[one.competency].id == topic.id]
    for one in reviewed:
        rewrite(copy / library.files[one.id], r"^reviewed_on = .*$", f"reviewed_on = {REVIEWED_AGAIN}")
    changed = course.load(copy)
    for selected in choose(changed, [Learner(seed, b"", b"") for seed in range(50)], date(2027, 3, 3)):
        assert selected is not None
        assert selected.scenario.id not in changed.quarantined


def test_a_competency_without_askable_scenarios_is_reported(copy: Path, library: Library) -> None:
    new_text(copy)
    changed = course.load(copy)
    gone = set(library.competencies) - set(changed.askable)
    assert gone
    lines = [str(one) for one in bank_checks.faults(changed) if "all 4 published scenarios in quarantine" in str(one)]
    assert len(lines) == len(gone)
    assert all(line.startswith("topics/") for line in lines)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("unchanged_since = 2026-02-08", "unchanged_since and confirmed_in go together"),
        ('confirmed_in = "DOF 28-02-2027"', "unchanged_since and confirmed_in go together"),
        (
            'unchanged_since = 2027-03-01\nconfirmed_in = "DOF 28-02-2027"',
            "articles.0.unchanged_since (lgra-1): expected before version_since, 2027-03-01 (seen: 2027-03-01)",
        ),
        ('unchanged_since = "recently"\nconfirmed_in = "x"', "articles.0.unchanged_since: "),
    ],
)
def test_an_incomplete_confirmation_is_reported(copy: Path, lines: str, message: str) -> None:
    new_text(copy)
    rewrite(copy / LGRA, r'^id = "lgra-1"$', f'id = "lgra-1"\n{lines}')
    with pytest.raises(BrokenContent) as broken:
        course.load(copy)
    assert f"{LGRA}: " in str(broken.value)
    assert message in str(broken.value)


def test_a_law_must_have_version_since(copy: Path) -> None:
    rewrite(copy / LGRA, r"^version_since = .*\n", "")
    with pytest.raises(BrokenContent, match=r"articles/lgra\.toml: version_since: Field required"):
        course.load(copy)
