"""Aliases of addresses: an alias belongs to one address at a time."""

from sqlalchemy import String, cast, literal, update

from storage.database import Transaction
from storage.queue import outbox
from storage.schema import addresses

GONE = "gone:"
"""Prefix of the address of a servant who was known only by an alias that has passed to another account."""


async def release(tx: Transaction, channel: str, alias: str, *, keeper: str) -> None:
    """Remove an alias from all addresses except `keeper`, to which it belongs now.

    A servant known by that alias alone becomes unreachable.
    """
    if not alias:
        return
    others = (addresses.c.channel == channel) & (addresses.c.address != keeper)
    await tx.execute(update(addresses).where(others, addresses.c.alias == alias).values(alias=None))
    if alias != keeper:  # it would reach the account that has the alias now
        await outbox.drop_moved(tx, channel, alias)
    gone = {"address": literal(GONE).concat(cast(addresses.c.servant_id, String)), "is_reachable": False}
    await tx.execute(update(addresses).where(others, addresses.c.address == alias).values(**gone))
