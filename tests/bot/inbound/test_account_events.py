from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.channels.events import AccountEvent, AccountEventKind
from bot.channels.whatsapp.parser import parse
from bot.inbound import account_events
from storage.channels import channel_facts
from storage.channels.channel_facts import PEOPLE, STOPPED
from storage.database import Database
from tests.bot.channels.whatsapp import payloads as webhooks
from tests.cast import MONDAY_NINE as NOW

TAP = ("pregunta_diaria", "es_MX")
NAMED = {"name": TAP[0], "language": TAP[1]}


async def tell(database: Database, topic: AccountEventKind, **fields: str) -> list[Any]:
    """What the platform tells; gives the lines of the log."""
    with capture_logs() as logs:
        async with database.write() as tx:
            await account_events.receive(tx, AccountEvent("whatsapp", "b:1", topic, fields), NOW)
    return list(logs)


async def facts(database: Database) -> dict[str, str]:
    async with database.read() as tx:
        return dict(await channel_facts.facts(tx, "whatsapp"))


async def state(database: Database) -> tuple[str, str, str]:
    """Status, category and quality of the template."""
    async with database.read() as tx:
        found = (await channel_facts.templates(tx, "whatsapp"))[TAP]
    return found.status, found.category, found.quality


# ---------------------------------------------------------------- templates


STATUSES = {  # as the webhook tells it: kept as, and whether it is an error in the log
    "APPROVED": ("APPROVED", False),
    "approved": ("APPROVED", False),
    "REINSTATED": ("REINSTATED", False),
    "FLAGGED": ("FLAGGED", False),  # still sent, and warned
    "PAUSED": ("PAUSED", True),
    "DISABLED": ("DISABLED", True),
    "REJECTED": ("REJECTED", True),
    "PENDING": ("PENDING", True),
    "PENDING_DELETION": ("PENDING_DELETION", True),
    "IN_APPEAL": ("IN_APPEAL", True),
    "SOMETHING_OF_2031": ("SOMETHING_OF_2031", False),  # only news: it is tried
}


@pytest.mark.parametrize("told", STATUSES)
async def test_how_a_template_stands_is_kept_and_a_stop_is_an_error_in_the_log(database: Database, told: str) -> None:
    kept, is_stopped = STATUSES[told]
    logs = await tell(database, AccountEventKind.TEMPLATE, **NAMED, status=told)
    assert (await state(database))[0] == kept
    async with database.read() as tx:
        assert (await channel_facts.templates(tx, "whatsapp"))[TAP].is_stopped is is_stopped
    errors = [line for line in logs if line["log_level"] == "error"]
    assert [(line["event"], line["template"], line["code"]) for line in errors] == (
        [("template_stopped", *TAP)] if is_stopped else []
    )


async def test_what_is_told_of_a_template_is_kept_field_by_field(database: Database) -> None:
    await tell(database, AccountEventKind.TEMPLATE, **NAMED, status="APPROVED")
    await tell(database, AccountEventKind.TEMPLATE_CATEGORY, **NAMED, category="MARKETING")
    await tell(database, AccountEventKind.TEMPLATE_QUALITY, **NAMED, quality="YELLOW")
    assert await state(database) == ("APPROVED", "MARKETING", "YELLOW")
    await tell(database, AccountEventKind.TEMPLATE, **NAMED, status="PAUSED")
    assert await state(database) == ("PAUSED", "MARKETING", "YELLOW")
    await tell(database, AccountEventKind.TEMPLATE, **NAMED, status="APPROVED")
    assert await state(database) == ("APPROVED", "MARKETING", "YELLOW")


@pytest.mark.parametrize("missing", ["name", "language"])
async def test_a_template_without_name_or_language_is_none(database: Database, missing: str) -> None:
    named = NAMED | {missing: ""}
    await tell(database, AccountEventKind.TEMPLATE, **named, status="PAUSED")
    await tell(database, AccountEventKind.TEMPLATE_QUALITY, **named, quality="RED")
    async with database.read() as tx:
        assert await channel_facts.templates(tx, "whatsapp") == {}


# ---------------------------------------------------------------- the limit


@pytest.mark.parametrize("people", ["-1", "0", "250", "100000"])
async def test_a_limit_of_people_takes_the_place_of_the_one_before(database: Database, people: str) -> None:
    await tell(database, AccountEventKind.LIMIT, people="50")
    await tell(database, AccountEventKind.LIMIT, people=people)
    assert await facts(database) == {PEOPLE: people}


@pytest.mark.parametrize("people", ["", "many", "2K", "-", "1.5"])
async def test_what_is_no_number_is_no_limit(database: Database, people: str) -> None:
    await tell(database, AccountEventKind.LIMIT, people="50")
    await tell(database, AccountEventKind.LIMIT, people=people)
    await tell(database, AccountEventKind.LIMIT)
    assert await facts(database) == {PEOPLE: "50"}


async def test_a_limit_that_cannot_be_read_again_is_not_kept(database: Database) -> None:
    await tell(database, AccountEventKind.LIMIT, people="--1")
    assert await facts(database) == {}


# ---------------------------------------------------------------- the account


@dataclass(frozen=True)
class Case:
    """What is told of the account, and what is known then when the channel stood still before, or did not."""

    name: str
    fields: dict[str, str]
    from_open: dict[str, str] = field(default_factory=dict)
    from_stopped: dict[str, str] = field(default_factory=dict)


