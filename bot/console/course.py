"""The map of the course: every competency with its law, and how far each of its scenarios has been reviewed."""

from aiohttp import web

from bot.console import site
from bot.web.app_keys import LIBRARY
from bot.web.templating import preferred_language
from content.quality import competency_table

routes = web.RouteTableDef()


@routes.get("/course")
async def course(request: web.Request) -> web.Response:
    """The Integrity Training and Competencies Model as it stands."""
    site.officer_of(request)
    library, language = request.config_dict[LIBRARY], preferred_language(request)
    topics = [
        {
            "id": topic.id,
            "name": topic.name.in_language(language),
            "about": topic.about.in_language(language),
            "competencies": competency_table.rows(library, topic, language),
        }
        for topic in library.topics.values()
    ]
    return site.page(
        request,
        "course.html",
        topics=topics,
        competency_count=len(library.competencies),
        scenario_count=sum(len(scenarios) for scenarios in library.askable.values()),
        waiting=len(library.quarantined),
    )
