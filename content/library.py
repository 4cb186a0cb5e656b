"""The whole course, loaded once and cross-checked; all problems are told together, with file and field."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from content import faq, phrases
from content.assessment import LEVEL_IDS, QUESTIONS, Assessment
from content.faq import Chapter, Faq
from content.institutions import Institution, Institutions
from content.law import Citation, Law, citations
from content.phrases import Phrases
from content.problems import BrokenContent, Model, Problem, read
from content.scenario import Scenario
from content.search import Vocabulary
from content.topic import Competency, Topic

SHIPPED = Path(__file__).parent
FOLDERS = ("articles", "topics", "scenarios", "assessments", "institutions", "faq", "synonyms")
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
    institutions: tuple[Institution, ...]
    faq: Faq
    files: Mapping[str, str] = field(default_factory=dict)
    """Where each scenario was read, by its id."""

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
    catalogs = phrases.load(root / "messages", root, problems)
    articles: dict[str, Citation] = {}
    for file, law in sorted(laws.items(), key=lambda one: (one[1].law != MAIN_LAW, one[0])):
        _unique(file, "articles", (article.id for article in law.articles), problems, set(articles))
        articles |= citations(law)
    codes: set[str] = set()
    for file, seed in seeds.items():
        _unique(file, "institutions", (one.code for one in seed.institutions), problems, codes)
    if not assessments:
        problems.append(Problem("assessments", "", "the self-assessment is missing"))
    problems += _cross_checks(articles, topics, scenarios, assessments)
    problems += _questions(chapters, topics, articles) + faq.misplaced(chapters, vocabularies)
    problems += faq.too_long(chapters, articles, catalogs)
    if problems:
        raise BrokenContent(sorted(set(problems)))
    return Library(
        articles=articles,
        topics={topic.id: topic for topic in sorted(topics.values(), key=lambda topic: topic.order)},
        scenarios={scenario.id: scenario for scenario in scenarios.values()},
        assessment=next(iter(assessments.values())),
        phrases=catalogs,
        institutions=tuple(one for seed in seeds.values() for one in seed.institutions),
        faq=faq.open_faq(chapters, vocabularies),
        files={scenario.id: file for file, scenario in scenarios.items()},
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


def _cross_checks(
    articles: Mapping[str, Citation],
    topics: Mapping[str, Topic],
    scenarios: Mapping[str, Scenario],
    assessments: Mapping[str, Assessment],
) -> list[Problem]:
    problems: list[Problem] = []
    known: set[str] = set()
    for file, topic in topics.items():
        _named_after(file, topic.id, problems)
        _unique(file, "competencies", (one.id for one in topic.competencies), problems, known)
        for place, competency in enumerate(topic.competencies):
            _cited(file, f"competencies.{place}.articles", competency.articles, articles, problems)
    seen: set[str] = set()
    variants: set[str] = set()
    for file, scenario in scenarios.items():
        _named_after(file, scenario.id, problems)
        _unique(file, "id", [scenario.id], problems, seen)
        _unique(file, "variant", [f"{scenario.competency} {scenario.variant}"], problems, variants)
        if scenario.competency not in known:
            problems.append(Problem(file, "competency", f"no such competency (seen: {scenario.competency!r})"))
        for place, option in enumerate(scenario.options):
            _cited(file, f"options.{place}.articles", option.articles, articles, problems)
    for file, assessment in assessments.items():
        problems += _complete(file, assessment, articles)
    return problems


def _questions(
    chapters: Mapping[str, Chapter], topics: Mapping[str, Topic], articles: Mapping[str, Citation]
) -> list[Problem]:
    problems: list[Problem] = []
    known = {topic.id for topic in topics.values()}
    seen: set[str] = set()
    for file, chapter in chapters.items():
        if chapter.topic not in known:
            problems.append(Problem(file, "topic", f"no such topic (seen: {chapter.topic!r})"))
        _unique(file, "entries", (entry.id for entry in chapter.entries), problems, seen)
        for place, entry in enumerate(chapter.entries):
            _cited(file, f"entries.{place}.articles", entry.articles, articles, problems)
    return problems


def _complete(file: str, assessment: Assessment, articles: Mapping[str, Citation]) -> list[Problem]:
    problems: list[Problem] = []
    if tuple(question.id for question in assessment.questions) != QUESTIONS:
        problems.append(Problem(file, "questions", f"expected q1 to q{len(QUESTIONS)}, in order"))
    expected = {*LEVEL_IDS.values(), "gift", "nepotism", "resources", "influence", "needs-ueipci", "none-seen"}
    missing = expected - {outcome.id for outcome in assessment.outcomes}
    if missing:
        problems.append(Problem(file, "outcomes", f"missing: {', '.join(sorted(missing))}"))
    absent = {"urgent", "inform-in-writing", "interest-without-part", "do-not-act"} - {n.id for n in assessment.notes}
    if absent:
        problems.append(Problem(file, "notes", f"missing: {', '.join(sorted(absent))}"))
    _cited(file, "intro_articles", assessment.intro_articles, articles, problems)
    for place, question in enumerate(assessment.questions):
        _cited(file, f"questions.{place}.articles", question.articles, articles, problems)
    for place, outcome in enumerate(assessment.outcomes):
        _cited(file, f"outcomes.{place}.articles", outcome.articles, articles, problems)
        if not any(articles[one].article.mark == "V" for one in outcome.articles if one in articles):
            problems.append(Problem(file, f"outcomes.{place}.articles", "at least one article marked V"))
    for place, note in enumerate(assessment.notes):
        _cited(file, f"notes.{place}.articles", note.articles, articles, problems)
    return problems


def _cited(
    file: str, field: str, cited: Iterable[str], articles: Mapping[str, Citation], problems: list[Problem]
) -> None:
    for place, article in enumerate(cited):
        if article not in articles:
            problems.append(Problem(file, f"{field}.{place}", f"not in the law catalogue (seen: {article!r})"))


def _named_after(file: str, identifier: str, problems: list[Problem]) -> None:
    if Path(file).stem != identifier:
        problems.append(Problem(file, "id", f"the file is named after its id (seen: {identifier!r})"))


def _unique(file: str, field: str, ids: Iterable[str], problems: list[Problem], seen: set[str] | None = None) -> None:
    seen = set() if seen is None else seen
    for one in ids:
        if one in seen:
            problems.append(Problem(file, field, f"used twice (seen: {one!r})"))
        seen.add(one)
