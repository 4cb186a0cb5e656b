"""Load the whole course and cross-check it; all problems are reported together, with file and field."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from content import phrases, validation
from content.course import faq
from content.course.assessment import Assessment
from content.course.doors import Door, Doors
from content.course.faq import Chapter, Faq
from content.course.institutions import InstitutionEntry, Institutions
from content.course.intents import Intent, Intents, intent_problems
from content.course.law import Citation, Law, citations
from content.course.scenario import Scenario
from content.course.search import Vocabulary
from content.course.template import Template
from content.course.topic import Competency, Topic
from content.phrases import Phrases
from content.problems import BrokenContent, Model, Problem, read

SHIPPED = Path(__file__).parent
FOLDERS = (
    "articles",
    "topics",
    "scenarios",
    "assessments",
    "institutions",
    "faq",
    "synonyms",
    "templates",
    "doors",
    "intents",
)
MAIN_LAW = "lgra"
"""The law whose articles come first in the catalogue: it binds State and municipal servants alike (LGRA, article 1)."""


@dataclass(
    frozen=True, eq=False, repr=False
)  # the generated repr would print the whole course wherever a task is shown
class Library:
    """The loaded course. Mappings are keyed by id; topics keep their order."""

    articles: Mapping[str, Citation]
    """What may be cited: the articles of the catalogue that are in force for sure."""
    topics: Mapping[str, Topic]
    scenarios: Mapping[str, Scenario]
    assessment: Assessment
    phrases: Phrases
    institutions: tuple[InstitutionEntry, ...]
    faq: Faq
    files: Mapping[str, str] = field(default_factory=dict)
    """The file of each scenario, by scenario id."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Message templates, which a platform approves before use, by name."""
    doors: tuple[Door, ...] = ()
    """Whom to turn to about harassment, threats and reprisals."""
    intents: Intents = field(default_factory=lambda: Intents({}, {}))

    @cached_property
    def competencies(self) -> Mapping[str, Competency]:
        """All competencies by id, in the order of the topics."""
        return {competency.id: competency for topic in self.topics.values() for competency in topic.competencies}

    @cached_property
    def topic_of(self) -> Mapping[str, Topic]:
        """The topic of each competency, by competency id."""
        return {competency.id: topic for topic in self.topics.values() for competency in topic.competencies}

    @cached_property
    def quarantined(self) -> Mapping[str, tuple[str, ...]]:
        """Scenario ids with the ids of the cited articles whose text changed after the scenario's review.

        These scenarios are not asked until they are reviewed again; retired scenarios are left out.
        """
        found = {}
        for scenario in self.scenarios.values():
            changed = [article for article in scenario.cited if self.articles[article].since > scenario.reviewed_on]
            if changed and scenario.state != "retired":
                found[scenario.id] = tuple(changed)
        return found

    @cached_property
    def is_validated(self) -> bool:
        """Whether every published scenario has a reviewer; until then its legal validation is pending, and told."""
        return all(scenario.reviewer for scenario in self.scenarios.values() if scenario.state == "published")

    @cached_property
    def askable(self) -> Mapping[str, tuple[Scenario, ...]]:
        """Published scenarios that are not in quarantine, by competency id, in the order of their variants."""
        found: dict[str, list[Scenario]] = defaultdict(list)
        for scenario in sorted(self.scenarios.values(), key=lambda scenario: (scenario.competency, scenario.variant)):
            if scenario.state == "published" and scenario.id not in self.quarantined:
                found[scenario.competency].append(scenario)
        return {competency: tuple(scenarios) for competency, scenarios in found.items()}


