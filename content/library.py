"""The whole course, loaded once and cross-checked; all problems are told together, with file and field."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from content import phrases, validation
from content.course import faq
from content.course.assessment import Assessment
from content.course.faq import Chapter, Faq
from content.course.institutions import InstitutionEntry, Institutions
from content.course.law import Citation, Law, citations
from content.course.scenario import Scenario
from content.course.search import Vocabulary
from content.course.template import Template
from content.course.topic import Competency, Topic
from content.phrases import Phrases
from content.problems import BrokenContent, Model, Problem, read

SHIPPED = Path(__file__).parent
FOLDERS = ("articles", "topics", "scenarios", "assessments", "institutions", "faq", "synonyms", "templates")
MAIN_LAW = "lgra"
"""Cited first: it binds State and municipal servants alike (LGRA, article 1)."""


@dataclass(frozen=True, eq=False, repr=False)  # its repr would be the whole course, wherever a task is shown
class Library:
    """What is taught, in which words. Dictionaries are keyed by id; topics keep their order."""

    articles: Mapping[str, Citation]
    topics: Mapping[str, Topic]
    scenarios: Mapping[str, Scenario]
    assessment: Assessment
    phrases: Phrases
    institutions: tuple[InstitutionEntry, ...]
    faq: Faq
    files: Mapping[str, str] = field(default_factory=dict)
    """Where each scenario was read, by its id."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Messages that a platform approves before they may be sent, by name."""

    @cached_property
    def competencies(self) -> Mapping[str, Competency]:
        return {competency.id: competency for topic in self.topics.values() for competency in topic.competencies}

    @cached_property
    def topic_of(self) -> Mapping[str, Topic]:
        """The topic of a competency, by the competency's id."""
        return {competency.id: topic for topic in self.topics.values() for competency in topic.competencies}

    @cached_property
    def quarantined(self) -> Mapping[str, tuple[str, ...]]:
        """Scenarios that cite words of the law which changed after their review, with those articles; both by id.

        They are not asked until somebody has read them again; retired ones do not count.
        """
        found = {}
        for scenario in self.scenarios.values():
            changed = [one for one in scenario.cited if self.articles[one].since > scenario.reviewed_on]
            if changed and scenario.state != "retired":
                found[scenario.id] = tuple(changed)
        return found

    @cached_property
    def askable(self) -> Mapping[str, tuple[Scenario, ...]]:
        """Published scenarios by competency, in the order of their variants; those in quarantine are left out."""
        found: dict[str, list[Scenario]] = defaultdict(list)
        for scenario in sorted(self.scenarios.values(), key=lambda one: (one.competency, one.variant)):
            if scenario.state == "published" and scenario.id not in self.quarantined:
                found[scenario.competency].append(scenario)
        return {competency: tuple(scenarios) for competency, scenarios in found.items()}


def load(root: Path = SHIPPED, overlay: Path | None = None) -> Library:
    """Read and check everything below `root`, and what a house wrote itself below `overlay`.

    A file of the overlay goes before the one of the same folder and name below `root`, and others are added. For a
    scenario the name is enough, whichever topic's folder it lies in. There may be no overlay; messages are as shipped.

    Raises BrokenContent with every mistake found.
    """
    problems: list[Problem] = []
    layers = Layers(root, overlay.parent.parent if overlay else root, _own(overlay, problems) if overlay else {})
    laws = _files(layers, "articles", Law, problems)
    topics = _files(layers, "topics", Topic, problems)
    scenarios = _files(layers, "scenarios", Scenario, problems)
    assessments = _files(layers, "assessments", Assessment, problems)
    seeds = _files(layers, "institutions", Institutions, problems)
    chapters = _files(layers, "faq", Chapter, problems)
    vocabularies = _files(layers, "synonyms", Vocabulary, problems)
    templates = _files(layers, "templates", Template, problems)
    catalogs = phrases.load(root / "messages", root, problems)
    articles: dict[str, Citation] = {}
    places: dict[str, str] = {}
    for file, law in sorted(laws.items(), key=lambda one: (one[1].law != MAIN_LAW, one[0])):
        validation.unique(file, "articles", (article.id for article in law.articles), problems, places)
        articles |= citations(law)
    codes: dict[str, str] = {}
    for file, seed in seeds.items():
        validation.unique(file, "institutions", (one.code for one in seed.institutions), problems, codes)
    if not assessments:
        problems.append(Problem("assessments", "", "the self-assessment is missing"))
    problems += validation.citations_and_names(articles, topics, scenarios, assessments)
    problems += validation.questions(chapters, topics, articles) + faq.misnamed_files(chapters, vocabularies)
    problems += faq.oversized_entries(chapters, articles, catalogs) + validation.templates(templates)
    if problems:
        raise BrokenContent(sorted(set(problems)))
    return Library(
        articles=articles,
        topics={topic.id: topic for topic in sorted(topics.values(), key=lambda topic: topic.order)},
        scenarios={scenario.id: scenario for scenario in scenarios.values()},
        assessment=next(iter(assessments.values())),
        phrases=catalogs,
        institutions=tuple(one for seed in seeds.values() for one in seed.institutions),
        faq=faq.build_faq(chapters, vocabularies),
        files={scenario.id: file for file, scenario in scenarios.items()},
        templates={template.name: template for template in templates.values()},
    )


@dataclass(frozen=True, slots=True)
class Layers:
    """Where files lie: shipped ones below `root`, the house's own by their folder; those are named from `above`."""

    root: Path
    above: Path
    own: Mapping[str, list[Path]]


def _files(layers: Layers, folder: str, model: type[Model], problems: list[Problem]) -> dict[str, Model]:
    """All files of a folder by their names: the house's own, and the shipped ones that these do not replace."""
    own = layers.own.get(folder, [])
    replaced = {path.name for path in own}
    shipped = [path for path in sorted((layers.root / folder).rglob("*.toml")) if path.name not in replaced]
    found = {}
    for base, paths in ((layers.root, shipped), (layers.above, own)):
        for path in paths:
            part = read(path, base, model, problems)
            if part is not None:
                found[path.relative_to(base).as_posix()] = part
    return found


def _own(overlay: Path, problems: list[Problem]) -> dict[str, list[Path]]:
    """The house's own files by their folder; what would silently count for nothing is told."""
    found: dict[str, list[Path]] = defaultdict(list)

    def closed(fault: OSError) -> None:
        if not isinstance(fault, FileNotFoundError):  # there may be no overlay
            problems.append(Problem(str(fault.filename), "", f"cannot be read ({fault.strerror})"))

    for place, _, names in os.walk(overlay, onerror=closed):
        for path in (Path(place) / name for name in names if name.endswith(".toml")):
            folder = path.relative_to(overlay).parts[0]
            file = path.relative_to(overlay.parent.parent).as_posix()
            if folder not in FOLDERS:
                problems.append(Problem(file, "", f"not looked for here; expected in one of {', '.join(FOLDERS)}"))
            elif not os.access(path, os.R_OK):
                problems.append(Problem(file, "", "cannot be read; whose file is it?"))
            else:
                found[folder].append(path)
    return {folder: sorted(paths) for folder, paths in found.items()}
