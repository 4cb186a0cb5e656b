"""The way back in with a recovery code, at the server: used once, and refused alike for every reason."""

import asyncio

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from bot.console import auth_keys
from storage.confidential import officers
from storage.confidential.officers import OfficerState
from tests.bot.console.accounts import (
    NEW,
    NEWER,
    AccountHolder,
    Code,
    Words,
    enrol,
    opens,
    opens_with_code,
    row,
    signs_in,
    stranger,
    verbs,
    write,
)
from tests.bot.console.office import Office

BEGIN, SAVE = "/console/lost/begin", "/console/lost"
REFUSED = (403, {"error": "lost"})


@pytest.fixture
async def carmen(office: Office) -> AccountHolder:
    """The first officer; the test knows words and code."""
    return await enrol(office, AccountHolder("", "Carmen Ríos", "carmen@ueipci.example"))


def begin(officer: AccountHolder, code: Code | None = None) -> dict[str, object]:
    return {"email": officer.email, "code_auth": (code or officer.code).auth}


async def test_a_code_brings_new_words_and_a_new_code_and_works_once(office: Office, carmen: AccountHolder) -> None:
    desk, code = await office.signed_in(carmen), Code()
    for _ in range(2):  # looking spends nothing
        status, body = await stranger(office, BEGIN, begin(carmen) | {"email": " CARMEN@ueipci.example"})
        assert (status, body["id"], opens_with_code(carmen, body["recovery_bundle"], carmen.code)) == (
            200,
            carmen.id,
            True,
        )
    assert (await signs_in(office, carmen.email, carmen.words))[0] == 200, "nor does it change anything"
    assert await stranger(office, SAVE, carmen.recovery(NEW, code)) == (201, {})
    assert (await desk.get("/console/pulse", Accept="application/json"))[0] == 401
    assert (await signs_in(office, carmen.email, carmen.words))[0] == 403
    status, body = await signs_in(office, carmen.email, NEW)
    assert (status, opens(carmen, body["bundle"], NEW)) == (200, True)
    assert await stranger(office, BEGIN, begin(carmen)) == REFUSED
    assert await stranger(office, SAVE, carmen.recovery(NEWER, Code())) == REFUSED
    status, body = await stranger(office, BEGIN, begin(carmen, code))
    assert (status, opens_with_code(carmen, body["recovery_bundle"], code)) == (200, True)
    assert await verbs(office) == ["lost-words"]


