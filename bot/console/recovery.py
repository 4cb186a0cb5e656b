"""The page of the custodians: two of them rehearse with their codes, or use the recovery key. No session is needed."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import StringConstraints

from bot.console import site
from bot.console.refusals import answered
from bot.web.app_keys import CLOCK, DATABASE, SECRETS
from bot.web.network import network_of
from bot.web.requests import work_context
from bot.web.windows import Windows, later
from handlers import caps
from handlers.casework import recovery
from handlers.casework.joining import KeysRefused
from handlers.casework.recovery import Announced, Recovery
from storage.database import Transaction

BOXES = web.AppKey("recovery_boxes", Windows)
"""How often a network may ask for what two codes open: no session is needed, and codes are tried on it elsewhere."""

routes = web.RouteTableDef()


def attach(app: web.Application) -> None:
    """Add what the page counts to the site."""
    app.setdefault(BOXES, Windows(caps.PERSONS * caps.BOXES_AN_HOUR, 3600))


Protocol = dict[str, Any]
"""An object of the protocol, whose format the protocol checks."""


class PostedRehearsal(site.PostedModel):
    """That custodians have opened the keys, signed with the recovery key."""

    rehearsal: Protocol
    signature: str


class PostedUse(site.PostedModel):
    """That custodians use the keys, signed with the recovery key."""

    use: Protocol
    signature: str


class Authorised(site.PostedModel):
    """A use that was stored, with the secret of the tab that made it."""

    use: PostedUse
    secret: Annotated[str, StringConstraints(max_length=43)]

    def announced(self) -> Announced:
        """As the handlers check it."""
        return Announced(self.use.model_dump(), self.secret)


class CasesWanted(Authorised):
    """The last case of the page before."""

    after: Annotated[str, StringConstraints(max_length=22)]


class PostedLetter(Authorised):
    """A sealed letter of the recovery key."""

    letter: Protocol
    access: list[Protocol]
    bell: Annotated[str, StringConstraints(max_length=43)]


class SharedKey(Authorised):
    """The unit's key, sealed to an officer."""

    id: Annotated[str, StringConstraints(max_length=22)]
    unit_key: Annotated[str, StringConstraints(max_length=600)]


def _recovery(request: web.Request, tx: Transaction) -> Recovery:
    return Recovery(work_context(request, tx), request.config_dict[SECRETS].audit)


@routes.get("/recovery")
async def page(request: web.Request) -> web.Response:
    """Show the custodians' page, the same for everybody: the unit's pin stays in the URL's fragment."""
    return site.page(request, "recovery.html")


@routes.get("/recovery/boxes")
async def boxes(request: web.Request) -> web.Response:
    """Respond with what two codes open; 404 without a recovery key in force."""
    now = request.config_dict[CLOCK]()
    if at := request.config_dict[BOXES].try_take(network_of(request), now):
        return later(at, now)
    try:
        async with request.config_dict[DATABASE].read() as tx:
            found = await recovery.boxes(work_context(request, tx))
    except KeysRefused:
        return web.json_response({"error": "none"}, status=404)
    return web.json_response(found)


@routes.post("/recovery/rehearsals")
@answered
async def rehearse(request: web.Request) -> web.Response:
    """Store a rehearsal."""
    posted = site.posted_json(request, PostedRehearsal)
    async with request.config_dict[DATABASE].write() as tx:
        is_rehearsed = await recovery.rehearse(_recovery(request, tx), posted.model_dump())
    return web.json_response({"rehearsed": is_rehearsed}, status=201)


@routes.post("/recovery/use")
@answered
async def use(request: web.Request) -> web.Response:
    """Store that the recovery key is used; nothing is done with it before."""
    posted = site.posted_json(request, PostedUse)
    async with request.config_dict[DATABASE].write() as tx:
        await recovery.use(_recovery(request, tx), posted.model_dump())
    return web.json_response({}, status=201)


@routes.post("/recovery/cases")
@answered
async def cases(request: web.Request) -> web.Response:
    """Respond with some cases that the recovery key reads, sealed."""
    posted = site.posted_json(request, CasesWanted)
    async with request.config_dict[DATABASE].read() as tx:
        work = work_context(request, tx)
        found = await recovery.readable_cases(work, posted.announced(), posted.after)
    return web.json_response(found)


@routes.post("/recovery/letters")
@answered
async def hand_over(request: web.Request) -> web.Response:
    """Store a letter with which the recovery key grants a case to officers."""
    posted = site.posted_json(request, PostedLetter)
    async with request.config_dict[DATABASE].write() as tx:
        state = await recovery.hand_over(
            _recovery(request, tx), posted.announced(), posted.letter, posted.access, posted.bell
        )
    return web.json_response({"state": state.value}, status=201)


@routes.post("/recovery/unit-key")
@answered
async def give_unit_key(request: web.Request) -> web.Response:
    """Let an active officer hold the unit's key."""
    posted = site.posted_json(request, SharedKey)
    async with request.config_dict[DATABASE].write() as tx:
        await recovery.give_unit_key(_recovery(request, tx), posted.announced(), posted.id, posted.unit_key)
    return web.json_response({}, status=201)
