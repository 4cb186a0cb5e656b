"""The course map: every competency with its law and the review status of its scenarios."""

from aiohttp import web

from bot.console import site
from bot.web.app_keys import LIBRARY
from bot.web.templating import preferred_language
from content.quality import competency_table

routes = web.RouteTableDef()


@routes.get("/course")
async def course(request: web.Request) -> web.Response:
    """Show the current Integrity Training and Competencies Model."""
    site.require_officer(request)
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
