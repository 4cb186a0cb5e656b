"""Checks across content files: duplicate ids, citations of unknown articles, misnamed files."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from content.course.assessment import LEVEL_IDS, QUESTIONS, Assessment
from content.course.doors import Doors
from content.course.faq import Chapter
from content.course.intents import Intent
from content.course.law import Citation
from content.course.scenario import Scenario
from content.course.template import Template, template_problems
from content.course.topic import Topic
from content.id_hash import hash_of
from content.problems import Problem
from content.text import LANGUAGES


def citations_and_names(
    articles: Mapping[str, Citation],
    topics: Mapping[str, Topic],
    scenarios: Mapping[str, Scenario],
    assessments: Mapping[str, Assessment],
) -> list[Problem]:
    """Check that cited articles exist, files are named after their ids, and ids and variants are unique."""
    problems: list[Problem] = []
    known: dict[str, str] = {}
    for file, topic in topics.items():
        _check_file_name(file, topic.id, problems)
        unique(file, "competencies", (competency.id for competency in topic.competencies), problems, known)
        for index, competency in enumerate(topic.competencies):
            _check_citations(file, f"competencies.{index}.articles", competency.articles, articles, problems)
    seen: dict[str, str] = {}
    variants: dict[str, str] = {}
    for file, scenario in scenarios.items():
        _check_file_name(file, scenario.id, problems)
        unique(file, "id", [scenario.id], problems, seen)
        unique(file, "variant", [f"{scenario.competency} {scenario.variant}"], problems, variants)
        if scenario.competency not in known:
            problems.append(Problem(file, "competency", f"no such competency (seen: {scenario.competency!r})"))
        for index, option in enumerate(scenario.options):
            _check_citations(file, f"options.{index}.articles", option.articles, articles, problems)
    for file, assessment in assessments.items():
        problems += _assessment_problems(file, assessment, articles)
    return problems + same_hashes(known) + same_hashes(seen)


def same_hashes(files: Mapping[str, str]) -> list[Problem]:
    """Check that no two ids have the same hash, by which memories name them; `files` has the file of each id."""
    found: dict[int, str] = {}
    problems = []
    for id, file in files.items():
        other = found.setdefault(hash_of(id), id)
        if other != id:
            problems.append(Problem(file, "id", f"memories cannot tell it from {other!r}; rename one (seen: {id!r})"))
    return problems


def questions(
    chapters: Mapping[str, Chapter], topics: Mapping[str, Topic], articles: Mapping[str, Citation]
) -> list[Problem]:
    """Check the topics, ids and citations of the FAQ."""
    problems: list[Problem] = []
    known = {topic.id for topic in topics.values()}
    seen: dict[str, str] = {}
    for file, chapter in chapters.items():
        if chapter.topic not in known:
            problems.append(Problem(file, "topic", f"no such topic (seen: {chapter.topic!r})"))
        unique(file, "entries", (entry.id for entry in chapter.entries), problems, seen)
        for index, entry in enumerate(chapter.entries):
            _check_citations(file, f"entries.{index}.articles", entry.articles, articles, problems)
    return problems


def support(
    chapters: Mapping[str, Chapter], doors: Mapping[str, Doors], intents: Mapping[str, Intent]
) -> list[Problem]:
    """Check that answers on harassment, threats and reprisals have doors to show, each once, and that they exist."""
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for file, listed in doors.items():
        unique(file, "doors", (door.id for door in listed.doors), problems, seen)
    if not seen and any(entry.path for chapter in chapters.values() for entry in chapter.entries):
        problems.append(Problem("doors", "", "expected a list: entries of the FAQ have a path"))
    with_path = {entry.id for chapter in chapters.values() for entry in chapter.entries if entry.path}
    for file, intent in intents.items():
        for index, group in enumerate(intent.groups):
            if group.answer is not None and group.answer not in with_path:
                message = f"no entry of the FAQ with a path (seen: {group.answer!r})"
                problems.append(Problem(file, f"groups.{index}.answer", message))
    return problems


def templates(found: Mapping[str, Template]) -> list[Problem]:
    """Check each template, and that no two have the same body and footer, which the platform refuses."""
    problems: list[Problem] = []
    names: dict[str, str] = {}
    seen: dict[tuple[str, str, str], str] = {}
    for file, template in found.items():
        _check_file_name(file, template.name, problems, "name")
        unique(file, "name", [template.name], problems, names)
        problems += [Problem(file, field, message) for field, message in template_problems(template)]
        for language in LANGUAGES:
            text = (language, template.numbered(language), template.translation(language).footer)
            other = seen.setdefault(text, file)
            if other != file:
                problems.append(Problem(file, f"{language}.body", f"the same body and footer as in {other}"))
    return problems


def _assessment_problems(file: str, assessment: Assessment, articles: Mapping[str, Citation]) -> list[Problem]:
    problems: list[Problem] = []
    if tuple(question.id for question in assessment.questions) != QUESTIONS:
        problems.append(Problem(file, "questions", f"expected q1 to q{len(QUESTIONS)}, in order"))
    expected = {*LEVEL_IDS.values(), "gift", "nepotism", "resources", "influence", "needs-ueipci", "none-seen"}
    missing = expected - {outcome.id for outcome in assessment.outcomes}
    if missing:
        problems.append(Problem(file, "outcomes", f"missing: {', '.join(sorted(missing))}"))
    expected_notes = {"urgent", "inform-in-writing", "interest-without-part", "do-not-act"}
    missing_notes = expected_notes - {note.id for note in assessment.notes}
    if missing_notes:
        problems.append(Problem(file, "notes", f"missing: {', '.join(sorted(missing_notes))}"))
    _check_citations(file, "intro_articles", assessment.intro_articles, articles, problems)
    for index, question in enumerate(assessment.questions):
        _check_citations(file, f"questions.{index}.articles", question.articles, articles, problems)
    for index, outcome in enumerate(assessment.outcomes):
        _check_citations(file, f"outcomes.{index}.articles", outcome.articles, articles, problems)
        if not any(articles[id].article.mark == "V" for id in outcome.articles if id in articles):
            problems.append(Problem(file, f"outcomes.{index}.articles", "at least one article marked V is required"))
    for index, note in enumerate(assessment.notes):
        _check_citations(file, f"notes.{index}.articles", note.articles, articles, problems)
    return problems


def _check_citations(
    file: str, field: str, cited: Iterable[str], articles: Mapping[str, Citation], problems: list[Problem]
) -> None:
    for index, article in enumerate(cited):
        if article not in articles:
            problems.append(Problem(file, f"{field}.{index}", f"not in the law catalogue (seen: {article!r})"))
        elif not articles[article].article.in_force:
            message = f"not in force for sure, so it cannot be cited (seen: {article!r})"
            problems.append(Problem(file, f"{field}.{index}", message))


def _check_file_name(file: str, identifier: str, problems: list[Problem], field: str = "id") -> None:
    if Path(file).stem != identifier:
        problems.append(Problem(file, field, f"the file must be named after its {field} (seen: {identifier!r})"))


def unique(file: str, field: str, ids: Iterable[str], problems: list[Problem], seen: dict[str, str]) -> None:
    """Add a problem for each id already in `seen`, which maps ids to their files and is updated for the next call."""
    for id in ids:
        if id in seen:
            where = f"; also in {seen[id]}" if seen[id] != file else ""
            problems.append(Problem(file, field, f"used twice (seen: {id!r}){where}"))
        seen.setdefault(id, file)
