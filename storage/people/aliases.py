"""By which names a platform knows people: an alias is one person's at a time."""

from sqlalchemy import String, cast, literal, update

from storage.database import Transaction
from storage.schema import addresses, deliveries

GONE = "gone:"
"""How the address of somebody begins who was known by an alias alone that is somebody else's now."""


async def release(tx: Transaction, channel: str, alias: str, *, keeper: str) -> None:
    """This alias is `keeper`'s now: whoever had it before has it no longer, and whoever was known by it alone cannot
    be written to any more."""
    if not alias:
        return
    others = (addresses.c.channel == channel) & (addresses.c.address != keeper)
    await tx.execute(update(addresses).where(others, addresses.c.alias == alias).values(alias=None))
    waiting = (deliveries.c.channel == channel) & (deliveries.c.address == alias) & (deliveries.c.address != keeper)
    lost = {"state": "dropped", "body": None, "fault": "moved"}  # it would reach the one who has the name now
    await tx.execute(update(deliveries).where(waiting, deliveries.c.state == "waiting").values(**lost))
    gone = {"address": literal(GONE).concat(cast(addresses.c.servant_id, String)), "is_reachable": False}
    await tx.execute(update(addresses).where(others, addresses.c.address == alias).values(**gone))
