"""The monitor: participation by week, right answers by month, per institution and topic, from blocks."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from aiohttp import web

from bot.console import channel_status, site
from bot.web.app_keys import DATABASE, LIBRARY
from bot.web.requests import work_context
from bot.web.templating import preferred_language
from handlers.administration import rates, reports
from handlers.administration.channel_status import ChannelStatus, Trouble
from handlers.administration.figure_text import FigureText
from handlers.administration.reports import Report
from storage.confidential.officers import Officer, OfficerState, Role
from storage.database import Transaction
from storage.people import servants
from storage.reports.figures import Figure

routes = web.RouteTableDef()

MAX_PERIOD_DAYS = 366


@routes.get("/monitor")
async def monitor(request: web.Request) -> web.Response:
    """Show participation and the share of right answers in a period, as tables and charts."""
    officer = site.require_officer(request)
    if officer.state is OfficerState.PENDING:
        raise web.HTTPForbidden
    library, language = request.config_dict[LIBRARY], preferred_language(request)
    async with request.config_dict[DATABASE].read() as tx:
        work = work_context(request, tx)
        first, last, is_invalid = _period(request, work.today)
        own = await _own_institution(tx, officer)
        report = await reports.institution_table(work, first, last, own)
        statuses = await channel_status.read_statuses(request, tx) if officer.reads_cases else []

    def phrase(key: str, **values: object) -> str:
        return library.phrases.plain(language, f"console.monitor.{key}", values)

    return site.page(
        request,
        "monitor.html",
        report=report,
        words=FigureText(library, language),
        has_totals=own is None and len(report.rows) > 1,
        topics=[(row.topic.in_language(language), row.rightness) for row in report.topics],
        wrong_period=is_invalid,
        is_fictional=report.is_fictional,
        troubles=_warnings(statuses, phrase),
        **_charts(report, FigureText(library, language), phrase),
    )


def _charts(report: Report, words: FigureText, phrase: Callable[..., str]) -> dict[str, Any]:
    """Bars by institution and columns by week: names, shares, and what a screen reader says of them."""
    bars = [
        (row.institution, _fraction(row.participation), words.share(row.participation))
        for row in report.rows
        if row.participation
    ]
    weeks = [(week, _fraction(figure)) for week, figure in report.weeks]
    spoken_weeks = [(f"{week:%d/%m}", words.share(figure)) for week, figure in report.weeks]
    return {
        "bar_rows": bars,
        "bar_label": phrase("bar_label", spoken=_chart_as_text([(name, text) for name, _, text in bars], phrase)),
        "weeks": weeks,
        "week_label": phrase("week_label", spoken=_chart_as_text(spoken_weeks, phrase)),
    }


def _fraction(figure: Figure | None) -> float | None:
    """The length of a bar: the share as it is shown."""
    return None if figure is None else rates.rate(figure).percent / 100


async def _own_institution(tx: Transaction, officer: Officer) -> str | None:
    """Return the code of a liaison's institution; None for other roles, which see all institutions."""
    if officer.role is not Role.LIAISON or officer.institution_id is None:
        return None
    institution = await servants.institution(tx, officer.institution_id)
    return institution.code if institution else ""


def _period(request: web.Request, today: date) -> tuple[date, date, bool]:
    """First and last day of the requested period, or of the usual one, and whether the request was invalid."""
    default = reports.default_period(today)
    if not request.query.get("from") and not request.query.get("to"):
        return *default, False
    try:
        last = date.fromisoformat(request.query.get("to") or today.isoformat())
        first = date.fromisoformat(request.query.get("from") or reports.default_period(last)[0].isoformat())
    except (ValueError, OverflowError):
        return *default, True
    if not timedelta(0) <= last - first <= timedelta(days=MAX_PERIOD_DAYS):
        return *default, True
    return first, last, False


def _warnings(statuses: Sequence[ChannelStatus], phrase: Callable[..., str]) -> list[str]:
    """Return one sentence for each kind of trouble that any channel has."""
    troubles = frozenset().union(*(status.troubles for status in statuses))
    waiting = sum(status.reach.people.waiting for status in statuses if status.reach)
    stopped = [status.channel for status in statuses if Trouble.STOPPED in status.troubles]
    sentences = {
        Trouble.STOPPED: phrase("trouble_stopped", count=len(stopped)),
        Trouble.NOT_RECEIVING: phrase("trouble_not_receiving"),
        Trouble.REFUSED: phrase("trouble_refused"),
        Trouble.TEMPLATE: phrase("trouble_template"),
        Trouble.PEOPLE: phrase("trouble_people", count=waiting),
    }
    return [sentence for trouble, sentence in sentences.items() if trouble in troubles]


def _chart_as_text(shares: Sequence[tuple[str, str]], phrase: Callable[..., str]) -> str:
    """Return a chart's values in words, for screen readers."""
    return "; ".join(phrase("spoken", name=name, share=share) for name, share in shares)
