"""Prompts outside the reply window: templates, the platform's recipient limit, deferral, opt-outs, two channels."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from bot import scheduler
from content.library import Library
from content.text import Text
from handlers.context import WorkContext
from handlers.learning import daily, send_window, template_messages
from handlers.message import RenderedTemplate, UpdateKind
from storage import schema
from storage.channels import channel_facts
from storage.database import Database
from storage.people import addresses, due, servants
from storage.people.due import WindowCutoff
from tests.cast import MONDAY_NINE, Clock
from tests.conftest import clear_tables
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone, whatsapp_installation
from tests.handlers.test_router import with_notice

pytestmark = pytest.mark.slow

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
TAP, FULL = "pregunta_diaria", "pregunta_completa"
CODES = {"es": "es_MX", "en": "en_US"}


class Story(Chat):
    """Servants who enrolled on Friday and have been silent (outside the reply window) since Saturday."""

    async def enrol_at(self, *hours: int, language: str = "es", start: int = 0) -> list[Phone]:
        """Enrol a servant for each hour given; return them in that order."""
        phones = [Phone(f"MX.20{start + number:02}") for number in range(len(hours))]
        for who, hour in zip(phones, hours, strict=True):
            await self.enrol(who, hour, language)
            await self.unread(who)
        return phones

    async def planned(self, phones: list[Phone]) -> list[int]:
        """Tick; return the indexes of those who were sent a prompt."""
        await self.tick()
        return [number for number, who in enumerate(phones) if await self.unread(who)]

    async def report_limit(self, recipients: int | None) -> None:
        """Store the limit of recipients that the platform reported; None: unlimited."""
        async with self.database.write() as tx:
            await channel_facts.store_recipient_limit(tx, "whatsapp", recipients, self.clock())

    async def template(self, name: str = TAP, language: str = "es", **reported: str) -> None:
        """Store the status of a template that the platform reported."""
        async with self.database.write() as tx:
            await channel_facts.store_template(tx, "whatsapp", name, CODES[language], self.clock(), **reported)

    async def topic(self, who: Phone, language: str = "es") -> str:
        """The topic of today's prompt."""
        known = await self.servant(who)
        async with self.database.read() as tx:
            statement = schema.prompts.select().where(schema.prompts.c.servant_id == known.id)
            rows = (await tx.execute(statement.order_by(schema.prompts.c.day.desc()))).mappings().all()
        return self.library.topic_of[rows[0]["competency_id"]].name.in_language(language)

    async def got_template(self, who: Phone) -> bool:
        return (await self.place(who)).template_sent_at == self.clock()

    async def is_deferred(self, who: Phone) -> bool:
        return (await self.place(who)).deferred_on is not None


@pytest.fixture
async def story(database: Database, library: Library, clock: Clock) -> Story:
    clock.move(days=-3)  # Friday, 9:00; Monday is a working day
    story = Story(database, library, clock)
    await story.open()
    return story


def at(clock: Clock, day: int, hour: int, minute: int = 0) -> None:
    """Set the clock to a local time; day 0 is the Monday after the enrolments."""
    monday = datetime(2026, 11, 23, 6, tzinfo=clock.moment.tzinfo)
    clock.moment = monday + day * DAY + hour * HOUR + minute * MINUTE


# ---------------------------------------------------------------- inside and outside the reply window


HEARD: dict[str, tuple[timedelta | None, bool]] = {  # how long ago the user wrote; inside the window
    "a minute ago": (MINUTE, True),
    "an hour ago": (HOUR, True),
    "almost a day ago, with the margin": (DAY - template_messages.PLANNING_MARGIN - MINUTE, True),
    "as the margin begins": (DAY - template_messages.PLANNING_MARGIN, False),
    "a day ago": (DAY, False),
    "three days ago": (3 * DAY, False),
    "never": (None, False),
}


@pytest.mark.parametrize("name", HEARD)
async def test_inside_the_reply_window_the_prompt_is_free_and_outside_it_a_template(story: Story, name: str) -> None:
    ago, is_free = HEARD[name]
    await story.enrol(ANA)
    await story.unread(ANA)
    at(story.clock, 0, 9)
    heard = schema.addresses.update().values(heard_at=story.clock() - ago if ago else None)
    async with story.database.write() as tx:
        await tx.execute(heard)
    await story.report_limit(0 if is_free else 1)
    assert [await story.tick() for _ in range(2)] == [1, 0]
    (parcel,) = await story.unread(ANA)
    assert parcel.template == RenderedTemplate(TAP, "es_MX", (await story.topic(ANA),), ("profile:today",)), (
        "in case the window closes before the send"
    )
    assert any(scenario.situation.es in parcel.text for scenario in story.library.scenarios.values())
    assert await story.got_template(ANA) is not is_free


