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
    recipient_limit,
)
from handlers.capabilities import Capabilities
from handlers.context import Installation
from storage.channels import channel_facts
from storage.channels.channel_facts import Stop, TemplateState
from storage.database import Database, Transaction
from storage.people import addresses, servants
from storage.queue import outbox
from storage.queue.backlog import Backlog
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests.cast import MONDAY_NINE as NOW

HOUR = timedelta(hours=1)
WINDOWED = "whatsapp"
HOUSE = Installation(
    ZoneInfo("America/Mexico_City"),
    "http://127.0.0.1:8080",
    b"k" * 32,
    channel_capabilities={WINDOWED: Capabilities(reply_window=timedelta(hours=24)), "telegram": Capabilities()},
)
NAMES = (WINDOWED, "telegram", "webchat")


async def people(tx: Transaction, *names: str) -> None:
    await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
    place = await servants.institution_by_code(tx, "LEON")
    assert place is not None
    for name in names:
        await servants.enrol(
            tx,
            WINDOWED,
            name,
            institution_id=place.id,
            language="es",
            hour=9,
            notice_version="1",
            now=NOW,
            today=NOW.date(),
        )


async def standings(database: Database, library: Library) -> Mapping[str, ChannelStatus]:
    async with database.read() as tx:
        found = await channel_status.channel_statuses(tx, library, HOUSE, NAMES, NOW)
    assert [one.channel for one in found] == list(NAMES)
    return {one.channel: one for one in found}


def state(name: str, code: str, status: str = "", category: str = "", quality: str = "") -> TemplateState:
    return TemplateState(WINDOWED, name, code, status, category, quality, NOW)


def template(library: Library, **told: str) -> TemplateStatus:
    """The Spanish `pregunta_diaria` as it reads with what was told."""
    states = {("pregunta_diaria", "es_MX"): state("pregunta_diaria", "es_MX", **told)} if told else {}
    return next(
        one
        for one in channel_status.template_statuses(library, states)
        if (one.name, one.language) == ("pregunta_diaria", "es")
    )


# ---------------------------------------------------------------- counted in the database


async def test_nothing_is_wrong_where_nothing_was_told(database: Database, library: Library) -> None:
    found = await standings(database, library)
    for one in found.values():
        assert (one.stop, one.backlog, one.troubles) == (None, Backlog(), frozenset())
    reach = found[WINDOWED].reach
    assert reach is not None
    assert reach.people == RecipientQuota(limit=250, is_assumed=True, used=0, waiting=0)
    assert found["telegram"].reach is found["webchat"].reach is None, "there everybody may be written to"


async def test_a_stopped_channel_tells_why_and_when_and_what_waits(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await channel_facts.note(tx, "telegram", channel_facts.STOPPED, "code 401", NOW - HOUR)
        await channel_facts.note(tx, WINDOWED, "account", "PARTNER_ADDED", NOW)
        await outbox.add(tx, [NewDelivery("a", "telegram", "ana", DeliveryKind.REPLY, "[]", NOW - HOUR)])
    found = await standings(database, library)
    assert found["telegram"].stop == Stop("code 401", NOW - HOUR)
    assert found["telegram"].backlog == Backlog(1, NOW - HOUR, 0)
    assert found["telegram"].troubles == {Trouble.STOPPED}
    assert found[WINDOWED].stop is None


async def test_people_are_counted_over_24_hours_and_who_waits_is_told(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await people(tx, "asked", "before", "waiting", "away")
        await channel_facts.note(tx, WINDOWED, channel_facts.PEOPLE, "2", NOW)
        await addresses.record_template_sent(tx, WINDOWED, "asked", NOW - 23 * HOUR)
        await addresses.record_template_sent(tx, WINDOWED, "before", NOW - 25 * HOUR)
        for name in ("waiting", "away"):
            await addresses.put_off(tx, WINDOWED, name, NOW.date())
        await outbox.drop_unreachable(tx, WINDOWED, "away", NOW)
    standing = (await standings(database, library))[WINDOWED]
    assert standing.reach is not None
    assert standing.reach.people == RecipientQuota(limit=2, is_assumed=False, used=1, waiting=1)
    assert standing.troubles == {Trouble.PEOPLE}


async def test_only_a_stopped_template_of_ours_is_a_trouble(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await channel_facts.note_template(tx, WINDOWED, "hello_world", "en_US", NOW, status="PAUSED")
    assert not (await standings(database, library))[WINDOWED].troubles
    async with database.write() as tx:
        await channel_facts.note_template(tx, WINDOWED, "novedades_consulta", "en_US", NOW, status="REJECTED")
    standing = (await standings(database, library))[WINDOWED]
    assert standing.reach is not None
    assert standing.troubles == {Trouble.TEMPLATE}
    assert [str(one) for one in standing.reach.stopped] == ["novedades_consulta en_US"]


# ---------------------------------------------------------------- decided purely


def test_every_template_of_ours_stands_once_a_language_by_name(library: Library) -> None:
    found = channel_status.template_statuses(library, {})
    names = sorted(library.templates)
    assert [(one.name, one.language) for one in found] == [(name, side) for name in names for side in ("es", "en")]
    assert all(one.code == library.templates[one.name].code(one.language) for one in found)
    assert {(one.status, one.category, one.quality) for one in found} == {("", "", "")}


@pytest.mark.parametrize(
    ("told", "is_stopped", "is_marketing_unasked"),
    [
        ({}, False, False),
        ({"quality": "RED"}, False, False),
        ({"status": "APPROVED", "category": "UTILITY"}, False, False),
        ({"status": "APPROVED", "category": "MARKETING"}, False, True),
        ({"status": "PENDING"}, True, False),
        ({"status": "REFUSED_132015", "category": "MARKETING"}, True, True),
    ],
)
def test_a_template_is_stopped_or_filed_otherwise_as_the_platform_told(
    library: Library, told: dict[str, str], is_stopped: bool, is_marketing_unasked: bool
) -> None:
    found = template(library, **told)
    assert (found.is_stopped, found.is_marketing_unasked) == (is_stopped, is_marketing_unasked)
    assert (found.status, found.category) == (told.get("status", ""), told.get("category", ""))


def test_marketing_that_we_asked_for_is_no_surprise(library: Library) -> None:
    ours = library.templates["pregunta_diaria"].model_copy(update={"category": "marketing"})
    changed = replace(library, templates={ours.name: ours})
    assert not template(changed, category="MARKETING").is_marketing_unasked


@pytest.mark.parametrize(("told", "limit"), [(None, 250), ("250", 250), ("2000", 2000), ("-1", None), ("0", 0)])
def test_the_limit_is_what_was_told_or_the_first_one(told: str | None, limit: int | None) -> None:
    assert recipient_limit(told) == limit


@pytest.mark.parametrize(("limit", "used", "room"), [(250, 0, 250), (250, 249, 1), (250, 300, 0), (None, 300, None)])
def test_room_is_never_less_than_none(limit: int | None, used: int, room: int | None) -> None:
    assert RecipientQuota(limit, False, used, 0).room == room


@pytest.mark.parametrize(
    ("name", "holds"), [("pregunta_diaria", True), ("pregunta_completa", False), ("novedades_consulta", False)]
)
def test_prompts_are_held_by_the_template_that_announces_them(library: Library, name: str, holds: bool) -> None:
    states = {(name, "es_MX"): state(name, "es_MX", "PAUSED")}
    reach = TemplateReach(
        WINDOWED, RecipientQuota(None, False, 0, 0), tuple(channel_status.template_statuses(library, states))
    )
    assert [one.name for one in reach.stopped] == [name]
    assert reach.holds_prompts is holds
