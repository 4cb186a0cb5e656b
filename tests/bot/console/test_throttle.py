"""Who tries words, codes and links too often waits; an officer gets in meanwhile where they have signed in before."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.console import auth_keys, devices, site, throttle
from bot.console.queueing import Busy, SlowQueue
from bot.console.throttle import THROTTLE
from bot.web.windows import Windows
from storage import schema
from storage.confidential import officers
from storage.confidential.protocol.canonical import encode
from storage.database import Transaction
from tests.bot.console.accounts import NEW, NEWER, AccountHolder, enrol, stranger
from tests.bot.console.office import Office
from tests.bot.console.test_signin import Visitor, open_page

WRONG = encode(b"\2" * 32)
SIGN_IN = "/console/signin"


@pytest.fixture
async def carmen(office: Office) -> AccountHolder:
    """The first officer; the test knows words and code."""
    return await enrol(office, AccountHolder("", "Carmen Ríos", "carmen@ueipci.example"))


@pytest.fixture
async def dora(office: Office, carmen: AccountHolder) -> AccountHolder:
    return await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example", words=NEW))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare by a look at the words: what is slow about it is not what these tests are about."""

    async def matches(auth: str, stored: str | None) -> bool:
        return auth != WRONG

    monkeypatch.setattr(auth_keys, "matches", matches)


async def wrong(office: Office, email: str, times: int, path: str = SIGN_IN) -> list[int]:
    """The statuses of so many attempts of a stranger, one after the other."""
    field = "auth" if path == SIGN_IN else "code_auth"
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        return [(await visitor.post(path, {"email": email, field: WRONG}))[0] for _ in range(times)]


async def enter(visitor: Visitor, officer: AccountHolder, auth: str = "") -> tuple[int, Any]:
    """Sign in with the right words, or with `auth`, from a browser that keeps what it was given."""
    answer = await visitor.post(SIGN_IN, {"email": officer.email, "auth": auth or officer.words.auth})
    kept = {name: value for name, value in visitor.cookies.items() if name.startswith(devices.COOKIE)}
    send_cookies(visitor, kept)
    return answer


def send_cookies(visitor: Visitor, cookies: Mapping[str, str]) -> None:
    """Send these and the browser's own from now on."""
    sent = {site.GATE_COOKIE: visitor.gate, **cookies}
    visitor.client.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())


# ---------------------------------------------------------------- by account


@pytest.mark.attack
@pytest.mark.parametrize("path", [SIGN_IN, "/console/lost/begin"])
async def test_an_account_takes_ten_wrong_attempts_in_a_quarter_of_an_hour(
    office: Office, dora: AccountHolder, hurried: None, path: str
) -> None:
    assert await wrong(office, "carmen@ueipci.example", 12, path) == [403] * 10 + [429] * 2
    assert await wrong(office, "nadie@ueipci.example", 12, path) == [403] * 10 + [429] * 2, "no account: alike"
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        status, body = await visitor.post(SIGN_IN, {"email": " CARMEN@ueipci.example", "auth": NEWER.auth})
        assert (status, body["error"]) == (429, "later")
        assert datetime.fromisoformat(body["at"]) == office.now + timedelta(minutes=15)
        assert (await enter(visitor, dora))[0] == 200, "other accounts are open"
    office.advance_clock(minutes=15)
    assert await wrong(office, "carmen@ueipci.example", 1, path) == [403]


async def test_what_is_right_is_not_counted(office: Office, carmen: AccountHolder, hurried: None) -> None:
    for _ in range(12):
        assert (await stranger(office, SIGN_IN, {"email": carmen.email, "auth": carmen.words.auth}))[0] == 200
    assert await wrong(office, carmen.email, 11) == [403] * 10 + [429]


