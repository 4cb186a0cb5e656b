"""The monitor shows the report of handlers/administration/reports.py: tables, suppressed groups, charts in words."""

from datetime import date
from typing import Any

import pytest

from content.library import Library
from handlers.administration import reports
from handlers.context import WorkContext
from storage.confidential import officers
from storage.people import servants
from tests.bot.console.office import Office, OfficerWithKeys

DAYS = ((date(2026, 11, 19), 8, 10), (date(2026, 11, 20), 5, 10))


@pytest.fixture
async def lia(office: Office) -> OfficerWithKeys:
    lia = OfficerWithKeys("", "Lía Paz", "lia@leon.example")
    await office.enrol(lia, "author")
    return lia


def stub_report(library: Library, requested: dict[str, Any]) -> Any:
    """A stand-in for reports.institution_table that records its arguments in `requested`."""

    async def institution_table(work: WorkContext, first: date, last: date, code: str | None) -> reports.Report:
        requested.update(first=first, last=last, code=code)
        rows = (
            reports.InstitutionRow("leon", "Municipio de León", "municipal", 860, 9911, 0.61, 0.72),
            reports.InstitutionRow("tiny", "Instituto Chico", "state", None, None, None, None),
        )
        topic = next(iter(library.topics.values())).name
        return reports.Report(
            first,
            last,
            rows,
            (reports.TopicRow(topic, 40, 0.5),),
            DAYS,
            900,
            9990,
            0.6,
            0.7,
            work.installation.min_group,
            True,
        )

    return institution_table


async def test_tables_charts_and_totals_are_shown_and_small_groups_are_not(
    office: Office, lia: OfficerWithKeys, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: dict[str, Any] = {}
    monkeypatch.setattr(reports, "institution_table", stub_report(library, requested))
    status, page = await (await office.signed_in(lia)).get("/console/monitor")
    assert status == 200
    assert (requested["first"], requested["last"], requested["code"]) == (date(2026, 10, 27), date(2026, 11, 23), None)
    assert "Simulado" in page
    assert "no se muestra: grupo de menos de 10" in page
    assert "9,911" in page
    assert "61 %" in page
    assert page.count('role="img" aria-label="') == 2
    assert "Municipio de León: 61 %; Instituto Chico: sin dato." in page
    assert "19/11: 80 %; 20/11: 50 %." in page


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
async def test_a_liaison_sees_only_the_own_institution(
    office: Office, library: Library, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    requested: dict[str, Any] = {}
    monkeypatch.setattr(reports, "institution_table", stub_report(library, requested))
    async with office.database.write() as tx:
        for code, name in (("LEON", "Municipio de León"), ("SALA", "Municipio de Salamanca")):
            await servants.add_institution(tx, code, name, "municipal")
        own = await servants.institution_by_code(tx, "LEON")
        assert own is not None
        token = await officers.invite(tx, "lia@leon.example", "Lía Paz", role, own.id, office.now)
        lia = OfficerWithKeys("", "Lía Paz", "lia@leon.example")
        lia.id = await officers.sign_up(tx, token, lia.keys(), officers.OfficerState.ACTIVE, office.now)
    assert (await (await office.signed_in(lia)).get("/console/monitor"))[0] == 200
    assert requested["code"] == ("LEON" if role == "liaison" else None)


async def test_the_course_map_shows_what_waits_for_legal_validation(
    office: Office, lia: OfficerWithKeys, library: Library
) -> None:
    _, page = await (await office.signed_in(lia)).get("/console/course")
    assert "Pendiente de validación jurídica por la UEIPCI" in page
    for topic in library.topics.values():
        assert topic.name.es in page