def load(root: Path = SHIPPED, overlay: Path | None = None) -> Library:
    """Read and check all content below `root`, overlaid with an installation's own files below `overlay`.

    An overlay file replaces the file of the same folder and name below `root`; other overlay files are added. For
    scenarios only the file name counts, not the topic's folder. The overlay folder may be missing; messages cannot be
    overlaid.

    Raises BrokenContent with every problem found.
    """
    problems: list[Problem] = []
    overlaid = _overlay_files(overlay, problems) if overlay else {}
    layers = Layers(root, overlay.parent.parent if overlay else root, overlaid)
    laws = _files(layers, "articles", Law, problems)
    topics = _files(layers, "topics", Topic, problems)
    scenarios = _files(layers, "scenarios", Scenario, problems)
    assessments = _files(layers, "assessments", Assessment, problems)
    seeds = _files(layers, "institutions", Institutions, problems)
    chapters = _files(layers, "faq", Chapter, problems)
    vocabularies = _files(layers, "synonyms", Vocabulary, problems)
    templates = _files(layers, "templates", Template, problems)
    doors = _files(layers, "doors", Doors, problems)
    intents = _files(layers, "intents", Intent, problems)
    recognizer = Intents(intents, vocabularies, faq.without_path(chapters.values()))
    catalogs = phrases.load(root / "messages", root, problems)
    articles: dict[str, Citation] = {}
    article_files: dict[str, str] = {}
    for file, law in sorted(laws.items(), key=lambda item: (item[1].law != MAIN_LAW, item[0])):
        validation.unique(file, "articles", (article.id for article in law.articles), problems, article_files)
        articles |= citations(law)
    code_files: dict[str, str] = {}
    for file, seed in seeds.items():
        validation.unique(file, "institutions", (entry.code for entry in seed.institutions), problems, code_files)
    if not assessments:
        problems.append(Problem("assessments", "", "the self-assessment is missing"))
    problems += validation.citations_and_names(articles, topics, scenarios, assessments)
    problems += validation.questions(chapters, topics, articles) + faq.misnamed_files(chapters, vocabularies)
    problems += faq.oversized_entries(chapters, articles, catalogs) + validation.templates(templates)
    problems += validation.support(chapters, doors, intents)
    problems += intent_problems(intents, recognizer)
    if problems:
        raise BrokenContent(sorted(set(problems)))
    return Library(
        articles={id: citation for id, citation in articles.items() if citation.article.in_force},
        topics={topic.id: topic for topic in sorted(topics.values(), key=lambda topic: topic.order)},
        scenarios={scenario.id: scenario for scenario in scenarios.values()},
        assessment=next(iter(assessments.values())),
        phrases=catalogs,
        institutions=tuple(entry for seed in seeds.values() for entry in seed.institutions),
        faq=faq.build_faq(chapters, vocabularies, recognizer),
        intents=recognizer,
        files={scenario.id: file for file, scenario in scenarios.items()},
        templates={template.name: template for template in templates.values()},
        doors=tuple(door for listed in doors.values() for door in listed.doors),
    )


@dataclass(frozen=True, slots=True)
class Layers:
    """Shipped files below `root`, and overlay files by content folder, which are named relative to `overlay_base`."""

    root: Path
    overlay_base: Path
    overlay: Mapping[str, list[Path]]


def _files(layers: Layers, folder: str, model: type[Model], problems: list[Problem]) -> dict[str, Model]:
    """Parse all files of a folder: the overlay's, and the shipped ones that they do not replace; keyed by file name."""
    overlaid = layers.overlay.get(folder, [])
    replaced = {path.name for path in overlaid}
    shipped = [path for path in sorted((layers.root / folder).rglob("*.toml")) if path.name not in replaced]
    found = {}
    for base, paths in ((layers.root, shipped), (layers.overlay_base, overlaid)):
        for path in paths:
            record = read(path, base, model, problems)
            if record is not None:
                found[path.relative_to(base).as_posix()] = record
    return found


def _overlay_files(overlay: Path, problems: list[Problem]) -> dict[str, list[Path]]:
    """The overlay's files by content folder; files that would be ignored or cannot be read are added to `problems`."""
    found: dict[str, list[Path]] = defaultdict(list)

    def report(fault: OSError) -> None:
        if not isinstance(fault, FileNotFoundError):  # the overlay is optional
            problems.append(Problem(str(fault.filename), "", f"cannot be read ({fault.strerror})"))

    for parent, _, names in os.walk(overlay, onerror=report):
        for path in (Path(parent) / name for name in names if name.endswith(".toml")):
            folder = path.relative_to(overlay).parts[0]
            file = path.relative_to(overlay.parent.parent).as_posix()
            if folder not in FOLDERS:
                problems.append(
                    Problem(file, "", f"this file is not read here; expected in one of {', '.join(FOLDERS)}")
                )
            elif not os.access(path, os.R_OK):
                problems.append(Problem(file, "", "cannot be read; check owner and permissions"))
            else:
                found[folder].append(path)
    return {folder: sorted(paths) for folder, paths in found.items()}
