"""New cases: what is stored of them, which are refused, and when the letterbox is closed."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from content.library import Library
from handlers.casework import letters, trust
from handlers.casework.posting import LetterRefused
from storage import schema
from storage.confidential import cases
from storage.confidential.protocol import keys
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.errors import Altered, Malformed, WrongKey
from storage.confidential.protocol.signatures import point_of
from storage.database import Database
from tests.fakes.asker import Asker
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder, Unit, new_id, new_token
from tests.handlers.casework.desk import Desk

# ---------------------------------------------------------------- what is stored


async def test_a_case_is_stored_with_a_day_and_no_finer_time(desk: Desk) -> None:
    asker = Asker(TODAY)
    due_on = await desk.submit(asker, decision_on="2026-11-24")
    case = await desk.case(asker.case)
    assert due_on == date(2026, 11, 24)
    assert (case.id, case.day, case.state, case.due_on) == (asker.case, TODAY, cases.CaseState.RECEIVED, due_on)
    assert (case.size_step, case.origin, case.asker_version) == (2, "form", 1)


async def test_nothing_that_is_stored_joins_a_case_and_an_address(desk: Desk) -> None:
    asker, token = Asker(TODAY), await desk.token("7001")
    await desk.accept(asker.posting(desk.unit, token))
    async with desk.work() as work:
        routes = (await work.tx.execute(select(schema.routes))).all()
        rows = [
            tuple(row)
            for table in (schema.cases, schema.access, schema.letters)
            for row in await work.tx.execute(select(table))
        ]
        assert (await work.tx.execute(select(schema.links))).all() == []
    (route,) = routes
    assert "7001" not in str(tuple(route))
    of_route = {route.row, route.sealed_address}
    assert not any(value in str(rows) for value in of_route)
    assert not any(asker.case in str(value) or token in str(value) for value in tuple(route))


async def test_exactly_the_listed_readers_can_open_a_case(database: Database, library: Library, tmp_path: Path) -> None:
    carmen, efrain, gone, dora = (Keyholder(name) for name in ("Carmen", "Efraín", "Gil", "Dora"))
    respaldo = Keyholder("Respaldo", "recovery")
    desk = Desk(database, library, tmp_path, Unit([carmen, efrain, gone, respaldo]))
    desk.unit.next_list(ending=[gone])
    await desk.publish()
    asker = Asker(TODAY)
    await desk.submit(asker)
    assert await desk.readers(asker.case) == {carmen.id, efrain.id, respaldo.id, "asker"}
    for reader in (carmen, efrain, respaldo):
        assert (await desk.opened(reader, asker.case)).texts == ["¿Puedo firmar?"]
        async with desk.work() as work:
            stored = await cases.letters(work.tx, asker.case)
            access = await cases.access(work.tx, asker.case, reader.id)
        with pytest.raises(WrongKey):
            dora.open(stored, access, desk.unit.chain)


async def test_an_excluded_officer_gets_no_key(database: Database, library: Library, tmp_path: Path) -> None:
    carmen, dora, asker = Keyholder("Carmen"), Keyholder("Dora"), Asker(TODAY)
    respaldo = Keyholder("Respaldo", "recovery")
    desk = Desk(database, library, tmp_path, Unit([carmen, dora, respaldo]))
    await desk.publish()
    await desk.accept(asker.posting(desk.unit, await desk.token(), excluded=[carmen]))
    assert await desk.readers(asker.case) == {dora.id, respaldo.id, "asker"}


# ---------------------------------------------------------------- refused

Spoil = Callable[[Desk, Asker, str], dict[str, Any]]


def _an_unknown_token(desk: Desk, asker: Asker, token: str) -> dict[str, Any]:
    return asker.posting(desk.unit, new_token())


def _an_older_list(desk: Desk, asker: Asker, token: str) -> dict[str, Any]:
    older = Unit(desk.unit.readers, desk.unit.signing, desk.unit.lists[:1])
    return asker.posting(older, token)


def _of_another_day(desk: Desk, asker: Asker, token: str) -> dict[str, Any]:
    return Asker(TODAY - timedelta(days=2), case=asker.case).posting(desk.unit, token)


def _of_a_known_case(desk: Desk, asker: Asker, token: str) -> dict[str, Any]:
    return Asker(TODAY, case=KNOWN.case).posting(desk.unit, token)


def _with_known_words(desk: Desk, asker: Asker, token: str) -> dict[str, Any]:
    return Asker(TODAY, case=asker.case, locator=KNOWN.locator).posting(desk.unit, token)


def _that_is_no_first_letter(desk: Desk, asker: Asker, token: str) -> dict[str, Any]:
    posting = asker.posting(desk.unit, token)
    return {**posting, "letter": asker.written(desk.unit).letter}


KNOWN = Asker(TODAY)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_an_unknown_token, "token"),
        (_an_older_list, "keys"),
        (_of_another_day, "day"),
        (_of_a_known_case, "case"),
        (_with_known_words, "case"),
        (_that_is_no_first_letter, "seq"),
    ],
)
async def test_a_refused_case_spends_and_stores_nothing(desk: Desk, spoil: Spoil, reason: str) -> None:
    desk.unit.next_list()
    await desk.publish()
    await desk.submit(KNOWN)
    asker, token = Asker(TODAY), await desk.token()
    with pytest.raises(LetterRefused) as refused:
        await desk.accept(spoil(desk, asker, token))
    assert refused.value.reason == reason
    assert await desk.count_letters() == 1
    await desk.accept(Asker(TODAY).posting(desk.unit, token))


async def test_an_expired_link_is_refused(desk: Desk) -> None:
    token = await desk.token()
    desk.now += timedelta(hours=48, minutes=40)
    with pytest.raises(LetterRefused, match="token"):
        await desk.accept(Asker(desk.today).posting(desk.unit, token))


async def test_of_two_cases_by_one_link_at_once_one_is_stored(desk: Desk) -> None:
    token = await desk.token()
    postings = [Asker(TODAY).posting(desk.unit, token) for _ in range(4)]
    results = await asyncio.gather(*(desk.accept(posting) for posting in postings), return_exceptions=True)
    assert sorted(str(result) for result in results) == ["2026-11-26", "token", "token", "token"]
    assert await desk.count_letters() == 1


def _altered_text(posting: dict[str, Any]) -> None:
    posting["letter"] = {**posting["letter"], "iv": encode(bytes(12))}


def _altered_grant(posting: dict[str, Any]) -> None:
    """The server adds a reader of its own."""
    context = posting["letter"]["context"]
    readers = sorted([*context["grant"]["readers"], new_id()])
    posting["letter"] = {
        **posting["letter"],
        "context": {**context, "grant": {**context["grant"], "readers": readers}},
    }


def _too_few_keys(posting: dict[str, Any]) -> None:
    posting["access"] = posting["access"][1:]


def _no_key_for_the_asker(posting: dict[str, Any]) -> None:
    posting["access"] = [row for row in posting["access"] if row["reader"] != "asker"]


def _too_many_keys(posting: dict[str, Any]) -> None:
    point = point_of(Keyholder("x").reading)
    posting["access"].append(keys.seal_access(bytes(32), point, posting["access"][0]["case"], "talk", 1, new_id()))


def _a_key_twice(posting: dict[str, Any]) -> None:
    posting["access"].append(posting["access"][0])


def _a_key_of_another_case(posting: dict[str, Any]) -> None:
    posting["access"][0] = {**posting["access"][0], "case": new_id()}


def _another_signature(posting: dict[str, Any]) -> None:
    posting["signature"] = posting["letter"]["signature"]


def _another_box(posting: dict[str, Any]) -> None:
    posting["box"] = {**posting["box"], "iv": encode(bytes(12))}


@pytest.mark.attack
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_altered_text, "letter.signature"),
        (_altered_grant, "thread.readers"),
        (_too_few_keys, "access.rows"),
        (_no_key_for_the_asker, "access.rows"),
        (_too_many_keys, "access.rows"),
        (_a_key_twice, "access.rows"),
        (_a_key_of_another_case, "access.rows"),
        (_another_signature, "bundle.signature"),
        (_another_box, "bundle.signature"),
    ],
)
async def test_a_case_that_breaks_a_rule_spends_and_stores_nothing(
    desk: Desk, spoil: Callable[[dict[str, Any]], None], reason: str
) -> None:
    token = await desk.token()
    posting = Asker(TODAY).posting(desk.unit, token)
    spoil(posting)
    with pytest.raises(Altered) as refused:
        await desk.accept(posting)
    assert refused.value.reason == reason
    assert await desk.count_letters() == 0
    await desk.accept(Asker(TODAY).posting(desk.unit, token))


@pytest.mark.attack
async def test_a_case_is_granted_to_active_readers_with_an_officer_among_them(
    database: Database, library: Library, tmp_path: Path
) -> None:
    carmen, dora, respaldo = Keyholder("Carmen"), Keyholder("Dora"), Keyholder("Respaldo", "recovery")
    desk = Desk(database, library, tmp_path, Unit([carmen, dora, respaldo]))
    desk.unit.next_list(ending=[dora])
    await desk.publish()
    for readers in ([carmen, dora], [respaldo], [carmen, Keyholder("Extraña")]):
        asker = Asker(TODAY)
        with pytest.raises(Altered, match=r"thread\.readers"):
            await desk.accept(asker.posting(desk.unit, await desk.token(), readers=readers))
    await desk.accept(Asker(TODAY).posting(desk.unit, await desk.token("beto"), readers=[carmen]))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("token", ["short", None, encode(bytes(23))]),
        ("decision_on", ["tomorrow", None, "2026-13-01", 7]),
        ("locator_hash", ["f" * 63, "G" * 64, "F" * 64, None]),
        ("box", [{"iv": "", "body": ""}, "text", None, {}]),
        ("signature", ["", encode(bytes(63)), None]),
        ("access", [{}, None, [{"reader": "asker", "sealed": "x"}], "x"]),
        ("letter", [{}, None, "x", {"context": {}}]),
    ],
)
def test_a_malformed_case_is_refused_with_the_name_of_the_field(name: str, values: list[object]) -> None:
    posting = Asker(TODAY).posting(Unit.with_recovery_key(), new_token())
    for value in values:
        with pytest.raises(Malformed, match=name):
            letters.parse_submission({**posting, name: value})
    with pytest.raises(Malformed, match=name):
        letters.parse_submission({key: value for key, value in posting.items() if key != name})


def test_a_case_with_a_field_more_is_refused() -> None:
    posting = Asker(TODAY).posting(Unit.with_recovery_key(), new_token())
    values: list[object] = [{**posting, "name": "Ana"}, [], None, "x", 7]
    for value in values:
        with pytest.raises(Malformed):
            letters.parse_submission(value)


# ---------------------------------------------------------------- closed


async def test_a_list_is_in_force_for_45_days_and_then_takes_no_new_case(desk: Desk) -> None:
    token = await desk.token()
    last = date(2027, 1, 4)
    assert desk.unit.newest["list"]["until"] == last.isoformat()
    desk.now = datetime.combine(last, time(12), desk.installation.timezone)
    await desk.submit(Asker(last))
    desk.now += timedelta(days=1)
    with pytest.raises(trust.Closed, match="expired"):
        await desk.accept(Asker(desk.today).posting(desk.unit, token))
    desk.unit.next_list(day=desk.today)
    await desk.publish()
    await desk.submit(Asker(desk.today))


@pytest.mark.parametrize("count", [0, 1])
async def test_fewer_than_two_readers_close_the_letterbox(
    database: Database, library: Library, tmp_path: Path, count: int
) -> None:
    desk = Desk(database, library, tmp_path, Unit([Keyholder("Carmen")][:count]))
    posting = Asker(TODAY).posting(Unit.with_recovery_key(), new_token())
    with pytest.raises(trust.Closed, match="none"):
        await desk.accept(posting)
    await desk.publish()
    with pytest.raises(trust.Closed, match="readers"):
        await desk.accept(posting)


async def test_before_the_adoption_no_case_is_taken(database: Database, library: Library, tmp_path: Path) -> None:
    desk = Desk(database, library, tmp_path)
    async with desk.work() as work:
        await desk.unit.publish(work.tx)
    with pytest.raises(trust.Closed, match="adoption"):
        await desk.accept(Asker(TODAY).posting(desk.unit, new_token()))


@pytest.mark.attack
async def test_lists_of_another_unit_take_no_case(desk: Desk) -> None:
    other = Unit.with_recovery_key()
    async with desk.work() as work:
        await work.tx.execute(schema.key_lists.delete())
        await other.publish(work.tx)
    with pytest.raises(trust.Closed, match="altered"):
        await desk.accept(Asker(TODAY).posting(other, new_token()))
