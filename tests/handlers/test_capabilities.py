"""How WhatsApp's capabilities change the messages, and which servant its webhooks refer to: through the router."""

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
from bot.channels.whatsapp.parser import parse
from content import limits
from content.library import Library
from content.phrases import Phrases
from content.text import LANGUAGES, fold
from handlers import outgoing, router
from handlers.capabilities import FULL_CAPABILITIES, Capabilities
from handlers.context import Installation, WorkContext
from handlers.message import Action, Button, Message, Parcel, Update, UpdateKind
from handlers.outgoing import Recipient, Trigger
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
from tests.handlers.conversation import INSTALLATION, choices, text_of
from tests.opened_deliveries import opened
from tests.planning import plan

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Phone:
    """A user of a channel, by the identifiers that its platform reports."""

    address: str
    alias: str = ""
    channel: str = "whatsapp"


ANA, BETO = Phone("MX.1001", "+524771000001"), Phone("MX.1002", "+524771000002")
ANA_ON_TELEGRAM = Phone("100001", channel="telegram")


def whatsapp_installation(prompt_template: str = "tap") -> Installation:
    zone = ZoneInfo("America/Mexico_City")
    return Installation(
        zone,
        "http://127.0.0.1:8080",
        b"k" * 32,
        min_group=10,
        channel_capabilities={"whatsapp": capabilities(prompt_template)},
        draw_key=bytes(32),
    )


@dataclass
class Chat:
    """The router of an installation with WhatsApp, the users, and their deliveries."""

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

    async def send_update(
        self, who: Phone, kind: UpdateKind, *, at: datetime | None = None, **fields: Any
    ) -> list[Parcel]:
        """Handle one update of a user (`at`: when they sent it); return the messages to them since the last look."""
        self._number += 1
        values: dict[str, Any] = {"at": int((at or self.clock()).timestamp()), "alias": who.alias} | fields
        await self.receive(Update(who.channel, f"{self._number}", who.address, kind, **values))
        return await self.unread(who)

    async def receive(self, update: Update) -> None:
        async with self.database.write() as tx:
            await router.receive(WorkContext(tx, self.library, self.installation, self.clock()), update)

    async def type(self, who: Phone, text: str, **fields: Any) -> list[Parcel]:
        return await self.send_update(who, UpdateKind.TEXT, text=text, **fields)

    async def press(self, who: Phone, choice: str, **fields: Any) -> list[Parcel]:
        refs = {"ref": "55", "press": "p"} if who.channel == "telegram" else {}
        return await self.send_update(who, UpdateKind.CHOICE, choice=choice, **refs | fields)

    async def enrol(self, who: Phone, hour: int = 9, language: str = "es", institution: str = "LEON") -> list[Parcel]:
        version = self.library.phrases.template("es", "notice.version")
        return await self.press(who, f"enroll:hour:{language}:{version}:{hour}:{institution}")

    async def tick(self) -> int:
        """Plan the prompts that are due now; return how many."""
        return await plan(self.database, self.library, self.installation, self.clock())

    # ------------------------------------------------------------ what is stored

    async def unread(self, who: Phone) -> list[Parcel]:
        """The messages to an address since the last look, without acknowledgements."""
        found = [row for row in await self.rows(who) if row["key"] not in self._read and row["body"]]
        self._read |= {row["key"] for row in found}
        parcels = [outgoing.unpack(row["address"], row["key"], row["body"], row["id"]) for row in found]
        return [parcel for parcel in parcels if parcel.action is not Action.ACKNOWLEDGE]

    async def rows(self, who: Phone) -> list[dict[str, Any]]:
        """The deliveries to an address, in their order."""
        async with self.database.read() as tx:
            rows = await opened(tx)
        return [row for row in rows if (row["channel"], row["address"]) == (who.channel, who.address)]

    async def servant(self, who: Phone) -> Servant:
        async with self.database.read() as tx:
            known = await servants.by_address(tx, who.channel, who.address)
        assert known is not None
        return known

    async def places(self, who: Phone) -> list[ServantAddress]:
        """All addresses of this servant."""
        known = await self.servant(who)
        async with self.database.read() as tx:
            return await addresses.of_servant(tx, known.id)

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


# ---------------------------------------------------------------- one message per response


