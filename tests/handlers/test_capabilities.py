"""How WhatsApp's manners change what is said, and who is meant: through the router, as its webhooks are translated."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.channels.whatsapp.channel import capabilities
from bot.channels.whatsapp.parser import translate
from content import limits
from content.library import Library
from content.phrases import Phrases
from content.text import LANGUAGES, fold
from handlers import outgoing, router
from handlers.capabilities import FULL_CAPABILITIES, Capabilities
from handlers.context import Installation
from handlers.message import Action, Button, Message, Parcel, Update, UpdateKind
from handlers.outgoing import Listener, Occasion
from storage import schema
from storage.database import Database
from storage.learning import record
from storage.people import addresses, servants
from storage.people.addresses import ServantAddress
from storage.people.servants import Servant
from storage.queue import outbox
from tests.bot.channels.whatsapp import payloads as webhooks
from tests.cast import INSTITUTIONS, MONDAY_NINE, Clock
from tests.conftest import clear_tables
from tests.handlers.conversation import choices, words
from tests.planning import plan

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Phone:
    """Somebody on a channel, by the names that its platform tells."""

    address: str
    alias: str = ""
    channel: str = "whatsapp"


ANA, BETO = Phone("MX.1001", "+524771000001"), Phone("MX.1002", "+524771000002")
ANA_ON_TELEGRAM = Phone("100001", channel="telegram")


def whatsapp_installation(openings: str = "tap") -> Installation:
    zone = ZoneInfo("America/Mexico_City")
    return Installation(
        zone, "http://127.0.0.1:8080", b"k" * 32, channel_capabilities={"whatsapp": capabilities(openings)}
    )


@dataclass
class Chat:
    """The router in a house with WhatsApp, the people, and what they read."""

    database: Database
    library: Library
    clock: Clock
    installation: Installation = field(default_factory=whatsapp_installation)
    _number: int = 0
    _read: set[str] = field(default_factory=set)

    async def open(self) -> "Chat":
        async with self.database.write() as tx:
            for code, name, sphere in INSTITUTIONS:
                await servants.add_institution(tx, code, name, sphere)
        return self

    async def hears(self, who: Phone, kind: UpdateKind, *, at: datetime | None = None, **fields: Any) -> list[Parcel]:
        """One update of a person (`at`: when they sent it), and what was said to them since they last looked."""
        self._number += 1
        given: dict[str, Any] = {"at": int((at or self.clock()).timestamp()), "alias": who.alias} | fields
        await self.takes(Update(who.channel, f"{self._number}", who.address, kind, **given))
        return await self.reads(who)

    async def takes(self, update: Update) -> None:
        async with self.database.write() as tx:
            await router.receive(tx, self.library, self.installation, update, self.clock())

    async def types(self, who: Phone, text: str, **fields: Any) -> list[Parcel]:
        return await self.hears(who, UpdateKind.TEXT, text=text, **fields)

    async def press(self, who: Phone, choice: str, **fields: Any) -> list[Parcel]:
        where = {"ref": "55", "press": "p"} if who.channel == "telegram" else {}
        return await self.hears(who, UpdateKind.CHOICE, choice=choice, **where | fields)

    async def enrol(self, who: Phone, hour: int = 9, language: str = "es", institution: str = "LEON") -> list[Parcel]:
        version = self.library.phrases.template("es", "notice.version")
        return await self.press(who, f"enroll:hour:{language}:{version}:{hour}:{institution}")

    async def tick(self) -> int:
        """The prompts that are due now."""
        return await plan(self.database, self.library, self.installation, self.clock())

    # ------------------------------------------------------------ what is known

    async def reads(self, who: Phone) -> list[Parcel]:
        """What was said at an address since it was last looked at; acknowledgements aside."""
        found = [row for row in await self.rows(who) if row["key"] not in self._read and row["body"]]
        self._read |= {row["key"] for row in found}
        parcels = [outgoing.unpack(row["address"], row["key"], row["body"], row["id"]) for row in found]
        return [one for one in parcels if one.act is not Action.ACKNOWLEDGE]

    async def rows(self, who: Phone) -> list[dict[str, Any]]:
        """The deliveries to an address, in their order."""
        rows = schema.deliveries
        wanted = select(rows).where(rows.c.channel == who.channel, rows.c.address == who.address).order_by(rows.c.id)
        async with self.database.read() as tx:
            return [dict(row) for row in (await tx.execute(wanted)).mappings()]

    async def servant(self, who: Phone) -> Servant:
        async with self.database.read() as tx:
            known = await servants.at(tx, who.channel, who.address)
        assert known is not None
        return known

    async def places(self, who: Phone) -> list[ServantAddress]:
        """Everywhere this servant is."""
        known = await self.servant(who)
        async with self.database.read() as tx:
            return await addresses.all_of(tx, known.id)

    async def place(self, who: Phone) -> ServantAddress:
        async with self.database.read() as tx:
            found = await addresses.find(tx, who.channel, who.address)
        assert found is not None
        return found

    async def prompt(self, who: Phone) -> int:
        """The id of today's prompt."""
        known = await self.servant(who)
        async with self.database.read() as tx:
            found = await record.prompt_of_day(tx, known.id, self.clock().astimezone(self.installation.timezone).date())
        assert found is not None
        return found.id

    def phrase(self, key: str, language: str = "es", **values: object) -> str:
        return self.library.phrases.plain(language, key, values)