@pytest.mark.attack
async def test_a_flood_on_an_account_keeps_out_no_officer_who_has_signed_in_from_here(
    office: Office, carmen: AccountHolder, hurried: None
) -> None:
    office.app[THROTTLE].networks = Windows(10, throttle.SECONDS)
    async with ClientSession() as client:
        known = await open_page(office, client)
        assert (await enter(known, carmen))[0] == 200
        assert (await wrong(office, carmen.email, 11))[-1] == 429
        assert (await stranger(office, SIGN_IN, {"email": carmen.email, "auth": carmen.words.auth}))[0] == 429
        assert (await enter(known, carmen))[0] == 200
        statuses = [(await enter(known, carmen, WRONG))[0] for _ in range(throttle.DEVICE + 1)]
        assert statuses == [403] * throttle.DEVICE + [429], "the device has attempts of its own, and no more"
        office.advance_clock(minutes=15)
        assert (await enter(known, carmen))[0] == 200


@pytest.mark.attack
async def test_nor_an_officer_who_has_signed_up_or_made_new_words_here(office: Office, carmen: AccountHolder) -> None:
    token = (await office.invite("lia@leon.example", "Lía Paz", "liaison")).split("&")[0]
    lia = AccountHolder("", "Lía Paz", "lia@leon.example")
    account = {"token": token, "salt": lia.words.salt, "auth": lia.words.auth}
    ways: list[tuple[str, object, AccountHolder, str]] = [
        ("/console/signup", account, lia, lia.words.auth),
        ("/console/lost", carmen.recovery(NEW, carmen.code), carmen, NEW.auth),
    ]
    for path, body, officer, auth in ways:
        async with ClientSession() as client:
            visitor = await open_page(office, client)
            assert (await visitor.post(path, body))[0] == 201
            (known,) = visitor.cookies.items()
            assert (await wrong(office, officer.email, throttle.ACCOUNT + 1))[-1] == 429
            assert (await enter(visitor, officer, auth))[0] == 429
            send_cookies(visitor, dict([known]))
            assert (await enter(visitor, officer, auth))[0] == 200


@pytest.mark.attack
@pytest.mark.parametrize(
    "change",
    [
        lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
        lambda value: "another" + value[value.index(".") :],
        lambda value: value.replace(".7", ".8"),
        lambda value: "",
        lambda value: "á.1.é",
    ],
)
async def test_a_device_is_known_by_a_cookie_of_ours_for_one_account_and_one_year(
    office: Office, dora: AccountHolder, hurried: None, change: Callable[[str], str]
) -> None:
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        assert (await enter(visitor, dora))[0] == 200
        office.app[THROTTLE].accounts = Windows(0, throttle.SECONDS)  # whom the server does not know gets in nowhere
        assert (await enter(visitor, dora))[0] == 200
        own, others = dict(visitor.cookies), dict(visitor.cookies)
        (name,) = (one for one in own if one.startswith(devices.COOKIE))
        send_cookies(visitor, {devices.name_of("carmen@ueipci.example"): own[name]})
        posted = {"email": "carmen@ueipci.example", "auth": NEWER.auth}
        assert (await visitor.post(SIGN_IN, posted))[0] == 429, "of another account"
        assert own[name].split(".")[1].startswith("7")
        others[name] = change(own[name])
        for cookies, status in ((others, 429), (own, 200)):
            send_cookies(visitor, cookies)
            assert (await visitor.post(SIGN_IN, {"email": dora.email, "auth": NEW.auth}))[0] == status
        office.advance_clock(days=366)
        office.app[THROTTLE].accounts = Windows(0, throttle.SECONDS)
        assert (await visitor.post(SIGN_IN, {"email": dora.email, "auth": NEW.auth}))[0] == 429


async def test_the_words_of_who_is_signed_in_are_counted_too(
    office: Office, carmen: AccountHolder, hurried: None
) -> None:
    desk = await office.signed_in(carmen)
    statuses = [(await desk.post("/console/account/open", {"auth": WRONG}))[0] for _ in range(11)]
    assert statuses == [403] * 10 + [429]


# ---------------------------------------------------------------- by network


