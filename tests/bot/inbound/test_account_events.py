"""Account events: templates, limits and restrictions are recorded, and what stops the channel is logged."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.channels.events import AccountEvent, AccountEventKind
from bot.channels.whatsapp.parser import parse
from bot.inbound import account_events
from storage.channels import channel_facts
from storage.channels.channel_facts import RECIPIENT_LIMIT, STOPPED
from storage.database import Database
from tests.bot.channels.whatsapp import payloads as webhooks
from tests.cast import MONDAY_NINE as NOW

TAP = ("pregunta_diaria", "es_MX")
NAMED = {"name": TAP[0], "language": TAP[1]}


async def receive(database: Database, topic: AccountEventKind, **fields: str) -> list[Any]:
    """Receive one account event; return the log lines."""
    with capture_logs() as logs:
        async with database.write() as tx:
            await account_events.receive(tx, parsed(topic, fields), NOW)
    return list(logs)


def parsed(topic: AccountEventKind, fields: dict[str, str]) -> AccountEvent:
    """An account event; what has an effect on sending comes from a webhook, since the channel decides about that."""
    if topic is AccountEventKind.FAULT:
        body = webhooks.body(webhooks.change(errors=[{"code": int(fields["code"])}]))
    elif topic is AccountEventKind.ACCOUNT:
        details: dict[str, Any] = {}
        if ban := fields.get("ban"):
            details["ban_info"] = {"waba_ban_state": ban}
        if restriction := fields.get("restrictions"):
            details["restriction_info"] = [{"restriction_type": restriction}]
        body = webhooks.account("account_update", event=fields["event"], **details)
    else:
        return AccountEvent("whatsapp", "b:1", topic, fields)
    (event,) = parse(body)
    assert isinstance(event, AccountEvent)
    assert (event.topic, event.fields) == (topic, fields)
    return event


async def facts(database: Database) -> dict[str, str]:
    async with database.read() as tx:
        return dict(await channel_facts.facts(tx, "whatsapp"))


async def state(database: Database) -> tuple[str, str, str]:
    """Status, category and quality of the template."""
    async with database.read() as tx:
        found = (await channel_facts.templates(tx, "whatsapp"))[TAP]
    return found.status, found.category, found.quality


# ---------------------------------------------------------------- templates


STATUSES = {  # status in the webhook: status as stored, and whether it is logged as an error
    "APPROVED": ("APPROVED", False),
    "approved": ("APPROVED", False),
    "REINSTATED": ("REINSTATED", False),
    "FLAGGED": ("FLAGGED", False),  # still sent; a warning
    "PAUSED": ("PAUSED", True),
    "DISABLED": ("DISABLED", True),
    "REJECTED": ("REJECTED", True),
    "PENDING": ("PENDING", True),
    "PENDING_DELETION": ("PENDING_DELETION", True),
    "IN_APPEAL": ("IN_APPEAL", True),
    "SOMETHING_OF_2031": ("SOMETHING_OF_2031", False),  # unknown: sending is tried
}


@pytest.mark.parametrize("status", STATUSES)
async def test_a_template_status_is_stored_and_a_stopped_template_is_logged(database: Database, status: str) -> None:
    stored, is_stopped = STATUSES[status]
    logs = await receive(database, AccountEventKind.TEMPLATE, **NAMED, status=status)
    assert (await state(database))[0] == stored
    async with database.read() as tx:
        assert (await channel_facts.templates(tx, "whatsapp"))[TAP].is_stopped is is_stopped
    errors = [line for line in logs if line["log_level"] == "error"]
    assert [(line["event"], line["template"], line["code"]) for line in errors] == (
        [("template_stopped", *TAP)] if is_stopped else []
    )


async def test_the_facts_of_a_template_are_stored_field_by_field(database: Database) -> None:
    await receive(database, AccountEventKind.TEMPLATE, **NAMED, status="APPROVED")
    await receive(database, AccountEventKind.TEMPLATE_CATEGORY, **NAMED, category="MARKETING")
    await receive(database, AccountEventKind.TEMPLATE_QUALITY, **NAMED, quality="YELLOW")
    assert await state(database) == ("APPROVED", "MARKETING", "YELLOW")
    await receive(database, AccountEventKind.TEMPLATE, **NAMED, status="PAUSED")
    assert await state(database) == ("PAUSED", "MARKETING", "YELLOW")
    await receive(database, AccountEventKind.TEMPLATE, **NAMED, status="APPROVED")
    assert await state(database) == ("APPROVED", "MARKETING", "YELLOW")


@pytest.mark.parametrize("missing", ["name", "language"])
async def test_a_template_event_without_name_or_language_is_ignored(database: Database, missing: str) -> None:
    named = NAMED | {missing: ""}
    await receive(database, AccountEventKind.TEMPLATE, **named, status="PAUSED")
    await receive(database, AccountEventKind.TEMPLATE_QUALITY, **named, quality="RED")
    async with database.read() as tx:
        assert await channel_facts.templates(tx, "whatsapp") == {}


# ---------------------------------------------------------------- the limit


@pytest.mark.parametrize("people", ["-1", "0", "250", "100000"])
async def test_a_new_recipient_limit_replaces_the_one_before(database: Database, people: str) -> None:
    await receive(database, AccountEventKind.LIMIT, people="50")
    await receive(database, AccountEventKind.LIMIT, people=people)
    assert await facts(database) == {RECIPIENT_LIMIT: people}


@pytest.mark.parametrize("people", ["", "many", "2K", "-", "1.5"])
async def test_a_limit_that_is_not_a_number_is_ignored(database: Database, people: str) -> None:
    await receive(database, AccountEventKind.LIMIT, people="50")
    await receive(database, AccountEventKind.LIMIT, people=people)
    await receive(database, AccountEventKind.LIMIT)
    assert await facts(database) == {RECIPIENT_LIMIT: "50"}


async def test_a_limit_that_could_not_be_parsed_later_is_not_stored(database: Database) -> None:
    await receive(database, AccountEventKind.LIMIT, people="--1")
    assert await facts(database) == {}


# ---------------------------------------------------------------- the account


@dataclass(frozen=True)
class Case:
    """An account event, and the channel facts afterwards if the channel was open before, or stopped."""

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
        "scheduled to be disabled",
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
        "restricted: some messages are still sent",
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
async def test_an_account_event_changes_the_channel_facts(database: Database, case: Case) -> None:
    logs = await receive(database, AccountEventKind.ACCOUNT, **case.fields)
    assert await facts(database) == case.from_open
    assert [(line["event"], line["event_kind"]) for line in logs] == [("account_update", case.fields["event"])]
    async with database.write() as tx:
        await channel_facts.clear(tx, "whatsapp", "account")
        await channel_facts.store(tx, "whatsapp", STOPPED, "code 190", NOW)
    await receive(database, AccountEventKind.ACCOUNT, **case.fields)
    assert await facts(database) == case.from_stopped


async def test_a_reconnected_account_resumes(database: Database) -> None:
    await receive(database, AccountEventKind.ACCOUNT, event="ACCOUNT_OFFBOARDED")
    await receive(database, AccountEventKind.ACCOUNT, event="ACCOUNT_RECONNECTED")
    assert STOPPED not in await facts(database)


FAULTS = {  # code: whether the channel is stopped
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
async def test_an_account_fault_that_only_an_administrator_can_fix_stops_the_channel(
    database: Database, code: str
) -> None:
    logs = await receive(database, AccountEventKind.FAULT, code=code)
    assert await facts(database) == ({STOPPED: f"code {code}"} if FAULTS[code] else {})
    assert [(line["event"], line["code"]) for line in logs] == [("account_fault", int(code))]


# ---------------------------------------------------------------- from webhooks


async def test_account_events_parsed_from_webhooks(database: Database) -> None:
    bodies = [
        webhooks.template("message_template_status_update", event="PAUSED", reason="NONE"),
        webhooks.template("template_category_update", previous_category="UTILITY", new_category="MARKETING"),
        webhooks.template("message_template_quality_update", previous_quality_score="GREEN", new_quality_score="RED"),
        webhooks.account("business_capability_update", max_daily_conversations_per_business="TIER_2K"),
        webhooks.account("account_update", event="DISABLED_UPDATE", ban_info={"waba_ban_state": "DISABLE"}),
    ]
    for body in bodies:
        (event,) = parse(body)
        assert isinstance(event, AccountEvent)
        for hours in (0, 1):  # received twice
            async with database.write() as tx:
                await account_events.receive(tx, event, NOW + timedelta(hours=hours))
    async with database.read() as tx:
        (found,) = (await channel_facts.templates(tx, "whatsapp")).values()
        assert (found.name, found.code) == ("pregunta", "es_MX")
        assert (found.status, found.category, found.quality) == ("PAUSED", "MARKETING", "RED")
    assert await facts(database) == {RECIPIENT_LIMIT: "2000", STOPPED: "DISABLED_UPDATE DISABLE"}


async def test_facts_are_stored_for_the_channel_of_the_event_only(database: Database) -> None:
    await receive(database, AccountEventKind.LIMIT, people="50")
    await receive(database, AccountEventKind.FAULT, code="190")
    async with database.read() as tx:
        assert await channel_facts.facts(tx, "telegram") == {}
        assert set(await channel_facts.stopped(tx)) == {"whatsapp"}
