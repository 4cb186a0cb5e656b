"""New words, new recovery codes and signing out at the server, with real keys: what opens afterwards, what does not."""

import asyncio

import pytest
from aiohttp import ClientSession

from bot.console import site
from tests.bot.console.accounts import (
    NEW,
    NEWER,
    AccountHolder,
    Code,
    Words,
    as_box,
    enrol,
    opens,
    opens_with_code,
    row,
    signs_in,
    stranger,
    verbs,
)
from tests.bot.console.office import Desk, Office, OfficerWithKeys

REFUSED = (403, {"error": "words"})


@pytest.fixture
async def carmen(office: Office) -> AccountHolder:
    """The first officer; the test knows words and code."""
    return await enrol(office, AccountHolder("", "Carmen Ríos", "carmen@ueipci.example"))


async def is_signed_in(desk: Desk) -> bool:
    return (await desk.get("/console/pulse", Accept="application/json"))[0] == 204


# ---------------------------------------------------------------- new words


@pytest.mark.attack
async def test_old_words_open_nothing_any_more_but_an_older_copy(office: Office, carmen: AccountHolder) -> None:
    copy, desk = await row(office, carmen), await office.signed_in(carmen)
    status, body = await desk.post("/console/account/open", {"auth": carmen.words.auth})
    assert (status, opens(carmen, body["bundle"], carmen.words)) == (200, True)
    assert (await desk.post("/console/account/words", carmen.new_words(NEW)))[0] == 201
    assert (await signs_in(office, carmen.email, carmen.words))[0] == 403
    status, body = await signs_in(office, carmen.email, NEW)
    assert (status, opens(carmen, body["bundle"], NEW)) == (200, True)
    now = await row(office, carmen)
    assert not {copy.bundle, copy.salt, copy.auth_hash} & {*now}, "the box that the old words open is gone"
    assert not opens(carmen, as_box(now.bundle), carmen.words)
    assert (now.recovery_bundle, now.code_hash, now.notebook) == (copy.recovery_bundle, copy.code_hash, copy.notebook)
    assert opens(carmen, as_box(copy.bundle), carmen.words), "new words do not help against an older copy"
    assert await verbs(office) == ["new-words"]


@pytest.mark.attack
async def test_new_words_sign_out_all_other_devices_and_renew_the_own_session(
    office: Office, carmen: AccountHolder
) -> None:
    dora = OfficerWithKeys("", "Dora Luna", "dora@ueipci.example")
    await office.enrol(dora)
    desk, other, others = await office.signed_in(carmen), await office.signed_in(carmen), await office.signed_in(dora)
    assert await desk.post("/console/account/words", carmen.new_words(NEW)) == (201, {})
    assert [await is_signed_in(one) for one in (desk, other, others)] == [False, False, True]
    cookie = desk.received[site.SESSION_COOKIE]
    assert await is_signed_in(Desk(office.address, cookie))


async def test_of_two_devices_that_make_new_words_at_once_one_wins(office: Office, carmen: AccountHolder) -> None:
    desks = [await office.signed_in(carmen) for _ in range(2)]
    posted = [
        desk.post("/console/account/words", carmen.new_words(words))
        for desk, words in zip(desks, (NEW, NEWER), strict=True)
    ]
    statuses = [status for status, _ in await asyncio.gather(*posted)]
    assert sorted(statuses) in ([201, 401], [201, 403])
    winner, loser = (NEW, NEWER) if statuses[0] == 201 else (NEWER, NEW)
    status, body = await signs_in(office, carmen.email, winner)
    assert (status, opens(carmen, body["bundle"], winner)) == (200, True)
    assert (await signs_in(office, carmen.email, loser))[0] == 403
    assert (await verbs(office)).count("new-words") == 1


async def test_without_the_present_words_nothing_is_shown_or_replaced(office: Office, carmen: AccountHolder) -> None:
    before, desk, code = await row(office, carmen), await office.signed_in(carmen), Code()
    wrong = {"auth": NEW.auth}
    assert await desk.post("/console/account/open", wrong) == REFUSED
    assert await desk.post("/console/account/words", carmen.new_words(NEWER) | wrong) == REFUSED
    posted = carmen.new_code(code, as_box(before.recovery_bundle))
    assert await desk.post("/console/account/code", posted | wrong) == REFUSED
    assert await row(office, carmen) == before
    assert (await stranger(office, "/console/account/open", {"auth": carmen.words.auth}))[0] == 401