@pytest.mark.attack
async def test_a_network_takes_twenty_times_as_much_whatever_it_tries(
    office: Office, carmen: AccountHolder, hurried: None
) -> None:
    assert throttle.NETWORK == 20 * throttle.ACCOUNT
    office.app[THROTTLE].networks = Windows(4, throttle.SECONDS)
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        tries = {
            "signup/begin": {"token": "x"},
            "signup": {"token": "x", "salt": "A" * 22, "auth": "A" * 43},
            "custodian/begin": {"token": "x"},
            "lost/begin": {"email": "a@x.mx", "code_auth": WRONG},
        }
        for number, (path, body) in enumerate(tries.items()):
            assert (await visitor.post(f"/console/{path}", body))[0] in (403, 409), number
        for path, body in tries.items():
            assert (await visitor.post(f"/console/{path}", body))[0] == 429, path
        office.advance_clock(minutes=15)
        token = (await office.invite("dora@ueipci.example", "Dora Luna")).split("&")[0]
        for _ in range(6):
            assert (await visitor.post("/console/signup/begin", {"token": token}))[0] == 200, "right: not counted"


@pytest.mark.attack
async def test_a_stranger_without_an_invite_is_given_no_slow_work(
    office: Office, carmen: AccountHolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(auth: str) -> str:
        raise AssertionError("hashed for a stranger")

    monkeypatch.setattr(auth_keys, "slow_hash", refuse)
    async with ClientSession() as client:
        visitor = await open_page(office, client, "signup")
        posted = {"token": "x", "salt": "A" * 22, "auth": "A" * 43}
        assert await visitor.post("/console/signup", posted) == (409, {"error": "token"})


# ---------------------------------------------------------------- the line before slow comparisons


@pytest.mark.attack
async def test_of_four_hundred_open_attempts_a_few_wait_and_the_known_officer_is_next(
    office: Office, carmen: AccountHolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are compared, forty wait, the others are answered at once: they held officers up for half a minute."""
    started, read, goes_on, credentials = [], [], threading.Semaphore(0), officers.credentials

    async def recorded(tx: Transaction, email: str) -> officers.Credentials | None:
        read.append(email)
        return await credentials(tx, email)

    def compare(auth: bytes, stored: str) -> None:
        started.append(auth.decode())
        assert goes_on.acquire(timeout=20)
        if auth.decode() != carmen.words.auth:
            raise InvalidKey

    async with ClientSession(connector=TCPConnector(limit=0)) as client, ClientSession() as own:
        flood, genuine = await open_page(office, client), await open_page(office, own)
        assert (await enter(genuine, carmen))[0] == 200
        await wrong(office, "nadie@ueipci.example", 1)  # makes the hash that no auth key matches
        office.app[THROTTLE].networks = Windows(1000, throttle.SECONDS)
        monkeypatch.setattr(Argon2id, "verify_phc_encoded", compare)
        monkeypatch.setattr(officers, "credentials", recorded)
        posts = [flood.post(SIGN_IN, {"email": f"{number}@x.mx", "auth": WRONG}) for number in range(400)]
        open_posts = {asyncio.ensure_future(post) for post in posts}
        refused: set[Any] = set()
        while len(refused) < 400 - auth_keys.SLOTS - auth_keys.MOST_WAITING:
            done, open_posts = await asyncio.wait(open_posts, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
            if not done:
                goes_on.release(400)
                raise AssertionError("the others wait, too")
        assert {one.result()[0] for one in refused} == {429}
        assert len(started) == len(read) == auth_keys.SLOTS, "the database is not asked for those who wait"
        signing_in = asyncio.ensure_future(enter(genuine, carmen))
        await waits((1, auth_keys.MOST_WAITING))
        goes_on.release(2 * auth_keys.SLOTS)  # the two at work, and the next two
        assert (await signing_in)[0] == 200
        assert carmen.words.auth in started[: auth_keys.SLOTS + 2], "before all who had waited longer"
        goes_on.release(400)
        assert {(await post)[0] for post in open_posts} == {403}
    assert auth_keys.waiting() == (0, 0)


@pytest.mark.attack
@pytest.mark.parametrize("path", [SIGN_IN, "/console/lost/begin"])
async def test_what_was_refused_for_the_crowd_was_no_attempt_on_the_account(
    office: Office, carmen: AccountHolder, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Else a flood on invented accounts keeps officers out for a quarter of an hour; its network counts on."""
    office.app[THROTTLE].networks = Windows(12, throttle.SECONDS)
    with monkeypatch.context() as crowd:
        crowd.setattr(SlowQueue, "turn", full)
        assert await wrong(office, carmen.email, 11, path) == [429] * 11
    assert await wrong(office, carmen.email, 2, path) == [403, 429]


@asynccontextmanager
async def full(queue: SlowQueue, *, is_known: bool) -> AsyncIterator[None]:
    """The turn of who is crowded out at once."""
    raise Busy
    yield


async def waits(line: tuple[int, int]) -> None:
    """Let other tasks run until so many wait, of known devices and of others."""
    for _ in range(100_000):
        if auth_keys.waiting() == line:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"waiting: {auth_keys.waiting()}")


async def test_the_longest_waiting_of_a_full_line_leaves_and_who_hangs_up_holds_no_place() -> None:
    queue, order = SlowQueue(1, 2), []
    ends = asyncio.Event()

    async def work(name: str, *, is_known: bool = False) -> None:
        async with queue.turn(is_known=is_known):
            order.append(name)
            await ends.wait()

    tasks = {}
    for name in ("at work", "first", "second", "third", "known"):
        tasks[name] = asyncio.ensure_future(work(name, is_known=name == "known"))
        await asyncio.sleep(0)
    assert queue.waiting == (1, 2)
    with pytest.raises(Busy):
        await tasks["first"]
    tasks["second"].cancel()
    await asyncio.gather(tasks["second"], return_exceptions=True)
    ends.set()
    await asyncio.gather(tasks["at work"], tasks["third"], tasks["known"])
    assert order == ["at work", "known", "third"]
    await work("free again")


# ---------------------------------------------------------------- failed attempts


@pytest.mark.attack
async def test_failed_attempts_are_in_the_log_and_an_officers_in_the_ledger(
    office: Office, carmen: AccountHolder, hurried: None
) -> None:
    with capture_logs() as logs:
        await wrong(office, carmen.email, 2)
        await wrong(office, carmen.email, 1, "/console/lost/begin")
        await wrong(office, "nadie@ueipci.example", 1)
    said = [one for one in logs if one["event"] == "signin_failed"]
    assert [(one["officer"], one["door"]) for one in said] == [
        *[(carmen.id, "words")] * 2,
        (carmen.id, "code"),
        (None, "words"),
    ]
    assert "@" not in str(logs), "no address"
    await office.app[THROTTLE].settled()
    async with office.database.read() as tx:
        rows = (await tx.execute(select(schema.ledger.c.officer_id, schema.ledger.c.verb))).all()
    assert [tuple(row) for row in rows] == [(carmen.id, "sign-in-failed")] * 3


async def test_an_officer_learns_once_of_failed_attempts_since_the_last_sign_in(
    office: Office, carmen: AccountHolder, hurried: None
) -> None:
    async with ClientSession() as client:
        visitor = await open_page(office, client)
        assert (await enter(visitor, carmen))[1]["failures"] == []
        await wrong(office, carmen.email, 2)
        office.advance_clock(days=1)
        await wrong(office, carmen.email, 1)
        await office.app[THROTTLE].settled()
        shown = [{"day": "2026-11-23", "count": 2}, {"day": "2026-11-24", "count": 1}]
        assert (await enter(visitor, carmen))[1]["failures"] == shown
        assert (await enter(visitor, carmen))[1]["failures"] == []
        visitor.client.headers["Cookie"] += f"; session={visitor.cookies['session']}"
        await wrong(office, carmen.email, 1)
        await office.app[THROTTLE].settled()
        posted = {"email": carmen.email, "auth": carmen.words.auth}
        for shown in ([{"day": "2026-11-24", "count": 1}], []):  # the same when a session that is open is unlocked
            assert (await visitor.post(SIGN_IN, posted))[1]["failures"] == shown


@pytest.mark.attack
async def test_no_answer_waits_for_the_ledger_as_its_time_would_name_the_accounts(
    office: Office, carmen: AccountHolder, hurried: None
) -> None:
    async with office.database.write():  # no other transaction writes meanwhile
        assert await wrong(office, carmen.email, 1) == [403]
    await office.app[THROTTLE].settled()
    async with office.database.read() as tx:
        assert [*await tx.scalars(select(schema.ledger.c.verb))] == ["sign-in-failed"]