async def test_the_messages_of_one_response_are_sent_as_one(chat: Chat) -> None:
    (parcel,) = await chat.enrol(ANA)
    assert (parcel.action, parcel.ref) == (Action.SEND, "")
    assert choices([parcel]) == [f"answer:{await chat.prompt(ANA)}:{letter}" for letter in "abc"]
    welcome, _, question = text_of([parcel]).partition("\n\n")
    assert welcome.startswith("Listo. Municipio de León, a las 9:00")
    assert any(scenario.situation.es in question for scenario in chat.library.scenarios.values())
    elsewhere = await chat.enrol(ANA_ON_TELEGRAM)
    assert [parcel.action for parcel in elsewhere] == [Action.REPLACE, Action.SEND]


async def test_a_refreshing_message_is_left_out_where_the_channel_cannot_edit(chat: Chat) -> None:
    for who in (ANA, ANA_ON_TELEGRAM):
        await chat.enrol(who)
    (why,) = await chat.press(ANA, f"answer:{await chat.prompt(ANA)}:a")
    assert "¿Con qué seguridad respondiste?" in text_of([why])
    refreshed, reply = await chat.press(ANA_ON_TELEGRAM, f"answer:{await chat.prompt(ANA_ON_TELEGRAM)}:a")
    assert (refreshed.action, reply.action) == (Action.REPLACE, Action.SEND)
    assert "➤" in refreshed.text
    assert "➤" not in why.text


async def test_repeating_the_answer_gets_no_reply_and_another_gets_the_first(chat: Chat) -> None:
    await chat.enrol(ANA)
    number = await chat.prompt(ANA)
    await chat.press(ANA, f"answer:{number}:a")
    assert await chat.press(ANA, f"answer:{number}:a") == []
    assert text_of(await chat.press(ANA, f"answer:{number}:b")) == chat.phrase("answer.stands", letter="A")


async def test_confidence_is_confirmed_briefly_where_the_feedback_stays_visible(chat: Chat) -> None:
    await chat.enrol(ANA)
    number = await chat.prompt(ANA)
    await chat.press(ANA, f"answer:{number}:a")
    replies = await chat.press(ANA, f"sure:{number}:think")
    assert text_of(replies) == chat.phrase("answer.noted_short", noted=chat.phrase("button.think"))
    assert choices(replies) == [f"why:{number}"]


async def test_the_user_is_asked_to_delete_a_long_text_where_the_channel_cannot(chat: Chat) -> None:
    (reply,) = await chat.send_update(ANA, UpdateKind.LONG_TEXT)
    assert reply.action is Action.SEND
    assert text_of([reply]) == chat.phrase("help.long_text_yours")
    elsewhere = await chat.send_update(ANA_ON_TELEGRAM, UpdateKind.LONG_TEXT, ref="7")
    assert [parcel.action for parcel in elsewhere] == [Action.ERASE, Action.SEND]


WHATSAPP = capabilities("tap")
RECIPIENT = Recipient("whatsapp", "MX.1001", "es")


def small(library: Library, *texts: str) -> Library:
    """A library whose phrases `say.0`, `say.1` ... are these texts."""
    catalog = {f"say.{index}": text for index, text in enumerate(texts)}
    catalog |= {"button.go": "{label}", "button.menu": "Elegir"}
    return replace(library, phrases=Phrases(dict.fromkeys(LANGUAGES, catalog)))


async def rendered(
    database: Database, library: Library, messages: list[Message], capabilities: Capabilities = WHATSAPP
) -> list[Parcel]:
    await clear_tables(database)
    async with database.write() as tx:
        trigger = Trigger("whatsapp:1", outbox.DeliveryKind.REPLY)
        installation = replace(INSTALLATION, channel_capabilities={RECIPIENT.channel: capabilities})
        work = WorkContext(tx, library, installation, MONDAY_NINE)
        await outgoing.enqueue(work, RECIPIENT, trigger, messages, ref="55")
        rows = await opened(tx)
    return [outgoing.unpack(row["address"], row["key"], row["body"]) for row in rows]


def buttons(count: int, start: int = 0) -> tuple[tuple[Button, ...], ...]:
    return tuple(
        (Button("button.go", f"go:{number}", {"label": f"n{number}"}),) for number in range(start, start + count)
    )


SIZES = {  # characters and buttons of two messages; number of messages sent
    "both fit": ((10, 0), (10, 0), 1),
    "exactly": ((2000, 0), (limits.TEXT - 2002, 0), 1),
    "one character too many": ((2000, 0), (limits.TEXT - 2001, 0), 2),
    "the first fills it": ((limits.TEXT, 0), (1, 0), 2),
    "as many buttons as there are rows": ((10, 4), (10, 6), 1),
    "one button too many": ((10, 5), (10, 6), 2),
    "buttons of the first": ((10, 3), (10, 0), 1),
    "a text too long for buttons alone, and buttons": ((3000, 0), (900, 3), 1),
}


