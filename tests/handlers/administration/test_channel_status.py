"""Status of the channels as it is read from the database, and the rules for templates and limits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from content.library import Library
from handlers.administration import channel_status
from handlers.administration.channel_status import (
    ChannelStatus,
    RecipientQuota,
    TemplateReach,
    TemplateStatus,
    Trouble,
)
from handlers.capabilities import Capabilities
from handlers.context import Installation, WorkContext
from storage.channels import channel_facts
from storage.channels.channel_facts import Interruption, TemplateState
from storage.database import Database, Transaction
from storage.people import addresses, servants
from storage.queue import outbox
from storage.queue.backlog import Backlog
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests.cast import MONDAY_NINE as NOW

HOUR = timedelta(hours=1)
WINDOWED = "whatsapp"
INSTALLATION = Installation(
    ZoneInfo("America/Mexico_City"),
    "http://127.0.0.1:8080",
    b"k" * 32,
    min_group=10,
    channel_capabilities={WINDOWED: Capabilities(reply_window=timedelta(hours=24)), "telegram": Capabilities()},
    draw_key=bytes(32),
)
NAMES = (WINDOWED, "telegram", "webchat")


async def enrol(tx: Transaction, *names: str) -> None:
    await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
    institution = await servants.institution_by_code(tx, "LEON")
    assert institution is not None
    for name in names:
        await servants.enrol(
            tx,
            WINDOWED,
            name,
            institution_id=institution.id,
            language="es",
            hour=9,
            notice_version="1",
            now=NOW,
            today=NOW.date(),
        )


async def statuses(database: Database, library: Library) -> Mapping[str, ChannelStatus]:
    async with database.read() as tx:
        found = await channel_status.channel_statuses(WorkContext(tx, library, INSTALLATION, NOW), NAMES)
    assert [status.channel for status in found] == list(NAMES)
    return {status.channel: status for status in found}


def state(name: str, code: str, status: str = "", category: str = "", quality: str = "") -> TemplateState:
    return TemplateState(WINDOWED, name, code, status, category, quality, NOW)


def template(library: Library, **reported: str) -> TemplateStatus:
    """The Spanish `pregunta_diaria` with what the platform reported of it."""
    states = {("pregunta_diaria", "es_MX"): state("pregunta_diaria", "es_MX", **reported)} if reported else {}
    found = channel_status.template_statuses(library, states)
    return next(status for status in found if (status.name, status.language) == ("pregunta_diaria", "es"))


# ---------------------------------------------------------------- read from the database


async def test_without_reports_of_the_platform_there_are_no_troubles(database: Database, library: Library) -> None:
    found = await statuses(database, library)
    for status in found.values():
        assert (status.stop, status.backlog, status.troubles) == (None, Backlog(), frozenset())
    reach = found[WINDOWED].reach
    assert reach is not None
    assert reach.people == RecipientQuota(limit=250, is_assumed=True, used=0, waiting=0)
    assert found["telegram"].reach is found["webchat"].reach is None, "channels without a reply window"


async def test_a_stopped_channel_shows_reason_time_and_backlog(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await channel_facts.store(tx, "telegram", channel_facts.STOPPED, "code 401", NOW - HOUR)
        await channel_facts.store(tx, WINDOWED, "account", "PARTNER_ADDED", NOW)
        await outbox.add(tx, [NewDelivery("a", "telegram", "ana", DeliveryKind.REPLY, "[]", NOW - HOUR)])
    found = await statuses(database, library)
    assert found["telegram"].stop == Interruption("code 401", NOW - HOUR)
    assert found["telegram"].backlog == Backlog(1, NOW - HOUR, 0)
    assert found["telegram"].troubles == {Trouble.STOPPED}
    assert found[WINDOWED].stop is None


async def test_template_recipients_of_24_hours_and_waiting_ones_are_counted(
    database: Database, library: Library
) -> None:
    async with database.write() as tx:
        await enrol(tx, "asked", "before", "waiting", "blocked")
        await channel_facts.store_recipient_limit(tx, WINDOWED, 2, NOW)
        await addresses.record_template_sent(tx, WINDOWED, "asked", NOW - 23 * HOUR)
        await addresses.record_template_sent(tx, WINDOWED, "before", NOW - 25 * HOUR)
        for name in ("waiting", "blocked"):
            await addresses.defer(tx, WINDOWED, name, NOW.date())
        await outbox.drop_unreachable(tx, WINDOWED, "blocked", NOW)
    status = (await statuses(database, library))[WINDOWED]
    assert status.reach is not None
    assert status.reach.people == RecipientQuota(limit=2, is_assumed=False, used=1, waiting=1)
    assert status.troubles == {Trouble.PEOPLE}


async def test_only_a_stopped_template_of_ours_is_a_trouble(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await channel_facts.store_template(tx, WINDOWED, "hello_world", "en_US", NOW, status="PAUSED")
    assert not (await statuses(database, library))[WINDOWED].troubles
    async with database.write() as tx:
        await channel_facts.store_template(tx, WINDOWED, "novedades_consulta", "en_US", NOW, status="REJECTED")
    status = (await statuses(database, library))[WINDOWED]
    assert status.reach is not None
    assert status.troubles == {Trouble.TEMPLATE}
    assert [str(template) for template in status.reach.stopped] == ["novedades_consulta en_US"]


# ---------------------------------------------------------------- rules


def test_every_template_is_listed_by_name_once_per_language(library: Library) -> None:
    found = channel_status.template_statuses(library, {})
    names = sorted(library.templates)
    assert [(template.name, template.language) for template in found] == [
        (name, side) for name in names for side in ("es", "en")
    ]
    assert all(template.code == library.templates[template.name].code(template.language) for template in found)
    assert {(template.status, template.category, template.quality) for template in found} == {("", "", "")}


@pytest.mark.parametrize(
    ("reported", "is_stopped", "is_marketing_unasked"),
    [
        ({}, False, False),
        ({"quality": "RED"}, False, False),
        ({"status": "APPROVED", "category": "UTILITY"}, False, False),
        ({"status": "APPROVED", "category": "MARKETING"}, False, True),
        ({"status": "PENDING"}, True, False),
        ({"status": "REFUSED_132015", "category": "MARKETING"}, True, True),
    ],
)
def test_a_template_is_stopped_or_recategorized_as_the_platform_reports(
    library: Library, reported: dict[str, str], is_stopped: bool, is_marketing_unasked: bool
) -> None:
    found = template(library, **reported)
    assert (found.is_stopped, found.is_marketing_unasked) == (is_stopped, is_marketing_unasked)
    assert (found.status, found.category) == (reported.get("status", ""), reported.get("category", ""))


def test_a_template_submitted_as_marketing_is_not_recategorized(library: Library) -> None:
    ours = library.templates["pregunta_diaria"].model_copy(update={"category": "marketing"})
    changed = replace(library, templates={ours.name: ours})
    assert not template(changed, category="MARKETING").is_marketing_unasked


@pytest.mark.parametrize(("limit", "used", "room"), [(250, 0, 250), (250, 249, 1), (250, 300, 0), (None, 300, None)])
def test_the_remaining_room_is_never_negative(limit: int | None, used: int, room: int | None) -> None:
    assert RecipientQuota(limit, False, used, 0).room == room


@pytest.mark.parametrize(
    ("name", "is_blocking"), [("pregunta_diaria", True), ("pregunta_completa", False), ("novedades_consulta", False)]
)
def test_only_the_template_that_announces_prompts_blocks_them(library: Library, name: str, is_blocking: bool) -> None:
    states = {(name, "es_MX"): state(name, "es_MX", "PAUSED")}
    reach = TemplateReach(
        WINDOWED, RecipientQuota(None, False, 0, 0), tuple(channel_status.template_statuses(library, states))
    )
    assert [stopped.name for stopped in reach.stopped] == [name]
    assert reach.holds_prompts is is_blocking