@pytest.fixture
async def chat(database: Database, library: Library, clock: Clock) -> Chat:
    return await Chat(database, library, clock).open()


# ---------------------------------------------------------------- one message a turn


async def test_what_one_turn_says_leaves_as_one_message(chat: Chat) -> None:
    (parcel,) = await chat.enrol(ANA)
    assert (parcel.act, parcel.ref) == (Action.SAY, "")
    assert choices([parcel]) == [f"answer:{await chat.prompt(ANA)}:{letter}" for letter in "abc"]
    welcome, _, question = words([parcel]).partition("\n\n")
    assert welcome.startswith("Listo. Municipio de León, a las 9:00")
    assert any(one.situation.es in question for one in chat.library.scenarios.values())
    elsewhere = await chat.enrol(ANA_ON_TELEGRAM)
    assert [one.act for one in elsewhere] == [Action.REPLACE, Action.SAY]


async def test_an_answer_is_not_preceded_by_what_only_refreshes(chat: Chat) -> None:
    for who in (ANA, ANA_ON_TELEGRAM):
        await chat.enrol(who)
    (why,) = await chat.press(ANA, f"answer:{await chat.prompt(ANA)}:a")
    assert "¿Con qué seguridad respondiste?" in words([why])
    refreshed, said = await chat.press(ANA_ON_TELEGRAM, f"answer:{await chat.prompt(ANA_ON_TELEGRAM)}:a")
    assert (refreshed.act, said.act) == (Action.REPLACE, Action.SAY)
    assert "➤" in refreshed.text
    assert "➤" not in why.text


async def test_the_same_answer_once_more_is_met_with_silence_and_another_with_the_first(chat: Chat) -> None:
    await chat.enrol(ANA)
    number = await chat.prompt(ANA)
    await chat.press(ANA, f"answer:{number}:a")
    assert await chat.press(ANA, f"answer:{number}:a") == []
    assert words(await chat.press(ANA, f"answer:{number}:b")) == chat.phrase("answer.stands", letter="A")


async def test_how_sure_one_was_is_noted_in_few_words_as_the_reason_stands_above(chat: Chat) -> None:
    await chat.enrol(ANA)
    number = await chat.prompt(ANA)
    await chat.press(ANA, f"answer:{number}:a")
    said = await chat.press(ANA, f"sure:{number}:think")
    assert words(said) == chat.phrase("answer.noted_short", noted=chat.phrase("button.think"))
    assert choices(said) == [f"why:{number}"]


async def test_a_long_text_is_left_to_the_person_to_delete(chat: Chat) -> None:
    (said,) = await chat.hears(ANA, UpdateKind.LONG_TEXT)
    assert said.act is Action.SAY
    assert words([said]) == chat.phrase("help.long_text_yours")
    elsewhere = await chat.hears(ANA_ON_TELEGRAM, UpdateKind.LONG_TEXT, ref="7")
    assert [one.act for one in elsewhere] == [Action.ERASE, Action.SAY]


