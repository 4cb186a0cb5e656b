"""Dispatch of every kind of update, forged buttons, renewal of the privacy notice, and blocks."""

from dataclasses import replace

from content.learning.memories import replay
from content.library import Library
from content.phrases import Phrases
from handlers.message import Action, UpdateKind
from storage.learning import memories
from tests.cast import ANA, BETO
from tests.handlers.conversation import Talk, choices, text_of
from tests.planning import due_now

LONG = "Mi jefa me pidió firmar " * 10

# kind, fields, phrase for a stranger, phrase for a servant
REPLIES = [
    (UpdateKind.COMMAND, {"command": "ayuda"}, "help.stranger", "help.servant"),
    (UpdateKind.COMMAND, {"command": "start", "text": "NADA"}, "enroll.unknown_code", "enroll.back"),
    (UpdateKind.COMMAND, {"command": "hoy"}, "help.stranger", "prompt.ask"),
    (UpdateKind.COMMAND, {"command": "consulta"}, "assess.intro", "assess.intro"),
    (UpdateKind.COMMAND, {"command": "avance"}, "help.stranger", "progress.overview"),
    (UpdateKind.COMMAND, {"command": "constancia"}, "help.stranger", "progress.certificate"),
    (UpdateKind.COMMAND, {"command": "hora"}, "help.stranger", "profile.hour"),
    (UpdateKind.COMMAND, {"command": "pausa"}, "help.stranger", "profile.pause"),
    (UpdateKind.COMMAND, {"command": "idioma"}, "profile.language", "profile.language"),
    (UpdateKind.COMMAND, {"command": "corregir"}, "help.stranger", "profile.correct"),
    (UpdateKind.COMMAND, {"command": "privacidad"}, "notice.summary", "notice.summary"),
    (UpdateKind.COMMAND, {"command": "misdatos"}, "leave.nothing", "leave.my_data"),
    (UpdateKind.COMMAND, {"command": "baja"}, "leave.nothing", "leave.ask"),
    (UpdateKind.COMMAND, {"command": "inventado"}, "help.unknown_command", "help.unknown_command"),
    (UpdateKind.COMMAND, {"command": ""}, "help.unknown_command", "help.unknown_command"),
    (UpdateKind.TEXT, {"text": "quiero platicar"}, "enroll.not_found", "help.text"),
    (UpdateKind.TEXT, {"text": ""}, "enroll.not_found", "help.text"),
    (UpdateKind.TEXT, {"text": "👩🏽‍⚖️\u200b مرحبا"}, "enroll.not_found", "help.text"),
    (UpdateKind.TEXT, {"text": "{}{0}%s**__"}, "enroll.not_found", "help.text"),
    (UpdateKind.TEXT, {"text": "'; drop table servants; --"}, "enroll.not_found", "help.text"),
    (UpdateKind.TEXT, {"text": "a"}, "enroll.not_found", None),  # a letter answers the prompt
    (UpdateKind.LONG_TEXT, {"ref": "9"}, "help.long_text", "help.long_text"),
    (UpdateKind.ATTACHMENT, {}, "help.attachment", "help.attachment"),
    (UpdateKind.CHOICE, {"choice": "unknown:1", "press": "p"}, "help.old_button", "help.old_button"),
]


def beginning(talk: Talk, key: str) -> str:
    """The first words of a phrase, up to its first placeholder."""
    template = talk.library.phrases.template("es", key).replace("**", "").replace("__", "")
    return template.split("{")[0].strip()


async def test_every_update_gets_a_useful_reply(talk: Talk) -> None:
    await talk.enrol(ANA)
    for kind, fields, stranger, servant in REPLIES:
        assert beginning(talk, stranger) in text_of(await talk.send_update(BETO, kind, **fields)), (kind, fields)
        received = await talk.send_update(ANA, kind, **fields)
        replies = [reply for reply in received if reply.action is not Action.ERASE]
        assert replies, (kind, fields)
        assert all(reply.text for reply in replies)
        if servant is not None:
            assert beginning(talk, servant) in text_of(replies), (kind, fields)
    assert await talk.servant(BETO) is None