@pytest.mark.attack
async def test_every_refusal_is_alike_and_takes_one_slow_comparison(
    office: Office, carmen: AccountHolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    original = Argon2id.verify_phc_encoded

    def record(auth: bytes, stored: str) -> None:
        checked.append(stored)
        original(auth, stored)

    lia = await enrol(office, AccountHolder("", "Lía Paz", "lia@leon.example"), "liaison")
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example"))
    async with office.database.write() as tx:
        await officers.leave(tx, [dora.id])
        await officers.invite(tx, "eva@ueipci.example", "Eva Sol", "officer", None, office.now)
    monkeypatch.setattr(Argon2id, "verify_phc_encoded", record)
    unknown, eva = (AccountHolder("", "", mail, code=carmen.code) for mail in ("x@y.example", "eva@ueipci.example"))
    wrong = AccountHolder("", "", carmen.email)
    for one in (wrong, unknown, eva, dora, lia):
        assert await stranger(office, BEGIN, begin(one)) == REFUSED
        posted = carmen.recovery(NEW, Code()) | begin(one)
        assert await stranger(office, SAVE, posted) == REFUSED
    assert len(checked) == 10
    assert all(stored.startswith(f"$argon2id$v=19$m={auth_keys.MEMORY_KIB},t=2,p=1$") for stored in checked)


@pytest.mark.attack
@pytest.mark.parametrize("gone", officers.GONE)
async def test_who_is_gone_signs_in_neither_with_words_nor_with_the_code(
    office: Office, carmen: AccountHolder, gone: OfficerState
) -> None:
    before, desk = await row(office, carmen), await office.signed_in(carmen)
    async with office.database.write() as tx:
        await officers.leave(tx, [carmen.id], gone)
    assert await signs_in(office, carmen.email, carmen.words) == (403, {"error": "signin"})
    assert await stranger(office, BEGIN, begin(carmen)) == REFUSED
    assert await stranger(office, SAVE, carmen.recovery(NEW, Code())) == REFUSED
    assert (await desk.post("/console/account/words", carmen.new_words(NEW)))[0] == 401
    after = await row(office, carmen)
    assert (after.auth_hash, after.code_hash) == (before.auth_hash, before.code_hash)


async def test_of_two_who_use_one_code_at_once_one_wins(office: Office, carmen: AccountHolder) -> None:
    codes = Code(), Code()
    posted = [stranger(office, SAVE, carmen.recovery(*new)) for new in zip((NEW, NEWER), codes, strict=True)]
    statuses = [status for status, _ in await asyncio.gather(*posted)]
    assert sorted(statuses) == [201, 403]
    won = statuses.index(201)
    assert [(await signs_in(office, carmen.email, words))[0] == 200 for words in (NEW, NEWER)] == [won == 0, won == 1]
    assert [(await stranger(office, BEGIN, begin(carmen, code)))[0] == 200 for code in codes] == [won == 0, won == 1]


@pytest.mark.parametrize(
    "changes", [{"bundle": {}}, {"recovery_bundle": {"iv": "A"}}, {"salt": "x"}, {"auth": "x"}, {"more": 1}]
)
async def test_malformed_secrets_are_refused_and_the_code_stays(
    office: Office, carmen: AccountHolder, changes: dict[str, object]
) -> None:
    assert (await stranger(office, SAVE, carmen.recovery(NEW, Code()) | changes))[0] == 422
    assert (await stranger(office, BEGIN, begin(carmen)))[0] == 200


# ---------------------------------------------------------------- a writer of rows

OWN, REFUSES, ALTERED = "opens the own keys", "is refused", "is altered"
SWAPS = {  # columns; what the own words do at the own address and at the other's; what the own code does there
    ("salt",): ((REFUSES, REFUSES), (OWN, REFUSES)),
    ("bundle",): ((ALTERED, REFUSES), (OWN, REFUSES)),
    ("recovery_bundle",): ((OWN, REFUSES), (ALTERED, REFUSES)),
    ("code_hash",): ((OWN, REFUSES), (REFUSES, ALTERED)),
    ("code_hash", "recovery_bundle"): ((OWN, REFUSES), (REFUSES, ALTERED)),
    ("salt", "auth_hash", "bundle"): ((REFUSES, ALTERED), (OWN, REFUSES)),
    ("salt", "auth_hash", "bundle", "code_hash", "recovery_bundle", "notebook"): ((REFUSES, ALTERED),) * 2,
}


@pytest.mark.attack
@pytest.mark.parametrize("columns", SWAPS, ids="+".join)
async def test_what_is_swapped_between_two_officers_opens_nothing_and_is_named(
    office: Office, carmen: AccountHolder, columns: tuple[str, ...]
) -> None:
    dora = await enrol(office, AccountHolder("", "Dora Luna", "dora@ueipci.example", words=NEWER))
    first, second = await row(office, carmen), await row(office, dora)
    await write(office, carmen, **{name: getattr(second, name) for name in columns})
    await write(office, dora, **{name: getattr(first, name) for name in columns})
    for holder, other in ((carmen, dora), (dora, carmen)):
        with_words = tuple([await tried_words(office, holder, at) for at in (holder, other)])
        with_code = tuple([await tried_code(office, holder, at) for at in (holder, other)])
        assert (with_words, with_code) == SWAPS[columns]


async def tried_words(office: Office, holder: AccountHolder, at: AccountHolder) -> str:
    """What an officer's words do at an address."""
    _, begun = await stranger(office, "/console/signin/begin", {"email": at.email})
    words = Words(holder.words.text, begun["salt"])
    status, body = await signs_in(office, at.email, words)
    if status != 200:
        return REFUSES
    return OWN if body["id"] == holder.id and opens(holder, body["bundle"], words) else ALTERED


async def tried_code(office: Office, holder: AccountHolder, at: AccountHolder) -> str:
    """What an officer's code does at an address."""
    status, body = await stranger(office, BEGIN, begin(at, holder.code))
    if status != 200:
        return REFUSES
    is_own = body["id"] == holder.id and opens_with_code(holder, body["recovery_bundle"], holder.code)
    return OWN if is_own else ALTERED