@pytest.mark.parametrize("name", SIZES)
async def test_messages_are_joined_as_far_as_the_limits_allow(database: Database, library: Library, name: str) -> None:
    *sizes, count = SIZES[name]
    course = small(library, *(letter * length for letter, (length, _) in zip("xy", sizes, strict=True)))
    rows = [buttons(sizes[0][1]), buttons(sizes[1][1], start=100)]
    messages = [Message(f"say.{index}", {}, row) for index, row in enumerate(rows)]
    assert len(await rendered(database, course, messages)) == count


MESSAGES = st.lists(st.tuples(st.integers(1, limits.TEXT), st.integers(0, 10), st.booleans()), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=MESSAGES)
async def test_joined_messages_lose_nothing_keep_their_order_and_respect_the_limits(
    database: Database, library: Library, wanted: list[tuple[int, int, bool]]
) -> None:
    texts = [f"{index}" + "x" * length for index, (length, _, _) in enumerate(wanted)]
    course = small(library, *texts)
    messages = [
        Message(f"say.{index}", {}, buttons(count, start=100 * index), replaces=index % 2 == 0, refreshes=refreshes)
        for index, (_, count, refreshes) in enumerate(wanted)
    ]
    parcels = await rendered(database, course, messages)
    sent = [index for index, (_, _, refreshes) in enumerate(wanted) if not refreshes]
    parts = [part for parcel in parcels for part in parcel.text.split("\n\n")]
    limit = {index: limits.TEXT_WITH_BUTTONS if wanted[index][1] else limits.TEXT for index in sent}
    cut = [
        texts[index] if len(texts[index]) <= limit[index] else texts[index][: limit[index] - 1] + "…" for index in sent
    ]
    assert parts == cut
    expected = [f"go:{100 * index + number}" for index in sent for number in range(wanted[index][1])]
    assert [button.choice for parcel in parcels for row in parcel.rows for button in row] == expected
    for parcel in parcels:
        assert (parcel.action, parcel.ref) == (Action.SEND, "")
        assert len(parcel.text) <= limits.TEXT
        assert sum(map(len, parcel.rows)) <= 10
        assert parcel.menu == ("Elegir" if parcel.rows else "")


async def test_with_full_capabilities_each_message_is_sent_alone_and_may_replace(
    database: Database, library: Library
) -> None:
    course = small(library, "one", "two", "three")
    messages = [Message("say.0", replaces=True, refreshes=True), Message("say.1", {}, buttons(1)), Message("say.2")]
    parcels = await rendered(database, course, messages, FULL_CAPABILITIES)
    assert [(parcel.action, parcel.text, parcel.menu) for parcel in parcels] == [
        (Action.REPLACE, "one", ""),
        (Action.SEND, "two", ""),
        (Action.SEND, "three", ""),
    ]


@pytest.mark.parametrize(("language", "menu"), [("es", "Elegir"), ("en", "Choose")])
async def test_a_menu_of_buttons_has_a_label_in_the_servants_language(chat: Chat, language: str, menu: str) -> None:
    (parcel,) = await chat.enrol(ANA, language=language)
    assert parcel.menu == menu
    assert (await chat.send_update(ANA, UpdateKind.COMMAND, command="misdatos"))[0].menu == "", "it has no buttons"


# ---------------------------------------------------------------- typed words


SLASHED = re.compile(rf"(?<![\w/.}}])/({'|'.join(router.COMMANDS)})\b")


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_words_are_typed_no_phrase_names_a_slash_command(library: Library, language: str) -> None:
    typed = library.phrases.section(language, "typed")
    with_commands = [key for key in library.phrases.keys if SLASHED.search(library.phrases.template(language, key))]
    assert len(with_commands) > 15
    for key in with_commands:
        template = library.phrases.template(language, key)
        values = {name: name for _, name, _, _ in Formatter().parse(template) if name}
        recipient = replace(RECIPIENT, language=language)
        text = outgoing.render(library, recipient, Message(key, values), Action.SEND, capabilities=WHATSAPP).text
        assert not SLASHED.search(text), key
        for command in SLASHED.findall(template):
            assert f"«{typed[command]}»" in text, key
        elsewhere = outgoing.render(library, recipient, Message(key, values), Action.SEND).text
        assert SLASHED.findall(elsewhere) == SLASHED.findall(template)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_phrases_ask_to_type_is_understood(library: Library, language: str) -> None:
    understood = router.command_words(library, "words")
    for command, word in library.phrases.section(language, "typed").items():
        assert understood.get(fold(word)) == command, word


