"""Enrolment by buttons and codes: consent first, hours, languages, moves between institutions."""

from dataclasses import replace

import pytest

from handlers.account import enroll
from handlers.message import Action, Parcel
from storage.people import servants
from tests.cast import ANA, BETO, MONDAY_NINE
from tests.handlers.conversation import Talk, choices, text_of


async def nothing_is_stored(talk: Talk) -> bool:
    return not any(
        [await talk.count(table) for table in ("servants", "addresses", "prompts", "answers", "packed_memories")]
    )


async def test_with_a_code_the_steps_are_notice_hour_and_first_prompt(talk: Talk) -> None:
    replies = await talk.command(ANA, "start", "leon ")
    assert "Municipio de León" in text_of(replies)
    assert "Aviso de privacidad" in text_of(replies)
    accept, refuse, english = choices(replies)
    replies = await talk.press(ANA, accept)
    assert await nothing_is_stored(talk)
    replies = await talk.press(ANA, next(choice for choice in choices(replies) if ":9:" in choice))
    assert (refuse, english) == ("enroll:no:es", "enroll:notice:en:LEON")
    assert [reply.action for reply in replies] == [Action.REPLACE, Action.SEND]
    assert [choice.split(":")[0] for choice in choices(replies)] == ["answer"] * 3
    known = await talk.servant(ANA)
    assert known is not None
    assert (known.hour, known.language, known.state) == (9, "es", "active")
    assert (known.notice_version, known.consented_at) == (talk.phrase("notice.version"), MONDAY_NINE)


async def test_until_the_notice_is_accepted_nothing_is_stored(talk: Talk) -> None:
    for choice in ("enroll:list:es:0", "enroll:notice:es:LEON", "enroll:no:es", "assess:start", "assess:on:y"):
        await talk.press(BETO, choice)
    await talk.command(BETO, "start", "SALUD")
    await talk.type(BETO, "salud")
    await talk.press(BETO, f"enroll:yes:es:{talk.phrase('notice.version')}:SALUD")
    assert await nothing_is_stored(talk)


async def test_without_a_code_the_institutions_are_listed_or_found_by_their_name(talk: Talk) -> None:
    replies = await talk.command(ANA, "start")
    assert "1. Municipio de León\n2. Secretaría de Salud" in text_of(replies)
    assert choices(replies)[:2] == ["enroll:notice:es:LEON", "enroll:notice:es:SALUD"]
    for text in ("secretaria de sal", "SECRETARÍA", "aria  de Salu"):
        assert choices(await talk.type(ANA, text)) == ["enroll:notice:es:SALUD", "enroll:list:en:0"], text
    for text in ("SALUD", "alta salud", "  Salud ", "secretaría de salud"):
        assert "Aviso de privacidad" in text_of(await talk.type(ANA, text)), text
    for text in ("xy", "Atlántida", "?"):
        assert talk.phrase("enroll.not_found") in text_of(await talk.type(ANA, text)), text


async def test_a_code_that_does_not_exist_leads_to_the_list(talk: Talk) -> None:
    replies = await talk.command(ANA, "start", "NADA")
    assert replies[0].text == talk.phrase("enroll.unknown_code")
    assert "enroll:notice:es:LEON" in choices(replies)


@pytest.mark.parametrize("wanted", [-1, 0, 1, 3, 9, 10, 9999])
async def test_every_institution_of_a_long_list_can_be_reached(talk: Talk, wanted: int) -> None:
    async with talk.database.write() as tx:
        for entry in talk.library.institutions:
            await servants.add_institution(tx, entry.code, entry.name, entry.sphere)
        known = {institution.code for institution in await servants.all_institutions(tx)}
    replies = await talk.press(ANA, f"enroll:list:es:{wanted}")
    assert len(replies[-1].text) < 1024
    assert not replies[-1].text.endswith("…")
    found: set[str] = set()
    page = "enroll:list:es:0"
    while not (codes := _listed_codes(replies)) <= found:
        found |= codes
        page = next(choice for choice in choices(replies) if choice.startswith("enroll:list:es"))
        replies = await talk.press(ANA, page)
        if page == "enroll:list:es:0" and wanted == 0:
            break
    assert found == known if wanted == 0 else found <= known