async def test_platform_events_get_no_reply(talk: Talk) -> None:
    await talk.enrol(ANA)
    for kind in sorted(WITHOUT_REPLY):
        assert await talk.send_update(BETO, kind) == []
        assert await talk.send_update(ANA, kind) == []


WITHOUT_REPLY = {UpdateKind.BLOCKED, UpdateKind.UNBLOCKED, UpdateKind.MOVED, UpdateKind.PREFERENCE}
"""Events that the platform reports about a user who sent us nothing: they get no reply."""


def test_every_kind_is_in_the_tables() -> None:
    assert {kind for kind, *_ in REPLIES} | WITHOUT_REPLY == set(UpdateKind)


# ---------------------------------------------------------------- forged buttons

FORGED = [
    "",
    ":",
    "::::::",
    "answer",
    "answer:",
    "answer::",
    "answer:1",
    "answer:1:",
    "answer:1:z",
    "answer:1:ab",
    "answer:1:5",
    "answer:-1:a",
    "answer:1.0:a",
    "answer: 1:a",
    "answer:²:a",
    "answer:١:a",
    "answer:999999999999999:a",
    "answer:99999999999999999999999999999999999999999999:a",
    "sure",
    "sure::",
    "sure:1:certain",
    "sure:999999999999999:sure",
    "why",
    "why:",
    "why:x",
    "enroll",
    "enroll:",
    "enroll::",
    "enroll:no:fr",
    "enroll:no:",
    "enroll:list",
    "enroll:list:fr:0",
    "enroll:list:es:٣",
    "enroll:list:es:99999999999999999999",
    "enroll:list:es:-1",
    "enroll:notice:fr:LEON",
    "enroll:notice:es:NADA",
    "enroll:yes:es:1999-01:LEON",
    "enroll:yes:es:LEON",
    "enroll:hour:es:2026-11:24:LEON",
    "enroll:hour:es:2026-11:3:LEON",
    "enroll:hour:es:2026-11:٩:LEON",
    "enroll:hour:es:2026-11:9999:LEON",
    "enroll:hour:es:2026-11::LEON",
    "enroll:hour:es:2026-11:9:NADA",
    "enroll:renew",
    "enroll:renew:1999-01",
    "enroll:move",
    "enroll:move:NADA",
    "assess",
    "assess:on",
    "assess:on:zzz",
    "assess:on:" + "y" * 15,
    "assess:on:--------------",
    "assess:on:-y-y-y-y",
    "assess:on:ynuynu:ynu",
    "consult",
    "consult:start:xyz",
    "consult:start:" + "y" * 14 + ":more",
    "profile",
    "profile:",
    "profile:hour:0081",
    "profile:hour:٩",
    "profile:hour:7",
    "profile:hour:" + "9" * 40,
    "profile:language:fr",
    "profile:pause:-7",
    "profile:pause:365",
    "leave",
    "leave:",
    "leave:maybe",
    "cases:1",
    "answer:1:a".ljust(64, "x"),
    "answer:1:a".ljust(65, "x"),
    "leave:yes".ljust(65, ":"),
    "leave:yes:" + "ñ" * 28,
]


async def test_a_forged_button_changes_nothing_and_is_answered(talk: Talk) -> None:
    await talk.enrol(ANA)
    before = await talk.servant(ANA)
    for choice in FORGED:
        for who in (ANA, BETO):
            replies = await talk.press(who, choice)
            assert replies, f"no reply to {choice}"
            assert all(len(button.choice.encode()) <= 64 for reply in replies for row in reply.rows for button in row)
        assert await talk.servant(ANA) == before, choice
        assert await talk.servant(BETO) is None, choice
    assert await talk.answers(ANA) == []


async def test_a_button_of_65_bytes_is_refused(talk: Talk) -> None:
    await talk.enrol(ANA)
    longest = "leave:no".ljust(64, ":")
    assert talk.phrase("help.old_button") not in text_of(await talk.press(ANA, longest))
    assert talk.phrase("help.old_button") in text_of(await talk.press(ANA, longest + ":"))


