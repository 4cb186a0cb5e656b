"""Overlay files replace shipped ones, survive upgrades, and are named in problems."""

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


def overlay_scenario(name: str = "caja", **changes: object) -> Scenario:
    return plain(id=name, competency=COMPETENCY, **changes)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A shipped course with two scenarios."""
    root = tmp_path / "shipped"
    for folder in ("articles", "assessments", "institutions", "messages", "topics"):
        shutil.copytree(SHIPPED / folder, root / folder)
    write(root, overlay_scenario())
    write(root, overlay_scenario("otra", variant=2))
    return root


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    return tmp_path / "data" / "content"


def problems(root: Path, overlay: Path) -> list[str]:
    with pytest.raises(BrokenContent) as broken:
        course.load(root, overlay)
    return [str(one) for one in broken.value.problems]


def test_without_overlay_files_the_course_is_as_shipped(root: Path, overlay: Path) -> None:
    assert course.load(root, overlay).scenarios == course.load(root).scenarios
    overlay.mkdir(parents=True)
    assert course.load(root, overlay).scenarios == course.load(root).scenarios


def test_an_overlay_file_replaces_the_shipped_one_and_others_are_added(root: Path, overlay: Path) -> None:
    replaced, added = overlay_scenario(todo=text("Otra cosa.")), overlay_scenario("nueva", variant=50)
    write(overlay, replaced)
    write(overlay, added)
    found = course.load(root, overlay).scenarios
    assert found == {"caja": replaced, "otra": overlay_scenario("otra", variant=2), "nueva": added}


def test_an_upgrade_keeps_overlay_files(root: Path, overlay: Path) -> None:
    replaced = overlay_scenario(todo=text("Otra cosa."))
    write(overlay, replaced)
    shutil.rmtree(root / "scenarios")
    write(root, overlay_scenario(todo=text("La nueva versión.")), topic="valores")  # also moved to another folder
    assert course.load(root, overlay).scenarios == {"caja": replaced}


def test_other_content_folders_can_be_overlaid(root: Path, overlay: Path) -> None:
    file = overlay / "institutions" / "guanajuato.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[[institutions]]\ncode = "LEON"\nname = "León"\nsphere = "municipal"\n', encoding="utf-8")
    assert [one.code for one in course.load(root, overlay).institutions if not one.fictional] == ["LEON"]


def test_problems_name_the_overlay_file(root: Path, overlay: Path) -> None:
    write(overlay, overlay_scenario("nueva", variant=2))
    path = write(overlay, overlay_scenario("mala", variant=3))
    path.write_text(path.read_text(encoding="utf-8").replace('"lgra-58"', '"lgra-999"', 1), encoding="utf-8")
    assert problems(root, overlay) == [
        "data/content/scenarios/conflicto-de-interes/mala.toml: options.0.articles.0: "
        "not in the law catalogue (seen: 'lgra-999')",
        "data/content/scenarios/conflicto-de-interes/nueva.toml: variant: used twice (seen: 'excusa-por-escrito 2'); "
        "also in scenarios/conflicto-de-interes/otra.toml",
    ]


def test_two_overlay_files_with_the_same_scenario_are_reported(root: Path, overlay: Path) -> None:
    write(overlay, overlay_scenario())
    write(overlay, overlay_scenario(), topic="valores")
    (found,) = [line for line in problems(root, overlay) if "id: used twice (seen: 'caja')" in line]
    assert "valores/caja.toml" in found
    assert found.endswith("conflicto-de-interes/caja.toml")


def test_a_file_that_would_be_ignored_is_reported(root: Path, overlay: Path) -> None:
    write(overlay, overlay_scenario("nueva", variant=50))
    (overlay / "messages").mkdir()
    (overlay / "messages" / "chat.es.toml").write_text("", encoding="utf-8")
    (overlay / "nueva.toml").write_text("", encoding="utf-8")
    (overlay / "README.md").write_text("nuestro", encoding="utf-8")
    expected = "this file is not read here; expected in one of articles, topics, scenarios"
    found = problems(root, overlay)
    assert [line.partition(":")[0] for line in found] == [
        "data/content/messages/chat.es.toml",
        "data/content/nueva.toml",
    ]
    assert all(expected in line for line in found)


def test_an_unreadable_file_is_reported(root: Path, overlay: Path) -> None:
    path = write(overlay, overlay_scenario())
    path.unlink()
    path.symlink_to(overlay / "nowhere.toml")
    assert problems(root, overlay) == [
        "data/content/scenarios/conflicto-de-interes/caja.toml: cannot be read; check owner and permissions"
    ]