WHATSAPP = capabilities("tap")
LISTENER = Listener("whatsapp", "MX.1001", "es")


def small(library: Library, *texts: str) -> Library:
    """A catalog of these texts as `say.0` and so on."""
    catalog = {f"say.{place}": text for place, text in enumerate(texts)}
    catalog |= {"button.go": "{label}", "button.menu": "Elegir"}
    return replace(library, phrases=Phrases(dict.fromkeys(LANGUAGES, catalog)))


async def spoken(
    database: Database, library: Library, messages: list[Message], how: Capabilities = WHATSAPP
) -> list[Parcel]:
    await clear_tables(database)
    async with database.write() as tx:
        occasion = Occasion("whatsapp:1", outbox.DeliveryKind.REPLY, MONDAY_NINE)
        await outgoing.say(tx, library, LISTENER, occasion, messages, ref="55", capabilities=how)
        rows = (await tx.execute(select(schema.deliveries).order_by(schema.deliveries.c.id))).mappings().all()
    return [outgoing.unpack(row["address"], row["key"], row["body"]) for row in rows]


def buttons(count: int, start: int = 0) -> tuple[tuple[Button, ...], ...]:
    return tuple(
        (Button("button.go", f"go:{number}", {"label": f"n{number}"}),) for number in range(start, start + count)
    )


ROOM = {  # characters and buttons of two messages; how many leave
    "both fit": ((10, 0), (10, 0), 1),
    "exactly": ((2000, 0), (limits.TEXT - 2002, 0), 1),
    "one character too many": ((2000, 0), (limits.TEXT - 2001, 0), 2),
    "the first fills it": ((limits.TEXT, 0), (1, 0), 2),
    "as many buttons as there are rows": ((10, 4), (10, 6), 1),
    "one button too many": ((10, 5), (10, 6), 2),
    "buttons of the first": ((10, 3), (10, 0), 1),
    "a text too long for buttons alone, and buttons": ((3000, 0), (900, 3), 1),
}


@pytest.mark.parametrize("name", ROOM)
async def test_messages_are_joined_as_far_as_there_is_room(database: Database, library: Library, name: str) -> None:
    *sizes, count = ROOM[name]
    course = small(library, *(sign * length for sign, (length, _) in zip("xy", sizes, strict=True)))
    rows = [buttons(sizes[0][1]), buttons(sizes[1][1], start=100)]
    messages = [Message(f"say.{place}", {}, row) for place, row in enumerate(rows)]
    assert len(await spoken(database, course, messages)) == count


MESSAGES = st.lists(st.tuples(st.integers(1, limits.TEXT), st.integers(0, 10), st.booleans()), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=MESSAGES)
async def test_whatever_is_said_all_of_it_leaves_in_its_order_within_what_a_message_holds(
    database: Database, library: Library, wanted: list[tuple[int, int, bool]]
) -> None:
    texts = [f"{place}" + "x" * length for place, (length, _, _) in enumerate(wanted)]
    course = small(library, *texts)
    messages = [
        Message(f"say.{place}", {}, buttons(count, start=100 * place), replaces=place % 2 == 0, refreshes=refreshes)
        for place, (_, count, refreshes) in enumerate(wanted)
    ]
    parcels = await spoken(database, course, messages)
    kept = [place for place, (_, _, refreshes) in enumerate(wanted) if not refreshes]
    said = [part for parcel in parcels for part in parcel.text.split("\n\n")]
    limit = {place: limits.TEXT_WITH_BUTTONS if wanted[place][1] else limits.TEXT for place in kept}
    cut = [
        texts[place] if len(texts[place]) <= limit[place] else texts[place][: limit[place] - 1] + "…" for place in kept
    ]
    assert said == cut
    expected = [f"go:{100 * place + number}" for place in kept for number in range(wanted[place][1])]
    assert [key.choice for parcel in parcels for row in parcel.rows for key in row] == expected
    for parcel in parcels:
        assert (parcel.act, parcel.ref) == (Action.SAY, "")
        assert len(parcel.text) <= limits.TEXT
        assert sum(map(len, parcel.rows)) <= 10
        assert parcel.menu == ("Elegir" if parcel.rows else "")


