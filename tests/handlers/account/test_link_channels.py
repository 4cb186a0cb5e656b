"""Linking channels by a code, merging two records, and choosing where prompts go."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from content.course.scenario import LETTERS
from content.learning.memories import Review, replay
from content.library import Library
from handlers.account import link_channels
from handlers.learning import answer, memories
from handlers.message import Parcel, UpdateKind
from storage import schema
from storage.channels import transcripts
from storage.database import Database, Transaction
from storage.learning import memories as packed_memories
from storage.learning import record
from storage.learning.record import Answer
from storage.people import servants
from tests.cast import Clock
from tests.conftest import clear_tables
from tests.handlers.conversation import choices, text_of
from tests.handlers.test_capabilities import ANA, ANA_ON_TELEGRAM, BETO, Chat, Phone

TELEGRAM, WHATSAPP, WEBCHAT = ANA_ON_TELEGRAM, ANA, Phone("w" * 22, channel="webchat")
BETO_ON_TELEGRAM = Phone("100002", channel="telegram")
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
async def chat(database: Database, library: Library, clock: Clock) -> Chat:
    return await Chat(database, library, clock).open()


async def code_of(chat: Chat, who: Phone) -> str:
    """Request a code and return it as shown."""
    text = text_of(await chat.press(who, "join:code"))
    (code,) = set(re.findall(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b", text))
    return str(code)


async def enter_code(chat: Chat, who: Phone, code: str) -> str:
    """Type a code and return the text of the reply."""
    return text_of(await chat.type(who, f"canal {code}"))


async def linked(chat: Chat, first: Phone = TELEGRAM, second: Phone = WHATSAPP) -> None:
    """Enrol on one channel and link another."""
    await chat.enrol(first)
    await enter_code(chat, second, await code_of(chat, first))
    await chat.unread(first)


def names(chat: Chat, language: str = "es") -> dict[str, str]:
    return {name: chat.phrase(f"channel.{name}", language) for name in ("telegram", "whatsapp", "webchat")}


async def addresses_of(chat: Chat, who: Phone) -> list[str]:
    return [f"{place.channel} {place.address}" for place in await chat.places(who)]


# ---------------------------------------------------------------- the code


async def test_a_code_is_short_unambiguous_and_never_stored(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    codes = {await code_of(chat, TELEGRAM) for _ in range(20)}
    assert len(codes) == 20
    assert all(set(code) - {"-"} <= set(link_channels.CODE_ALPHABET) for code in codes)
    assert not set("01IO") & set(link_channels.CODE_ALPHABET)
    async with chat.database.read() as tx:
        (stored,) = (await tx.scalars(select(schema.join_codes.c.code_hash))).all()
    assert len(stored) == 64
    assert not any(code.replace("-", "") in stored.upper() for code in codes)


async def test_a_code_of_another_installation_is_unknown(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    chat.installation = replace(chat.installation, route_key=b"x" * 32)
    assert await enter_code(chat, WHATSAPP, code) == phrase_of(chat, "join.unknown")


def phrase_of(chat: Chat, key: str, language: str = "es", **values: object) -> str:
    """A phrase as WhatsApp shows it: typed words instead of slash commands."""
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
    await enter_code(chat, WHATSAPP, typed)
    assert await addresses_of(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}", f"whatsapp {WHATSAPP.address}"]


async def test_where_commands_are_typed_with_a_slash_a_code_follows_the_command(chat: Chat) -> None:
    await chat.enrol(WHATSAPP)
    code = await code_of(chat, WHATSAPP)
    for command in ("canal", "channel"):
        replies = await chat.send_update(TELEGRAM, UpdateKind.COMMAND, command=command, text=code)
        code = await code_of(chat, WHATSAPP)
    assert text_of(replies) == chat.phrase("join.same"), "the second time the channel is linked already"


async def test_a_code_is_valid_once(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    assert await enter_code(chat, WHATSAPP, code) == chat.phrase("join.joined", channel="WhatsApp")
    assert await enter_code(chat, BETO, code) == phrase_of(chat, "join.unknown")
    assert await enter_code(chat, WEBCHAT, code) == chat.phrase("join.unknown")
    assert len(await chat.places(TELEGRAM)) == 2


@pytest.mark.parametrize(("minutes", "is_valid"), [(0, True), (14, True), (15, False), (16, False), (60 * 24, False)])
async def test_a_code_is_valid_for_fifteen_minutes(chat: Chat, minutes: int, is_valid: bool) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    chat.clock.move(minutes=minutes)
    await enter_code(chat, WHATSAPP, code)
    assert len(await chat.places(TELEGRAM)) == (2 if is_valid else 1)


INVALID_CODES = ["ABCD-EFGH", "2", "no sé", "O0O0-1I1I", "__import__", "' OR 1=1 --", "٢٣٤٥-٦٧٨٩", "ABCDEFGH" * 4]


@pytest.mark.parametrize("text", INVALID_CODES)
async def test_an_invalid_code_links_nothing(chat: Chat, text: str) -> None:
    await chat.enrol(TELEGRAM)
    await code_of(chat, TELEGRAM)
    for who in (WHATSAPP, BETO_ON_TELEGRAM):
        replies = await chat.send_update(who, UpdateKind.COMMAND, command="canal", text=text)
        expected = phrase_of(chat, "join.unknown") if who is WHATSAPP else chat.phrase("join.unknown")
        assert text_of(replies) == expected
    assert len(await chat.places(TELEGRAM)) == 1


async def test_a_newer_code_invalidates_the_older(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    older, newer = await code_of(chat, TELEGRAM), await code_of(chat, TELEGRAM)
    assert await enter_code(chat, WHATSAPP, older) == phrase_of(chat, "join.unknown")
    assert await enter_code(chat, WHATSAPP, newer) == chat.phrase("join.joined", channel="WhatsApp")


async def test_each_code_links_to_its_owners_record_only(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    await chat.enrol(BETO_ON_TELEGRAM, institution="SALUD")
    anas, betos = await code_of(chat, TELEGRAM), await code_of(chat, BETO_ON_TELEGRAM)
    assert anas != betos
    await enter_code(chat, WHATSAPP, betos)
    assert await addresses_of(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}"]
    assert await addresses_of(chat, WHATSAPP) == [
        f"telegram {BETO_ON_TELEGRAM.address}",
        f"whatsapp {WHATSAPP.address}",
    ]
    await enter_code(chat, WEBCHAT, anas)
    assert await addresses_of(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}", f"webchat {WEBCHAT.address}"]


async def test_a_stranger_gets_no_code_but_the_way_to_enrol(chat: Chat) -> None:
    replies = await chat.type(WHATSAPP, "canal")
    assert text_of(replies).startswith(phrase_of(chat, "join.stranger"))
    assert text_of(await chat.press(WHATSAPP, "join:code")) == phrase_of(chat, "help.stranger")
    async with chat.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(schema.join_codes)) == 0


async def test_a_code_typed_on_its_own_channel_is_answered_with_the_reason(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    assert await enter_code(chat, TELEGRAM, code) == chat.phrase("join.same")
    assert len(await chat.places(TELEGRAM)) == 1


async def test_a_code_typed_on_the_wrong_channel_stays_valid(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    await enter_code(chat, TELEGRAM, code)
    assert await enter_code(chat, WHATSAPP, code) == chat.phrase("join.joined", channel="WhatsApp")


async def test_the_code_of_a_servant_who_left_is_unknown(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    await chat.press(TELEGRAM, "leave:yes")
    assert await enter_code(chat, WHATSAPP, code) == phrase_of(chat, "join.unknown")


# ---------------------------------------------------------------- linking a stranger


async def test_a_stranger_is_linked_and_the_channel_that_created_the_code_is_notified(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    known = await chat.servant(TELEGRAM)
    code = await code_of(chat, TELEGRAM)
    chat.clock.move(minutes=5)
    replies = await chat.type(WHATSAPP, f"canal {code}")
    assert text_of(replies) == chat.phrase("join.joined", channel="WhatsApp")
    assert choices(replies) == ["join:prefer:whatsapp"]
    assert await chat.servant(WHATSAPP) == await chat.servant(TELEGRAM) == known
    place = await chat.place(WHATSAPP)
    assert (place.alias, place.heard_at, place.is_reachable) == (WHATSAPP.alias, chat.clock(), True)
    notices = await chat.unread(TELEGRAM)
    assert text_of(notices) == chat.phrase("join.notification", channel="WhatsApp")
    assert choices(notices) == ["join:remove:whatsapp"]
    kinds = {row["kind"] for row in await chat.rows(TELEGRAM) if row["key"].startswith("joined:")}
    assert kinds == {"notice"}


async def test_linked_channels_show_the_same_progress(chat: Chat) -> None:
    await linked(chat)
    number = await chat.prompt(TELEGRAM)
    await chat.press(WHATSAPP, f"answer:{number}:a")
    progress_there = text_of(await chat.type(WHATSAPP, "avance"))
    assert text_of(await chat.type(TELEGRAM, "avance")) == progress_there
    assert text_of(await chat.type(TELEGRAM, "hoy")) == chat.phrase("prompt.answered_today")


async def test_a_linked_channel_continues_in_the_owners_language(chat: Chat) -> None:
    await chat.enrol(TELEGRAM, language="en")
    code = await code_of(chat, TELEGRAM)
    assert await enter_code(chat, WHATSAPP, code) == chat.phrase("join.joined", "en", channel="WhatsApp")


async def test_the_owner_is_notified_in_their_own_language(chat: Chat) -> None:
    await chat.enrol(TELEGRAM, language="en")
    await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    assert text_of(await chat.unread(TELEGRAM)) == chat.phrase("join.notification", "en", channel="WhatsApp")


async def test_every_other_channel_is_notified(chat: Chat) -> None:
    await linked(chat)
    code = await code_of(chat, WHATSAPP)
    await enter_code(chat, WEBCHAT, code)
    for who in (TELEGRAM, WHATSAPP):
        assert text_of(await chat.unread(who)) == chat.phrase("join.notification", channel=names(chat)["webchat"])


async def test_a_record_has_one_chat_of_each_channel(chat: Chat) -> None:
    await linked(chat)
    code = await code_of(chat, TELEGRAM)
    assert await enter_code(chat, BETO, code) == phrase_of(chat, "join.taken", channel="WhatsApp")
    assert await addresses_of(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}", f"whatsapp {WHATSAPP.address}"]
    assert await chat.unread(TELEGRAM) == []
    await chat.press(TELEGRAM, "join:remove:whatsapp")
    assert await enter_code(chat, BETO, await code_of(chat, TELEGRAM)) == chat.phrase("join.joined", channel="WhatsApp")


# ---------------------------------------------------------------- preferred channel, removal


async def test_one_channel_and_several_are_shown_as_they_are(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    alone = await chat.type(TELEGRAM, "canal")
    assert text_of(alone) == chat.phrase("join.one", channel="Telegram")
    assert choices(alone) == ["join:code"]
    await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    for who, buttons in ((TELEGRAM, ["whatsapp", "remove:whatsapp"]), (WHATSAPP, ["whatsapp", "remove:telegram"])):
        await chat.unread(who)
        replies = await chat.type(who, "canal")
        assert text_of(replies) == chat.phrase("join.several", channels="Telegram, WhatsApp", channel="Telegram")
        assert choices(replies) == [f"join:prefer:{buttons[0]}", f"join:{buttons[1]}", "join:code"]


async def test_prompts_go_to_the_preferred_channel_only(chat: Chat) -> None:
    await linked(chat)
    channels = []
    for wanted in ("", "whatsapp", "telegram"):
        if wanted:
            replies = await chat.press(TELEGRAM, f"join:prefer:{wanted}")
            assert text_of(replies) == chat.phrase("join.preferred", channel=names(chat)[wanted])
        chat.clock.move(days=1)
        assert [await chat.tick(), await chat.tick()] == [1, 0]
        channels.append([who.channel for who in (TELEGRAM, WHATSAPP) if await chat.unread(who)])
    assert channels == [["telegram"], ["whatsapp"], ["telegram"]]


async def test_a_prompt_goes_to_the_other_channel_when_the_preferred_one_is_unreachable(chat: Chat) -> None:
    await linked(chat)
    await chat.press(WHATSAPP, "join:prefer:whatsapp")
    await chat.send_update(WHATSAPP, UpdateKind.BLOCKED)
    chat.clock.move(days=1)
    await chat.tick()
    assert [bool(await chat.unread(who)) for who in (TELEGRAM, WHATSAPP)] == [True, False]
    await chat.type(WHATSAPP, "ayuda")
    chat.clock.move(days=1)
    await chat.tick()
    assert [bool(await chat.unread(who)) for who in (TELEGRAM, WHATSAPP)] == [False, True]


async def test_a_removed_channel_is_a_strangers_and_its_deliveries_are_deleted(chat: Chat) -> None:
    await linked(chat)
    await chat.enrol(BETO)
    await chat.press(WHATSAPP, "join:prefer:whatsapp")
    assert await chat.rows(WHATSAPP)
    replies = await chat.press(TELEGRAM, "join:remove:whatsapp")
    assert text_of(replies) == chat.phrase("join.removed", channel="WhatsApp")
    assert await chat.rows(WHATSAPP) == []
    assert await addresses_of(chat, TELEGRAM) == [f"telegram {TELEGRAM.address}"]
    assert (await chat.servant(TELEGRAM)).channel is None
    assert text_of(await chat.type(WHATSAPP, "avance")).startswith("Integra es para personas servidoras públicas")
    assert len(await chat.rows(BETO)) == 1
    chat.clock.move(days=1)
    assert await chat.tick() == 2


async def test_the_transcript_of_a_removed_web_chat_is_deleted(chat: Chat) -> None:
    await linked(chat, TELEGRAM, WEBCHAT)
    async with chat.database.write() as tx:
        await transcripts.add(tx, WEBCHAT.address, "t", {"text": "..."}, chat.clock(), is_mine=False)
    await chat.press(TELEGRAM, "join:remove:webchat")
    async with chat.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(schema.transcript_messages)) == 0


NOT_LINKED = {  # a button pressed on Telegram by a servant of Telegram and WhatsApp
    "the channel of the update": "join:remove:telegram",
    "a channel that is not linked": "join:remove:webchat",
    "prompts on a channel that is not linked": "join:prefer:webchat",
    "an unknown channel": "join:remove:fax",
    "no channel": "join:remove:",
    "nothing": "join:",
    "an unknown step": "join:burn:whatsapp",
    "a truncated channel": "join:remove:whats",
    "more than a channel": "join:remove:whatsapp:telegram",
}


@pytest.mark.parametrize("name", NOT_LINKED)
async def test_a_button_that_names_no_own_channel_changes_nothing(chat: Chat, name: str) -> None:
    await linked(chat)
    await chat.enrol(BETO)
    before = await chat.places(TELEGRAM), await chat.servant(TELEGRAM), await chat.places(BETO)
    assert text_of(await chat.press(TELEGRAM, NOT_LINKED[name])) == chat.phrase("help.old_button")
    assert before == (await chat.places(TELEGRAM), await chat.servant(TELEGRAM), await chat.places(BETO))


@pytest.mark.parametrize("choice", ["join:remove:telegram", "join:prefer:whatsapp", "join:code"])
async def test_a_strangers_button_changes_nothing(chat: Chat, choice: str) -> None:
    await chat.enrol(TELEGRAM)
    assert text_of(await chat.press(WHATSAPP, choice)) == phrase_of(chat, "help.stranger")
    assert len(await chat.places(TELEGRAM)) == 1


async def test_leaving_removes_every_channel(chat: Chat) -> None:
    await linked(chat)
    await chat.press(WHATSAPP, "leave:yes")
    async with chat.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(schema.addresses)) == 0
    assert [row["kind"] for row in await chat.rows(TELEGRAM)] == []


# ---------------------------------------------------------------- merging two records


async def test_two_records_become_one(chat: Chat) -> None:
    await chat.enrol(TELEGRAM, hour=8)
    await chat.enrol(WHATSAPP, hour=17, institution="SALUD")
    owner, other = await chat.servant(TELEGRAM), await chat.servant(WHATSAPP)
    text = await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    assert text == chat.phrase("join.joined", channel="WhatsApp")
    assert await chat.servant(WHATSAPP) == owner, "the record that created the code stays"
    assert text_of(await chat.unread(TELEGRAM)) == chat.phrase("join.notification", channel="WhatsApp")
    async with chat.database.read() as tx:
        assert await servants.by_id(tx, other.id) is None
    chat.clock.move(days=1)
    assert [await chat.tick(), await chat.tick()] == [1, 0]


async def test_a_question_answered_on_either_side_is_answered(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    await chat.enrol(WHATSAPP)
    unanswered, answered = await chat.prompt(TELEGRAM), await chat.prompt(WHATSAPP)
    await chat.press(WHATSAPP, f"answer:{answered}:a")
    await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    assert await chat.prompt(TELEGRAM) == answered
    await chat.unread(TELEGRAM)
    assert text_of(await chat.press(TELEGRAM, f"answer:{unanswered}:b")) == chat.phrase("help.old_button")
    assert text_of(await chat.type(TELEGRAM, "hoy")) == chat.phrase("prompt.answered_today")


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
    """Days of two records, each with its own competency; of two prompts of a day the owner's wins unless unanswered."""
    await clear_tables(database)
    chat = await Chat(database, library, Clock()).open()
    await chat.enrol(TELEGRAM)
    await chat.enrol(WHATSAPP)
    async with database.write() as tx:
        await tx.execute(schema.prompts.delete())
        ids = [servant.id for servant in (await at(tx, TELEGRAM), await at(tx, WHATSAPP))]
        for number, (owners, others, owner_index, other_index) in enumerate(history, start=1):
            for servant_id, entry, index in ((ids[0], owners, owner_index), (ids[1], others, other_index)):
                if entry is not None:
                    await add_prompt(tx, library, chat, servant_id, number, sorted(library.askable)[index], *entry)
    await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    async with database.read() as tx:
        days = (await tx.scalars(select(schema.prompts.c.day).where(schema.prompts.c.servant_id == ids[0]))).all()
        answers = await record.answers_of(tx, ids[0])
        assert await tx.scalar(select(func.count()).select_from(schema.prompts)) == len(days)
    assert len(set(days)) == len(days)
    expected = [_merged(owners, others) for owners, others, _, _ in history]
    assert [(past.option, past.confidence or "") for past in answers] == [entry for entry in expected if entry]
    async with database.write() as tx:
        remembered = await memories.read(tx, [ids[0]], lambda rows: rows)
    reviews = [
        Review(past.day, past.competency_id, past.scenario_id, past.is_right, past.confidence or "") for past in answers
    ]
    assert [row.memory for row in remembered.values()] == replay([reviews])