BEFORE = {STOPPED: "code 190"}
ACCOUNT = [
    Case(
        "disabled",
        {"event": "DISABLED_UPDATE", "ban": "DISABLE"},
        {STOPPED: "DISABLED_UPDATE DISABLE"},
        {STOPPED: "DISABLED_UPDATE DISABLE"},
    ),
    Case(
        "to be disabled one day",
        {"event": "DISABLED_UPDATE", "ban": "SCHEDULE_FOR_DISABLE"},
        {"account": "DISABLED_UPDATE"},
        BEFORE | {"account": "DISABLED_UPDATE"},
    ),
    Case(
        "disabled, without a state",
        {"event": "DISABLED_UPDATE"},
        {"account": "DISABLED_UPDATE"},
        BEFORE | {"account": "DISABLED_UPDATE"},
    ),
    Case("reinstated", {"event": "DISABLED_UPDATE", "ban": "REINSTATE"}),
    Case("deleted", {"event": "ACCOUNT_DELETED"}, {STOPPED: "ACCOUNT_DELETED"}, {STOPPED: "ACCOUNT_DELETED"}),
    Case(
        "offboarded", {"event": "ACCOUNT_OFFBOARDED"}, {STOPPED: "ACCOUNT_OFFBOARDED"}, {STOPPED: "ACCOUNT_OFFBOARDED"}
    ),
    Case(
        "restricted: some things still go",
        {"event": "ACCOUNT_RESTRICTION", "restrictions": "RESTRICTED_BIZ_INITIATED_MESSAGING"},
        {"account": "ACCOUNT_RESTRICTION"},
        BEFORE | {"account": "ACCOUNT_RESTRICTION"},
    ),
    Case(
        "something else",
        {"event": "PARTNER_ADDED"},
        {"account": "PARTNER_ADDED"},
        BEFORE | {"account": "PARTNER_ADDED"},
    ),
]


@pytest.mark.parametrize("case", ACCOUNT, ids=lambda case: case.name)
async def test_what_is_told_of_the_account(database: Database, case: Case) -> None:
    logs = await tell(database, AccountEventKind.ACCOUNT, **case.fields)
    assert await facts(database) == case.from_open
    assert [(line["event"], line["event_kind"]) for line in logs] == [("account_update", case.fields["event"])]
    async with database.write() as tx:
        await channel_facts.clear(tx, "whatsapp", "account")
        await channel_facts.note(tx, "whatsapp", STOPPED, "code 190", NOW)
    await tell(database, AccountEventKind.ACCOUNT, **case.fields)
    assert await facts(database) == case.from_stopped


async def test_an_account_that_is_connected_again_goes_on(database: Database) -> None:
    await tell(database, AccountEventKind.ACCOUNT, event="ACCOUNT_OFFBOARDED")
    await tell(database, AccountEventKind.ACCOUNT, event="ACCOUNT_RECONNECTED")
    assert STOPPED not in await facts(database)


FAULTS = {  # code: whether the channel stands still
    "0": True,
    "190": True,
    "10": True,
    "200": True,
    "299": True,
    "368": True,
    "131031": True,
    "131042": True,
    "133010": True,
    "300": False,
    "130429": False,
    "131048": False,
    "131047": False,
    "132015": False,
    "999999999999": False,
}


@pytest.mark.parametrize("code", FAULTS)
async def test_a_fault_of_the_account_stops_the_channel_where_nobody_but_a_person_can_mend_it(
    database: Database, code: str
) -> None:
    logs = await tell(database, AccountEventKind.FAULT, code=code)
    assert await facts(database) == ({STOPPED: f"code {code}"} if FAULTS[code] else {})
    assert [(line["event"], line["code"]) for line in logs] == [("account_fault", int(code))]


# ---------------------------------------------------------------- as the webhooks tell it


async def test_bulletins_as_they_are_translated(database: Database) -> None:
    bodies = [
        webhooks.template("message_template_status_update", event="PAUSED", reason="NONE"),
        webhooks.template("template_category_update", previous_category="UTILITY", new_category="MARKETING"),
        webhooks.template("message_template_quality_update", previous_quality_score="GREEN", new_quality_score="RED"),
        webhooks.account("business_capability_update", max_daily_conversations_per_business="TIER_2K"),
        webhooks.account("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"}),
    ]
    for body in bodies:
        (bulletin,) = parse(body)
        assert isinstance(bulletin, AccountEvent)
        for hours in (0, 1):  # told twice
            async with database.write() as tx:
                await account_events.receive(tx, bulletin, NOW + timedelta(hours=hours))
    async with database.read() as tx:
        (found,) = (await channel_facts.templates(tx, "whatsapp")).values()
        assert (found.name, found.code) == ("pregunta", "es_MX")
        assert (found.status, found.category, found.quality) == ("PAUSED", "MARKETING", "RED")
    assert await facts(database) == {PEOPLE: "2000", STOPPED: "DISABLED_UPDATE DISABLE"}


async def test_what_is_told_of_one_channel_is_known_of_that_one(database: Database) -> None:
    await tell(database, AccountEventKind.LIMIT, people="50")
    await tell(database, AccountEventKind.FAULT, code="190")
    async with database.read() as tx:
        assert await channel_facts.facts(tx, "telegram") == {}
        assert set(await channel_facts.stopped(tx)) == {"whatsapp"}