async def test_without_manners_each_message_leaves_alone_and_replaces_what_it_may(
    database: Database, library: Library
) -> None:
    course = small(library, "one", "two", "three")
    messages = [Message("say.0", replaces=True, refreshes=True), Message("say.1", {}, buttons(1)), Message("say.2")]
    parcels = await spoken(database, course, messages, FULL_CAPABILITIES)
    assert [(one.act, one.text, one.menu) for one in parcels] == [
        (Action.REPLACE, "one", ""),
        (Action.SAY, "two", ""),
        (Action.SAY, "three", ""),
    ]


@pytest.mark.parametrize(("language", "menu"), [("es", "Elegir"), ("en", "Choose")])
async def test_a_menu_of_buttons_has_a_name_in_the_persons_language(chat: Chat, language: str, menu: str) -> None:
    (parcel,) = await chat.enrol(ANA, language=language)
    assert parcel.menu == menu
    assert (await chat.hears(ANA, UpdateKind.COMMAND, command="misdatos"))[0].menu == "", "it has no buttons"


# ---------------------------------------------------------------- words that people type


SLASHED = re.compile(rf"(?<![\w/.}}])/({'|'.join(router.COMMANDS)})\b")


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_words_are_typed_no_phrase_asks_for_a_command(library: Library, language: str) -> None:
    typed = library.phrases.section(language, "typed")
    asking = [key for key in library.phrases.keys if SLASHED.search(library.phrases.template(language, key))]
    assert len(asking) > 15
    for key in asking:
        template = library.phrases.template(language, key)
        values = {name: name for _, name, _, _ in Formatter().parse(template) if name}
        listener = replace(LISTENER, language=language)
        said = outgoing.render(library, listener, Message(key, values), Action.SAY, capabilities=WHATSAPP).text
        assert not SLASHED.search(said), key
        for command in SLASHED.findall(template):
            assert f"«{typed[command]}»" in said, key
        elsewhere = outgoing.render(library, listener, Message(key, values), Action.SAY).text
        assert SLASHED.findall(elsewhere) == SLASHED.findall(template)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_people_are_told_to_type_is_understood(library: Library, language: str) -> None:
    understood = router.words(library, "words")
    for command, word in library.phrases.section(language, "typed").items():
        assert understood.get(fold(word)) == command, word


def test_an_address_in_a_phrase_is_no_command(library: Library) -> None:
    course = small(library, "http://a.mx/baja, {url}/hoy, y/o, 1/hora, /hoy y /baja. /noes")
    course = replace(course, phrases=Phrases({"es": course.phrases._catalogs["es"] | {"typed.hoy": "hoy"}}))
    said = outgoing.render(
        course, LISTENER, Message("say.0", {"url": "http://b.mx"}), Action.SAY, capabilities=WHATSAPP
    ).text
    assert said == "http://a.mx/baja, http://b.mx/hoy, y/o, 1/hora, «hoy» y /baja. /noes"


TYPED = {  # what a servant types, and the phrase that answers
    "hora": "profile.hour",
    "HORA ": "profile.hour",
    "/hora": "profile.hour",
    "mis datos": "leave.my_data",
    "Pausa": "profile.pause",
    "salir": "leave.ask",
    "alta": "enroll.back",
    "alta SALUD": "enroll.other",
    "canal": "join.one",
}


@pytest.mark.parametrize("text", TYPED)
async def test_a_typed_word_does_what_the_command_does(chat: Chat, text: str) -> None:
    await chat.enrol(ANA)
    update = translate(webhooks.said(webhooks.text(text)))[0]
    assert isinstance(update, Update)
    await chat.takes(replace(update, address=ANA.address, alias=ANA.alias, at=int(chat.clock().timestamp())))
    beginning = chat.library.phrases.template("es", TYPED[text]).partition("{")[0].replace("**", "")
    assert beginning
    assert words(await chat.reads(ANA)).startswith(beginning)


async def test_a_stranger_enrols_with_the_word_and_the_code(chat: Chat) -> None:
    said = await chat.types(ANA, "Alta leon")
    assert words(said).startswith("Municipio de León")
    assert choices(said)[0].startswith("enroll:yes:es:")


# ---------------------------------------------------------------- the window


