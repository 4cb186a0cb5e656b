"""The second factor at the server: nothing opens without it, no code works twice, and who lost it comes back."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from bot.console import devices, throttle
from bot.web.app_keys import INSTALLATION
from bot.web.windows import Windows
from handlers.casework import factors as rules
from handlers.casework.office import OfficerContext
from storage.confidential import factors, ledger, officers, totp
from tests.bot.console.accounts import (
    NEW,
    AccountHolder,
    Code,
    enrol,
    opens,
    signs_in,
    stranger,
    verbs,
)
from tests.bot.console.authenticator import App, with_app
from tests.bot.console.office import SALT, SECRET, Office
from tests.bot.console.test_signin import AUTH, invite, open_page
from tests.bot.console.test_throttle import send_cookies

WRONG = "000000"
SIGN_IN = "/console/signin"


@pytest.fixture
async def carmen(office: Office) -> AccountHolder:
    """The first officer, who has no factor yet; outside a trial."""
    carmen = await enrol(office, AccountHolder("", "Carmen Ríos", "carmen@ueipci.example"))
    office.trust.adopts_itself = False
    return carmen


def posted(officer: AccountHolder, **shown: object) -> dict[str, object]:
    return {"email": officer.email, "auth": officer.words.auth, **shown}


async def owned(office: Office, officer: AccountHolder) -> list[factors.Factor]:
    async with office.database.read() as tx:
        return await factors.of_officer(tx, officer.id)


async def begin(office: Office, officer: AccountHolder, **shown: object) -> dict[str, Any]:
    """What the server offers to who has no factor to show."""
    status, body = await stranger(office, SIGN_IN, posted(officer, **shown))
    assert (status, body["error"]) == (401, "enrolment")
    offer: dict[str, Any] = body["offer"]
    return offer


# ---------------------------------------------------------------- sign-in


@pytest.mark.attack
async def test_right_words_alone_open_nothing_and_get_nothing(office: Office, carmen: AccountHolder) -> None:
    app = await with_app(office, carmen)
    assert await signs_in(office, carmen.email, carmen.words) == (401, {"error": "factor", "kinds": ["totp"]})
    assert await stranger(office, SIGN_IN, posted(carmen, totp=WRONG)) == (403, {"error": "factor_wrong"})
    status, body = await stranger(office, SIGN_IN, posted(carmen, totp=app.code(office.now)))
    assert (status, opens(carmen, body["bundle"], carmen.words)) == (200, True)


@pytest.mark.attack
async def test_a_right_code_without_the_words_tells_nothing(office: Office, carmen: AccountHolder) -> None:
    app = await with_app(office, carmen)
    wrong = {"email": carmen.email, "auth": NEW.auth}
    for code in (app.code(office.now), WRONG):
        assert await stranger(office, SIGN_IN, wrong | {"totp": code}) == (403, {"error": "signin"})


@pytest.mark.attack
async def test_a_code_that_was_seen_opens_nothing_again(office: Office, carmen: AccountHolder) -> None:
    app = await with_app(office, carmen)
    code, earlier = app.code(office.now), app.code(office.now, later=-1)
    assert (await stranger(office, SIGN_IN, posted(carmen, totp=code)))[0] == 200
    for replayed in (code, earlier):
        assert await stranger(office, SIGN_IN, posted(carmen, totp=replayed)) == (403, {"error": "factor_used"})
    office.advance_clock(seconds=totp.STEP)
    assert (await stranger(office, SIGN_IN, posted(carmen, totp=app.code(office.now))))[0] == 200


@pytest.mark.attack
@pytest.mark.parametrize("with_enrolment", [False, True])
async def test_codes_cannot_be_tried_out_and_the_officer_learns_of_it(
    office: Office, carmen: AccountHolder, with_enrolment: bool
) -> None:
    app = await with_app(office, carmen)
    enrolment = {"ticket": "A" * 64, "code": WRONG} if with_enrolment else None
    wrong = posted(carmen, totp=WRONG, enrolment=enrolment)
    answers = [await stranger(office, SIGN_IN, wrong) for _ in range(throttle.ACCOUNT)]
    assert answers == [(403, {"error": "factor_wrong"})] * throttle.ACCOUNT
    status, body = await stranger(office, SIGN_IN, posted(carmen, totp=app.code(office.now)))
    assert (status, body["error"]) == (429, "later"), "nor is the right one taken any more"
    await office.app[throttle.THROTTLE].settled()
    async with office.database.read() as tx:
        (failures,) = await ledger.failures_since_sign_in(tx, carmen.id)
    assert failures.count == throttle.ACCOUNT


@pytest.mark.attack
async def test_who_has_the_words_tries_ten_codes_in_eight_hours_however_patient(
    office: Office, carmen: AccountHolder
) -> None:
    """Ten in a quarter of an hour for ever find a code within the year; the officer's own browser has its own ten."""
    app = await with_app(office, carmen)
    async with ClientSession() as client:
        known = await open_page(office, client)
        assert (await known.post(SIGN_IN, posted(carmen, totp=app.code(office.now))))[0] == 200
        send_cookies(known, {name: value for name, value in known.cookies.items() if name.startswith(devices.COOKIE)})
        wrong = posted(carmen, totp=WRONG)
        for _ in range(throttle.CODES // 2):
            assert (await stranger(office, SIGN_IN, wrong))[0] == 403
        office.advance_clock(minutes=15)
        office.app[throttle.THROTTLE].accounts = Windows(99, throttle.SECONDS)  # forgotten, as after a flood of names
        answers = await asyncio.gather(*(stranger(office, SIGN_IN, wrong) for _ in range(12)))
        assert sorted(status for status, _ in answers) == [403] * (throttle.CODES // 2) + [429] * 7
        for minutes in (1, 60, 6 * 60):
            office.advance_clock(minutes=minutes)
            status, body = await stranger(office, SIGN_IN, posted(carmen, totp=app.code(office.now)))
            assert (status, body["error"]) == (429, "later"), "nor is the right one taken any more"
        assert (await known.post(SIGN_IN, posted(carmen, totp=app.code(office.now))))[0] == 200
        office.advance_clock(minutes=45)
        assert (await stranger(office, SIGN_IN, posted(carmen, totp=app.code(office.now))))[0] == 200


@pytest.mark.attack
async def test_the_app_of_another_officer_shows_nothing_even_if_its_row_is_moved(
    office: Office, carmen: AccountHolder
) -> None:
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example"))
    app = await with_app(office, dora)
    (row,) = await owned(office, dora)
    async with office.database.write() as tx:
        await factors.add(tx, carmen.id, row.kind, row.secret, 0, office.today)
    code = app.code(office.now)
    assert await stranger(office, SIGN_IN, posted(carmen, totp=code)) == (403, {"error": "factor_wrong"})


async def test_unlocking_in_a_live_session_asks_for_the_words_only(office: Office, carmen: AccountHolder) -> None:
    await with_app(office, carmen)
    desk = await office.signed_in(carmen)
    assert (await desk.post(SIGN_IN, posted(carmen)))[0] == 200
    office.advance_clock(minutes=20)
    assert (await desk.post(SIGN_IN, posted(carmen)))[0] == 401, "a session that went idle shows no factor"


@pytest.mark.attack
async def test_who_carries_a_session_elsewhere_makes_no_device_known(office: Office, carmen: AccountHolder) -> None:
    """Else words and a session of a moment give attempts of its own for a year, and as often as it is asked."""
    await with_app(office, carmen)
    desk = await office.signed_in(carmen)
    assert (await desk.post(SIGN_IN, posted(carmen)))[0] == 200
    assert desk.received == {}


@pytest.mark.attack
async def test_the_session_of_a_colleague_shows_no_factor(office: Office, carmen: AccountHolder) -> None:
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example"))
    await with_app(office, carmen)
    desk = await office.signed_in(dora)
    assert (await desk.post(SIGN_IN, posted(carmen)))[0] == 401


@pytest.mark.attack
async def test_a_session_of_a_trial_opens_nothing_once_the_trial_is_over(office: Office, carmen: AccountHolder) -> None:
    office.trust.adopts_itself = True
    desk = await office.signed_in(carmen, factor="")
    assert (await desk.get("/console/cases"))[0] == 200
    office.trust.adopts_itself = False
    assert (await desk.get("/console/cases"))[0] == 303
    assert (await desk.get("/console/trust?from=1", Accept="application/json"))[0] == 401
    status, body = await desk.post(SIGN_IN, posted(carmen))
    assert (status, body["error"]) == (401, "enrolment"), "nor does it stand for a factor"


async def test_in_a_trial_the_words_are_enough_until_an_app_is_added(office: Office, carmen: AccountHolder) -> None:
    await with_app(office, carmen)
    office.trust.adopts_itself = True
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example"))
    assert (await signs_in(office, dora.email, dora.words))[0] == 200
    assert (await signs_in(office, carmen.email, carmen.words))[0] == 401


# ---------------------------------------------------------------- the first one


async def test_who_has_none_makes_one_before_anything_opens(office: Office, carmen: AccountHolder) -> None:
    offer = await begin(office, carmen)
    app = App.scanned(offer)
    assert offer["address"].startswith("otpauth://totp/Integra:carmen%40ueipci.example?")
    assert await owned(office, carmen) == [], "an offer is stored nowhere"
    wrong = {"ticket": offer["ticket"], "code": WRONG}
    assert (await stranger(office, SIGN_IN, posted(carmen, enrolment=wrong)))[0] == 403
    assert await owned(office, carmen) == []
    enrolment = app.enrolment(offer, office.now)
    status, body = await stranger(office, SIGN_IN, posted(carmen, enrolment=enrolment))
    assert (status, opens(carmen, body["bundle"], carmen.words)) == (200, True)
    replayed = posted(carmen, totp=enrolment["code"])
    assert await stranger(office, SIGN_IN, replayed) == (403, {"error": "factor_used"})
    assert await verbs(office) == ["add-factor"]


@pytest.mark.attack
async def test_who_has_one_makes_no_other_with_the_words_alone(office: Office, carmen: AccountHolder) -> None:
    """Words that were seen would otherwise replace the app that they are not enough without."""
    offer = await begin(office, carmen)
    await with_app(office, carmen)
    enrolment = App.scanned(offer).enrolment(offer, office.now)
    assert (await stranger(office, SIGN_IN, posted(carmen, enrolment=enrolment)))[0] == 401
    assert len(await owned(office, carmen)) == 1


@pytest.mark.attack
async def test_an_offer_to_one_officer_is_of_no_use_to_another(office: Office, carmen: AccountHolder) -> None:
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example"))
    office.trust.adopts_itself = False
    offer = await begin(office, dora)
    enrolment = App.scanned(offer).enrolment(offer, office.now)
    refused = await stranger(office, SIGN_IN, posted(carmen, enrolment=enrolment))
    assert refused == (403, {"error": "factor_wrong"})


async def test_signing_up_makes_one_too_or_spends_nothing(office: Office, carmen: AccountHolder) -> None:
    token = await invite(office, "lia@leon.example", "Lía Paz", "liaison")
    _, begun = await stranger(office, "/console/signup/begin", {"token": token})
    app, account = App.scanned(begun["offer"]), {"token": token, "salt": SALT, "auth": AUTH}
    assert (await stranger(office, "/console/signup", account))[0] == 422
    wrong = {"ticket": begun["offer"]["ticket"], "code": WRONG}
    refused = await stranger(office, "/console/signup", account | {"enrolment": wrong})
    assert refused == (403, {"error": "factor_wrong"})
    enrolment = app.enrolment(begun["offer"], office.now)
    assert (await stranger(office, "/console/signup", account | {"enrolment": enrolment}))[0] == 201
    office.advance_clock(seconds=totp.STEP)
    shown = {"email": "lia@leon.example", "auth": AUTH, "totp": app.code(office.now)}
    assert (await stranger(office, SIGN_IN, shown))[0] == 200


async def test_in_a_trial_signing_up_offers_none(office: Office, carmen: AccountHolder) -> None:
    office.trust.adopts_itself = True
    token = await invite(office, "lia@leon.example", "Lía Paz", "liaison")
    assert (await stranger(office, "/console/signup/begin", {"token": token}))[1]["offer"] is None


# ---------------------------------------------------------------- lost


async def test_words_and_recovery_code_replace_a_lost_app_at_once_or_not_at_all(
    office: Office, carmen: AccountHolder
) -> None:
    lost = await with_app(office, carmen)
    desk = await office.signed_in(carmen)
    offer = await begin(office, carmen, code_auth=carmen.code.auth)
    assert (await desk.get("/console/pulse"))[0] == 204, "looking changes nothing"
    app = App.scanned(offer)
    shown = posted(carmen, code_auth=carmen.code.auth, enrolment=app.enrolment(offer, office.now))
    assert (await stranger(office, SIGN_IN, shown))[0] == 200
    assert (await desk.get("/console/pulse"))[0] == 303, "who has the phone is signed out"
    office.advance_clock(seconds=totp.STEP)
    now = office.now
    assert await stranger(office, SIGN_IN, posted(carmen, totp=lost.code(now))) == (403, {"error": "factor_wrong"})
    assert (await stranger(office, SIGN_IN, posted(carmen, totp=app.code(now))))[0] == 200
    assert await verbs(office) == ["lost-factor"]


@pytest.mark.attack
async def test_a_recovery_code_that_is_not_the_present_one_replaces_nothing(
    office: Office, carmen: AccountHolder
) -> None:
    await with_app(office, carmen)
    offer = await begin(office, carmen, code_auth=carmen.code.auth)
    before = await owned(office, carmen)
    enrolment = App.scanned(offer).enrolment(offer, office.now)
    wrong = posted(carmen, code_auth=Code().auth, enrolment=enrolment)
    assert await stranger(office, SIGN_IN, wrong) == (403, {"error": "code"})
    assert await owned(office, carmen) == before
    without_words = {"email": carmen.email, "auth": NEW.auth, "code_auth": carmen.code.auth, "enrolment": enrolment}
    assert await stranger(office, SIGN_IN, without_words) == (403, {"error": "signin"})


async def test_lost_words_come_back_with_a_new_factor_or_not_at_all(office: Office, carmen: AccountHolder) -> None:
    await with_app(office, carmen)
    before = await owned(office, carmen)
    opened = {"email": carmen.email, "code_auth": carmen.code.auth}
    _, begun = await stranger(office, "/console/lost/begin", opened)
    app, recovery = App.scanned(begun["offer"]), carmen.recovery(NEW, Code())
    assert (await stranger(office, "/console/lost", recovery))[0] == 422
    wrong = recovery | {"enrolment": {"ticket": begun["offer"]["ticket"], "code": WRONG}}
    assert await stranger(office, "/console/lost", wrong) == (403, {"error": "factor_wrong"})
    assert await owned(office, carmen) == before
    right = recovery | {"enrolment": app.enrolment(begun["offer"], office.now)}
    assert (await stranger(office, "/console/lost", right))[0] == 201
    office.advance_clock(seconds=totp.STEP)
    shown = {"email": carmen.email, "auth": NEW.auth, "totp": app.code(office.now)}
    assert (await stranger(office, SIGN_IN, shown))[0] == 200


async def test_who_was_reset_by_the_administrator_learns_so_until_the_next_one_is_made(
    office: Office, carmen: AccountHolder
) -> None:
    await with_app(office, carmen)
    desk = await office.signed_in(carmen)
    async with office.database.write() as tx:
        officer = await officers.by_id(tx, carmen.id)
        assert officer is not None
        await rules.reset(OfficerContext(tx, officer, office.app[INSTALLATION], SECRET.audit, office.now))
    assert (await desk.get("/console/pulse"))[0] == 303
    for _ in range(2):
        status, body = await stranger(office, SIGN_IN, posted(carmen))
        assert (status, body["reset_on"]) == (401, "2026-11-23")
    enrolment = App.scanned(body["offer"]).enrolment(body["offer"], office.now)
    assert (await stranger(office, SIGN_IN, posted(carmen, enrolment=enrolment)))[0] == 200
    assert await verbs(office) == ["reset-factor", "add-factor"]


# ---------------------------------------------------------------- the own account


async def test_an_officer_adds_another_and_removes_one_but_never_the_last(
    office: Office, carmen: AccountHolder
) -> None:
    first = await with_app(office, carmen)
    desk, other = await office.signed_in(carmen), await office.signed_in(carmen)
    auth = {"auth": carmen.words.auth}
    (row,) = await owned(office, carmen)
    assert await desk.post("/console/account/factors/remove", auth | {"id": row.id}) == (409, {"error": "factor_last"})
    _, begun = await desk.post("/console/account/factors/begin", auth)
    enrolment = App.scanned(begun["offer"]).enrolment(begun["offer"], office.now)
    assert (await desk.post("/console/account/factors", auth | {"enrolment": enrolment}))[0] == 201
    assert (await other.get("/console/pulse"))[0] == 204, "another factor signs no device out"
    assert (await desk.post("/console/account/factors/remove", auth | {"id": row.id}))[0] == 201
    assert (await other.get("/console/pulse"))[0] == 303, "but one that goes may be in other hands"
    code = first.code(office.now)
    assert await stranger(office, SIGN_IN, posted(carmen, totp=code)) == (403, {"error": "factor_wrong"})
    assert await verbs(office) == ["add-factor", "remove-factor"]


@pytest.mark.attack
@pytest.mark.attack
async def test_a_factor_that_is_sent_twice_is_one_whose_codes_work_once(office: Office, carmen: AccountHolder) -> None:
    await with_app(office, carmen)
    desk = await office.signed_in(carmen)
    _, begun = await desk.post("/console/account/factors/begin", {"auth": carmen.words.auth})
    app = App.scanned(begun["offer"])
    for _ in range(2):  # the first answer was lost on its way
        sent = {"auth": carmen.words.auth, "enrolment": app.enrolment(begun["offer"], office.now)}
        assert (await desk.post("/console/account/factors", sent))[0] == 201
        office.advance_clock(seconds=3 * totp.STEP)
    assert len(await owned(office, carmen)) == 2
    code = app.code(office.now)
    assert (await stranger(office, SIGN_IN, posted(carmen, totp=code)))[0] == 200
    assert await stranger(office, SIGN_IN, posted(carmen, totp=code)) == (403, {"error": "factor_used"})


async def test_who_finds_a_session_changes_no_factor_without_the_words(office: Office, carmen: AccountHolder) -> None:
    await with_app(office, carmen)
    desk, wrong = await office.signed_in(carmen), {"auth": NEW.auth}
    offer = await begin(office, carmen, code_auth=carmen.code.auth)
    enrolment = App.scanned(offer).enrolment(offer, office.now)
    (row,) = before = await owned(office, carmen)
    refused = (403, {"error": "words"})
    assert await desk.post("/console/account/factors/begin", wrong) == refused
    assert await desk.post("/console/account/factors", wrong | {"enrolment": enrolment}) == refused
    assert await desk.post("/console/account/factors/remove", wrong | {"id": row.id}) == refused
    assert await owned(office, carmen) == before


async def test_five_factors_are_enough(office: Office, carmen: AccountHolder) -> None:
    await with_app(office, carmen)
    desk, auth = await office.signed_in(carmen), {"auth": carmen.words.auth}
    statuses = []
    for _ in range(5):
        _, begun = await desk.post("/console/account/factors/begin", auth)
        enrolment = App.scanned(begun["offer"]).enrolment(begun["offer"], office.now)
        statuses.append((await desk.post("/console/account/factors", auth | {"enrolment": enrolment}))[0])
    assert statuses == [201, 201, 201, 201, 409]


@pytest.mark.parametrize(
    "shown", [{"totp": "12345"}, {"totp": "abcdef"}, {"enrolment": {"ticket": "x", "code": WRONG}}]
)
async def test_what_has_not_the_form_of_a_factor_is_malformed(
    office: Office, carmen: AccountHolder, shown: dict[str, object]
) -> None:
    assert (await stranger(office, SIGN_IN, posted(carmen, **shown)))[0] == 422


@pytest.mark.attack
async def test_a_copy_of_the_database_makes_no_code(office: Office, carmen: AccountHolder) -> None:
    app = await with_app(office, carmen)
    (row,) = await owned(office, carmen)
    assert app.secret.hex() not in row.secret.encode().hex()
    assert totp.unseal(SECRET.factor, row.secret, carmen.id) == app.secret
