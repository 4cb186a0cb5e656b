import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from content.course.scenario import LETTERS
from content.learning import memory
from content.library import Library
from handlers.account import link_channels
from handlers.learning import answer
from handlers.message import Parcel, UpdateKind
from storage import schema
from storage.channels import transcripts
from storage.database import Database, Transaction
from storage.learning import record
from storage.learning.record import Answer
from storage.people import servants
from tests.cast import Clock
from tests.conftest import clear_tables
from tests.handlers.conversation import choices, words
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone

TELEGRAM, WHATSAPP, WEBCHAT = ANA_ON_TELEGRAM, ANA, Phone("w" * 22, channel="webchat")
BETO_ON_TELEGRAM = Phone("100002", channel="telegram")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
async def chat(database: Database, library: Library, clock: Clock) -> Chat:
    return await Chat(database, library, clock).open()


async def code_of(chat: Chat, who: Phone) -> str:
    """The code that somebody asks for and reads."""
    said = words(await chat.press(who, "join:code"))
    (code,) = set(re.findall(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b", said))
    return str(code)


async def gives(chat: Chat, who: Phone, code: str) -> str:
    """What is said to whoever types a code."""
    return words(await chat.types(who, f"canal {code}"))


async def joined(chat: Chat, first: Phone = TELEGRAM, second: Phone = WHATSAPP) -> None:
    """Somebody enrolled on one channel, joined from another."""
    await chat.enrol(first)
    await gives(chat, second, await code_of(chat, first))
    await chat.reads(first)


def names(chat: Chat, language: str = "es") -> dict[str, str]:
    return {one: chat.phrase(f"channel.{one}", language) for one in ("telegram", "whatsapp", "webchat")}


async def where(chat: Chat, who: Phone) -> list[str]:
    return [f"{one.channel} {one.address}" for one in await chat.places(who)]


# ---------------------------------------------------------------- the code


async def test_a_code_is_short_has_no_signs_that_look_alike_and_is_never_kept(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    codes = {await code_of(chat, TELEGRAM) for _ in range(20)}
    assert len(codes) == 20
    assert all(set(code) - {"-"} <= set(link_channels.SIGNS) for code in codes)
    assert not set("01IO") & set(link_channels.SIGNS)
    async with chat.database.read() as tx:
        (kept,) = (await tx.scalars(select(schema.join_codes.c.code_hash))).all()
    assert len(kept) == 64
    assert not any(code.replace("-", "") in kept.upper() for code in codes)


async def test_a_code_of_another_house_is_none(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    chat.installation = replace(chat.installation, route_key=b"x" * 32)
    assert await gives(chat, WHATSAPP, code) == words_of(chat, "join.unknown")


def words_of(chat: Chat, key: str, language: str = "es", **values: object) -> str:
    """A phrase as WhatsApp shows it: words instead of commands."""
    typed = chat.library.phrases.section(language, "typed")
    return re.sub(r"/([a-z]{3,})", lambda found: f"«{typed[found[1]]}»", chat.phrase(key, language, **values))


SPELLINGS = {
    "as it is shown": "{0}-{1}",
    "without the hyphen": "{0}{1}",
    "in small letters": "{0}-{1}".lower,
    "with a blank": "{0} {1}",
    "with a dash of a phone": "{0}–{1}",
}


@pytest.mark.parametrize("name", SPELLINGS)
async def test_a_code_is_understood_however_it_is_typed(chat: Chat, name: str) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    spelling = SPELLINGS[name]
    typed = spelling.format(*code.split("-")) if isinstance(spelling, str) else code.lower()
    await gives(chat, WHATSAPP, typed)
    assert await where(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}", f"whatsapp {WHATSAPP.address}"]


async def test_where_commands_are_typed_with_a_slash_a_code_follows_the_command(chat: Chat) -> None:
    await chat.enrol(WHATSAPP)
    code = await code_of(chat, WHATSAPP)
    for command in ("canal", "channel"):
        said = await chat.hears(TELEGRAM, UpdateKind.COMMAND, command=command, text=code)
        code = await code_of(chat, WHATSAPP)
    assert words(said) == chat.phrase("join.same"), "the second time they are known here"


async def test_a_code_serves_once(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    assert await gives(chat, WHATSAPP, code) == chat.phrase("join.joined", channel="WhatsApp")
    assert await gives(chat, BETO, code) == words_of(chat, "join.unknown")
    assert await gives(chat, WEBCHAT, code) == chat.phrase("join.unknown")
    assert len(await chat.places(TELEGRAM)) == 2


@pytest.mark.parametrize(("minutes", "is_taken"), [(0, True), (14, True), (15, False), (16, False), (60 * 24, False)])
async def test_a_code_serves_for_fifteen_minutes(chat: Chat, minutes: int, is_taken: bool) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    chat.clock.move(minutes=minutes)
    await gives(chat, WHATSAPP, code)
    assert len(await chat.places(TELEGRAM)) == (2 if is_taken else 1)


NO_CODES = ["ABCD-EFGH", "2", "no sé", "O0O0-1I1I", "__import__", "' OR 1=1 --", "٢٣٤٥-٦٧٨٩", "ABCDEFGH" * 4]


@pytest.mark.parametrize("text", NO_CODES)
async def test_what_is_no_code_joins_nothing(chat: Chat, text: str) -> None:
    await chat.enrol(TELEGRAM)
    await code_of(chat, TELEGRAM)
    for who in (WHATSAPP, BETO_ON_TELEGRAM):
        said = await chat.hears(who, UpdateKind.COMMAND, command="canal", text=text)
        expected = words_of(chat, "join.unknown") if who is WHATSAPP else chat.phrase("join.unknown")
        assert words(said) == expected
    assert len(await chat.places(TELEGRAM)) == 1


async def test_a_newer_code_ends_the_older(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    older, newer = await code_of(chat, TELEGRAM), await code_of(chat, TELEGRAM)
    assert await gives(chat, WHATSAPP, older) == words_of(chat, "join.unknown")
    assert await gives(chat, WHATSAPP, newer) == chat.phrase("join.joined", channel="WhatsApp")


async def test_nobodys_code_is_shown_to_another_and_nobody_joins_by_their_own(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    await chat.enrol(BETO_ON_TELEGRAM, institution="SALUD")
    anas, betos = await code_of(chat, TELEGRAM), await code_of(chat, BETO_ON_TELEGRAM)
    assert anas != betos
    await gives(chat, WHATSAPP, betos)
    assert await where(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}"]
    assert await where(chat, WHATSAPP) == [f"telegram {BETO_ON_TELEGRAM.address}", f"whatsapp {WHATSAPP.address}"]
    await gives(chat, WEBCHAT, anas)
    assert await where(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}", f"webchat {WEBCHAT.address}"]


async def test_a_stranger_has_no_code_and_is_told_the_way(chat: Chat) -> None:
    said = await chat.types(WHATSAPP, "canal")
    assert words(said).startswith(words_of(chat, "join.stranger"))
    assert words(await chat.press(WHATSAPP, "join:code")) == words_of(chat, "help.stranger")
    async with chat.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(schema.join_codes)) == 0


async def test_a_code_on_the_channel_where_it_came_from_says_so(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    assert await gives(chat, TELEGRAM, code) == chat.phrase("join.same")
    assert len(await chat.places(TELEGRAM)) == 1


async def test_a_code_typed_on_the_wrong_channel_still_serves_on_the_other(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    await gives(chat, TELEGRAM, code)
    assert await gives(chat, WHATSAPP, code) == chat.phrase("join.joined", channel="WhatsApp")


async def test_the_code_of_who_left_is_no_code(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    await chat.press(TELEGRAM, "leave:yes")
    assert await gives(chat, WHATSAPP, code) == words_of(chat, "join.unknown")


# ---------------------------------------------------------------- a stranger joins


async def test_a_stranger_joins_the_record_and_its_owner_is_told_where_the_code_came_from(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    known = await chat.servant(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    chat.clock.move(minutes=5)
    said = await chat.types(WHATSAPP, f"canal {code}")
    assert words(said) == chat.phrase("join.joined", channel="WhatsApp")
    assert choices(said) == ["join:prefer:whatsapp"]
    assert await chat.servant(WHATSAPP) == await chat.servant(TELEGRAM) == known
    place = await chat.place(WHATSAPP)
    assert (place.alias, place.heard_at, place.is_reachable) == (WHATSAPP.alias, chat.clock(), True)
    told = await chat.reads(TELEGRAM)
    assert words(told) == chat.phrase("join.told", channel="WhatsApp")
    assert choices(told) == ["join:remove:whatsapp"]
    kinds = {row["kind"] for row in await chat.rows(TELEGRAM) if row["key"].startswith("joined:")}
    assert kinds == {"notice"}


async def test_whoever_joined_finds_the_same_progress_on_both(chat: Chat) -> None:
    await joined(chat)
    number = await chat.prompt(TELEGRAM)
    await chat.press(WHATSAPP, f"answer:{number}:a")
    progress_there = words(await chat.types(WHATSAPP, "avance"))
    assert words(await chat.types(TELEGRAM, "avance")) == progress_there
    assert words(await chat.types(TELEGRAM, "hoy")) == chat.phrase("prompt.answered_today")


async def test_whoever_joins_goes_on_in_the_language_of_the_record(chat: Chat) -> None:
    await chat.enrol(TELEGRAM, language="en")
    code = await code_of(chat, TELEGRAM)
    assert await gives(chat, WHATSAPP, code) == chat.phrase("join.joined", "en", channel="WhatsApp")


async def test_the_owner_is_told_in_their_own_language(chat: Chat) -> None:
    await chat.enrol(TELEGRAM, language="en")
    await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    assert words(await chat.reads(TELEGRAM)) == chat.phrase("join.told", "en", channel="WhatsApp")


async def test_every_other_channel_is_told(chat: Chat) -> None:
    await joined(chat)
    code = await code_of(chat, WHATSAPP)
    await gives(chat, WEBCHAT, code)
    for who in (TELEGRAM, WHATSAPP):
        assert words(await chat.reads(who)) == chat.phrase("join.told", channel=names(chat)["webchat"])


async def test_a_record_has_one_chat_of_each_channel(chat: Chat) -> None:
    await joined(chat)
    code = await code_of(chat, TELEGRAM)
    assert await gives(chat, BETO, code) == words_of(chat, "join.taken", channel="WhatsApp")
    assert await where(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}", f"whatsapp {WHATSAPP.address}"]
    assert await chat.reads(TELEGRAM) == []
    await chat.press(TELEGRAM, "join:remove:whatsapp")
    assert await gives(chat, BETO, await code_of(chat, TELEGRAM)) == chat.phrase("join.joined", channel="WhatsApp")


# ---------------------------------------------------------------- where prompts go, and out again


async def test_one_channel_and_several_are_shown_as_they_are(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    alone = await chat.types(TELEGRAM, "canal")
    assert words(alone) == chat.phrase("join.one", channel="Telegram")
    assert choices(alone) == ["join:code"]
    await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    for who, buttons in ((TELEGRAM, ["whatsapp", "remove:whatsapp"]), (WHATSAPP, ["whatsapp", "remove:telegram"])):
        await chat.reads(who)
        said = await chat.types(who, "canal")
        assert words(said) == chat.phrase("join.several", channels="Telegram, WhatsApp", channel="Telegram")
        assert choices(said) == [f"join:prefer:{buttons[0]}", f"join:{buttons[1]}", "join:code"]


async def test_prompts_go_where_the_person_wants_them_and_nowhere_else(chat: Chat) -> None:
    await joined(chat)
    went = []
    for wanted in ("", "whatsapp", "telegram"):
        if wanted:
            said = await chat.press(TELEGRAM, f"join:prefer:{wanted}")
            assert words(said) == chat.phrase("join.preferred", channel=names(chat)[wanted])
        chat.clock.move(days=1)
        assert [await chat.tick(), await chat.tick()] == [1, 0]
        went.append([who.channel for who in (TELEGRAM, WHATSAPP) if await chat.reads(who)])
    assert went == [["telegram"], ["whatsapp"], ["telegram"]]


async def test_whoever_cannot_be_reached_where_they_want_is_asked_on_the_other_channel(chat: Chat) -> None:
    await joined(chat)
    await chat.press(WHATSAPP, "join:prefer:whatsapp")
    await chat.hears(WHATSAPP, UpdateKind.BLOCKED)
    chat.clock.move(days=1)
    await chat.tick()
    assert [bool(await chat.reads(who)) for who in (TELEGRAM, WHATSAPP)] == [True, False]
    await chat.types(WHATSAPP, "ayuda")
    chat.clock.move(days=1)
    await chat.tick()
    assert [bool(await chat.reads(who)) for who in (TELEGRAM, WHATSAPP)] == [False, True]


async def test_a_removed_channel_is_a_strangers_and_what_waited_for_it_is_gone(chat: Chat) -> None:
    await joined(chat)
    await chat.enrol(BETO)
    await chat.press(WHATSAPP, "join:prefer:whatsapp")
    assert await chat.rows(WHATSAPP)
    said = await chat.press(TELEGRAM, "join:remove:whatsapp")
    assert words(said) == chat.phrase("join.removed", channel="WhatsApp")
    assert await chat.rows(WHATSAPP) == []
    assert await where(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}"]
    assert (await chat.servant(TELEGRAM)).channel is None
    assert words(await chat.types(WHATSAPP, "avance")).startswith("Integra es para personas servidoras públicas")
    assert len(await chat.rows(BETO)) == 1
    chat.clock.move(days=1)
    assert await chat.tick() == 2


async def test_of_a_removed_web_chat_nothing_stays(chat: Chat) -> None:
    await joined(chat, TELEGRAM, WEBCHAT)
    async with chat.database.write() as tx:
        await transcripts.add(tx, WEBCHAT.address, "t", {"text": "..."}, chat.clock(), is_mine=False)
    await chat.press(TELEGRAM, "join:remove:webchat")
    async with chat.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(schema.bubbles)) == 0


NOT_YOURS = {  # a button pressed on Telegram by somebody who is there and on WhatsApp
    "the channel one is on": "join:remove:telegram",
    "a channel where one is not": "join:remove:webchat",
    "prompts where one is not": "join:prefer:webchat",
    "a channel of nobody": "join:remove:fax",
    "no channel": "join:remove:",
    "nothing": "join:",
    "something else": "join:burn:whatsapp",
    "a channel by half": "join:remove:whats",
    "more than a channel": "join:remove:whatsapp:telegram",
}


@pytest.mark.parametrize("name", NOT_YOURS)
async def test_a_button_that_names_no_channel_of_ones_own_changes_nothing(chat: Chat, name: str) -> None:
    await joined(chat)
    await chat.enrol(BETO)
    before = await chat.places(TELEGRAM), await chat.servant(TELEGRAM), await chat.places(BETO)
    assert words(await chat.press(TELEGRAM, NOT_YOURS[name])) == chat.phrase("help.old_button")
    assert before == (await chat.places(TELEGRAM), await chat.servant(TELEGRAM), await chat.places(BETO))


@pytest.mark.parametrize("choice", ["join:remove:telegram", "join:prefer:whatsapp", "join:code"])
async def test_a_stranger_presses_in_vain(chat: Chat, choice: str) -> None:
    await chat.enrol(TELEGRAM)
    assert words(await chat.press(WHATSAPP, choice)) == words_of(chat, "help.stranger")
    assert len(await chat.places(TELEGRAM)) == 1


async def test_leaving_leaves_every_channel(chat: Chat) -> None:
    await joined(chat)
    await chat.press(WHATSAPP, "leave:yes")
    async with chat.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(schema.addresses)) == 0
    assert [row["kind"] for row in await chat.rows(TELEGRAM)] == []


# ---------------------------------------------------------------- two records become one


async def test_whoever_has_a_record_on_each_channel_has_one_afterwards(chat: Chat) -> None:
    await chat.enrol(TELEGRAM, hour=8)
    await chat.enrol(WHATSAPP, hour=17, institution="SALUD")
    kept, other = await chat.servant(TELEGRAM), await chat.servant(WHATSAPP)
    said = await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    assert said == chat.phrase("join.joined", channel="WhatsApp")
    assert await chat.servant(WHATSAPP) == kept, "the record that the code was asked on is the one that stays"
    assert words(await chat.reads(TELEGRAM)) == chat.phrase("join.told", channel="WhatsApp")
    async with chat.database.read() as tx:
        assert await servants.by_id(tx, other.id) is None
    chat.clock.move(days=1)
    assert [await chat.tick(), await chat.tick()] == [1, 0]


async def test_a_question_answered_on_either_side_is_answered(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    await chat.enrol(WHATSAPP)
    unanswered, answered = await chat.prompt(TELEGRAM), await chat.prompt(WHATSAPP)
    await chat.press(WHATSAPP, f"answer:{answered}:a")
    await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    assert await chat.prompt(TELEGRAM) == answered
    await chat.reads(TELEGRAM)
    assert words(await chat.press(TELEGRAM, f"answer:{unanswered}:b")) == chat.phrase("help.old_button")
    assert words(await chat.types(TELEGRAM, "hoy")) == chat.phrase("prompt.answered_today")


ONE = st.one_of(
    st.none(), st.just(("", "")), st.tuples(st.sampled_from("abc"), st.sampled_from(["", *answer.CONFIDENCES]))
)
HISTORY = st.lists(st.tuples(ONE, ONE, st.integers(0, 2), st.integers(0, 2)), max_size=8)
Given = tuple[str, str] | None  # option and confidence; empty: asked and not answered; None: not asked


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORY)
async def test_after_a_merge_the_record_is_as_if_it_had_always_been_one(
    database: Database, library: Library, history: Sequence[tuple[Given, Given, int, int]]
) -> None:
    """Days of two records, each with a competency of its own; the rivals of one day are settled for the kept one."""
    await clear_tables(database)
    chat = await Chat(database, library, Clock()).open()
    await chat.enrol(TELEGRAM)
    await chat.enrol(WHATSAPP)
    async with database.write() as tx:
        await tx.execute(schema.prompts.delete())
        ids = [one.id for one in (await at(tx, TELEGRAM), await at(tx, WHATSAPP))]
        for place, (kept, other, ours, theirs) in enumerate(history, start=1):
            for servant_id, one, competency in ((ids[0], kept, ours), (ids[1], other, theirs)):
                if one is not None:
                    await asked(tx, library, chat, servant_id, place, sorted(library.askable)[competency], *one)
    await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    async with database.read() as tx:
        days = (await tx.scalars(select(schema.prompts.c.day).where(schema.prompts.c.servant_id == ids[0]))).all()
        answers = await record.answers_of(tx, ids[0])
        memories = await record.memories_of(tx, ids[0])
        assert await tx.scalar(select(func.count()).select_from(schema.prompts)) == len(days)
        assert await tx.scalar(select(func.count()).select_from(schema.memories)) == len(memories)
    assert len(set(days)) == len(days)
    expected = [_settled(kept, other) for kept, other, _, _ in history]
    assert [(one.option, one.confidence or "") for one in answers] == [one for one in expected if one]
    assert set(memories) == {one.competency_id for one in answers}
    for trained, remembered in memories.items():
        reviews = [
            memory.Review(one.day, one.is_right, one.confidence or "")
            for one in answers
            if one.competency_id == trained
        ]
        held = memory.strength(reviews)
        assert (remembered.due_on, remembered.repetitions) == (held.due_on, held.repetitions)
        assert remembered.stability == pytest.approx(held.stability)


def _settled(kept: Given, other: Given) -> Given:
    return next((one for one in (kept, other) if one and one[0]), None)


async def at(tx: Transaction, who: Phone) -> servants.Servant:
    known = await servants.at(tx, who.channel, who.address)
    assert known is not None
    return known


async def asked(
    tx: Transaction, library: Library, chat: Chat, servant_id: int, place: int, competency: str, option: str, sure: str
) -> None:
    """A prompt of a day, answered or not, and the memory as it was reckoned then."""
    scenario = library.askable[competency][0]
    day = chat.clock().date() - 30 * DAY + place * DAY
    prompt = await record.plan(tx, servant_id, day, scenario.id, competency, "new")
    assert prompt is not None
    if option:
        given = Answer(
            prompt_id=prompt.id,
            servant_id=servant_id,
            institution_id=(await tx.execute(select(schema.institutions.c.id))).scalars().first() or 0,
            topic_id=library.topic_of[competency].id,
            competency_id=competency,
            scenario_id=scenario.id,
            option=option,
            is_right=LETTERS.index(option) == 0,
            confidence=sure or None,
            day=day,
            answered_at=chat.clock() - 30 * DAY + place * DAY,
        )
        await record.record(tx, given)
        await answer.remember(tx, servant_id, competency)


async def test_a_merge_leaves_everybody_else_alone(chat: Chat) -> None:
    for who in (TELEGRAM, WHATSAPP, BETO):
        await chat.enrol(who)
    await chat.press(BETO, f"answer:{await chat.prompt(BETO)}:a")
    betos = await chat.servant(BETO)
    async with chat.database.read() as tx:
        before = await record.answers_of(tx, betos.id), await record.memories_of(tx, betos.id)
    await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    async with chat.database.read() as tx:
        after = await record.answers_of(tx, betos.id), await record.memories_of(tx, betos.id)
    assert (after, await chat.servant(BETO)) == (before, betos)


async def test_a_merge_leaves_one_chat_of_each_channel(chat: Chat) -> None:
    await joined(chat, TELEGRAM, WEBCHAT)
    await joined(chat, WHATSAPP, Phone("v" * 22, channel="webchat"))
    await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    channels = [one.channel for one in await chat.places(TELEGRAM)]
    assert len(set(channels)) == len(channels)


async def test_an_old_button_of_the_record_that_is_no_more_says_so(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    await chat.enrol(WHATSAPP)
    gone = await chat.prompt(WHATSAPP)
    await chat.press(TELEGRAM, f"answer:{await chat.prompt(TELEGRAM)}:a")
    await gives(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    said: list[Parcel] = await chat.press(WHATSAPP, f"answer:{gone}:a")
    assert words(said) == words_of(chat, "help.old_button")
