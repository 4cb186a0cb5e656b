"""The signed list of readers and the officers who wait to be on it; the head officer's browser signs the next list."""

import json

from aiohttp import web

from bot.console import site
from bot.console.signin import SignedKeys
from bot.web.app_keys import DATABASE
from handlers.casework import cases
from handlers.casework.cases import KeysRefused
from storage.confidential import officers, sealing
from storage.confidential.officers import READER_ROLES, OfficerState

routes = web.RouteTableDef()


@routes.get("/keys")
async def keys(request: web.Request) -> web.Response:
    """Show the list in force, with everything a browser needs to verify it and to sign the next one."""
    officer = site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        in_force, all_officers = await officers.newest_key_list(tx), await officers.all_officers(tx)
        today = site.officer_context(request, tx, officer).today
    if in_force is None:
        raise web.HTTPNotFound
    listed = sealing.verify_key_list(in_force.body, in_force.signature)
    pending = [
        candidate
        for candidate in all_officers
        if candidate.state is OfficerState.PENDING and candidate.role in READER_ROLES
    ]
    return site.page(
        request,
        "keys.html",
        keys=json.dumps({"body": in_force.body, "signature": in_force.signature}, ensure_ascii=False),
        pending_json=json.dumps([_reader_entry(candidate) for candidate in pending], ensure_ascii=False),
        pending=pending,
        readers=listed.readers,
        unit=sealing.fingerprint(listed.unit),
        serial=listed.serial,
        today=today.isoformat(),
    )


@routes.post("/keys")
async def sign(request: web.Request) -> web.Response:
    """Put a list in force that the unit's key signed."""
    officer, posted = site.require_reader(request), site.posted_json(request, SignedKeys)
    async with request.config_dict[DATABASE].write() as tx:
        try:
            await cases.sign_keys(site.officer_context(request, tx, officer), posted.body, posted.signature)
        except KeysRefused:
            return site.conflict("keys")
    return web.json_response({}, status=201)


def _reader_entry(officer: officers.Officer) -> dict[str, str]:
    return {
        "id": officer.id,
        "name": officer.name,
        "role": "officer",
        "reading": officer.reading_key,
        "signing": officer.signing_key,
    }