def test_an_address_in_a_phrase_is_no_command(library: Library) -> None:
    course = small(library, "http://a.mx/baja, {url}/hoy, y/o, 1/hora, /hoy y /baja. /noes")
    course = replace(course, phrases=Phrases({"es": course.phrases._catalogs["es"] | {"typed.hoy": "hoy"}}))
    text = outgoing.render(
        course, RECIPIENT, Message("say.0", {"url": "http://b.mx"}), Action.SEND, capabilities=WHATSAPP
    ).text
    assert text == "http://a.mx/baja, http://b.mx/hoy, y/o, 1/hora, «hoy» y /baja. /noes"


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
    update = parse(webhooks.incoming(webhooks.text(text)))[0]
    assert isinstance(update, Update)
    await chat.receive(replace(update, address=ANA.address, alias=ANA.alias, at=int(chat.clock().timestamp())))
    beginning = chat.library.phrases.template("es", TYPED[text]).partition("{")[0].replace("**", "")
    assert beginning
    assert text_of(await chat.unread(ANA)).startswith(beginning)


async def test_a_stranger_enrols_with_the_word_and_the_code(chat: Chat) -> None:
    replies = await chat.type(ANA, "Alta leon")
    assert text_of(replies).startswith("Municipio de León")
    assert choices(replies)[0].startswith("enroll:yes:es:")


# ---------------------------------------------------------------- the reply window


SENT = {  # how long ago the update was sent; how long ago the reply window opened
    "just now": (timedelta(0), timedelta(0)),
    "an hour ago": (60 * MINUTE, 60 * MINUTE),
    "a week ago": (7 * DAY, 7 * DAY),
    "in the future": (-DAY, timedelta(0)),
}


@pytest.mark.parametrize("name", SENT)
async def test_a_reply_expires_with_the_reply_window(chat: Chat, name: str) -> None:
    sent, ago = SENT[name]
    await chat.send_update(ANA, UpdateKind.COMMAND, command="ayuda", at=chat.clock() - sent)
    (reply,) = await chat.rows(ANA)
    assert reply["deadline"] == chat.clock() - ago + DAY
    assert (reply["deadline"] <= chat.clock()) == (name == "a week ago")


@pytest.mark.parametrize("at", [0, -5, 2**40, 2**62])
async def test_an_update_without_a_valid_timestamp_counts_as_now(chat: Chat, at: int) -> None:
    await chat.enrol(ANA)
    chat.clock.move(hours=2)
    update = Update("whatsapp", "w", ANA.address, UpdateKind.TEXT, text="hora", at=at, alias=ANA.alias)
    await chat.receive(update)
    assert (await chat.place(ANA)).heard_at == chat.clock()


async def test_an_update_that_arrives_a_week_late_opens_no_window(chat: Chat) -> None:
    await chat.enrol(ANA)
    enrolled = chat.clock()
    chat.clock.move(days=8)
    for sent, heard in ((7 * DAY, enrolled + DAY), (8 * DAY, enrolled + DAY), (timedelta(0), chat.clock())):
        await chat.type(ANA, "hora", at=chat.clock() - sent)
        assert (await chat.place(ANA)).heard_at == heard


async def test_enrolling_by_a_late_press_opens_the_window_at_the_press(chat: Chat) -> None:
    version = chat.phrase("notice.version")
    pressed = chat.clock() - 3 * DAY
    await chat.press(ANA, f"enroll:hour:es:{version}:9:LEON", at=pressed)
    assert (await chat.place(ANA)).heard_at == pressed


async def test_a_channel_without_window_has_no_deadlines_and_stores_no_time(chat: Chat) -> None:
    await chat.enrol(ANA_ON_TELEGRAM)
    await chat.type(ANA_ON_TELEGRAM, "hora")
    assert (await chat.place(ANA_ON_TELEGRAM)).heard_at is None
    replies = [row for row in await chat.rows(ANA_ON_TELEGRAM) if not row["key"].endswith(":ack")]
    assert {row["deadline"] for row in replies} == {None}


# ---------------------------------------------------------------- identifiers in webhooks


