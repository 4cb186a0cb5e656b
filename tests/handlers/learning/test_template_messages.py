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
from handlers.learning import daily, template_messages
from handlers.learning.send_window import Day
from handlers.message import RenderedTemplate, UpdateKind
from storage import schema
from storage.channels import channel_facts
from storage.channels.channel_facts import PEOPLE
from storage.database import Database
from storage.people import addresses, due, servants
from storage.people.due import Silence
from tests.cast import MONDAY_NINE, Clock
from tests.conftest import clear_tables
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone, whatsapp_installation
from tests.handlers.test_router import with_notice

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
TAP, WHOLE = "pregunta_diaria", "pregunta_completa"
CODES = {"es": "es_MX", "en": "en_US"}


class Story(Chat):
    """People who enrolled on Friday and have been silent since; `planned` are those who were asked."""

    async def people(self, *hours: int, language: str = "es", start: int = 0) -> list[Phone]:
        """One a given hour, in the order in which they enrolled."""
        found = [Phone(f"MX.20{start + number:02}") for number in range(len(hours))]
        for who, hour in zip(found, hours, strict=True):
            await self.enrol(who, hour, language)
            await self.reads(who)
        return found

    async def planned(self, people: list[Phone]) -> list[int]:
        """Which of them were asked by this tick."""
        await self.tick()
        return [number for number, who in enumerate(people) if await self.reads(who)]

    async def knows(self, **facts: str) -> None:
        async with self.database.write() as tx:
            for name, value in facts.items():
                await channel_facts.note(tx, "whatsapp", name, value, self.clock())

    async def template(self, name: str = TAP, language: str = "es", **told: str) -> None:
        async with self.database.write() as tx:
            await channel_facts.note_template(tx, "whatsapp", name, CODES[language], self.clock(), **told)

    async def topic(self, who: Phone, language: str = "es") -> str:
        """Of today's prompt."""
        known = await self.servant(who)
        async with self.database.read() as tx:
            statement = schema.prompts.select().where(schema.prompts.c.servant_id == known.id)
            rows = (await tx.execute(statement.order_by(schema.prompts.c.day.desc()))).mappings().all()
        return self.library.topic_of[rows[0]["competency_id"]].name.in_language(language)

    async def is_knocked(self, who: Phone) -> bool:
        return (await self.place(who)).knocked_at == self.clock()

    async def is_put_off(self, who: Phone) -> bool:
        return (await self.place(who)).put_off_on is not None


@pytest.fixture
async def story(database: Database, library: Library, clock: Clock) -> Story:
    clock.move(days=-3)  # Friday, 9:00; Monday is a working day
    one = Story(database, library, clock)
    await one.open()
    return one


def at(clock: Clock, day: int, hour: int, minute: int = 0) -> None:
    """A local moment; day 0 is the Monday after everybody enrolled."""
    monday = datetime(2026, 11, 23, 6, tzinfo=clock.moment.tzinfo)
    clock.moment = monday + day * DAY + hour * HOUR + minute * MINUTE


# ---------------------------------------------------------------- who is silent


HEARD: dict[str, tuple[timedelta | None, bool]] = {  # how long ago; whether a free message reaches them
    "a minute ago": (MINUTE, True),
    "an hour ago": (HOUR, True),
    "almost a day ago, with the margin": (DAY - template_messages.MARGIN - MINUTE, True),
    "as the margin begins": (DAY - template_messages.MARGIN, False),
    "a day ago": (DAY, False),
    "three days ago": (3 * DAY, False),
    "never": (None, False),
}


@pytest.mark.parametrize("name", HEARD)
async def test_whoever_was_heard_within_a_day_is_written_to_freely_and_others_by_template(
    story: Story, name: str
) -> None:
    ago, is_free = HEARD[name]
    await story.enrol(ANA)
    await story.reads(ANA)
    at(story.clock, 0, 9)
    heard = schema.addresses.update().values(heard_at=story.clock() - ago if ago else None)
    async with story.database.write() as tx:
        await tx.execute(heard)
    await story.knows(people="0" if is_free else "1")
    assert [await story.tick() for _ in range(2)] == [1, 0]
    (parcel,) = await story.reads(ANA)
    assert parcel.opening == RenderedTemplate(TAP, "es_MX", (await story.topic(ANA),), ("profile:today",)), (
        "should it close"
    )
    assert any(one.situation.es in parcel.text for one in story.library.scenarios.values())
    assert await story.is_knocked(ANA) is not is_free


