"""The monitor: participation and right answers per institution, topic and day.

handlers/administration/reports.py suppresses small groups.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from aiohttp import web

from bot.console import channel_status, site
from bot.web.app_keys import DATABASE, INSTALLATION, LIBRARY
from bot.web.requests import work_context
from bot.web.templating import preferred_language
from handlers.administration import reports
from handlers.administration.channel_status import ChannelStatus, Trouble
from storage.confidential.officers import Officer, OfficerState, Role
from storage.database import Transaction
from storage.people import servants

routes = web.RouteTableDef()

DEFAULT_PERIOD_DAYS = 28
MAX_PERIOD_DAYS = 366


@routes.get("/monitor")
async def monitor(request: web.Request) -> web.Response:
    """Show participation and the share of right answers in a period, as tables and charts."""
    officer = site.require_officer(request)
    if officer.state is OfficerState.PENDING:
        raise web.HTTPForbidden
    installation, library, language = (
        request.config_dict[INSTALLATION],
        request.config_dict[LIBRARY],
        preferred_language(request),
    )
    today = site.current_time(request).astimezone(installation.timezone).date()
    first, last, is_invalid = _period(request, today)
    async with request.config_dict[DATABASE].read() as tx:
        own = await _own_institution(tx, officer)
        report = await reports.institution_table(work_context(request, tx), first, last, own)
        statuses = await channel_status.read_statuses(request, tx) if officer.reads_cases else []
    shares = [(row.institution, row.participation) for row in report.rows]
    days = [(day, answered / sent if sent else None) for day, answered, sent in report.days]

    def phrase(key: str, **values: object) -> str:
        return library.phrases.plain(language, f"console.monitor.{key}", values)

    return site.page(
        request,
        "monitor.html",
        rows=report.rows,
        totals=report if own is None and len(report.rows) > 1 else None,
        topics=[
            {"name": row.topic.in_language(language), "answers": row.answers, "rightness": row.rightness}
            for row in report.topics
        ],
        days=days,
        bar_rows=shares,
        bar_label=phrase("bar_label", spoken=_chart_as_text(shares, phrase)),
        day_label=phrase("day_label", spoken=_chart_as_text([(f"{day:%d/%m}", share) for day, share in days], phrase)),
        first_day=first,
        last_day=last,
        wrong_period=is_invalid,
        min_group=report.min_group,
        is_fictional=report.is_fictional,
        troubles=_warnings(statuses, phrase),
    )


async def _own_institution(tx: Transaction, officer: Officer) -> str | None:
    """Return the code of a liaison's institution; None for other roles, which see all institutions."""
    if officer.role is not Role.LIAISON or officer.institution_id is None:
        return None
    institution = await servants.institution(tx, officer.institution_id)
    return institution.code if institution else ""


def _period(request: web.Request, today: date) -> tuple[date, date, bool]:
    """First and last day of the requested period, or of the last four weeks, and whether the request was invalid."""
    default = today - timedelta(days=DEFAULT_PERIOD_DAYS - 1), today
    if not request.query.get("from") and not request.query.get("to"):
        return *default, False
    try:
        last = date.fromisoformat(request.query.get("to") or today.isoformat())
        first = date.fromisoformat(
            request.query.get("from") or (last - timedelta(days=DEFAULT_PERIOD_DAYS - 1)).isoformat()
        )
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
        Trouble.TEMPLATE: phrase("trouble_template"),
        Trouble.PEOPLE: phrase("trouble_people", count=waiting),
    }
    return [sentence for trouble, sentence in sentences.items() if trouble in troubles]


def _chart_as_text(shares: Sequence[tuple[str, float | None]], phrase: Callable[..., str]) -> str:
    """Return a chart's values in words, for screen readers."""
    return "; ".join(
        phrase("spoken_few", name=name) if share is None else phrase("spoken", name=name, percent=round(100 * share))
        for name, share in shares
    )
