"""What only shows when all files are side by side: names used twice, citations of nothing, files misnamed."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from content.course.assessment import LEVEL_IDS, QUESTIONS, Assessment
from content.course.faq import Chapter
from content.course.law import Citation
from content.course.scenario import Scenario
from content.course.template import Template, template_problems
from content.course.topic import Topic
from content.problems import Problem
from content.text import LANGUAGES


def citations_and_names(
    articles: Mapping[str, Citation],
    topics: Mapping[str, Topic],
    scenarios: Mapping[str, Scenario],
    assessments: Mapping[str, Assessment],
) -> list[Problem]:
    """What is cited exists in the catalogue, files are named after their ids, and no id or variant is used twice."""
    problems: list[Problem] = []
    known: dict[str, str] = {}
    for file, topic in topics.items():
        _named_after(file, topic.id, problems)
        unique(file, "competencies", (one.id for one in topic.competencies), problems, known)
        for place, competency in enumerate(topic.competencies):
            _cited(file, f"competencies.{place}.articles", competency.articles, articles, problems)
    seen: dict[str, str] = {}
    variants: dict[str, str] = {}
    for file, scenario in scenarios.items():
        _named_after(file, scenario.id, problems)
        unique(file, "id", [scenario.id], problems, seen)
        unique(file, "variant", [f"{scenario.competency} {scenario.variant}"], problems, variants)
        if scenario.competency not in known:
            problems.append(Problem(file, "competency", f"no such competency (seen: {scenario.competency!r})"))
        for place, option in enumerate(scenario.options):
            _cited(file, f"options.{place}.articles", option.articles, articles, problems)
    for file, assessment in assessments.items():
        problems += _complete(file, assessment, articles)
    return problems


def questions(
    chapters: Mapping[str, Chapter], topics: Mapping[str, Topic], articles: Mapping[str, Citation]
) -> list[Problem]:
    """The same for the FAQ: topics, ids, citations."""
    problems: list[Problem] = []
    known = {topic.id for topic in topics.values()}
    seen: dict[str, str] = {}
    for file, chapter in chapters.items():
        if chapter.topic not in known:
            problems.append(Problem(file, "topic", f"no such topic (seen: {chapter.topic!r})"))
        unique(file, "entries", (entry.id for entry in chapter.entries), problems, seen)
        for place, entry in enumerate(chapter.entries):
            _cited(file, f"entries.{place}.articles", entry.articles, articles, problems)
    return problems


def templates(found: Mapping[str, Template]) -> list[Problem]:
    """All that is wrong with templates: each alone, and two that are one to the platform."""
    problems: list[Problem] = []
    names: dict[str, str] = {}
    said: dict[tuple[str, str, str], str] = {}
    for file, template in found.items():
        _named_after(file, template.name, problems, "name")
        unique(file, "name", [template.name], problems, names)
        problems += [Problem(file, field, says) for field, says in template_problems(template)]
        for language in LANGUAGES:
            words = (language, template.numbered(language), template.translation(language).footer)
            other = said.setdefault(words, file)
            if other != file:
                problems.append(Problem(file, f"{language}.body", f"the same words and footer as in {other}"))
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


def _named_after(file: str, identifier: str, problems: list[Problem], field: str = "id") -> None:
    if Path(file).stem != identifier:
        problems.append(Problem(file, field, f"the file is named after its {field} (seen: {identifier!r})"))


def unique(file: str, field: str, ids: Iterable[str], problems: list[Problem], seen: dict[str, str]) -> None:
    """Adds a problem for each id met before; `seen` carries on from file to file, and knows where each one stands."""
    for one in ids:
        if one in seen:
            where = f"; it stands in {seen[one]} too" if seen[one] != file else ""
            problems.append(Problem(file, field, f"used twice (seen: {one!r}){where}"))
        seen.setdefault(one, file)