async def test_the_template_is_in_the_servants_language(story: Story) -> None:
    await story.enrol(ANA, language="en")
    await story.unread(ANA)
    at(story.clock, 0, 9)
    await story.tick()
    (parcel,) = await story.unread(ANA)
    topic = await story.topic(ANA, "en")
    assert parcel.template == RenderedTemplate(TAP, "en_US", (topic,), ("profile:today",))


async def test_the_quick_reply_of_the_template_fetches_the_prompt(story: Story) -> None:
    await story.enrol(ANA)
    await story.unread(ANA)
    at(story.clock, 0, 9)
    await story.tick()
    (parcel,) = await story.unread(ANA)
    assert parcel.template is not None
    (choice,) = parcel.template.choices
    (question,) = await story.press(ANA, choice)
    assert (question.text, question.rows) == (parcel.text, parcel.rows)
    assert (await story.place(ANA)).heard_at == story.clock()


async def test_a_channel_without_window_has_neither_templates_nor_a_limit(story: Story) -> None:
    await story.enrol(ANA_ON_TELEGRAM)
    await story.unread(ANA_ON_TELEGRAM)
    await story.report_limit(0)
    await story.template(status="PAUSED")
    at(story.clock, 0, 9)
    assert await story.tick() == 1
    (parcel,) = await story.unread(ANA_ON_TELEGRAM)
    assert parcel.template is None
    assert not await story.got_template(ANA_ON_TELEGRAM)


async def test_a_newer_notice_is_announced_by_the_template_too(story: Story) -> None:
    await story.enrol(ANA)
    await story.unread(ANA)
    story.library = with_notice(story.library, "2027-1")
    story.installation = whatsapp_installation("direct")
    at(story.clock, 0, 9)
    await story.tick()
    (parcel,) = await story.unread(ANA)
    assert parcel.text.startswith(story.phrase("enroll.renew")[:40])
    assert parcel.template is not None
    assert (parcel.template.template, parcel.template.choices) == (TAP, ("profile:today",))


# ---------------------------------------------------------------- the recipient limit


LIMITS = {  # the reported limit; how many of three are planned when 249 got a template in the last hour
    None: 1,
    "250": 1,
    "251": 2,
    "252": 3,
    "2000": 3,
    "-1": 3,
    "249": 0,
    "50": 0,
    "0": 0,
}


@pytest.mark.parametrize("reported", LIMITS)
async def test_no_more_silent_servants_are_planned_than_the_platform_allows(story: Story, reported: str | None) -> None:
    phones = await story.enrol_at(9, 9, 9)
    if reported is not None:
        await story.report_limit(channel_facts.parse_recipient_limit(reported))
    at(story.clock, 0, 9)
    async with story.database.write() as tx:
        owner = await servants.by_address(tx, "whatsapp", phones[0].address)
        assert owner is not None
        rest = {"channel": "whatsapp", "servant_id": owner.id, "is_reachable": False}
        rows = [
            rest | {"address": f"MX.30{number:03}", "template_sent_at": story.clock() - HOUR} for number in range(249)
        ]
        await tx.execute(insert(schema.addresses), rows)
    assert await story.planned(phones) == list(range(LIMITS[reported]))
    assert [await story.is_deferred(who) for who in phones] == [number >= LIMITS[reported] for number in range(3)]
    assert await story.tick() == 0


async def test_a_deferred_servant_is_planned_first_and_at_their_own_hour(story: Story) -> None:
    await story.report_limit(2)
    phones = await story.enrol_at(9, 9, 11, 11)
    days = []
    for day in range(3):
        planned = {}
        for hour in range(8, 19):
            at(story.clock, day, hour)
            if found := await story.planned(phones):
                planned[hour] = found
        days.append(planned)
    assert days == [{9: [0, 1]}, {11: [2, 3]}, {11: [0, 1]}], "quota is reserved for deferred servants"


