"""The monitor shows the report of handlers/administration/reports.py: tables, charts in words, no other number."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from bot.cli import report_format
from content.library import Library
from handlers.administration import reports
from handlers.administration.figure_text import FigureText
from handlers.administration.rates import People
from handlers.administration.reports import InstitutionRow, Report, RowState
from handlers.context import WorkContext
from storage.confidential import officers
from storage.people import servants
from storage.reports.figures import Figure
from tests.bot.console.office import SALT, Office, OfficerWithKeys

WEEKS = ((date(2026, 11, 9), Figure("right", (7,), 48, 60)), (date(2026, 11, 16), Figure("right", (8,), 30, 60)))


@pytest.fixture
async def lia(office: Office) -> OfficerWithKeys:
    lia = OfficerWithKeys("", "Lía Paz", "lia@leon.example")
    await office.enrol(lia, "author")
    return lia


def made_report(library: Library, first: date, last: date) -> Report:
    def row(name: str, people: People, state: RowState, *figures: Figure | None) -> InstitutionRow:
        participation, rightness = figures or (None, None)
        return InstitutionRow(name.lower(), name, "state", True, people, state, participation, rightness)

    return Report(
        first=first,
        last=last,
        rows=(
            row(
                "León", People(860), RowState.SHOWN, Figure("right", (1, 2), 600, 1000), Figure("right", (3,), 699, 999)
            ),
            row("Chico", People(0, is_few=True), RowState.WAITING),
            row("Callado", People(35), RowState.SILENT, Figure("right", (4, 5), 3, 36), None),
            row("Vacío", People(0), RowState.EMPTY),
        ),
        topics=tuple(reports.TopicRow(topic.name, Figure("right", (6,), 30, 60)) for topic in library.topics.values()),
        weeks=WEEKS,
        months=((date(2026, 11, 2), Figure("right", (9,), 240, 300)),),
        enrolled=People(900),
        answers=Figure("total", (1, 3, 6), 9990, 9990),
        participation=Figure("right", (1, 2, 4, 5), 603, 1035),
        rightness=Figure("right", (3,), 699, 999),
        shown_by=date(2027, 1, 4),
        is_fictional=True,
    )


@pytest.mark.parametrize(("count", "has_totals"), [(1, False), (2, True), (4, True)])
async def test_totals_stand_below_two_institutions_or_more(
    office: Office,
    lia: OfficerWithKeys,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    has_totals: bool,
) -> None:
    async def institution_table(_: WorkContext, first: date, last: date, code: str | None) -> Report:
        report = made_report(library, first, last)
        return replace(report, rows=report.rows[:count])

    monkeypatch.setattr(reports, "institution_table", institution_table)
    _, page = await (await office.signed_in(lia)).get("/console/monitor")
    assert page.count("<tfoot>") == has_totals


@pytest.fixture
def requested(library: Library, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replaces reports.institution_table; its last arguments."""
    seen: dict[str, Any] = {}

    async def institution_table(_: WorkContext, first: date, last: date, code: str | None) -> Report:
        seen.update(first=first, last=last, code=code)
        return made_report(library, first, last)

    monkeypatch.setattr(reports, "institution_table", institution_table)
    return seen


async def test_tables_charts_and_totals_are_shown_and_what_is_silent_or_empty_is_said(
    office: Office, lia: OfficerWithKeys, requested: dict[str, Any]
) -> None:
    status, page = await (await office.signed_in(lia)).get("/console/monitor")
    assert status == 200
    assert (requested["first"], requested["last"], requested["code"]) == (date(2026, 7, 6), date(2026, 11, 23), None)
    assert "Simulado" in page
    for text in (
        "Dejó de responder",
        "Sin personas registradas.",
        "Se muestra a más tardar el 04/01/2027.",
        "menos de 10",
    ):
        assert text in page
    assert "entre 65 y 75 %" in page
    assert "Respuestas contadas: 9,990" in page
    assert page.count('role="img" aria-label="') == 2
    assert "León: 60 %; Callado: 10 %." in page
    assert "09/11: 80 %; 16/11: 50 %." in page


async def test_no_page_or_format_shows_another_number_than_those_of_the_figures(
    office: Office, lia: OfficerWithKeys, library: Library, requested: dict[str, Any]
) -> None:
    """Every number that is not a date, nor of the page itself, is in the text of a figure."""
    _, page = await (await office.signed_in(lia)).get("/console/monitor")
    report, words = made_report(library, requested["first"], requested["last"]), FigureText(library, "es")
    shares = [f"{words.share(figure)} {words.bounds(figure)}" for figure in report.figures]
    people = [words.people(one) for one in (report.enrolled, *(row.enrolled for row in report.rows))]
    allowed = numbers(" ".join([*shares, *people, words.answers(report.answers), "0 50 100"]))  # the chart's scale
    text = re.sub(r"<[^>]*>", " ", page[page.index("<main") :])
    labels = " ".join(re.findall(r'aria-label="([^"]*)"', page))
    formats = [report_format.render(report, format, library) for format in ("table", "json", "csv")]
    for shown in (text, labels, *formats):
        assert numbers(shown)
        assert numbers(shown) <= allowed


def numbers(text: str) -> set[str]:
    """All numbers in a text but those of dates."""
    without_dates = re.sub(r"\d\d/\d\d(/\d{4})?|\d{4}-\d\d-\d\d", "", text)
    return set(re.findall(r"\d+(?:,\d{3}(?!\d))*", without_dates))


@pytest.mark.parametrize(
    ("query", "is_invalid"),
    [
        ("?from=2026-11-02&to=2026-11-06", False),
        ("?from=2026-11-06&to=2026-11-02", True),
        ("?from=2020-01-01&to=2026-11-02", True),
        ("?from=x", True),
        ("?to=0001-01-02", True),
    ],
)
async def test_a_period_is_used_or_reported_as_invalid(
    office: Office, lia: OfficerWithKeys, query: str, is_invalid: bool
) -> None:
    status, page = await (await office.signed_in(lia)).get("/console/monitor" + query)
    assert status == 200
    assert ("Ese periodo no es válido" in page) is is_invalid
    assert ('value="2026-11-02"' in page) is not is_invalid


@pytest.mark.parametrize("role", ["liaison", "officer"])
async def test_a_liaison_sees_only_the_own_institution(office: Office, requested: dict[str, Any], role: str) -> None:
    async with office.database.write() as tx:
        for code, name in (("LEON", "Municipio de León"), ("SALA", "Municipio de Salamanca")):
            await servants.add_institution(tx, code, name, "municipal")
        own = await servants.institution_by_code(tx, "LEON")
        assert own is not None
        token = await officers.invite(tx, "lia@leon.example", "Lía Paz", role, own.id, office.now)
        lia = OfficerWithKeys("", "Lía Paz", "lia@leon.example")
        lia.id = await officers.sign_up(tx, token, SALT, "hash", officers.OfficerState.ACTIVE, office.now)
    assert (await (await office.signed_in(lia)).get("/console/monitor"))[0] == 200
    assert requested["code"] == ("LEON" if role == "liaison" else None)


async def test_the_course_map_shows_what_waits_for_legal_validation(
    office: Office, lia: OfficerWithKeys, library: Library
) -> None:
    _, page = await (await office.signed_in(lia)).get("/console/course")
    assert "Pendiente de validación jurídica por la UEIPCI" in page
    for topic in library.topics.values():
        assert topic.name.es in page
