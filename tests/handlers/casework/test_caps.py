"""How many letters a case takes: a number a day for each side, and a size, which leave the other side its own."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from handlers import caps
from handlers.casework.posting import LetterRefused, TooManyLetters
from storage.confidential.cases import CaseState
from storage.confidential.protocol.epochs import Change
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder
from tests.handlers.casework.desk import Desk

TUESDAY = date(2026, 11, 24)


async def stored(desk: Desk, asker: Asker) -> tuple[int, int]:
    """How many letters the case has, and the version of the asker's box."""
    return await desk.count_letters(), (await desk.case(asker.case)).asker_version


async def refused_until(desk: Desk, asker: Asker) -> date:
    """Refuse one more letter of the asker, of which nothing is kept; return from when it may be sent."""
    before = await stored(desk, asker)
    with pytest.raises(TooManyLetters) as error:
        await desk.reply(asker.twin().reply_body(desk.unit, "Y otra cosa."))
    assert await stored(desk, asker) == before
    return error.value.day


async def test_an_asker_writes_so_many_letters_a_day_and_officers_as_many(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caps, "LETTERS_A_DAY", 3)
    carmen, asker = desk.unit.officer, Asker(TODAY)
    await desk.submit(asker)
    for text in ("Y algo más.", "Y otra cosa."):
        await desk.reply(asker.reply_body(desk.unit, text))
    assert await refused_until(desk, asker) == TUESDAY

    for number in range(3):
        await desk.answer(carmen, asker.case, f"Respuesta {number}")
    with pytest.raises(TooManyLetters) as error:
        await desk.answer(carmen, asker.case, "Y una más")
    assert error.value.day == TUESDAY
    assert len((await desk.opened(carmen, asker.case)).texts) == 6

    desk.now += timedelta(days=1)
    asker.day = desk.today
    await desk.read(asker)
    await desk.reply(asker.reply_body(desk.unit, "Hoy sí."))
    await desk.answer(carmen, asker.case, "Hoy también.")


async def test_who_writes_of_tomorrow_and_of_yesterday_does_not_write_more_for_long(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caps, "LETTERS_A_DAY", 2)
    asker = Asker(TODAY)
    await desk.submit(asker)
    await desk.reply(asker.reply_body(desk.unit))
    asker.day = TUESDAY  # a day that the server takes, as clocks differ
    for _ in range(2):
        await desk.reply(asker.reply_body(desk.unit))
    assert await refused_until(desk, asker) == TUESDAY + timedelta(days=1)
    desk.now += timedelta(days=1)
    assert await refused_until(desk, asker) == TUESDAY + timedelta(days=1)


@pytest.mark.parametrize("ends", ["asker", "officer"])
async def test_a_letter_that_closes_the_case_always_goes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    monkeypatch.setattr(caps, "LETTERS_A_DAY", 1)
    asker = Asker(TODAY)
    await desk.submit(asker)
    await desk.answer(desk.unit.officer, asker.case)
    await desk.read(asker)
    monkeypatch.setattr(caps, "CASE_BYTES", 1)
    if ends == "asker":
        await desk.reply(asker.reply_body(desk.unit, "Ya no hace falta.", kind="close"))
    else:
        await desk.answer(desk.unit.officer, asker.case, kind="close")
    assert (await desk.case(asker.case)).state is CaseState.CLOSED


async def test_a_case_takes_letters_up_to_a_size_and_keeps_a_part_of_it_for_officers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caps, "CASE_BYTES", 28_000)
    monkeypatch.setattr(caps, "OFFICERS_BYTES", 7_000)
    dora, carmen = Keyholder("Dora Luna"), desk.unit.officer
    desk.unit.next_list(adding=[dora])
    await desk.publish()
    asker = Asker(TODAY)
    await desk.submit(asker, readers=[carmen, desk.unit.readers[1]])
    for _ in range(5):  # each letter has about 3.4 kB
        await desk.reply(asker.reply_body(desk.unit))
    before = await stored(desk, asker)
    with pytest.raises(LetterRefused, match="full"):
        await desk.reply(asker.twin().reply_body(desk.unit))
    assert await stored(desk, asker) == before == (6, 6)
    for _ in range(2):
        await desk.answer(carmen, asker.case)
    with pytest.raises(LetterRefused, match="full"):
        await desk.answer(carmen, asker.case)
    change = Change(added=(dora.id,), leaves=True)
    await desk.answer(carmen, asker.case, "Ahora le atiende Dora.", kind="hand", change=change)
    assert len((await desk.opened(dora, asker.case)).texts) == 9


@pytest.mark.parametrize(
    ("sizes", "is_full"),
    [((45_000,) * 17, False), ((45_000,) * 18, True), ((3_500,) * 220, False)],
    ids=["seventeen of the longest", "eighteen of the longest", "a long exchange"],
)
def test_the_size_is_for_hundreds_of_usual_letters(sizes: Sequence[int], is_full: bool) -> None:
    assert (sum(sizes) > caps.CASE_BYTES - caps.OFFICERS_BYTES) is is_full