async def test_a_new_servant_takes_no_quota_of_deferred_ones(story: Story) -> None:
    await story.report_limit(2)
    first = await story.enrol_at(9, 9, 14)
    at(story.clock, 0, 9)
    assert await story.planned(first) == [0, 1]
    at(story.clock, 0, 14)
    assert await story.planned(first) == []
    new = await story.enrol_at(10, 10, start=10)
    async with story.database.write() as tx:  # silent since the day before
        await tx.execute(schema.addresses.update().values(heard_at=story.clock() - 2 * DAY))
    all_servants = [*first, *new]
    at(story.clock, 1, 10)
    assert await story.planned(all_servants) == [0], "of a limit of two, one is reserved for the servant of 14:00"
    at(story.clock, 1, 14)
    assert await story.planned(all_servants) == [2]


async def test_quota_that_the_rolling_day_frees_is_used(story: Story) -> None:
    await story.report_limit(2)
    phones = await story.enrol_at(9, 9, 9, 9)
    async with story.database.write() as tx:
        for who, hour in ((phones[0], 10), (phones[1], 12)):  # as if they had got a template on Sunday
            at(story.clock, -1, hour)
            await addresses.record_template_sent(tx, "whatsapp", who.address, story.clock())
    planned = {}
    for hour in range(9, 15):
        for minute in (0, 1):
            at(story.clock, 0, hour, minute)
            if found := await story.planned(phones):
                planned[hour, minute] = found
    assert planned == {(10, 0): [0], (12, 0): [1]}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.sampled_from([9, 11, 13]), min_size=1, max_size=6), limit=st.integers(1, 3))
