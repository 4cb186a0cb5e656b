"""The map of the course: topics, competencies, the articles they rest on, and what still waits for legal validation."""

from aiohttp import web

from bot.appkeys import LIBRARY
from bot.console import site
from bot.pages import language_of
from content.library import Library
from content.topic import Competency

routes = web.RouteTableDef()


@routes.get("/course")
async def course(request: web.Request) -> web.Response:
    """The Integrity Training and Competencies Model as it stands."""
    site.officer_of(request)
    library, language = request.config_dict[LIBRARY], language_of(request)
    topics = [
        {
            "id": topic.id,
            "name": topic.name.in_language(language),
            "about": topic.about.in_language(language),
            "competencies": [_row(library, one, language) for one in topic.competencies],
        }
        for topic in library.topics.values()
    ]
    return site.page(
        request,
        "course.html",
        topics=topics,
        competency_count=len(library.competencies),
        scenario_count=sum(len(scenarios) for scenarios in library.askable.values()),
    )


def _row(library: Library, competency: Competency, language: str) -> dict[str, object]:
    scenarios = library.askable.get(competency.id, ())
    return {
        "rule": competency.rule.in_language(language),
        "articles": [library.articles[article].label(language) for article in competency.articles],
        "scenarios": len(scenarios),
        "is_validated": bool(scenarios) and all(scenario.reviewer for scenario in scenarios),
    }