async def test_every_press_is_acknowledged_even_when_it_leads_to_nothing(talk: Talk) -> None:
    before = await talk.count("deliveries")
    await talk.press(BETO, "unknown:1")
    assert await talk.count("deliveries") == before + 2  # the acknowledgement and the reply


# ---------------------------------------------------------------- typed words instead of commands


WORDS = [
    ("AYUDA", "help.servant"),
    ("Menú", "help.servant"),
    ("  ¿Opciones?  ", "help.servant"),
    ("help", "help.servant"),
    ("Conflicto de   interés", "assess.intro"),
    ("¡SALIR!", "leave.ask"),
    ("ya no quiero", "leave.ask"),
    ("Alto.", "leave.ask"),
    ("Mis Datos", "leave.my_data"),
    ("Pregunta del día", "prompt.ask"),
    ("idioma", "profile.language"),
    ("vacaciones", "profile.pause"),
]


async def test_a_typed_word_works_like_its_command(talk: Talk) -> None:
    await talk.enrol(ANA)
    for text, key in WORDS:
        assert beginning(talk, key) in text_of(await talk.type(ANA, text)), text


WITH_ARGUMENT = [  # typed text, the argument of its command (None: it is no command)
    ("registro LEON", "LEON"),
    ("Registro: ¿LEON?", "LEON"),
    ("registro " + "x" * 40, "x" * 40),
    ("registro " + "x" * 41, None),
    *((f"registro{rest}", None) for rest in ("", " ", " ?", " ¡!", " ...", " —", " 🤝")),
    ("alta ?", ""),  # a command by itself
    ("alta", ""),
]


async def test_a_word_that_needs_an_argument_is_no_command_without_one(talk: Talk) -> None:
    """A lone sign is no code: such a text is answered like any other."""
    for text, argument in WITH_ARGUMENT:
        expected = await (
            talk.type(BETO, "quiero platicar") if argument is None else talk.command(BETO, "start", argument)
        )
        assert text_of(await talk.type(BETO, text)) == text_of(expected), text


async def test_commands_have_english_names_too(talk: Talk) -> None:
    await talk.enrol(ANA)
    for alias, command in (("help", "ayuda"), ("stop", "baja"), ("query", "consulta"), ("mydata", "misdatos")):
        assert text_of(await talk.command(ANA, alias)) == text_of(await talk.command(ANA, command))


async def test_a_long_text_is_erased_from_the_chat_and_the_letterbox_is_offered(talk: Talk) -> None:
    await talk.enrol(ANA)
    erased, reply = await talk.send_update(ANA, UpdateKind.LONG_TEXT, ref="77")
    assert (erased.action, erased.ref) == (Action.ERASE, "77")
    assert talk.phrase("help.long_text") == reply.text
    assert choices([reply]) == ["consult:start"]


async def test_a_stranger_is_answered_in_the_language_of_the_phone(talk: Talk) -> None:
    for locale, language in (("en-US", "en"), ("EN", "en"), ("es-MX", "es"), ("fr", "es"), ("", "es")):
        replies = await talk.command(BETO, "ayuda", language=locale)
        assert text_of(replies) == talk.library.phrases.template(language, "help.stranger").replace("**", "")


# ---------------------------------------------------------------- a newer privacy notice


def with_notice(library: Library, version: str) -> Library:
    catalogs = {
        language: {key: library.phrases.template(language, key) for key in library.phrases.keys}
        for language in ("es", "en")
    }
    for catalog in catalogs.values():
        catalog["notice.version"] = version
    return replace(library, phrases=Phrases(catalogs))


