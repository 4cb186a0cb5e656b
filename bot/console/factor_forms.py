"""Second factors at the console: what pages get to make or show one, and what they post."""

import base64
from typing import Annotated, Any

import segno
from aiohttp import web
from pydantic import StringConstraints

from bot.console import site
from bot.web.app_keys import SECRETS
from handlers.casework import factors as changes
from handlers.casework.factors import Enrolment, FactorRefused, FactorWanted
from handlers.casework.office import OfficerContext

QUIET_ZONE = 4  # modules of white around the picture, as its standard asks

Ticket = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{64}$")]
AppCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class PostedEnrolment(site.PostedModel):
    """A secret that the server has offered, with the code that an app made of it."""

    ticket: Ticket
    code: AppCode

    @property
    def enrolment(self) -> Enrolment:
        return Enrolment(self.ticket, self.code)


def enrolment_of(posted: PostedEnrolment | None) -> Enrolment | None:
    """What handlers get of it, if anything was posted."""
    return posted.enrolment if posted else None


def key_of(request: web.Request) -> bytes:
    """The installation's key of second factors."""
    key: bytes = request.config_dict[SECRETS].factor
    return key


# ---------------------------------------------------------------- what pages get


def offer(request: web.Request, context: OfficerContext) -> dict[str, Any]:
    """A secret for an app: to be photographed, typed, or opened on the same phone."""
    made = changes.offer(context, key_of(request))
    picture = segno.make(made.address, error="m", boost_error=False)
    return {
        "secret": base64.b32encode(made.secret).decode(),
        "address": made.address,
        "ticket": made.ticket,
        "picture": _drawn(picture),
    }


def first_offer(request: web.Request, context: OfficerContext) -> dict[str, Any] | None:
    """The offer to who makes a first factor; None in a trial, where it is not asked for."""
    return None if context.unit.adopts_itself else offer(request, context)


def _drawn(picture: segno.QRCode) -> dict[str, Any]:
    """Side and SVG path of a picture, in modules; its rows run from left to right."""
    size = len(picture.matrix) + 2 * QUIET_ZONE
    return {"size": size, "path": "".join(_runs(picture))}


def _runs(picture: segno.QRCode) -> list[str]:
    """A rectangle for each run of dark modules."""
    runs = []
    for y, row in enumerate(picture.matrix):
        x = 0
        while x < len(row):
            length = 0
            while x + length < len(row) and row[x + length]:
                length += 1
            if length:
                runs.append(f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h{length}v1h-{length}z")
            x += length + 1
    return runs


def wanted(request: web.Request, context: OfficerContext, error: FactorWanted) -> web.Response:
    """Return 401: the words are right; a factor is to be shown, or the first one to be made."""
    if error.kinds:
        return web.json_response({"error": "factor", "kinds": [*error.kinds]}, status=401)
    reset_on = error.reset_on.isoformat() if error.reset_on else None
    body = {"error": "enrolment", "offer": offer(request, context), "reset_on": reset_on}
    return web.json_response(body, status=401)


def refused(error: FactorRefused) -> web.Response:
    """Return 403 for a code that is wrong or was used, 409 for a change that is not to be."""
    status = 403 if error.reason in ("wrong", "used") else 409
    return web.json_response({"error": f"factor_{error.reason}"}, status=status)