def _listed_codes(replies: list[Parcel]) -> set[str]:
    return {choice.rpartition(":")[2] for choice in choices(replies) if choice.startswith("enroll:notice")}


async def test_the_language_is_carried_from_the_first_button_on(talk: Talk) -> None:
    version = talk.phrase("notice.version")
    replies = await talk.press(ANA, "enroll:notice:en:LEON")
    assert "Privacy notice" in text_of(replies)
    assert choices(replies)[0] == f"enroll:yes:en:{version}:LEON"
    replies = await talk.press(ANA, choices(replies)[0])
    assert text_of(replies) == talk.phrase("enroll.hour", "en")
    replies = await talk.press(ANA, choices(replies)[0])
    note = talk.phrase("help.pending", "en") + "\n"
    welcome = {"institution": "Municipio de León", "hour": "8:00", "validation": note}
    assert talk.phrase("enroll.welcome", "en", **welcome) in text_of(replies)
    known = await talk.servant(ANA)
    assert known is not None
    assert known.language == "en"


async def test_a_refusal_is_answered_in_its_language_and_stores_nothing(talk: Talk) -> None:
    assert text_of(await talk.press(ANA, "enroll:no:en")) == talk.phrase("enroll.refused", "en")
    assert await nothing_is_stored(talk)


async def test_a_button_under_an_older_notice_shows_the_one_in_force(talk: Talk) -> None:
    for choice in ("enroll:yes:es:2020-01:LEON", "enroll:hour:es:2020-01:9:LEON"):
        replies = await talk.press(ANA, choice)
        assert choices(replies)[0] == f"enroll:yes:es:{talk.phrase('notice.version')}:LEON"
    assert await nothing_is_stored(talk)


async def test_only_the_hours_that_are_offered_can_be_chosen(talk: Talk) -> None:
    version = talk.phrase("notice.version")
    for hour in ("0", "7", "18", "23", "24", "09", "٩", "", "9 ", "99999999999999999999"):
        await talk.press(ANA, f"enroll:hour:es:{version}:{hour}:LEON")
    assert await nothing_is_stored(talk)
    assert {int(hour) for hour in enroll.OFFERED_HOURS} == set(range(8, 18))


async def test_the_last_button_pressed_twice_enrols_once(talk: Talk) -> None:
    await talk.enrol(ANA)
    assert text_of(await talk.enrol(ANA)) == talk.phrase("enroll.already")
    assert await talk.count("servants") == await talk.count("prompts") == 1


async def test_an_enrolled_servant_is_greeted_and_may_move(talk: Talk) -> None:
    await talk.enrol(ANA)
    assert text_of(await talk.command(ANA, "start", "LEON")) == talk.phrase(
        "enroll.back", institution="Municipio de León"
    )
    replies = await talk.command(ANA, "start", "salud")
    assert choices(replies) == ["enroll:move:SALUD"]
    before = await talk.servant(ANA)
    await talk.press(ANA, "enroll:move:SALUD")
    after = await talk.servant(ANA)
    assert before is not None
    assert after is not None
    assert (after.id, after.institution_id != before.institution_id) == (before.id, True)
    await talk.press(BETO, "enroll:move:SALUD")
    assert await talk.servant(BETO) is None


async def test_without_institutions_the_reply_explains_how_to_get_a_code(talk: Talk) -> None:
    async with talk.database.write() as tx:
        await tx.exec_driver_sql("DELETE FROM institutions")
    assert text_of(await talk.command(ANA, "start")) == talk.phrase("enroll.no_institutions")


# ---------------------------------------------------------------- closed, and not validated yet