@pytest.mark.parametrize(
    "changes", [{"bundle": None}, {"bundle": {"iv": "A"}}, {"salt": "short"}, {"new_auth": "short"}, {"more": 1}]
)
async def test_malformed_words_are_refused_and_a_reader_keeps_a_box(
    office: Office, carmen: AccountHolder, changes: dict[str, object]
) -> None:
    before, desk = await row(office, carmen), await office.signed_in(carmen)
    assert (await desk.post("/console/account/words", carmen.new_words(NEW) | changes))[0] == 422
    assert await row(office, carmen) == before


async def test_who_has_no_keys_replaces_the_words_alone(office: Office, carmen: AccountHolder) -> None:
    lia = await enrol(office, AccountHolder("", "Lía Paz", "lia@leon.example"), "liaison")
    desk = await office.signed_in(lia)
    boxes = {"bundle": None, "recovery_bundle": None}
    assert await desk.post("/console/account/open", {"auth": lia.words.auth}) == (200, boxes)
    words = {"auth": lia.words.auth, "salt": NEW.salt, "new_auth": NEW.auth, "bundle": None}
    assert (await desk.post("/console/account/words", words | {"bundle": carmen.wrapped("words")}))[0] == 422
    assert (await desk.post("/console/account/words", words))[0] == 201
    assert [(await signs_in(office, lia.email, one))[0] for one in (lia.words, NEW)] == [403, 200]


# ---------------------------------------------------------------- a new code


async def test_a_new_code_takes_the_place_of_the_old_one(office: Office, carmen: AccountHolder) -> None:
    desk, code = await office.signed_in(carmen), Code()
    _, body = await desk.post("/console/account/open", {"auth": carmen.words.auth})
    assert opens_with_code(carmen, body["recovery_bundle"], carmen.code)
    posted = carmen.new_code(code, body["recovery_bundle"])
    assert await desk.post("/console/account/code", posted) == (201, {})
    begin = {"email": carmen.email, "code_auth": carmen.code.auth}
    assert (await stranger(office, "/console/lost/begin", begin))[0] == 403
    status, body = await stranger(office, "/console/lost/begin", begin | {"code_auth": code.auth})
    assert (status, opens_with_code(carmen, body["recovery_bundle"], code)) == (200, True)
    assert (await signs_in(office, carmen.email, carmen.words))[0] == 200
    assert await verbs(office) == ["new-words"]


async def test_a_second_tab_learns_that_another_code_was_made_meanwhile(office: Office, carmen: AccountHolder) -> None:
    desk = await office.signed_in(carmen)
    _, seen = await desk.post("/console/account/open", {"auth": carmen.words.auth})
    first, second = (carmen.new_code(Code(), seen["recovery_bundle"]) for _ in range(2))
    assert (await desk.post("/console/account/code", first))[0] == 201
    assert await desk.post("/console/account/code", second) == (409, {"error": "code"})
    assert (await desk.post("/console/account/code", first | {"recovery_bundle": {}}))[0] == 422


# ---------------------------------------------------------------- signing out


async def test_signing_out_everywhere_ends_the_sessions_of_all_devices(office: Office, carmen: AccountHolder) -> None:
    desk, other = await office.signed_in(carmen), await office.signed_in(carmen)
    assert await desk.post("/console/account/signout", {}) == (204, None)
    assert desk.received[site.SESSION_COOKIE] == ""
    assert [await is_signed_in(one) for one in (desk, other)] == [False, False]
    assert await verbs(office) == ["end-sessions"]
    assert (await signs_in(office, carmen.email, carmen.words))[0] == 200


async def test_the_page_is_for_every_officer_and_shows_codes_to_readers(office: Office, carmen: AccountHolder) -> None:
    lia = AccountHolder("", "Lía Paz", "lia@leon.example", words=Words("uno dos tres"))
    await enrol(office, lia, "liaison")
    async with ClientSession() as client, client.get(f"{office.address}/console/account") as answer:
        assert answer.url.path == "/console/signin"
    pages = [await (await office.signed_in(one)).get("/console/account") for one in (carmen, lia)]
    assert [status for status, _ in pages] == [200, 200]
    assert ['id="open-code"' in page for _, page in pages] == [True, False]
    assert ["Alguien vio mis palabras" in page for _, page in pages] == [True, False], "no step names what is not there"