async def test_no_rolling_day_exceeds_the_limit_and_every_servant_is_planned(
    database: Database, library: Library, hours: list[int], limit: int
) -> None:
    await clear_tables(database)
    story = Story(database, library, Clock(MONDAY_NINE - 3 * DAY))
    await story.open()
    await story.report_limit(limit)
    phones = await story.enrol_at(*hours)
    planned: list[tuple[datetime, int]] = []
    for day in range(5):
        for hour in (9, 11, 13, 15):
            at(story.clock, day, hour)
            planned += [(story.clock(), who) for who in await story.planned(phones)]
            recent = {who for moment, who in planned if moment > story.clock() - DAY}
            assert len(recent) <= limit
    times = [[moment for moment, who in planned if who == number] for number in range(len(phones))]
    most = -(-len(phones) // limit)  # days until all were planned once, if all had the same hour
    for hour, own_times in zip(hours, times, strict=True):
        assert all(moment.astimezone(story.installation.timezone).hour >= hour for moment in own_times)
        assert len(own_times) >= 5 // (most + 1)


async def test_a_deferred_servant_who_writes_is_planned_at_once_without_quota(story: Story) -> None:
    await story.report_limit(0)
    phones = await story.enrol_at(9, 9)
    at(story.clock, 0, 9)
    assert await story.planned(phones) == []
    await story.type(phones[1], "ayuda")
    assert await story.planned(phones) == [1]
    assert not await story.is_deferred(phones[1])
    assert not await story.got_template(phones[1])


async def test_free_prompts_do_not_count_against_the_limit(story: Story) -> None:
    await story.report_limit(1)
    phones = await story.enrol_at(9, 9, 9)
    at(story.clock, 0, 9)
    for who in phones[:2]:
        await story.type(who, "ayuda", at=story.clock() - HOUR)
    assert await story.planned(phones) == [0, 1, 2]
    assert [await story.got_template(who) for who in phones] == [False, False, True]


async def test_silent_servants_are_planned_in_batches_and_none_is_deferred_for_that(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "PLAN_BATCH", 2)
    phones = await story.enrol_at(9, 9, 9, 9, 9)
    at(story.clock, 0, 9)
    assert await story.planned(phones) == [0, 1, 2, 3, 4]
    assert not any([await story.is_deferred(who) for who in phones])
    assert await story.tick() == 0


async def test_a_servant_who_writes_before_their_batch_gets_no_template(story: Story) -> None:
    phones = await story.enrol_at(9, 9, 9)
    at(story.clock, 0, 9)
    async with story.database.read() as tx:
        _, silent = await daily.find_due(WorkContext(tx, story.library, story.installation, story.clock()))
    await story.type(phones[0], "ayuda")
    await story.send_update(phones[1], UpdateKind.PREFERENCE, choice="stop")
    await story.template(status="APPROVED", category="MARKETING")
    async with story.database.write() as tx:
        assert await daily.plan_prompts(WorkContext(tx, story.library, story.installation, story.clock()), silent) == 1
    assert await story.got_template(phones[2])
    assert await story.planned(phones) == [0, 2], "the next tick plans the first without a template"
    assert not await story.got_template(phones[0])


async def test_servants_of_both_languages_share_the_limit(story: Story) -> None:
    await story.report_limit(3)
    spanish = await story.enrol_at(9, 9)
    english = await story.enrol_at(9, 9, language="en", start=10)
    at(story.clock, 0, 9)
    assert len(await story.planned(spanish + english)) == 3


async def test_the_longest_deferred_servant_goes_first_in_either_language(story: Story) -> None:
    await story.report_limit(1)
    spanish = await story.enrol_at(9)
    english = await story.enrol_at(9, language="en", start=10)
    planned = []
    for day in range(4):
        at(story.clock, day, 9)
        planned.append(await story.planned(spanish + english))
    assert planned == [[0], [1], [0], [1]]


# ---------------------------------------------------------------- templates that may not be sent


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED", "REJECTED", "PENDING", "REFUSED_132015"])
async def test_a_stopped_template_excludes_only_the_silent_servants_of_its_language(story: Story, status: str) -> None:
    await story.template(status=status)
    await story.template(language="en", status="APPROVED")
    silent, heard = await story.enrol_at(9, 9)
    (english,) = await story.enrol_at(9, language="en", start=10)
    await story.enrol(ANA_ON_TELEGRAM)
    await story.unread(ANA_ON_TELEGRAM)
    at(story.clock, 0, 9)
    await story.type(heard, "ayuda")
    all_servants = [silent, heard, english, ANA_ON_TELEGRAM]
    assert await story.planned(all_servants) == [1, 2, 3]
    at(story.clock, 0, 13)
    assert await story.planned(all_servants) == []
    await story.template(status="APPROVED")
    assert await story.planned(all_servants) == [0], "the same day"
    assert await story.got_template(silent)


async def test_a_stopped_template_is_awaited_until_the_day_ends(story: Story) -> None:
    await story.template(status="PAUSED")
    phones = await story.enrol_at(9)
    at(story.clock, 0, 9)
    assert await story.planned(phones) == []
    at(story.clock, 0, 19)
    await story.template(status="APPROVED")
    assert await story.planned(phones) == []
    at(story.clock, 1, 9)
    assert await story.planned(phones) == [0]


async def test_no_quota_is_reserved_for_a_servant_who_cannot_be_planned(story: Story) -> None:
    await story.report_limit(1)
    await story.template(language="en", status="PAUSED")
    english = await story.enrol_at(12, language="en", start=10)
    at(story.clock, 0, 12)
    assert await story.planned(english) == []
    spanish = await story.enrol_at(9)
    async with story.database.write() as tx:  # silent for a day
        await tx.execute(schema.addresses.update().values(heard_at=story.clock() - 2 * DAY))
    at(story.clock, 1, 9)
    assert await story.planned(spanish) == [0]


@pytest.mark.parametrize("category", ["MARKETING", "UTILITY", ""])
async def test_a_servant_who_opted_out_gets_no_marketing_template(story: Story, category: str) -> None:
    await story.template(status="APPROVED", category=category)
    phones = await story.enrol_at(9, 9)
    at(story.clock, 0, 9)
    await story.send_update(phones[0], UpdateKind.PREFERENCE, choice="stop")
    assert await story.planned(phones) == ([1] if category == "MARKETING" else [0, 1])


async def test_a_servant_who_opts_in_again_or_writes_is_planned(story: Story) -> None:
    await story.template(status="APPROVED", category="MARKETING")
    phones = await story.enrol_at(9, 9)
    at(story.clock, 0, 9)
    for who in phones:
        await story.send_update(who, UpdateKind.PREFERENCE, choice="stop")
    assert await story.planned(phones) == []
    await story.send_update(phones[0], UpdateKind.PREFERENCE, choice="resume")
    assert await story.planned(phones) == [0]
    await story.type(phones[1], "ayuda")
    assert await story.planned(phones) == [1], "inside the window: that is no template"


async def test_no_quota_is_reserved_for_a_servant_who_opted_out(story: Story) -> None:
    await story.report_limit(1)
    await story.template(status="APPROVED", category="MARKETING")
    phones = await story.enrol_at(12, 9)
    at(story.clock, 0, 8)
    await story.send_update(phones[0], UpdateKind.PREFERENCE, choice="stop")
    at(story.clock, 0, 9)
    assert await story.planned(phones) == [1]
    at(story.clock, 0, 12)
    assert await story.planned(phones) == []
    at(story.clock, 1, 9)
    assert await story.planned(phones) == [1]


# ---------------------------------------------------------------- the prompt itself as a template


@pytest.fixture
def direct(story: Story) -> Story:
    story.installation = whatsapp_installation("direct")
    return story


async def template_of(story: Story, who: Phone) -> RenderedTemplate:
    (parcel,) = await story.unread(who)
    assert parcel.template is not None
    return parcel.template


@pytest.mark.parametrize("language", ["es", "en"])
async def test_the_full_template_is_the_prompt_and_its_quick_replies_are_the_answers(
    direct: Story, language: str
) -> None:
    await direct.enrol(ANA, language=language)
    await direct.unread(ANA)
    at(direct.clock, 0, 9)
    await direct.tick()
    template = await template_of(direct, ANA)
    number = await direct.prompt(ANA)
    assert template.choices == tuple(f"answer:{number}:{letter}" for letter in "abc")
    assert (template.template, template.code, len(template.values)) == (FULL, CODES[language], 5)
    assert template.values[0] == await direct.topic(ANA, language)
    scenarios = direct.library.scenarios.values()
    known = {" ".join(scenario.situation.in_language(language).split()) for scenario in scenarios}
    assert template.values[1] in known
    assert not any(sign in value for value in template.values for sign in "\n\t")
    (why,) = await direct.press(ANA, template.choices[1])
    assert why.template is None
    assert direct.phrase("button.sure", language) in [button.label for row in why.rows for button in row]


STATUSES: dict[str, dict[str, dict[str, str]]] = {  # what the platform reported of our templates
    "unknown": {},
    "approved": {FULL: {"status": "APPROVED"}},
    "paused": {FULL: {"status": "PAUSED"}},
    "disabled": {FULL: {"status": "DISABLED"}},
    "pending": {FULL: {"status": "PENDING"}},
}


@pytest.mark.parametrize("name", STATUSES)
async def test_where_the_full_template_is_stopped_the_tap_template_is_sent(direct: Story, name: str) -> None:
    for template, reported in STATUSES[name].items():
        await direct.template(template, **reported)
    phones = await direct.enrol_at(9)
    english = await direct.enrol_at(9, language="en", start=10)
    at(direct.clock, 0, 9)
    assert await direct.tick() == 2
    expected = FULL if name in ("unknown", "approved") else TAP
    assert (await template_of(direct, phones[0])).template == expected
    assert (await template_of(direct, english[0])).template == FULL, "each language is a template of its own"


SHAPES: dict[str, tuple[Any, str]] = {
    "as shipped": (lambda one: one, FULL),
    "too long": (lambda one: one.model_copy(update={"situation": Text(es="x" * 900, en="x" * 900)}), TAP),
    "two options": (lambda one: one.model_copy(update={"options": one.options[:2]}), TAP),
    "four options": (lambda one: one.model_copy(update={"options": (*one.options, one.options[0])}), TAP),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_a_prompt_that_does_not_fit_the_full_template_is_announced_by_the_tap_template(
    direct: Story, name: str
) -> None:
    shape, expected = SHAPES[name]
    course = {key: shape(one) for key, one in direct.library.scenarios.items()}
    phones = await direct.enrol_at(9)
    direct.library = replace(direct.library, scenarios=course)
    at(direct.clock, 0, 9)
    await direct.tick()
    assert (await template_of(direct, phones[0])).template == expected


async def test_a_servant_who_opted_out_gets_no_full_template_in_marketing(direct: Story) -> None:
    await direct.template(TAP, status="APPROVED", category="UTILITY")
    await direct.template(FULL, status="APPROVED", category="MARKETING")
    phones = await direct.enrol_at(9)
    at(direct.clock, 0, 9)
    await direct.send_update(phones[0], UpdateKind.PREFERENCE, choice="stop")
    await direct.tick()
    replies = await direct.unread(phones[0])
    assert not [parcel for parcel in replies if parcel.template and parcel.template.template == FULL]


async def test_with_direct_prompts_the_tap_template_need_not_be_approved(direct: Story) -> None:
    await direct.template(TAP, status="PAUSED")
    await direct.template(FULL, status="APPROVED")
    phones = await direct.enrol_at(9)
    at(direct.clock, 0, 9)
    assert await direct.planned(phones) == [0]


# ---------------------------------------------------------------- two channels


async def link(story: Story, who: Phone, channel: str, address: str) -> None:
    known = await story.servant(who)
    row = {"channel": channel, "address": address, "servant_id": known.id}
    async with story.database.write() as tx:
        await tx.execute(insert(schema.addresses).values(row))


CHOSEN: dict[str, tuple[str | None, tuple[str, ...], str]] = {  # chosen channel; unreachable channels; recipient
    "none chosen": (None, (), "telegram"),
    "none chosen, the first is unreachable": (None, ("telegram",), "whatsapp"),
    "WhatsApp chosen": ("whatsapp", (), "whatsapp"),
    "WhatsApp chosen, it is unreachable": ("whatsapp", ("whatsapp",), "telegram"),
    "Telegram chosen": ("telegram", (), "telegram"),
    "Telegram chosen, it is unreachable": ("telegram", ("telegram",), "whatsapp"),
    "a channel chosen that is not linked any more": ("webchat", (), "telegram"),
    "all unreachable": ("telegram", ("telegram", "whatsapp"), ""),
}


@pytest.mark.parametrize("name", CHOSEN)
async def test_a_prompt_goes_to_the_chosen_channel_or_if_unreachable_to_the_other(story: Story, name: str) -> None:
    chosen, unreachable_channels, expected = CHOSEN[name]
    await story.enrol(ANA)
    await link(story, ANA, "telegram", ANA_ON_TELEGRAM.address)
    await story.unread(ANA)
    async with story.database.write() as tx:
        await tx.execute(update(schema.servants).values(channel=chosen))
        for channel in unreachable_channels:
            unreachable = update(schema.addresses).where(schema.addresses.c.channel == channel)
            await tx.execute(unreachable.values(is_reachable=False))
    at(story.clock, 0, 9)
    assert await story.tick() == (1 if expected else 0)
    assert await story.tick() == 0
    channels = [who.channel for who in (ANA, ANA_ON_TELEGRAM) if await story.unread(who)]
    assert channels == ([expected] if expected else [])


async def test_a_closed_window_on_a_channel_that_was_not_chosen_uses_no_quota(story: Story) -> None:
    await story.report_limit(1)
    await story.enrol(ANA)
    await link(story, ANA, "telegram", ANA_ON_TELEGRAM.address)
    async with story.database.write() as tx:
        await tx.execute(update(schema.servants).values(channel="telegram"))
    await story.enrol(BETO)
    for who in (ANA, BETO):
        await story.unread(who)
    at(story.clock, 0, 9)
    assert await story.planned([ANA, BETO, ANA_ON_TELEGRAM]) == [1, 2]
    assert not await story.is_deferred(ANA)


# ---------------------------------------------------------------- reserved quota


AHEAD = {  # deferred since that day (0: today), hour; whether quota is reserved at 10:00
    "since yesterday, later today": (-1, 11, True),
    "since last week, later today": (-7, 17, True),
    "since yesterday, this hour": (-1, 10, False),
    "since yesterday, an hour that is over": (-1, 9, False),
    "since today, later": (0, 11, False),
    "not deferred": (None, 11, False),
}


@pytest.mark.parametrize("name", AHEAD)
async def test_for_whom_quota_is_reserved(story: Story, name: str) -> None:
    since, hour, is_reserved = AHEAD[name]
    await story.report_limit(5)
    (who,) = await story.enrol_at(hour)
    at(story.clock, 0, 10)
    async with story.database.write() as tx:
        day = await send_window.current(WorkContext(tx, story.library, story.installation, story.clock()))
        assert day is not None
        if since is not None:
            await addresses.defer(tx, "whatsapp", who.address, day.date + since * DAY)
        window = WindowCutoff("whatsapp", story.clock() - DAY)
        assert await due.count_deferred_for_later_hours(tx, day.due_time, window, {"es": False}) == int(is_reserved)
        assert await template_messages.remaining_quota(tx, window, day, {"es": False}) == 5 - int(is_reserved)


async def test_no_quota_is_reserved_without_limit(story: Story) -> None:
    await story.report_limit(None)
    phones = await story.enrol_at(9, 11)
    async with story.database.write() as tx:
        await addresses.defer(tx, "whatsapp", phones[1].address, story.clock().date())
    at(story.clock, 0, 9)
    assert await story.planned(phones) == [0]
