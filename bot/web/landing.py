"""The landing page, which links to the other pages, and the privacy notice."""

from collections.abc import Sequence

from aiohttp import web

from bot.web.app_keys import DATABASE, INSTALLATION, PAGES
from bot.web.assets import VERSION, add_assets
from bot.web.templating import preferred_language, remember_language
from storage.people import servants
from storage.people.servants import Institution

LINKS: web.AppKey[Sequence[tuple[str, str]]] = web.AppKey("landing_links")
"""Links of the landing page: pairs of a phrase key below `front.` and a path. The wiring sets it before `attach`."""

BASE_LINKS = (("letterbox", "/c"), ("console", "/console/"))
"""The pages that every installation has."""

routes = web.RouteTableDef()


def attach(app: web.Application) -> None:
    """Add the landing page and the privacy notice to the server; without LINKS the landing page has BASE_LINKS."""
    app.setdefault(LINKS, BASE_LINKS)
    add_assets(app)
    app.router.add_routes(routes)


@routes.get("/", name="front")
async def front(request: web.Request) -> web.Response:
    """Two sentences about Integra and the links."""
    response = request.app[PAGES].response(
        "root.html", preferred_language(request), links=request.app[LINKS], version=request.app[VERSION]
    )
    remember_language(request, response)
    return response


@routes.get("/privacidad")
async def privacy(request: web.Request) -> web.Response:
    """The whole privacy notice (LGPDP, article 21)."""
    installation = request.app[INSTALLATION]
    addresses = {"who": installation.responsible_address, "rights": installation.transparency_address}
    return request.app[PAGES].response(
        "privacy.html", preferred_language(request), addresses=addresses, institution=await _institution(request)
    )


async def _institution(request: web.Request) -> Institution | None:
    """The institution of `?institucion=CODE`, if another than the State's ministry answers for its servants' data."""
    code = request.query.get("institucion", "")[:24]
    if not code.isascii() or not code:
        return None
    async with request.app[DATABASE].read() as tx:
        found = await servants.institution_by_code(tx, code)
    return found if found is not None and found.responsible else None
