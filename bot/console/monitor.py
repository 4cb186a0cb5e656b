"""How the course goes, per institution and topic; small groups are left out by handlers/administration/reports.py."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from aiohttp import web

from bot.console import channel_status, site
from bot.web.app_keys import DATABASE, INSTALLATION, LIBRARY
from bot.web.templating import preferred_language
from handlers.administration import reports
from handlers.administration.channel_status import ChannelStatus, Trouble
from storage.confidential.officers import Officer, OfficerState, Role
from storage.database import Transaction
from storage.people import servants

routes = web.RouteTableDef()

SHOWN_DAYS = 28
LONGEST = 366


@routes.get("/monitor")
async def monitor(request: web.Request) -> web.Response:
    """Participation and rightness in a period, as tables and charts."""
    officer = site.officer_of(request)
    if officer.state is OfficerState.PENDING:
        raise web.HTTPForbidden
    installation, library, language = (
        request.config_dict[INSTALLATION],
        request.config_dict[LIBRARY],
        preferred_language(request),
    )
    today = site.now_of(request).astimezone(installation.timezone).date()
    first, last, is_wrong = _period(request, today)
    async with request.config_dict[DATABASE].read() as tx:
        own = await _own_institution(tx, officer)
        report = await reports.institution_table(tx, library, first, last, installation.min_group, own)
        standings = await channel_status.look(request, tx) if officer.reads_cases else []
    shares = [(row.institution, row.participation) for row in report.rows]
    days = [(day, answered / sent if sent else None) for day, answered, sent in report.days]

    def say(key: str, **values: object) -> str:
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
        bar_label=say("bar_label", spoken=_spoken(shares, say)),
        day_label=say("day_label", spoken=_spoken([(f"{day:%d/%m}", share) for day, share in days], say)),
        first_day=first,
        last_day=last,
        wrong_period=is_wrong,
        min_group=report.min_group,
        is_fictional=report.is_fictional,
        troubles=_troubles(standings, say),
    )


async def _own_institution(tx: Transaction, officer: Officer) -> str | None:
    """The code of the institution that a liaison is of; the others see all of them (None)."""
    if officer.role is not Role.LIAISON or officer.institution_id is None:
        return None
    institution = await servants.institution(tx, officer.institution_id)
    return institution.code if institution else ""


def _period(request: web.Request, today: date) -> tuple[date, date, bool]:
    """First and last day that are asked for, or the last four weeks, and whether what was asked is no period."""
    usual = today - timedelta(days=SHOWN_DAYS - 1), today
    if not request.query.get("from") and not request.query.get("to"):
        return *usual, False
    try:
        last = date.fromisoformat(request.query.get("to") or today.isoformat())
        first = date.fromisoformat(request.query.get("from") or (last - timedelta(days=SHOWN_DAYS - 1)).isoformat())
    except (ValueError, OverflowError):
        return *usual, True
    if not timedelta(0) <= last - first <= timedelta(days=LONGEST):
        return *usual, True
    return first, last, False


def _troubles(standings: Sequence[ChannelStatus], say: Callable[..., str]) -> list[str]:
    """What is wrong with the channels, a sentence each."""
    seen = frozenset().union(*(one.troubles for one in standings))
    waiting = sum(one.reach.people.waiting for one in standings if one.reach)
    stopped = [one.channel for one in standings if Trouble.STOPPED in one.troubles]
    said = {
        Trouble.STOPPED: say("trouble_stopped", count=len(stopped)),
        Trouble.DEAF: say("trouble_deaf"),
        Trouble.TEMPLATE: say("trouble_template"),
        Trouble.PEOPLE: say("trouble_people", count=waiting),
    }
    return [sentence for trouble, sentence in said.items() if trouble in seen]


def _spoken(shares: Sequence[tuple[str, float | None]], say: Callable[..., str]) -> str:
    """A chart in words, for whoever hears it."""
    return "; ".join(
        say("spoken_few", name=name) if share is None else say("spoken", name=name, percent=round(100 * share))
        for name, share in shares
    )
