"""The rate limit of one recipient: which deliveries of the last seconds count against it, on both databases.

Ended replies do not tell to whom they went: the sender counts them, see tests/bot/delivery/test_recipient_pace.py.
"""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert

from storage.database import Database
from storage.queue import claims, outbox
from storage.queue.claims import RecipientRateLimit
from storage.queue.outbox import PRIORITY, DeliveryKind, DeliveryState, NewDelivery
from storage.schema import deliveries
from tests.cast import MONDAY_NINE as NOW

SECONDS = 60
ONE_A_MINUTE = RecipientRateLimit(1, SECONDS)
ENDED = [state for state in DeliveryState if state not in (DeliveryState.WAITING, DeliveryState.CLAIMED)]


def ended(
    state: DeliveryState = DeliveryState.SENT,
    *,
    ago: float = 1,
    channel: str = "telegram",
    address: str = "ana",
    priority: int = PRIORITY[DeliveryKind.REPLY],
) -> dict[str, object]:
    """The row of a delivery that ended so many seconds ago."""
    at: datetime = NOW - timedelta(seconds=ago)
    names = {"key": "before", "channel": channel, "address": address, "kind": "prompt", "priority": priority}
    return names | {"state": state.value, "due_at": at, "ended_at": at}


COUNTED = {
    "sent just now": ended(ago=0),
    "sent a moment ago": ended(),
    "sent at the beginning of the period": ended(ago=SECONDS),
}
NOT_COUNTED = {
    **{state.value: ended(state) for state in ENDED if state is not DeliveryState.SENT},
    "sent before the period": ended(ago=SECONDS + 1),
    "sent by a clock that was set back since": ended(ago=-1),
    "on another channel": ended(channel="whatsapp"),
    "to another recipient": ended(address="beto"),
    "a signal, which is no message": ended(priority=-1),
}


async def is_claimed_after(database: Database, before: dict[str, object]) -> bool:
    """Whether a notice may be sent at once, after this delivery."""
    async with database.write() as tx:
        await tx.execute(insert(deliveries).values(before))
        await outbox.add(tx, [NewDelivery("reply", "telegram", "ana", DeliveryKind.NOTICE, "[]", NOW)])
        return [one.key for one in await claims.claim(tx, "w", "telegram", NOW, 9, ONE_A_MINUTE)] == ["reply"]


@pytest.mark.parametrize("name", COUNTED)
async def test_a_message_that_was_sent_counts_against_the_limit(database: Database, name: str) -> None:
    assert not await is_claimed_after(database, COUNTED[name])


@pytest.mark.parametrize("name", NOT_COUNTED)
async def test_what_did_not_arrive_or_went_elsewhere_does_not_use_up_the_limit(database: Database, name: str) -> None:
    assert await is_claimed_after(database, NOT_COUNTED[name])
