"""The start of the WhatsApp channel: messaging limit and template states are recorded before anything is sent."""

from typing import Any, cast

import pytest

from bot.channels.channel import Stopped, Unreachable
from bot.channels.http_client import NoResponse
from bot.channels.whatsapp.channel import WhatsApp
from bot.channels.whatsapp.client import Graph, GraphError
from storage.channels import channel_facts
from storage.channels.channel_facts import RECIPIENT_LIMIT
from storage.database import Database
from tests.cast import Clock

APPROVED = {"name": "pregunta_diaria", "language": "es_MX", "status": "APPROVED", "category": "UTILITY"}


class Account:
    """A Graph API with one number and some templates, or one that fails."""

    def __init__(self, tier: object = None, *templates: dict[str, Any], failure: Exception | None = None) -> None:
        self._number = {} if tier is None else {"whatsapp_business_manager_messaging_limit": tier}
        self._templates = list(templates)
        self._failure = failure

    async def number(self) -> dict[str, Any]:
        if self._failure is not None:
            raise self._failure
        return self._number

    async def templates(self) -> list[dict[str, Any]]:
        return self._templates


async def start(database: Database, clock: Clock, account: Account) -> None:
    await WhatsApp(cast(Graph, account), database, clock).start()


@pytest.mark.parametrize(
    ("tier", "limit"),
    [
        ("TIER_50", "50"),
        ("TIER_250", "250"),
        ("TIER_1K", "1000"),
        ("TIER_2K", "2000"),
        ("TIER_10K", "10000"),
        ("TIER_100K", "100000"),
        ("TIER_UNLIMITED", "-1"),
        ("TIER_NOT_SET", None),
        (None, None),
        ([], None),
    ],
)
async def test_the_messaging_limit_is_recorded(
    database: Database, clock: Clock, tier: object, limit: str | None
) -> None:
    await start(database, clock, Account(tier))
    async with database.read() as tx:
        found = await channel_facts.facts(tx, "whatsapp")
    assert found.get(RECIPIENT_LIMIT) == limit


async def test_templates_are_recorded_and_those_that_are_gone_are_forgotten(database: Database, clock: Clock) -> None:
    await start(database, clock, Account(None, APPROVED, APPROVED | {"name": "otra"}))
    await start(database, clock, Account(None, APPROVED | {"status": "PAUSED"}))
    async with database.read() as tx:
        found = {state.name: state.status for state in (await channel_facts.templates(tx, "whatsapp")).values()}
    assert found == {"pregunta_diaria": "PAUSED"}


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(GraphError(401, 190), Stopped), (NoResponse("ServerTimeoutError", in_doubt=True), Unreachable)],
)
async def test_a_start_that_fails_raises_the_channels_errors(
    database: Database, clock: Clock, failure: Exception, expected: type[Exception]
) -> None:
    with pytest.raises(expected) as raised:
        await start(database, clock, Account(failure=failure))
    assert not getattr(raised.value, "in_doubt", False), "nothing was sent"