async def test_the_template_is_in_the_persons_language(story: Story) -> None:
    await story.enrol(ANA, language="en")
    await story.reads(ANA)
    at(story.clock, 0, 9)
    await story.tick()
    (parcel,) = await story.reads(ANA)
    topic = await story.topic(ANA, "en")
    assert parcel.opening == RenderedTemplate(TAP, "en_US", (topic,), ("profile:today",))


async def test_a_tap_on_the_template_brings_the_question(story: Story) -> None:
    await story.enrol(ANA)
    await story.reads(ANA)
    at(story.clock, 0, 9)
    await story.tick()
    (parcel,) = await story.reads(ANA)
    assert parcel.opening is not None
    (choice,) = parcel.opening.choices
    (question,) = await story.press(ANA, choice)
    assert (question.text, question.rows) == (parcel.text, parcel.rows)
    assert (await story.place(ANA)).heard_at == story.clock()


async def test_a_channel_without_window_has_neither_templates_nor_a_limit(story: Story) -> None:
    await story.enrol(ANA_ON_TELEGRAM)
    await story.reads(ANA_ON_TELEGRAM)
    await story.knows(people="0")
    await story.template(status="PAUSED")
    at(story.clock, 0, 9)
    assert await story.tick() == 1
    (parcel,) = await story.reads(ANA_ON_TELEGRAM)
    assert parcel.opening is None
    assert not await story.is_knocked(ANA_ON_TELEGRAM)


async def test_whoever_has_to_accept_a_newer_notice_is_called_by_the_template_too(story: Story) -> None:
    await story.enrol(ANA)
    await story.reads(ANA)
    story.library = with_notice(story.library, "2027-1")
    story.installation = whatsapp_installation("direct")
    at(story.clock, 0, 9)
    await story.tick()
    (parcel,) = await story.reads(ANA)
    assert parcel.text.startswith(story.phrase("enroll.renew")[:40])
    assert parcel.opening is not None
    assert (parcel.opening.template, parcel.opening.choices) == (TAP, ("profile:today",))


# ---------------------------------------------------------------- the limit of people


LIMITS = {  # what the platform told; how many of three are planned when 249 got a template in the last hour
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


@pytest.mark.parametrize("told", LIMITS)
async def test_no_more_silent_people_are_written_to_than_the_platform_allows(story: Story, told: str | None) -> None:
    people = await story.people(9, 9, 9)
    if told is not None:
        await story.knows(people=told)
    at(story.clock, 0, 9)
    async with story.database.write() as tx:
        owner = await servants.at(tx, "whatsapp", people[0].address)
        assert owner is not None
        rest = {"channel": "whatsapp", "servant_id": owner.id, "is_reachable": False}
        rows = [rest | {"address": f"MX.30{number:03}", "knocked_at": story.clock() - HOUR} for number in range(249)]
        await tx.execute(insert(schema.addresses), rows)
    assert await story.planned(people) == list(range(LIMITS[told]))
    assert [await story.is_put_off(who) for who in people] == [number >= LIMITS[told] for number in range(3)]
    assert await story.tick() == 0


async def test_whoever_is_put_off_is_planned_first_and_at_their_own_hour(story: Story) -> None:
    await story.knows(people="2")
    people = await story.people(9, 9, 11, 11)
    days = []
    for day in range(3):
        asked = {}
        for hour in range(8, 19):
            at(story.clock, day, hour)
            if found := await story.planned(people):
                asked[hour] = found
        days.append(asked)
    assert days == [{9: [0, 1]}, {11: [2, 3]}, {11: [0, 1]}], "places are kept for those who wait"


async def test_somebody_new_takes_no_place_of_those_who_wait(story: Story) -> None:
    await story.knows(people="2")
    first = await story.people(9, 9, 14)
    at(story.clock, 0, 9)
    assert await story.planned(first) == [0, 1]
    at(story.clock, 0, 14)
    assert await story.planned(first) == []
    new = await story.people(10, 10, start=10)
    async with story.database.write() as tx:  # silent since the day before
        await tx.execute(schema.addresses.update().values(heard_at=story.clock() - 2 * DAY))
    everybody = [*first, *new]
    at(story.clock, 1, 10)
    assert await story.planned(everybody) == [0], "of two places one is kept for whoever waits for 14:00"
    at(story.clock, 1, 14)
    assert await story.planned(everybody) == [2]


async def test_as_the_moving_day_frees_places_they_are_taken(story: Story) -> None:
    await story.knows(people="2")
    people = await story.people(9, 9, 9, 9)
    async with story.database.write() as tx:
        for who, hour in ((people[0], 10), (people[1], 12)):  # as if they had got one on Sunday
            at(story.clock, -1, hour)
            await addresses.record_template_sent(tx, "whatsapp", who.address, story.clock())
    asked = {}
    for hour in range(9, 15):
        for minute in (0, 1):
            at(story.clock, 0, hour, minute)
            if found := await story.planned(people):
                asked[hour, minute] = found
    assert asked == {(10, 0): [0], (12, 0): [1]}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.sampled_from([9, 11, 13]), min_size=1, max_size=6), limit=st.integers(1, 3))
