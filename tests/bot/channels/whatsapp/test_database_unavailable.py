"""WhatsApp while the database is unavailable: nothing was sent, so the message waits and is in no doubt."""

import pytest

from bot.channels.channel import Unreachable
from bot.channels.whatsapp.channel import WhatsApp
from bot.channels.whatsapp.client import Graph
from handlers.message import Action, Parcel
from storage.database import Database, DatabaseUnavailable
from storage.people import addresses
from tests.cast import Clock


async def test_an_unavailable_database_is_no_delivery_and_leaves_no_doubt(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(*_: object) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(addresses, "find", unavailable)
    channel = WhatsApp(Graph("token", "http://127.0.0.1:1", "1", "2"), database, clock)
    with pytest.raises(Unreachable) as caught:
        await channel.send(Parcel("MX.1001", Action.SEND, "Hola"))
    await channel.close()
    assert not caught.value.in_doubt