HEARD = {  # how long ago the word was sent; when the person counts as heard, and until when the reply may leave
    "just now": (timedelta(0), timedelta(0)),
    "an hour ago": (60 * MINUTE, 60 * MINUTE),
    "a week ago": (7 * DAY, 7 * DAY),
    "in the future": (-DAY, timedelta(0)),
}


@pytest.mark.parametrize("name", HEARD)
async def test_a_reply_outlives_no_window(chat: Chat, name: str) -> None:
    sent, ago = HEARD[name]
    await chat.hears(ANA, UpdateKind.COMMAND, command="ayuda", at=chat.clock() - sent)
    (reply,) = await chat.rows(ANA)
    assert reply["deadline"] == chat.clock() - ago + DAY
    assert (reply["deadline"] <= chat.clock()) == (name == "a week ago")


@pytest.mark.parametrize("at", [0, -5, 2**40, 2**62])
async def test_a_word_without_a_moment_was_said_now(chat: Chat, at: int) -> None:
    await chat.enrol(ANA)
    chat.clock.move(hours=2)
    update = Update("whatsapp", "w", ANA.address, UpdateKind.TEXT, text="hora", at=at, alias=ANA.alias)
    await chat.takes(update)
    assert (await chat.place(ANA)).heard_at == chat.clock()


async def test_a_word_that_comes_a_week_late_opens_no_window(chat: Chat) -> None:
    await chat.enrol(ANA)
    enrolled = chat.clock()
    chat.clock.move(days=8)
    for sent, heard in ((7 * DAY, enrolled + DAY), (8 * DAY, enrolled + DAY), (timedelta(0), chat.clock())):
        await chat.types(ANA, "hora", at=chat.clock() - sent)
        assert (await chat.place(ANA)).heard_at == heard


async def test_whoever_enrols_by_a_late_press_was_heard_then(chat: Chat) -> None:
    version = chat.phrase("notice.version")
    pressed = chat.clock() - 3 * DAY
    await chat.press(ANA, f"enroll:hour:es:{version}:9:LEON", at=pressed)
    assert (await chat.place(ANA)).heard_at == pressed


async def test_a_channel_without_window_has_no_deadlines_and_remembers_no_word(chat: Chat) -> None:
    await chat.enrol(ANA_ON_TELEGRAM)
    await chat.types(ANA_ON_TELEGRAM, "hora")
    assert (await chat.place(ANA_ON_TELEGRAM)).heard_at is None
    said = [row for row in await chat.rows(ANA_ON_TELEGRAM) if not row["key"].endswith(":ack")]
    assert {row["deadline"] for row in said} == {None}


# ---------------------------------------------------------------- who is meant, as webhooks tell it


AT = datetime.fromtimestamp(webhooks.WROTE_AT, UTC)
NEW_USER, NEW_PHONE = webhooks.NEW_USER, "+524779999999"
PHONE = Phone("+524771234567")
USER = Phone(webhooks.USER, "+524771234567")
NOBODY = {"from": None, "from_user_id": None}
FORMS: dict[str, Any] = {
    "phone with the old 1": ({"from": "5214771234567"}, {"wa_id": "5214771234567"}),
    "phone without it": ({"from": "524771234567"}, {"wa_id": "524771234567"}),
    "id and phone": (
        {"from": "5214771234567", "from_user_id": webhooks.USER},
        {"wa_id": "524771234567", "user_id": webhooks.USER},
    ),
    "phone once more": ({"from": "524771234567"}, {"wa_id": "524771234567"}),
    "id only": ({"from_user_id": webhooks.USER}, {"user_id": webhooks.USER}),
}


async def webhook(chat: Chat, raw: Any) -> None:
    """A webhook's body, translated and handled."""
    for update in translate(raw):
        assert isinstance(update, Update)
        await chat.takes(update)


async def test_one_person_in_five_spellings_is_one_servant_and_answered_where_they_are_known(chat: Chat) -> None:
    chat.clock.moment = AT
    await chat.enrol(Phone("+524771234567", "+524771234567"))
    known = await chat.servant(PHONE)
    await chat.reads(PHONE)
    for number, (name, (names, contact)) in enumerate(FORMS.items()):
        text = webhooks.text("hora", f"wamid.{number}", **NOBODY | names)
        await webhook(chat, webhooks.said(text, contacts=[contact]))
        where = PHONE if number < 2 else USER
        assert await chat.servant(where) == known, name
        (reply,) = await chat.reads(where)
        assert words([reply]).startswith("Tu hora es 9:00"), name
    (place,) = await chat.places(USER)
    assert (place.address, place.alias) == (USER.address, USER.alias)


