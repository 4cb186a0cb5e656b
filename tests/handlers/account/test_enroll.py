import pytest

from handlers.account import enroll
from handlers.message import Action
from storage.people import servants
from tests.cast import ANA, BETO, MONDAY_NINE
from tests.handlers.conversation import Talk, choices, words


async def nobody_is_known(talk: Talk) -> bool:
    return not any([await talk.count(table) for table in ("servants", "addresses", "prompts", "answers", "memories")])


async def test_with_a_code_it_is_notice_hour_and_first_scenario(talk: Talk) -> None:
    told = await talk.command(ANA, "start", "leon ")
    assert "Municipio de León" in words(told)
    assert "Aviso de privacidad" in words(told)
    accept, refuse, english = choices(told)
    told = await talk.press(ANA, accept)
    assert await nobody_is_known(talk)
    told = await talk.press(ANA, next(one for one in choices(told) if ":9:" in one))
    assert (refuse, english) == ("enroll:no:es", "enroll:notice:en:LEON")
    assert [one.action for one in told] == [Action.REPLACE, Action.SEND]
    assert [one.split(":")[0] for one in choices(told)] == ["answer"] * 3
    known = await talk.servant(ANA)
    assert known is not None
    assert (known.hour, known.language, known.state) == (9, "es", "active")
    assert (known.notice_version, known.consented_at) == (talk.phrase("notice.version"), MONDAY_NINE)


async def test_until_the_notice_is_accepted_nothing_at_all_is_kept(talk: Talk) -> None:
    for choice in ("enroll:list:es:0", "enroll:notice:es:LEON", "enroll:no:es", "assess:start", "assess:on:y"):
        await talk.press(BETO, choice)
    await talk.command(BETO, "start", "SALUD")
    await talk.type(BETO, "salud")
    await talk.press(BETO, f"enroll:yes:es:{talk.phrase('notice.version')}:SALUD")
    assert await nobody_is_known(talk)


async def test_without_a_code_the_institutions_are_listed_or_found_by_their_name(talk: Talk) -> None:
    told = await talk.command(ANA, "start")
    assert "1. Municipio de León\n2. Secretaría de Salud" in words(told)
    assert choices(told)[:2] == ["enroll:notice:es:LEON", "enroll:notice:es:SALUD"]
    for text in ("secretaria de sal", "SECRETARÍA", "aria  de Salu"):
        assert choices(await talk.type(ANA, text)) == ["enroll:notice:es:SALUD", "enroll:list:en:0"], text
    for text in ("SALUD", "alta salud", "  Salud ", "secretaría de salud"):
        assert "Aviso de privacidad" in words(await talk.type(ANA, text)), text
    for text in ("xy", "Atlántida", "?"):
        assert talk.phrase("enroll.not_found") in words(await talk.type(ANA, text)), text


async def test_a_code_that_does_not_exist_leads_to_the_list(talk: Talk) -> None:
    told = await talk.command(ANA, "start", "NADA")
    assert told[0].text == talk.phrase("enroll.unknown_code")
    assert "enroll:notice:es:LEON" in choices(told)


@pytest.mark.parametrize("wanted", [-1, 0, 1, 3, 9, 10, 9999])
async def test_every_institution_of_a_long_list_can_be_reached(talk: Talk, wanted: int) -> None:
    async with talk.database.write() as tx:
        for one in talk.library.institutions:
            await servants.add_institution(tx, one.code, one.name, one.sphere)
        known = {one.code for one in await servants.all_institutions(tx)}
    told = await talk.press(ANA, f"enroll:list:es:{wanted}")
    assert len(told[-1].text) < 1024
    assert not told[-1].text.endswith("…")
    found: set[str] = set()
    page = "enroll:list:es:0"
    while not {one.rpartition(":")[2] for one in choices(told) if one.startswith("enroll:notice")} <= found:
        found |= {one.rpartition(":")[2] for one in choices(told) if one.startswith("enroll:notice")}
        page = next(one for one in choices(told) if one.startswith("enroll:list:es"))
        told = await talk.press(ANA, page)
        if page == "enroll:list:es:0" and wanted == 0:
            break
    assert found == known if wanted == 0 else found <= known


async def test_english_is_kept_from_the_first_button_on(talk: Talk) -> None:
    version = talk.phrase("notice.version")
    told = await talk.press(ANA, "enroll:notice:en:LEON")
    assert "Privacy notice" in words(told)
    assert choices(told)[0] == f"enroll:yes:en:{version}:LEON"
    told = await talk.press(ANA, choices(told)[0])
    assert words(told) == talk.phrase("enroll.hour", "en")
    told = await talk.press(ANA, choices(told)[0])
    assert talk.phrase("enroll.welcome", "en", institution="Municipio de León", hour="8:00") in words(told)
    known = await talk.servant(ANA)
    assert known is not None
    assert known.language == "en"


async def test_a_refusal_is_answered_in_its_language_and_keeps_nothing(talk: Talk) -> None:
    assert words(await talk.press(ANA, "enroll:no:en")) == talk.phrase("enroll.refused", "en")
    assert await nobody_is_known(talk)


async def test_a_button_under_an_older_notice_shows_the_one_in_force(talk: Talk) -> None:
    for choice in ("enroll:yes:es:2020-01:LEON", "enroll:hour:es:2020-01:9:LEON"):
        told = await talk.press(ANA, choice)
        assert choices(told)[0] == f"enroll:yes:es:{talk.phrase('notice.version')}:LEON"
    assert await nobody_is_known(talk)


async def test_only_the_hours_that_are_offered_can_be_chosen(talk: Talk) -> None:
    version = talk.phrase("notice.version")
    for hour in ("0", "7", "18", "23", "24", "09", "٩", "", "9 ", "99999999999999999999"):
        await talk.press(ANA, f"enroll:hour:es:{version}:{hour}:LEON")
    assert await nobody_is_known(talk)
    assert {int(hour) for hour in enroll.OFFERED_HOURS} == set(range(8, 18))


async def test_a_doubled_last_tap_enrols_once(talk: Talk) -> None:
    await talk.enrol(ANA)
    assert words(await talk.enrol(ANA)) == talk.phrase("enroll.already")
    assert await talk.count("servants") == await talk.count("prompts") == 1


async def test_whoever_comes_back_is_greeted_and_may_move(talk: Talk) -> None:
    await talk.enrol(ANA)
    assert words(await talk.command(ANA, "start", "LEON")) == talk.phrase(
        "enroll.back", institution="Municipio de León"
    )
    told = await talk.command(ANA, "start", "salud")
    assert choices(told) == ["enroll:move:SALUD"]
    before = await talk.servant(ANA)
    await talk.press(ANA, "enroll:move:SALUD")
    after = await talk.servant(ANA)
    assert before is not None
    assert after is not None
    assert (after.id, after.institution_id != before.institution_id) == (before.id, True)
    await talk.press(BETO, "enroll:move:SALUD")
    assert await talk.servant(BETO) is None


async def test_without_institutions_the_way_to_a_code_is_said(talk: Talk) -> None:
    async with talk.database.write() as tx:
        await tx.exec_driver_sql("DELETE FROM institutions")
    assert words(await talk.command(ANA, "start")) == talk.phrase("enroll.nobody")