STRANGERS_WAYS_IN = (
    ("command", "start"),
    ("command", "start LEON"),
    ("type", "LEON"),
    ("type", "alta LEON"),
    ("type", "hola"),
    ("type", "secretaria de salud"),
    ("press", "enroll:list:es:0"),
    ("press", "enroll:notice:es:LEON"),
    ("press", "enroll:yes:es:{version}:LEON"),
    ("press", "enroll:hour:es:{version}:9:LEON"),
)


@pytest.mark.parametrize(("how", "what"), STRANGERS_WAYS_IN)
async def test_without_the_addresses_enrolment_is_closed_and_says_why(talk: Talk, how: str, what: str) -> None:
    talk.installation = replace(talk.installation, has_enrolment=False)
    filled = what.replace("{version}", talk.phrase("notice.version"))
    if how == "command":
        replies = await talk.command(ANA, *filled.split(" ", 1))
    else:
        replies = await (talk.press(ANA, filled) if how == "press" else talk.type(ANA, filled))
    assert text_of(replies) == talk.phrase("enroll.closed")
    assert "falta el domicilio" in text_of(replies)
    assert choices(replies) == ["assess:start", "enroll:list:en:0"]
    assert await nothing_is_stored(talk)


async def test_the_reason_is_given_in_english_too(talk: Talk) -> None:
    talk.installation = replace(talk.installation, has_enrolment=False)
    assert text_of(await talk.press(ANA, "enroll:list:en:0")) == talk.phrase("enroll.closed", "en")


async def test_those_who_are_enrolled_go_on_where_enrolment_is_closed(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.installation = replace(talk.installation, has_enrolment=False)
    assert "Hola de nuevo" in text_of(await talk.command(ANA, "start"))
    await talk.press(ANA, "enroll:move:SALUD")
    known = await talk.servant(ANA)
    assert known is not None
    assert text_of(await talk.command(ANA, "hoy"))


async def test_the_first_scenario_and_the_help_say_that_validation_is_pending(talk: Talk) -> None:
    note = talk.phrase("help.pending")
    assert "pendiente de validación jurídica" in note
    assert note in text_of(await talk.enrol(ANA))
    assert note in text_of(await talk.command(ANA, "ayuda"))


async def test_once_every_scenario_has_a_reviewer_nothing_is_pending(talk: Talk) -> None:
    reviewed = {
        id: scenario.model_copy(update={"reviewer": "Dirección jurídica"})
        for id, scenario in talk.library.scenarios.items()
    }
    talk.library = replace(talk.library, scenarios=reviewed)
    note = talk.phrase("help.pending")
    assert note not in text_of(await talk.enrol(ANA))
    assert note not in text_of(await talk.command(ANA, "ayuda"))
    one = next(id for id, scenario in reviewed.items() if scenario.state == "published")
    talk.library = replace(talk.library, scenarios=reviewed | {one: reviewed[one].model_copy(update={"reviewer": ""})})
    assert note in text_of(await talk.command(ANA, "ayuda")), "one without a reviewer is enough"


# ---------------------------------------------------------------- who answers for the data


async def test_the_notice_names_who_answers_for_the_data_of_the_institution(talk: Talk) -> None:
    async with talk.database.write() as tx:
        await servants.set_responsible(tx, "LEON", "Contraloría Municipal de León, Plaza Principal 1")
    for language in ("es", "en"):
        default = talk.phrase("notice.responsible", language)
        own = text_of(await talk.press(ANA, f"enroll:notice:{language}:LEON"))
        assert "Contraloría Municipal de León, Plaza Principal 1" in own
        assert "/privacidad?institucion=LEON" in own
        assert default not in own
        other = text_of(await talk.press(BETO, f"enroll:notice:{language}:SALUD"))
        assert default in other
        assert "institucion=" not in other
    await talk.enrol(ANA)
    assert "Contraloría Municipal de León" in text_of(await talk.command(ANA, "privacidad"))
    assert talk.phrase("notice.responsible") in text_of(await talk.command(BETO, "privacidad"))
