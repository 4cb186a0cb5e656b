"""The front page: says what this is and leads on."""

from aiohttp import web

from bot.channels.webchat import page as webchat_page
from bot.web.app_keys import PAGES
from bot.web.templating import language_of

routes = web.RouteTableDef()
DOORS = (("letterbox", "/c"), ("console", "/console/"))


def attach(app: web.Application) -> None:
    """Add the front page to the server; the chat is among its doors when it is attached too."""
    webchat_page.add_assets(app)
    app.router.add_routes(routes)


@routes.get("/", name="front")
async def front(request: web.Request) -> web.Response:
    """Two sentences and the doors."""
    has_chat = "chat" in request.app.router.named_resources()
    response = request.app[PAGES].response(
        "root.html",
        language_of(request),
        doors=(("chat", "/chat"), *DOORS) if has_chat else DOORS,
        version=request.app[webchat_page.VERSION],
    )
    webchat_page.remember_language(request, response)
    return response
