"""Facts about channels and states of templates, on both databases."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.channels import channel_facts
from storage.channels.channel_facts import RECIPIENT_LIMIT, STOPPED, RecipientLimit, TemplateState
from storage.database import Database, Transaction
from tests.cast import MONDAY_NINE as NOW

HOUR = timedelta(hours=1)
TAP = ("pregunta_diaria", "es_MX")
TAP_IN_ENGLISH = ("pregunta_diaria", "en_US")


async def status_of(tx: Transaction, status: str) -> TemplateState:
    await channel_facts.store_template(tx, "whatsapp", *TAP, NOW, status=status)
    return (await channel_facts.templates(tx, "whatsapp"))[TAP]


# ---------------------------------------------------------------- facts


async def test_a_newer_fact_replaces_the_older_one_of_its_channel_only(database: Database) -> None:
    async with database.write() as tx:
        await channel_facts.store(tx, "whatsapp", RECIPIENT_LIMIT, "250", NOW)
        await channel_facts.store(tx, "telegram", RECIPIENT_LIMIT, "7", NOW)
        await channel_facts.store(tx, "whatsapp", "account", "PARTNER_ADDED", NOW)
        await channel_facts.store(tx, "whatsapp", RECIPIENT_LIMIT, "2000", NOW + HOUR)
        assert await channel_facts.facts(tx, "whatsapp") == {RECIPIENT_LIMIT: "2000", "account": "PARTNER_ADDED"}
        assert await channel_facts.facts(tx, "telegram") == {RECIPIENT_LIMIT: "7"}
        assert await channel_facts.facts(tx, "webchat") == {}


async def test_a_channel_is_stopped_until_the_fact_is_cleared(database: Database) -> None:
    async with database.write() as tx:
        for channel in ("whatsapp", "telegram"):
            await channel_facts.store(tx, channel, STOPPED, f"code 190 of {channel}", NOW)
        await channel_facts.store(tx, "whatsapp", RECIPIENT_LIMIT, "250", NOW)
        assert set(await channel_facts.stopped(tx)) == {"whatsapp", "telegram"}
        await channel_facts.clear(tx, "whatsapp", STOPPED)
        assert await channel_facts.stopped(tx) == {"telegram": "code 190 of telegram"}
        assert await channel_facts.facts(tx, "whatsapp") == {RECIPIENT_LIMIT: "250"}
        await channel_facts.clear(tx, "whatsapp", STOPPED)


@pytest.mark.parametrize("limit", [0, 250, 2000, 999_999_999, None])
async def test_the_recipient_limit_is_the_one_reported_last(database: Database, limit: int | None) -> None:
    async with database.write() as tx:
        assert await channel_facts.recipient_limit(tx, "whatsapp") == RecipientLimit(250, is_reported=False)
        await channel_facts.store_recipient_limit(tx, "whatsapp", 50, NOW)
        await channel_facts.store_recipient_limit(tx, "whatsapp", limit, NOW + HOUR)
        assert await channel_facts.recipient_limit(tx, "whatsapp") == RecipientLimit(limit, is_reported=True)
        assert await channel_facts.recipient_limit(tx, "telegram") == RecipientLimit(250, is_reported=False)


@given(st.none() | st.integers(0, 999_999_999))
def test_a_recipient_limit_is_read_as_it_was_written(limit: int | None) -> None:
    assert channel_facts.parse_recipient_limit(channel_facts.recipient_limit_text(limit)) == limit


@pytest.mark.parametrize("text", ["", "many", "2K", "-", "-2", "1.5", " 7", "٧", "1" * 10])
def test_a_text_that_is_no_recipient_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="number of recipients"):
        channel_facts.parse_recipient_limit(text)


async def test_a_long_reason_is_truncated(database: Database) -> None:
    async with database.write() as tx:
        await channel_facts.store(tx, "whatsapp", STOPPED, "x" * 5000, NOW)
        assert len((await channel_facts.stopped(tx))["whatsapp"]) == 200


# ---------------------------------------------------------------- templates


STATUSES = {
    "APPROVED": False,
    "approved": False,
    "": False,  # never reported: sending is attempted
    "PENDING": True,
    "REJECTED": True,
    "PAUSED": True,
    "DISABLED": True,
    "IN_APPEAL": True,
    "PENDING_DELETION": True,
    "LIMIT_EXCEEDED": True,
    "DELETED": True,
    "ARCHIVED": True,
    "LOCKED": True,
    "REFUSED_132015": True,
    "REINSTATED": False,
    "FLAGGED": False,  # still sent, with a warning
    "SOMETHING_OF_2031": False,  # unknown
}


@pytest.mark.parametrize("status", STATUSES)
async def test_which_statuses_stop_a_template(database: Database, status: str) -> None:
    async with database.write() as tx:
        assert (await status_of(tx, status)).is_stopped is STATUSES[status]


async def test_fields_of_a_template_that_were_not_reported_do_not_change(database: Database) -> None:
    async with database.write() as tx:
        steps = [
            ({"status": "APPROVED"}, ("APPROVED", "", "")),
            ({"category": "MARKETING"}, ("APPROVED", "MARKETING", "")),
            ({"quality": "yellow"}, ("APPROVED", "MARKETING", "YELLOW")),
            ({"status": "PAUSED"}, ("PAUSED", "MARKETING", "YELLOW")),
            ({"category": ""}, ("PAUSED", "", "YELLOW")),
        ]
        for place, (reported, expected) in enumerate(steps):
            await channel_facts.store_template(tx, "whatsapp", *TAP, NOW + place * HOUR, **reported)
            state = (await channel_facts.templates(tx, "whatsapp"))[TAP]
            assert (state.status, state.category, state.quality) == expected
            assert state.noted_at == NOW + place * HOUR


async def test_a_template_with_only_a_quality_reported_is_not_stopped(database: Database) -> None:
    async with database.write() as tx:
        await channel_facts.store_template(tx, "whatsapp", *TAP, NOW, quality="RED")
        state = (await channel_facts.templates(tx, "whatsapp"))[TAP]
        assert (state.status, state.is_stopped) == ("", False)


async def test_states_are_stored_per_language_and_channel(database: Database) -> None:
    async with database.write() as tx:
        await channel_facts.store_template(tx, "whatsapp", *TAP, NOW, status="PAUSED")
        await channel_facts.store_template(tx, "whatsapp", *TAP_IN_ENGLISH, NOW, status="APPROVED")
        await channel_facts.store_template(tx, "telegram", *TAP, NOW, status="APPROVED")
        found = await channel_facts.templates(tx, "whatsapp")
        assert {names: state.is_stopped for names, state in found.items()} == {TAP: True, TAP_IN_ENGLISH: False}
        assert found[TAP] == TemplateState("whatsapp", *TAP, "PAUSED", "", "", NOW)


async def test_the_state_of_a_template_that_the_platform_no_longer_has_is_deleted(database: Database) -> None:
    async with database.write() as tx:
        for channel in ("whatsapp", "telegram"):
            for names in (TAP, TAP_IN_ENGLISH, ("old", "es_MX")):
                await channel_facts.store_template(tx, channel, *names, NOW, status="APPROVED")
        await channel_facts.delete_absent_templates(tx, "whatsapp", {TAP, TAP_IN_ENGLISH, ("new", "es_MX")})
        assert set(await channel_facts.templates(tx, "whatsapp")) == {TAP, TAP_IN_ENGLISH}
        assert len(await channel_facts.templates(tx, "telegram")) == 3
        await channel_facts.delete_absent_templates(tx, "whatsapp", [])
        assert await channel_facts.templates(tx, "whatsapp") == {}


async def test_long_reported_values_are_truncated(database: Database) -> None:
    async with database.write() as tx:
        for _ in range(2):
            await channel_facts.store_template(
                tx, "whatsapp", "n" * 300, "c" * 30, NOW, status="s" * 90, quality="q" * 90
            )
        ((names, state),) = (await channel_facts.templates(tx, "whatsapp")).items()
        assert names == ("n" * 100, "c" * 10)
        assert (state.status, state.quality) == ("S" * 20, "Q" * 20)