def _merged(owners: Given, others: Given) -> Given:
    return next((entry for entry in (owners, others) if entry and entry[0]), None)


async def at(tx: Transaction, who: Phone) -> servants.Servant:
    known = await servants.by_address(tx, who.channel, who.address)
    assert known is not None
    return known


async def add_prompt(
    tx: Transaction, library: Library, chat: Chat, servant_id: int, number: int, competency: str, option: str, sure: str
) -> None:
    """Store the prompt of a day, answered or not, and update the memory."""
    scenario = library.askable[competency][0]
    day = chat.clock().date() - 30 * DAY + number * DAY
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
            answered_at=chat.clock() - 30 * DAY + number * DAY,
        )
        await record.add_answers(tx, [given])
        await memories.add_answers(tx, [given])


async def test_a_merge_changes_no_other_record(chat: Chat) -> None:
    for who in (TELEGRAM, WHATSAPP, BETO):
        await chat.enrol(who)
    await chat.press(BETO, f"answer:{await chat.prompt(BETO)}:a")
    betos = await chat.servant(BETO)
    async with chat.database.read() as tx:
        before = await record.answers_of(tx, betos.id), await packed_memories.of(tx, [betos.id])
    await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    async with chat.database.read() as tx:
        after = await record.answers_of(tx, betos.id), await packed_memories.of(tx, [betos.id])
    assert (after, await chat.servant(BETO)) == (before, betos)


async def test_a_merge_leaves_one_chat_of_each_channel(chat: Chat) -> None:
    await linked(chat, TELEGRAM, WEBCHAT)
    await linked(chat, WHATSAPP, Phone("v" * 22, channel="webchat"))
    await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    channels = [place.channel for place in await chat.places(TELEGRAM)]
    assert len(set(channels)) == len(channels)


async def test_a_button_of_the_merged_record_is_an_old_button(chat: Chat) -> None:
    await chat.enrol(TELEGRAM)
    await chat.enrol(WHATSAPP)
    gone = await chat.prompt(WHATSAPP)
    await chat.press(TELEGRAM, f"answer:{await chat.prompt(TELEGRAM)}:a")
    await enter_code(chat, WHATSAPP, await code_of(chat, TELEGRAM))
    replies: list[Parcel] = await chat.press(WHATSAPP, f"answer:{gone}:a")
    assert text_of(replies) == phrase_of(chat, "help.old_button")
