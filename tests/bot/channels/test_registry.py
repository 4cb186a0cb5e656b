"""The registry and the places that list the channels again agree."""

from bot.channels import registry
from storage.queue import outbox


def test_the_outbox_reads_every_registered_channel() -> None:
    """Its statements go through the index by channel: one that is missing there would never be sent."""
    assert sorted(outbox.CHANNELS) == sorted(one.name for one in registry.REGISTRATIONS)


def test_names_are_unique_and_lead_to_their_registration() -> None:
    names = [one.name for one in registry.REGISTRATIONS]
    assert len(set(names)) == len(names)
    assert [registry.by_name(name) for name in names] == list(registry.REGISTRATIONS)
    assert registry.by_name("signal") is None