AT = datetime.fromtimestamp(webhooks.WROTE_AT, UTC)
NEW_USER, NEW_PHONE = webhooks.NEW_USER, "+524779999999"
PHONE = Phone("+524771234567")
USER = Phone(webhooks.USER, "+524771234567")
NO_SENDER = {"from": None, "from_user_id": None}
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
    """Translate and handle the body of a webhook."""
    for update in parse(raw):
        assert isinstance(update, Update)
        await chat.receive(update)


async def test_five_spellings_of_a_users_identifiers_are_one_servant_at_the_current_address(chat: Chat) -> None:
    chat.clock.moment = AT
    await chat.enrol(Phone("+524771234567", "+524771234567"))
    known = await chat.servant(PHONE)
    await chat.unread(PHONE)
    for number, (name, (names, contact)) in enumerate(FORMS.items()):
        text = webhooks.text("hora", f"wamid.{number}", **NO_SENDER | names)
        await webhook(chat, webhooks.incoming(text, contacts=[contact]))
        where = PHONE if number < 2 else USER
        assert await chat.servant(where) == known, name
        (reply,) = await chat.unread(where)
        assert text_of([reply]).startswith("Tu hora es 9:00"), name
    (place,) = await chat.places(USER)
    assert (place.address, place.alias) == (USER.address, USER.alias)


MOVES: dict[str, Any] = {  # user; webhook; address and alias afterwards
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
    "a new id, known by the number alone": (
        PHONE,
        webhooks.system("user_changed_user_id", body=webhooks.CHANGED_IDS, wa_id=webhooks.NEW_PHONE, user_id=NEW_USER),
        (NEW_USER, NEW_PHONE),
    ),
}


@pytest.mark.parametrize("name", MOVES)
async def test_a_moved_user_keeps_the_record_and_waiting_deliveries_follow(chat: Chat, name: str) -> None:
    who, raw, (address, alias) = MOVES[name]
    chat.clock.moment = AT
    await chat.enrol(who)
    await chat.enrol(BETO)
    known, before = await chat.servant(who), await chat.place(who)
    (waiting,) = await chat.rows(who)
    await webhook(chat, raw)
    here = Phone(address)
    assert await chat.servant(here) == known
    assert await chat.places(here) == [replace(before, address=address, alias=alias)], "a move does not open the window"
    assert [row["key"] for row in await chat.rows(here)] == [waiting["key"]]
    assert [place.address for place in await chat.places(BETO)] == [BETO.address]
    await webhook(chat, raw)
    assert await chat.servant(here) == known, "reported twice"


async def test_a_move_to_another_servants_address_mixes_nothing(chat: Chat) -> None:
    await chat.enrol(ANA)
    await chat.enrol(BETO, institution="SALUD")
    betos = await chat.places(BETO)
    rows = await chat.rows(BETO)
    await chat.send_update(ANA, UpdateKind.MOVED, moved_to=BETO.address, moved_alias="")
    assert (await chat.places(BETO), await chat.rows(BETO)) == (betos, rows)
    assert not (await chat.place(ANA)).is_reachable
    assert await chat.servant(ANA) != await chat.servant(BETO)
    chat.clock.move(days=1)
    assert await chat.tick() == 1, "no prompt goes to the old address"


async def test_nothing_is_stored_of_a_strangers_move_block_or_preference(chat: Chat) -> None:
    await chat.send_update(ANA, UpdateKind.MOVED, moved_to="MX.9", moved_alias=NEW_PHONE)
    await chat.send_update(ANA, UpdateKind.PREFERENCE, choice="stop")
    await chat.send_update(ANA, UpdateKind.BLOCKED)
    async with chat.database.read() as tx:
        for table in (schema.addresses, schema.servants, schema.deliveries):
            assert (await tx.execute(select(table))).first() is None


@pytest.mark.parametrize(("choice", "no_marketing"), [("stop", True), ("resume", False)])
async def test_a_preference_is_stored_by_any_identifier_and_opens_no_window(
    chat: Chat, choice: str, no_marketing: bool
) -> None:
    await chat.enrol(ANA)
    before = await chat.place(ANA)
    chat.clock.move(hours=2)
    for who in (ANA, Phone(ANA.alias, ANA.alias), Phone(ANA.address)):
        other = "resume" if choice == "stop" else "stop"
        await chat.send_update(who, UpdateKind.PREFERENCE, choice=other)
        await chat.send_update(who, UpdateKind.PREFERENCE, choice=choice)
        assert await chat.place(ANA) == replace(before, no_marketing=no_marketing)
    assert len(await chat.rows(ANA)) == 1, "a preference gets no reply"