MOVES: dict[str, Any] = {  # the webhook; where the person is then
    "a new number, known by id": (
        USER,
        webhooks.system("user_changed_number", wa_id=webhooks.NEW_PHONE),
        (webhooks.USER, NEW_PHONE),
    ),
    "a new number, known by the number alone": (
        PHONE,
        webhooks.system("user_changed_number", wa_id=webhooks.NEW_PHONE),
        (NEW_PHONE, None),
    ),
    "a new id": (
        USER,
        webhooks.system("user_changed_user_id", body=webhooks.CHANGED_IDS, wa_id=webhooks.NEW_PHONE, user_id=NEW_USER),
        (NEW_USER, NEW_PHONE),
    ),
    "a new id of somebody known by the number alone": (
        PHONE,
        webhooks.system("user_changed_user_id", body=webhooks.CHANGED_IDS, wa_id=webhooks.NEW_PHONE, user_id=NEW_USER),
        (NEW_USER, NEW_PHONE),
    ),
}


@pytest.mark.parametrize("name", MOVES)
async def test_whoever_moves_keeps_the_record_and_what_waits_follows(chat: Chat, name: str) -> None:
    who, raw, (address, alias) = MOVES[name]
    chat.clock.moment = AT
    await chat.enrol(who)
    await chat.enrol(BETO)
    known, before = await chat.servant(who), await chat.place(who)
    (waiting,) = await chat.rows(who)
    await webhook(chat, raw)
    here = Phone(address)
    assert await chat.servant(here) == known
    assert await chat.places(here) == [replace(before, address=address, alias=alias)], "and it was no word of theirs"
    assert [row["key"] for row in await chat.rows(here)] == [waiting["key"]]
    assert [one.address for one in await chat.places(BETO)] == [BETO.address]
    await webhook(chat, raw)
    assert await chat.servant(here) == known, "told twice"


async def test_a_move_to_somebody_elses_address_mixes_nothing(chat: Chat) -> None:
    await chat.enrol(ANA)
    await chat.enrol(BETO, institution="SALUD")
    betos = await chat.places(BETO)
    rows = await chat.rows(BETO)
    await chat.hears(ANA, UpdateKind.MOVED, moved_to=BETO.address, moved_alias="")
    assert (await chat.places(BETO), await chat.rows(BETO)) == (betos, rows)
    assert not (await chat.place(ANA)).is_reachable
    assert await chat.servant(ANA) != await chat.servant(BETO)
    chat.clock.move(days=1)
    assert await chat.tick() == 1, "the old address is not written to"


async def test_of_a_strangers_move_and_wishes_nothing_is_kept(chat: Chat) -> None:
    await chat.hears(ANA, UpdateKind.MOVED, moved_to="MX.9", moved_alias=NEW_PHONE)
    await chat.hears(ANA, UpdateKind.PREFERENCE, choice="stop")
    await chat.hears(ANA, UpdateKind.BLOCKED)
    async with chat.database.read() as tx:
        for table in (schema.addresses, schema.servants, schema.deliveries):
            assert (await tx.execute(select(table))).first() is None


@pytest.mark.parametrize(("choice", "no_marketing"), [("stop", True), ("resume", False)])
async def test_a_wish_is_noted_by_any_name_and_is_no_word(chat: Chat, choice: str, no_marketing: bool) -> None:
    await chat.enrol(ANA)
    before = await chat.place(ANA)
    chat.clock.move(hours=2)
    for who in (ANA, Phone(ANA.alias, ANA.alias), Phone(ANA.address)):
        other = "resume" if choice == "stop" else "stop"
        await chat.hears(who, UpdateKind.PREFERENCE, choice=other)
        await chat.hears(who, UpdateKind.PREFERENCE, choice=choice)
        assert await chat.place(ANA) == replace(before, no_marketing=no_marketing)
    assert len(await chat.rows(ANA)) == 1, "nothing is said to it"
