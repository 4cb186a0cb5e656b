"""The registry: each channel once, under a name that the database can store."""

from itertools import combinations
from typing import Any

import pytest
from pydantic import SecretStr

from bot.channels import registry
from bot.channels.registration import Registration
from bot.config import Settings
from storage import schema

TABLES = [table for table in schema.metadata.sorted_tables if "channel" in table.c]


def test_names_are_unique_and_lead_to_their_registration() -> None:
    names = [one.name for one in registry.REGISTRATIONS]
    assert len(set(names)) == len(names)
    assert [registry.by_name(name) for name in names] == list(registry.REGISTRATIONS)
    assert registry.by_name("signal") is None


@pytest.mark.parametrize("registration", registry.REGISTRATIONS, ids=lambda one: one.name)
def test_a_name_fits_into_every_column_of_a_channel(registration: Registration) -> None:
    assert TABLES
    for table in TABLES:
        assert len(registration.name) <= (getattr(table.c.channel.type, "length", None) or 0), table.name


ON: dict[
    str, tuple[dict[str, Any], str]
] = {  # by channel: settings that turn it on, and the label of what the start prints about it
    "telegram": ({"telegram_bot_token": SecretStr("1:x")}, "Telegram"),
    "webchat": ({"webchat": "on"}, "Chat"),
    "whatsapp": (
        {
            "whatsapp_phone_number_id": "1",
            "whatsapp_business_account_id": "2",
            "whatsapp_access_token": SecretStr("x"),
            "whatsapp_app_secret": SecretStr("x"),
            "whatsapp_verify_token": SecretStr("x"),
        },
        "WhatsApp",
    ),
}


@pytest.mark.parametrize("names", [names for count in range(len(ON) + 1) for names in combinations(ON, count)], ids=str)
def test_the_start_prints_the_channels_that_are_on_and_no_other(names: tuple[str, ...]) -> None:
    given: dict[str, Any] = {"webchat": "off"}
    for name in names:
        given |= ON[name][0]
    settings = Settings(_env_file=None, **given)
    assert {one.name for one in registry.enabled(settings)} == set(names)
    printed = {
        label: value
        for one in registry.enabled(settings)
        for label, value in one.start_lines(settings, serves=True, works=True)
    }
    assert printed.keys() == {ON[name][1] for name in names}
    assert all(value for value in printed.values())


def test_every_channel_is_turned_on_by_its_settings() -> None:
    assert ON.keys() == {one.name for one in registry.REGISTRATIONS}
