"""What a house wrote itself goes before what comes along, stays when that changes, and is named when it is wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from content import library as course
from content.course.scenario import Scenario
from content.exchange.toml_json import to_toml
from content.library import SHIPPED
from content.problems import BrokenContent
from tests.content.exchange.authors import plain, text

COMPETENCY = "excusa-por-escrito"
TOPIC = "conflicto-de-interes"
Put = Callable[..., Path]


def write(folder: Path, scenario: Scenario, topic: str = TOPIC) -> Path:
    path = folder / "scenarios" / topic / f"{scenario.id}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_toml(scenario), encoding="utf-8")
    return path


def case(name: str = "caja", **changes: object) -> Scenario:
    return plain(id=name, competency=COMPETENCY, **changes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The course with two scenarios of its own."""
    place = tmp_path / "shipped"
    for folder in ("articles", "assessments", "institutions", "messages", "topics"):
        shutil.copytree(SHIPPED / folder, place / folder)
    write(place, case())
    write(place, case("otra", variant=2))
    return place


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    return tmp_path / "data" / "content"


def problems(root: Path, overlay: Path) -> list[str]:
    with pytest.raises(BrokenContent) as broken:
        course.load(root, overlay)
    return [str(one) for one in broken.value.problems]


def test_without_files_of_the_house_the_course_is_as_shipped(root: Path, overlay: Path) -> None:
    assert course.load(root, overlay).scenarios == course.load(root).scenarios
    overlay.mkdir(parents=True)
    assert course.load(root, overlay).scenarios == course.load(root).scenarios


def test_a_file_of_the_house_goes_before_the_shipped_one_and_others_are_added(root: Path, overlay: Path) -> None:
    mine, more = case(todo=text("Otra cosa.")), case("nueva", variant=50)
    write(overlay, mine)
    write(overlay, more)
    found = course.load(root, overlay).scenarios
    assert found == {"caja": mine, "otra": case("otra", variant=2), "nueva": more}


def test_an_upgrade_keeps_what_the_house_wrote(root: Path, overlay: Path) -> None:
    mine = case(todo=text("Otra cosa."))
    write(overlay, mine)
    shutil.rmtree(root / "scenarios")
    write(root, case(todo=text("La nueva versión.")), topic="valores")  # it moved to another folder, too
    assert course.load(root, overlay).scenarios == {"caja": mine}


def test_other_parts_of_the_course_can_be_the_house_s_own(root: Path, overlay: Path) -> None:
    file = overlay / "institutions" / "guanajuato.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[[institutions]]\ncode = "LEON"\nname = "León"\nsphere = "municipal"\n', encoding="utf-8")
    assert [one.code for one in course.load(root, overlay).institutions if not one.fictional] == ["LEON"]


def test_what_is_wrong_is_named_by_the_house_s_file(root: Path, overlay: Path) -> None:
    write(overlay, case("nueva", variant=2))
    path = write(overlay, case("mala", variant=3))
    path.write_text(path.read_text(encoding="utf-8").replace('"lgra-58"', '"lgra-999"', 1), encoding="utf-8")
    assert problems(root, overlay) == [
        "data/content/scenarios/conflicto-de-interes/mala.toml: options.0.articles.0: "
        "not in the law catalogue (seen: 'lgra-999')",
        "data/content/scenarios/conflicto-de-interes/nueva.toml: variant: used twice (seen: 'excusa-por-escrito 2'); "
        "it stands in scenarios/conflicto-de-interes/otra.toml too",
    ]


def test_two_files_of_the_house_are_not_the_same_scenario(root: Path, overlay: Path) -> None:
    write(overlay, case())
    write(overlay, case(), topic="valores")
    (told,) = [line for line in problems(root, overlay) if "id: used twice (seen: 'caja')" in line]
    assert "valores/caja.toml" in told
    assert told.endswith("conflicto-de-interes/caja.toml too")


def test_a_file_that_would_count_for_nothing_is_told(root: Path, overlay: Path) -> None:
    write(overlay, case("nueva", variant=50))
    (overlay / "messages").mkdir()
    (overlay / "messages" / "chat.es.toml").write_text("", encoding="utf-8")
    (overlay / "nueva.toml").write_text("", encoding="utf-8")
    (overlay / "README.md").write_text("nuestro", encoding="utf-8")
    expected = "not looked for here; expected in one of articles, topics, scenarios"
    found = problems(root, overlay)
    assert [line.partition(":")[0] for line in found] == [
        "data/content/messages/chat.es.toml",
        "data/content/nueva.toml",
    ]
    assert all(expected in line for line in found)


def test_a_file_that_cannot_be_read_is_told(root: Path, overlay: Path) -> None:
    path = write(overlay, case())
    path.unlink()
    path.symlink_to(overlay / "nowhere.toml")
    assert problems(root, overlay) == [
        "data/content/scenarios/conflicto-de-interes/caja.toml: : cannot be read; whose file is it?".replace(": :", ":")
    ]