async def test_in_no_moving_day_are_there_more_than_the_limit_and_everybody_has_a_turn(
    database: Database, library: Library, hours: list[int], limit: int
) -> None:
    await clear_tables(database)
    story = Story(database, library, Clock(MONDAY_NINE - 3 * DAY))
    await story.open()
    await story.knows(people=f"{limit}")
    people = await story.people(*hours)
    knocked: list[tuple[datetime, int]] = []
    for day in range(5):
        for hour in (9, 11, 13, 15):
            at(story.clock, day, hour)
            knocked += [(story.clock(), who) for who in await story.planned(people)]
            recent = {who for moment, who in knocked if moment > story.clock() - DAY}
            assert len(recent) <= limit
    turns = [[moment for moment, who in knocked if who == number] for number in range(len(people))]
    most = -(-len(people) // limit)  # days until everybody had a turn, were all asked at one hour
    for hour, asked in zip(hours, turns, strict=True):
        assert all(moment.astimezone(story.installation.timezone).hour >= hour for moment in asked)
        assert len(asked) >= 5 // (most + 1)


async def test_whoever_speaks_while_put_off_is_asked_at_once_and_needs_no_place(story: Story) -> None:
    await story.knows(people="0")
    people = await story.people(9, 9)
    at(story.clock, 0, 9)
    assert await story.planned(people) == []
    await story.types(people[1], "ayuda")
    assert await story.planned(people) == [1]
    assert not await story.is_put_off(people[1])
    assert not await story.is_knocked(people[1])


async def test_free_prompts_do_not_count_against_the_limit(story: Story) -> None:
    await story.knows(people="1")
    people = await story.people(9, 9, 9)
    at(story.clock, 0, 9)
    for who in people[:2]:
        await story.types(who, "ayuda", at=story.clock() - HOUR)
    assert await story.planned(people) == [0, 1, 2]
    assert [await story.is_knocked(who) for who in people] == [False, False, True]


async def test_silent_people_are_planned_in_portions_and_nobody_is_put_off_for_that(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "CHUNK", 2)
    people = await story.people(9, 9, 9, 9, 9)
    at(story.clock, 0, 9)
    assert await story.planned(people) == [0, 1, 2, 3, 4]
    assert not any([await story.is_put_off(who) for who in people])
    assert await story.tick() == 0


async def test_whoever_speaks_before_it_is_their_turn_gets_no_template(story: Story) -> None:
    people = await story.people(9, 9, 9)
    at(story.clock, 0, 9)
    async with story.database.read() as tx:
        _, silent = await daily.look(tx, story.library, story.installation, story.clock())
    await story.types(people[0], "ayuda")
    await story.hears(people[1], UpdateKind.PREFERENCE, choice="stop")
    await story.template(status="APPROVED", category="MARKETING")
    async with story.database.write() as tx:
        assert await daily.ask_some(tx, story.library, story.installation, story.clock(), silent) == 1
    assert await story.is_knocked(people[2])
    assert await story.planned(people) == [0, 2], "the first is written to freely by the next look"
    assert not await story.is_knocked(people[0])


async def test_people_of_both_languages_share_the_limit(story: Story) -> None:
    await story.knows(people="3")
    spanish = await story.people(9, 9)
    english = await story.people(9, 9, language="en", start=10)
    at(story.clock, 0, 9)
    assert len(await story.planned(spanish + english)) == 3


async def test_whoever_waits_longer_goes_first_in_whichever_language(story: Story) -> None:
    await story.knows(people="1")
    spanish = await story.people(9)
    english = await story.people(9, language="en", start=10)
    asked = []
    for day in range(4):
        at(story.clock, day, 9)
        asked.append(await story.planned(spanish + english))
    assert asked == [[0], [1], [0], [1]]


# ---------------------------------------------------------------- templates that are not taken


@pytest.mark.parametrize("status", ["PAUSED", "DISABLED", "REJECTED", "PENDING", "REFUSED_132015"])
async def test_a_stopped_template_plans_nobody_silent_of_its_language_and_everybody_else_as_ever(
    story: Story, status: str
) -> None:
    await story.template(status=status)
    await story.template(language="en", status="APPROVED")
    silent, heard = await story.people(9, 9)
    (english,) = await story.people(9, language="en", start=10)
    await story.enrol(ANA_ON_TELEGRAM)
    await story.reads(ANA_ON_TELEGRAM)
    at(story.clock, 0, 9)
    await story.types(heard, "ayuda")
    everybody = [silent, heard, english, ANA_ON_TELEGRAM]
    assert await story.planned(everybody) == [1, 2, 3]
    at(story.clock, 0, 13)
    assert await story.planned(everybody) == []
    await story.template(status="APPROVED")
    assert await story.planned(everybody) == [0], "the same day"
    assert await story.is_knocked(silent)


async def test_a_stopped_template_is_waited_for_until_the_day_ends(story: Story) -> None:
    await story.template(status="PAUSED")
    people = await story.people(9)
    at(story.clock, 0, 9)
    assert await story.planned(people) == []
    at(story.clock, 0, 19)
    await story.template(status="APPROVED")
    assert await story.planned(people) == []
    at(story.clock, 1, 9)
    assert await story.planned(people) == [0]


async def test_no_place_is_kept_for_whoever_cannot_be_planned(story: Story) -> None:
    await story.knows(people="1")
    await story.template(language="en", status="PAUSED")
    english = await story.people(12, language="en", start=10)
    at(story.clock, 0, 12)
    assert await story.planned(english) == []
    spanish = await story.people(9)
    async with story.database.write() as tx:  # silent for a day
        await tx.execute(schema.addresses.update().values(heard_at=story.clock() - 2 * DAY))
    at(story.clock, 1, 9)
    assert await story.planned(spanish) == [0]


@pytest.mark.parametrize("category", ["MARKETING", "UTILITY", ""])
async def test_whoever_wants_no_marketing_gets_none(story: Story, category: str) -> None:
    await story.template(status="APPROVED", category=category)
    people = await story.people(9, 9)
    at(story.clock, 0, 9)
    await story.hears(people[0], UpdateKind.PREFERENCE, choice="stop")
    assert await story.planned(people) == ([1] if category == "MARKETING" else [0, 1])


async def test_no_marketing_ends_when_the_person_says_so_or_speaks(story: Story) -> None:
    await story.template(status="APPROVED", category="MARKETING")
    people = await story.people(9, 9)
    at(story.clock, 0, 9)
    for who in people:
        await story.hears(who, UpdateKind.PREFERENCE, choice="stop")
    assert await story.planned(people) == []
    await story.hears(people[0], UpdateKind.PREFERENCE, choice="resume")
    assert await story.planned(people) == [0]
    await story.types(people[1], "ayuda")
    assert await story.planned(people) == [1], "freely: that is no template"


async def test_no_place_is_kept_for_whoever_wants_no_marketing(story: Story) -> None:
    await story.knows(people="1")
    await story.template(status="APPROVED", category="MARKETING")
    people = await story.people(12, 9)
    at(story.clock, 0, 8)
    await story.hears(people[0], UpdateKind.PREFERENCE, choice="stop")
    at(story.clock, 0, 9)
    assert await story.planned(people) == [1]
    at(story.clock, 0, 12)
    assert await story.planned(people) == []
    at(story.clock, 1, 9)
    assert await story.planned(people) == [1]


# ---------------------------------------------------------------- the whole question as a template


@pytest.fixture
def direct(story: Story) -> Story:
    story.installation = whatsapp_installation("direct")
    return story


async def opening_of(story: Story, who: Phone) -> RenderedTemplate:
    (parcel,) = await story.reads(who)
    assert parcel.opening is not None
    return parcel.opening


@pytest.mark.parametrize("language", ["es", "en"])
async def test_sent_directly_the_template_is_the_question_and_its_buttons_are_the_answers(
    direct: Story, language: str
) -> None:
    await direct.enrol(ANA, language=language)
    await direct.reads(ANA)
    at(direct.clock, 0, 9)
    await direct.tick()
    opening = await opening_of(direct, ANA)
    number = await direct.prompt(ANA)
    assert opening.choices == tuple(f"answer:{number}:{letter}" for letter in "abc")
    assert (opening.template, opening.code, len(opening.values)) == (WHOLE, CODES[language], 5)
    assert opening.values[0] == await direct.topic(ANA, language)
    known = {" ".join(one.situation.in_language(language).split()) for one in direct.library.scenarios.values()}
    assert opening.values[1] in known
    assert not any(sign in value for value in opening.values for sign in "\n\t")
    (why,) = await direct.press(ANA, opening.choices[1])
    assert why.opening is None
    assert direct.phrase("button.sure", language) in [key.label for row in why.rows for key in row]


INSTEAD: dict[str, dict[str, dict[str, str]]] = {  # how the platform looks at our templates
    "unknown": {},
    "approved": {WHOLE: {"status": "APPROVED"}},
    "paused": {WHOLE: {"status": "PAUSED"}},
    "disabled": {WHOLE: {"status": "DISABLED"}},
    "pending": {WHOLE: {"status": "PENDING"}},
}


@pytest.mark.parametrize("name", INSTEAD)
async def test_where_the_whole_question_is_stopped_the_tap_goes_instead(direct: Story, name: str) -> None:
    for template, told in INSTEAD[name].items():
        await direct.template(template, **told)
    people = await direct.people(9)
    english = await direct.people(9, language="en", start=10)
    at(direct.clock, 0, 9)
    assert await direct.tick() == 2
    expected = WHOLE if name in ("unknown", "approved") else TAP
    assert (await opening_of(direct, people[0])).template == expected
    assert (await opening_of(direct, english[0])).template == WHOLE, "each language is a template of its own"


SHAPES: dict[str, tuple[Any, str]] = {
    "as shipped": (lambda one: one, WHOLE),
    "too long": (lambda one: one.model_copy(update={"situation": Text(es="x" * 900, en="x" * 900)}), TAP),
    "two options": (lambda one: one.model_copy(update={"options": one.options[:2]}), TAP),
    "four options": (lambda one: one.model_copy(update={"options": (*one.options, one.options[0])}), TAP),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_a_question_that_does_not_fit_the_template_is_brought_by_the_tap(direct: Story, name: str) -> None:
    shape, expected = SHAPES[name]
    course = {key: shape(one) for key, one in direct.library.scenarios.items()}
    people = await direct.people(9)
    direct.library = replace(direct.library, scenarios=course)
    at(direct.clock, 0, 9)
    await direct.tick()
    assert (await opening_of(direct, people[0])).template == expected


async def test_sent_directly_whoever_wants_no_marketing_gets_none_either(direct: Story) -> None:
    await direct.template(TAP, status="APPROVED", category="UTILITY")
    await direct.template(WHOLE, status="APPROVED", category="MARKETING")
    people = await direct.people(9)
    at(direct.clock, 0, 9)
    await direct.hears(people[0], UpdateKind.PREFERENCE, choice="stop")
    await direct.tick()
    said = await direct.reads(people[0])
    assert not [one for one in said if one.opening and one.opening.template == WHOLE]


async def test_sent_directly_the_tap_need_not_be_approved(direct: Story) -> None:
    await direct.template(TAP, status="PAUSED")
    await direct.template(WHOLE, status="APPROVED")
    people = await direct.people(9)
    at(direct.clock, 0, 9)
    assert await direct.planned(people) == [0]


# ---------------------------------------------------------------- two channels


async def join(story: Story, who: Phone, channel: str, address: str) -> None:
    known = await story.servant(who)
    row = {"channel": channel, "address": address, "servant_id": known.id}
    async with story.database.write() as tx:
        await tx.execute(insert(schema.addresses).values(row))


CHOSEN: dict[str, tuple[str | None, tuple[str, ...], str]] = {  # chosen; where nobody is reached; where it goes
    "none chosen": (None, (), "telegram"),
    "none chosen, the first does not reach": (None, ("telegram",), "whatsapp"),
    "WhatsApp chosen": ("whatsapp", (), "whatsapp"),
    "WhatsApp chosen, it does not reach": ("whatsapp", ("whatsapp",), "telegram"),
    "Telegram chosen": ("telegram", (), "telegram"),
    "Telegram chosen, it does not reach": ("telegram", ("telegram",), "whatsapp"),
    "one chosen that is no more": ("webchat", (), "telegram"),
    "none reaches": ("telegram", ("telegram", "whatsapp"), ""),
}


@pytest.mark.parametrize("name", CHOSEN)
async def test_a_prompt_goes_to_the_chosen_channel_only_or_to_the_other_when_that_cannot_reach(
    story: Story, name: str
) -> None:
    chosen, unreached, expected = CHOSEN[name]
    await story.enrol(ANA)
    await join(story, ANA, "telegram", ANA_ON_TELEGRAM.address)
    await story.reads(ANA)
    async with story.database.write() as tx:
        await tx.execute(update(schema.servants).values(channel=chosen))
        for channel in unreached:
            unreachable = update(schema.addresses).where(schema.addresses.c.channel == channel)
            await tx.execute(unreachable.values(is_reachable=False))
    at(story.clock, 0, 9)
    assert await story.tick() == (1 if expected else 0)
    assert await story.tick() == 0
    went = [who.channel for who in (ANA, ANA_ON_TELEGRAM) if await story.reads(who)]
    assert went == ([expected] if expected else [])


async def test_the_silence_of_a_channel_that_was_not_chosen_takes_no_place(story: Story) -> None:
    await story.knows(people="1")
    await story.enrol(ANA)
    await join(story, ANA, "telegram", ANA_ON_TELEGRAM.address)
    async with story.database.write() as tx:
        await tx.execute(update(schema.servants).values(channel="telegram"))
    await story.enrol(BETO)
    for who in (ANA, BETO):
        await story.reads(who)
    at(story.clock, 0, 9)
    assert await story.planned([ANA, BETO, ANA_ON_TELEGRAM]) == [1, 2]
    assert not await story.is_put_off(ANA)


# ---------------------------------------------------------------- who is kept a place, hour by hour


AHEAD = {  # put off since that day (0: today), hour; whether a place is kept at 10:00
    "since yesterday, later today": (-1, 11, True),
    "since last week, later today": (-7, 17, True),
    "since yesterday, this hour": (-1, 10, False),
    "since yesterday, an hour that is over": (-1, 9, False),
    "since today, later": (0, 11, False),
    "not put off": (None, 11, False),
}


@pytest.mark.parametrize("name", AHEAD)
async def test_for_whom_a_place_is_kept(story: Story, name: str) -> None:
    since, hour, is_kept = AHEAD[name]
    await story.knows(people="5")
    (who,) = await story.people(hour)
    at(story.clock, 0, 10)
    day = Day.at(story.clock(), story.installation)
    assert day is not None
    async with story.database.write() as tx:
        if since is not None:
            await addresses.put_off(tx, "whatsapp", who.address, day.date + since * DAY)
        silence = Silence("whatsapp", story.clock() - DAY)
        assert await due.count_put_off_ahead(tx, day.date, day.hour, silence, {"es": False}) == int(is_kept)
        assert await template_messages.room_left(tx, silence, day, {"es": False}) == 5 - int(is_kept)


async def test_no_place_is_kept_without_limit(story: Story) -> None:
    await story.knows(**{PEOPLE: "-1"})
    people = await story.people(9, 11)
    async with story.database.write() as tx:
        await addresses.put_off(tx, "whatsapp", people[1].address, story.clock().date())
    at(story.clock, 0, 9)
    assert await story.planned(people) == [0]
