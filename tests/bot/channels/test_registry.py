"""The registry: each channel once, under a name that the database can store."""

import pytest

from bot.channels import registry
from bot.channels.registration import Registration
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
