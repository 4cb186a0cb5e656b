"""The course map: every competency with the review status of its scenarios, as HTML and in a browser."""

from dataclasses import replace
from datetime import date

import pytest
from playwright.async_api import Browser

from content.library import Library
from storage.database import open_database
from tests.bot.console.office import Office, OfficerWithKeys, open_office
from tests.screen import axe_violations

PENDING = "Pendiente de validación jurídica por la UEIPCI"


@pytest.fixture
async def lia(office: Office) -> OfficerWithKeys:
    lia = OfficerWithKeys("", "Lía Paz", "lia@leon.example")
    await office.enrol(lia, "author")
    return lia


async def test_every_competency_is_shown_with_its_law_and_its_scenarios_with_their_review(
    office: Office, lia: OfficerWithKeys, library: Library
) -> None:
    status, page = await (await office.signed_in(lia)).get("/console/course")
    assert status == 200
    for competency in library.competencies.values():
        assert f'id="{competency.id}"' in page
        for article in competency.articles:
            assert library.articles[article].label("es") in page
    for scenario in library.scenarios.values():
        assert f'<th scope="row">{scenario.id}</th>' in page
    assert "cuarentena" not in page


async def test_scenarios_without_a_reviewer_are_shown_as_pending(
    office: Office, lia: OfficerWithKeys, library: Library
) -> None:
    _, page = await (await office.signed_in(lia)).get("/console/course")
    unreviewed = [scenario for scenario in library.scenarios.values() if not scenario.reviewer]
    reviewed_competencies = {scenario.competency for scenario in library.scenarios.values() if scenario.reviewer}
    pending_competencies = {scenario.competency for scenario in unreviewed} - reviewed_competencies
    assert page.count(PENDING) == len(unreviewed) + len(pending_competencies)


async def test_reviewers_and_scenarios_in_quarantine_are_shown(sqlite_url: str, library: Library) -> None:
    first, second, *_ = library.askable[next(iter(library.askable))]
    article = library.articles[second.cited[0]]
    changed = replace(
        library,
        scenarios=dict(library.scenarios)
        | {
            first.id: first.model_copy(update={"reviewer": "Asesoría jurídica", "reviewed_on": date(2027, 3, 1)}),
        },
        articles=dict(library.articles) | {article.id: article.model_copy(update={"since": date(2027, 2, 1)})},
    )
    same_competency = sum(scenario.competency == first.competency for scenario in library.scenarios.values())
    database = open_database(sqlite_url)
    async with open_office(database, changed) as office:
        lia = OfficerWithKeys("", "Lía Paz", "lia@leon.example")
        await office.enrol(lia, "author")
        _, page = await (await office.signed_in(lia)).get("/console/course")
    await database.close()
    assert "Asesoría jurídica" in page
    assert "01/03/2027" in page
    assert f"En cuarentena: cambió {article.label('es')}" in page
    assert f"Situaciones en cuarentena: {len(changed.quarantined)}." in page
    assert f"1 de {same_competency} validadas" in page


@pytest.mark.parametrize(("width", "language"), [(360, "es"), (1280, "en")])
async def test_the_map_is_readable_on_a_phone_and_a_desktop(
    office: Office, lia: OfficerWithKeys, browser: Browser, width: int, language: str
) -> None:
    desk = await office.signed_in(lia)
    context = await browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    await context.add_cookies(
        [{"name": name, "value": value, "url": office.address} for name, value in desk.cookie.items()]
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    await page.goto(f"{office.address}/console/course?lang={language}")
    await page.locator("summary").first.click()
    assert await page.locator("table.reviews").first.is_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await axe_violations(page) == []
    assert complaints == []
    await context.close()
