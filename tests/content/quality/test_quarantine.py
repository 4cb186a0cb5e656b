"""When the words of the law change, scenarios that cite them are kept from prompts until somebody reads them again."""

import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from content import library as course
from content.learning.selection import pick
from content.library import SHIPPED, Library
from content.problems import BrokenContent
from content.quality import bank_checks

LGRA = "articles/lgra.toml"
CHANGED = date(2027, 3, 1)
READ_AGAIN = date(2027, 3, 2)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "content", ignore=shutil.ignore_patterns("*.py", "__pycache__")))


def rewrite(path: Path, pattern: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(pattern, text, re.MULTILINE), pattern
    path.write_text(re.sub(pattern, new, text, count=1, flags=re.MULTILINE), encoding="utf-8")


def new_text(root: Path, text: str = "DOF 28-02-2027", since: date = CHANGED) -> None:
    """LGRA gets a new text."""
    rewrite(root / LGRA, r'^text_version = ".*"$', f'text_version = "{text}"')
    rewrite(root / LGRA, r"^version_since = .*$", f"version_since = {since}")


def confirm(root: Path, article: str, text: str = "DOF 28-02-2027") -> None:
    """Somebody compared an article: its words are those of the text before."""
    lines = f'id = "{article}"\nunchanged_since = 2026-02-08\nconfirmed_in = "{text}"'
    rewrite(root / LGRA, rf'^id = "{article}"$', lines)


def citing(library: Library, start: str) -> dict[str, tuple[str, ...]]:
    """Scenarios with those of their articles whose id begins like that."""
    found = {one.id: tuple(a for a in one.cited if a.startswith(start)) for one in library.scenarios.values()}
    return {one: articles for one, articles in found.items() if articles}


def test_nothing_that_is_shipped_is_in_quarantine(library: Library) -> None:
    assert library.quarantined == {}


def test_a_new_text_keeps_whatever_cites_the_law_from_prompts(copy: Path, library: Library) -> None:
    new_text(copy)
    changed = course.load(copy)
    assert changed.quarantined == citing(library, "lgra-")
    asked = {one.id for scenarios in changed.askable.values() for one in scenarios}
    assert asked == set(library.scenarios) - set(changed.quarantined)


def test_an_article_whose_words_stayed_keeps_nothing(copy: Path, library: Library) -> None:
    new_text(copy)
    articles = sorted({article for found in citing(library, "lgra-").values() for article in found})
    for article in articles[1:]:
        confirm(copy, article)
    changed = course.load(copy)
    assert set(changed.quarantined) == {one.id for one in library.scenarios.values() if articles[0] in one.cited}
    assert all(found == (articles[0],) for found in changed.quarantined.values())


def test_a_confirmation_holds_for_the_text_that_it_names_and_no_later_one(copy: Path, library: Library) -> None:
    article = next(iter(citing(library, "lgra-").values()))[0]
    new_text(copy)
    confirm(copy, article)
    assert course.load(copy).articles[article].since == date(2026, 2, 8)
    new_text(copy, "DOF 30-06-2027", date(2027, 7, 1))
    assert course.load(copy).articles[article].since == date(2027, 7, 1)


def test_a_scenario_that_was_read_again_is_asked_again(copy: Path, library: Library) -> None:
    new_text(copy)
    one = next(iter(citing(library, "lgra-")))
    rewrite(copy / library.files[one], r"^reviewed_on = .*$", f"reviewed_on = {READ_AGAIN}")
    assert one not in course.load(copy).quarantined
    rewrite(copy / library.files[one], r"^reviewed_on = .*$", f"reviewed_on = {CHANGED}")
    assert one not in course.load(copy).quarantined, "read on the day itself"
    rewrite(copy / library.files[one], r"^reviewed_on = .*$", f"reviewed_on = {CHANGED - timedelta(days=1)}")
    assert one in course.load(copy).quarantined


def test_a_retired_scenario_is_in_no_quarantine(copy: Path, library: Library) -> None:
    new_text(copy)
    one = next(iter(citing(library, "lgra-")))
    rewrite(copy / library.files[one], r'^state = "published"$', 'state = "retired"')
    assert one not in course.load(copy).quarantined


def test_nobody_is_asked_what_is_in_quarantine(copy: Path, library: Library) -> None:
    topic = next(iter(library.topics.values()))
    new_text(copy)
    open_again = [one for one in library.scenarios.values() if library.topic_of[one.competency].id == topic.id]
    for one in open_again:
        rewrite(copy / library.files[one.id], r"^reviewed_on = .*$", f"reviewed_on = {READ_AGAIN}")
    changed = course.load(copy)
    for seed in range(50):
        choice = pick(changed, {}, {}, date(2027, 3, 3), seed)
        assert choice is not None
        assert choice.scenario.id not in changed.quarantined


def test_a_competency_that_is_left_with_none_is_a_fault_of_the_bank(copy: Path, library: Library) -> None:
    new_text(copy)
    changed = course.load(copy)
    gone = set(library.competencies) - set(changed.askable)
    assert gone
    told = [str(one) for one in bank_checks.faults(changed) if "all 4 published scenarios in quarantine" in str(one)]
    assert len(told) == len(gone)
    assert all(line.startswith("topics/") for line in told)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("unchanged_since = 2026-02-08", "unchanged_since and confirmed_in go together"),
        ('confirmed_in = "DOF 28-02-2027"', "unchanged_since and confirmed_in go together"),
        (
            'unchanged_since = 2027-03-01\nconfirmed_in = "DOF 28-02-2027"',
            "articles.0.unchanged_since (lgra-1): expected before version_since, 2027-03-01 (seen: 2027-03-01)",
        ),
        ('unchanged_since = "lately"\nconfirmed_in = "x"', "articles.0.unchanged_since: "),
    ],
)
def test_half_a_confirmation_is_told(copy: Path, lines: str, says: str) -> None:
    new_text(copy)
    rewrite(copy / LGRA, r'^id = "lgra-1"$', f'id = "lgra-1"\n{lines}')
    with pytest.raises(BrokenContent) as broken:
        course.load(copy)
    assert f"{LGRA}: " in str(broken.value)
    assert says in str(broken.value)


def test_a_law_says_since_when_its_text_is_in_the_catalogue(copy: Path) -> None:
    rewrite(copy / LGRA, r"^version_since = .*\n", "")
    with pytest.raises(BrokenContent, match=r"articles/lgra\.toml: version_since: Field required"):
        course.load(copy)