RECORDING = [
    (UpdateKind.CHOICE, {"choice": "answer:{prompt}:a"}),
    (UpdateKind.CHOICE, {"choice": "sure:{prompt}:sure"}),
    (UpdateKind.CHOICE, {"choice": "profile:hour:12"}),
    (UpdateKind.CHOICE, {"choice": "profile:pause:7"}),
    (UpdateKind.CHOICE, {"choice": "enroll:move:SALUD"}),
    (UpdateKind.CHOICE, {"choice": "enroll:renew:1999-01"}),
    (UpdateKind.CHOICE, {"choice": "assess:start"}),
    (UpdateKind.TEXT, {"text": "b"}),
    (UpdateKind.TEXT, {"text": "B)"}),
    (UpdateKind.TEXT, {"text": "hoy"}),
    (UpdateKind.TEXT, {"text": "hola"}),
    (UpdateKind.COMMAND, {"command": "hoy"}),
    (UpdateKind.COMMAND, {"command": "pausa"}),
]


async def test_a_newer_notice_is_asked_for_and_nothing_is_recorded_before(talk: Talk) -> None:
    await talk.enrol(ANA)
    before, number = await talk.servant(ANA), await talk.prompt(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    for kind, fields in RECORDING:
        replies = await talk.send_update(
            ANA, kind, **{name: text.format(prompt=number) for name, text in fields.items()}
        )
        assert text_of(replies) == talk.phrase("enroll.renew"), fields
        assert choices(replies) == ["enroll:renew:2027-01", "leave:ask"]
    assert await talk.servant(ANA) == before
    assert await talk.answers(ANA) == []
    async with talk.database.read() as tx:
        (row,) = (await memories.of(tx, [before.id] if before else [])).values()
    assert [row.memory] == replay([[]])


async def test_accepting_the_newer_notice_restores_all_functions(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    talk.clock.move(hours=1)
    assert talk.phrase("enroll.renewed") in text_of(await talk.press(ANA, "enroll:renew:2027-01"))
    known = await talk.servant(ANA)
    assert known is not None
    assert (known.notice_version, known.consented_at) == ("2027-01", talk.now)
    await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:a")
    assert len(await talk.answers(ANA)) == 1


async def test_data_rights_are_available_before_accepting_a_newer_notice(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    for command in ("baja", "misdatos", "privacidad", "ayuda"):
        assert talk.phrase("enroll.renew") not in text_of(await talk.command(ANA, command)), command


async def test_a_servant_can_leave_instead_of_accepting_the_newer_notice(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    assert talk.phrase("leave.done") in text_of(await talk.press(ANA, "leave:yes"))
    assert await talk.servant(ANA) is None


async def test_the_newer_notice_is_sent_in_place_of_the_daily_prompt(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.library = with_notice(talk.library, "2027-01")
    talk.clock.move(days=1)
    assert await talk.tick() == 1
    assert text_of(await talk.unread(ANA)) == talk.phrase("enroll.renew")


# ---------------------------------------------------------------- blocks


async def test_a_user_who_blocked_us_gets_no_prompts_until_unblocking(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.send_update(ANA, UpdateKind.BLOCKED)
    talk.clock.move(days=1)
    assert await talk.tick() == 0
    await talk.send_update(ANA, UpdateKind.UNBLOCKED)
    assert await talk.tick() == 1


async def test_any_update_after_a_block_resumes_the_prompts(talk: Talk) -> None:
    await talk.enrol(ANA)
    updates: list[tuple[UpdateKind, dict[str, str]]] = [
        (UpdateKind.TEXT, {"text": "hola"}),
        (UpdateKind.COMMAND, {"command": "ayuda"}),
        (UpdateKind.CHOICE, {"choice": "unknown:1"}),
        (UpdateKind.ATTACHMENT, {}),
    ]
    for kind, fields in updates:
        await talk.send_update(ANA, UpdateKind.BLOCKED)
        talk.clock.move(days=1)
        assert await talk.tick() == 0
        await talk.send_update(ANA, kind, **fields)
        assert await talk.tick() == 1, kind


async def test_a_block_drops_the_users_waiting_deliveries_only(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.enrol(BETO)
    await talk.send_update(ANA, UpdateKind.BLOCKED)
    async with talk.database.read() as tx:
        due = await due_now(tx, talk.now.date().replace(day=24), 9)
    assert [servant.address for servant in due] == [BETO.address]
    talk._read.clear()
    assert await talk.unread(ANA) == []
    assert await talk.unread(BETO)
