"""The case queue, the case page and handing over: letters are opened and sealed in the officer's browser only."""

import json
from itertools import groupby
from typing import Annotated, Any

from aiohttp import web
from pydantic import StringConstraints

from bot.console import site
from bot.console.refusals import answered
from bot.web.app_keys import DATABASE, LIBRARY
from bot.web.templating import preferred_language
from content.library import Library
from handlers.casework import cases
from handlers.casework.cases import NoSuchCase
from handlers.casework.trust import Closed
from storage.confidential.protocol.errors import ProtocolError

routes = web.RouteTableDef()


class PostedLetter(site.PostedModel):
    """A sealed and signed letter, as the browser posts it."""

    letter: dict[str, Any]
    access: list[dict[str, Any]]
    bell: Annotated[str, StringConstraints(max_length=43)]


@routes.get("/cases")
async def queue(request: web.Request) -> web.Response:
    """List the cases the officer may read, the most urgent first."""
    officer = site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        queued = await cases.queue(site.officer_context(request, tx, officer))
    return site.page(
        request,
        "cases.html",
        queue=queued,
        open_count=sum(case.is_open for case in queued),
        overdue_count=sum(case.is_overdue for case in queued),
    )


@routes.get("/handover")
async def handover(request: web.Request) -> web.Response:
    """Show the page on which an officer hands over many cases, closed ones too; the browser does it, one by one."""
    officer = site.require_reader(request)
    async with request.config_dict[DATABASE].read() as tx:
        context = site.officer_context(request, tx, officer)
        own = [*await cases.queue(context), *await cases.queue(context, closed=True)]
    return site.page(request, "handover.html", own=own)


@routes.get("/cases/{id}")
async def case(request: web.Request) -> web.Response:
    """Show the page of a case; the browser then fetches and opens its letters."""
    officer, language = site.require_reader(request), preferred_language(request)
    library = request.config_dict[LIBRARY]
    async with request.config_dict[DATABASE].read() as tx:
        try:
            found = await cases.case_summary(site.officer_context(request, tx, officer), request.match_info["id"])
        except NoSuchCase:
            raise web.HTTPNotFound from None
    questions = [question.text.in_language(language) for question in library.assessment.questions]
    return site.page(
        request,
        "case.html",
        case=found,
        articles=_articles(library, language),
        questions=json.dumps(questions),
    )


@routes.get("/cases/{id}/letters")
async def letters(request: web.Request) -> web.Response:
    """Respond with the sealed letters and the case key sealed to this officer; record the access in the ledger."""
    officer, case_id = site.require_reader(request), request.match_info["id"]
    try:
        async with request.config_dict[DATABASE].write() as tx:
            context = site.officer_context(request, tx, officer)
            opened = await cases.open_case(context, case_id)
    except NoSuchCase:
        raise web.HTTPNotFound from None
    except ProtocolError:  # a stored row is none of the protocol's
        return site.conflict("altered")
    return web.json_response(
        {
            "case": opened.case.id,
            "state": opened.case.state.value,
            "day": opened.case.day.isoformat(),
            "due_on": opened.case.due_on.isoformat(),
            "today": context.today.isoformat(),
            "access": opened.access,
            "letters": opened.letters,
        }
    )


@routes.get("/cases/{id}/departure")
async def departure(request: web.Request) -> web.Response:
    """Respond with the letters, without any key, that show since when this officer no longer reads the case."""
    officer, case_id = site.require_reader(request), request.match_info["id"]
    try:
        async with request.config_dict[DATABASE].read() as tx:
            letters = await cases.departure(site.officer_context(request, tx, officer), case_id)
    except NoSuchCase:
        raise web.HTTPNotFound from None
    except (ProtocolError, Closed):  # a stored row is none of the protocol's
        return site.conflict("altered")
    return web.json_response({"letters": letters})


@routes.post("/cases/{id}/letters")
@answered
async def answer(request: web.Request) -> web.Response:
    """Store a sealed and signed letter of an officer."""
    officer, posted = site.require_reader(request), site.posted_json(request, PostedLetter)
    async with request.config_dict[DATABASE].write() as tx:
        context = site.officer_context(request, tx, officer)
        state = await cases.answer(
            context, request.match_info["id"], posted.letter, access=posted.access, bell=posted.bell
        )
    return web.json_response({"state": state.value}, status=201)


def _articles(library: Library, language: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the articles that can be cited, grouped by law: pairs of label and title."""
    by_law = groupby(library.articles.values(), key=lambda citation: citation.law)
    return [
        (
            law.in_language(language),
            [(citation.label(language), citation.article.title.in_language(language)) for citation in group],
        )
        for law, group in by_law
    ]
