"""The queue and the case: the server hands over and takes in sealed letters; the tab opens and writes them."""

import json
from itertools import groupby
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from bot.console import site
from bot.web.app_keys import DATABASE, LIBRARY
from bot.web.templating import preferred_language
from content.library import Library
from handlers.casework import cases
from handlers.casework.cases import LetterRefused, NoSuchCase

routes = web.RouteTableDef()


class AnswerPosted(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    letter: dict[str, Any]


@routes.get("/cases")
async def queue(request: web.Request) -> web.Response:
    """What waits, the most urgent on top."""
    officer = site.reader_of(request)
    async with request.config_dict[DATABASE].read() as tx:
        waiting = await cases.queue(site.desk(request, tx, officer))
    return site.page(
        request,
        "cases.html",
        queue=waiting,
        open_count=sum(one.is_open for one in waiting),
        overdue_count=sum(one.is_overdue for one in waiting),
    )


@routes.get("/cases/{id}")
async def case(request: web.Request) -> web.Response:
    """The frame of a case; its letters are fetched and opened by the tab."""
    officer, language = site.reader_of(request), preferred_language(request)
    library = request.config_dict[LIBRARY]
    async with request.config_dict[DATABASE].read() as tx:
        try:
            found = await cases.look_up(site.desk(request, tx, officer), request.match_info["id"])
        except NoSuchCase:
            raise web.HTTPNotFound from None
    questions = [question.text.in_language(language) for question in library.assessment.questions]
    return site.page(
        request,
        "case.html",
        case=found,
        articles=_articles(library, language),
        questions=json.dumps(questions, ensure_ascii=False),
    )


@routes.get("/cases/{id}/letters")
async def letters(request: web.Request) -> web.Response:
    """The sealed letters, with what this officer's key opens them by; the ledger says that they were handed over."""
    officer, case_id = site.reader_of(request), request.match_info["id"]
    async with request.config_dict[DATABASE].write() as tx:
        desk = site.desk(request, tx, officer)
        try:
            opened = await cases.open_case(desk, case_id)
        except NoSuchCase:
            raise web.HTTPNotFound from None
    return web.json_response(
        {
            "case": opened.case.id,
            "state": opened.case.state.value,
            "epoch": opened.case.epoch,
            "day": opened.case.day.isoformat(),
            "due_on": opened.case.due_on.isoformat(),
            "today": desk.today.isoformat(),
            "access": [{"epoch": one.epoch, "sealed": one.sealed} for one in opened.access],
            "letters": [json.loads(envelope) for envelope in opened.letters],
            "keys": {"body": opened.keys.body, "signature": opened.keys.signature},
        }
    )


@routes.post("/cases/{id}/letters")
async def answer(request: web.Request) -> web.Response:
    """Take in a sealed and signed answer."""
    officer, wish = site.reader_of(request), await site.posted(request, AnswerPosted)
    async with request.config_dict[DATABASE].write() as tx:
        try:
            state = await cases.answer(site.desk(request, tx, officer), request.match_info["id"], wish.letter)
        except NoSuchCase:
            raise web.HTTPNotFound from None
        except LetterRefused as refusal:
            if refusal.reason == "letter":
                raise web.HTTPUnprocessableEntity from None
            return site.conflict(refusal.reason)
    return web.json_response({"state": state.value}, status=201)


def _articles(library: Library, language: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """What can be cited, by law: label and title."""
    by_law = groupby(library.articles.values(), key=lambda one: one.law)
    return [
        (law.in_language(language), [(one.label(language), one.article.title.in_language(language)) for one in group])
        for law, group in by_law
    ]
