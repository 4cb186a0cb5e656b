"""Two channels, one record: one-time codes, and how two records of the same person become one."""

from datetime import datetime

from sqlalchemy import delete, insert, select, update

from storage.database import Transaction
from storage.people import aliases
from storage.reports.aggregates import recount
from storage.schema import addresses, answers, join_codes, memories, prompts, servants


async def add_code(tx: Transaction, servant_id: int, code_hash: str, expires_at: datetime) -> None:
    """Keep the (hashed) code of a servant; an older one no longer counts."""
    await tx.execute(delete(join_codes).where(join_codes.c.servant_id == servant_id))
    row = {"code_hash": code_hash, "servant_id": servant_id, "expires_at": expires_at}
    await tx.execute(insert(join_codes).values(row))


async def code_owner(tx: Transaction, code_hash: str, now: datetime) -> int | None:
    """Whose code it is; None: unknown, spent or too old."""
    statement = select(join_codes.c.servant_id).where(
        join_codes.c.code_hash == code_hash, join_codes.c.expires_at > now
    )
    return await tx.scalar(statement)


async def redeem_code(tx: Transaction, code_hash: str) -> bool:
    """The code is used up; False: somebody else was faster."""
    statement = delete(join_codes).where(join_codes.c.code_hash == code_hash).returning(join_codes.c.servant_id)
    return (await tx.execute(statement)).first() is not None


async def delete_expired_codes(tx: Transaction, now: datetime) -> None:
    """Codes that are too old go."""
    await tx.execute(delete(join_codes).where(join_codes.c.expires_at <= now))


async def add_address(
    tx: Transaction, servant_id: int, channel: str, address: str, alias: str, heard_at: datetime | None
) -> None:
    """A stranger's address on a channel is a servant's from now on."""
    await aliases.release(tx, channel, alias, keeper=address)
    row = {"channel": channel, "address": address, "servant_id": servant_id, "heard_at": heard_at}
    await tx.execute(insert(addresses).values(row | {"alias": (alias or None) if alias != address else None}))


async def merge(tx: Transaction, kept: int, other: int) -> set[str]:
    """All of `other` becomes `kept`'s; give the competencies whose memory is to be reckoned anew.

    A day on which both were asked keeps `kept`'s prompt and answer; the other's goes, so that nobody counts twice.
    """
    async with recount(tx, [kept, other]):
        return await _merge(tx, kept, other)


async def _merge(tx: Transaction, kept: int, other: int) -> set[str]:
    days = select(prompts.c.day).where(prompts.c.servant_id == kept)
    theirs = prompts.c.servant_id == other
    answered = select(answers.c.prompt_id).where(answers.c.servant_id == kept)
    # What `kept` left unanswered on a day that `other` answered makes room for the answer.
    better = select(prompts.c.day).where(theirs, prompts.c.id.in_(select(answers.c.prompt_id)))
    await tx.execute(
        delete(prompts).where(prompts.c.servant_id == kept, prompts.c.id.not_in(answered), prompts.c.day.in_(better))
    )
    await tx.execute(delete(prompts).where(theirs, prompts.c.day.in_(days)))
    await tx.execute(update(prompts).where(theirs).values(servant_id=kept))
    await tx.execute(update(answers).where(answers.c.servant_id == other).values(servant_id=kept))
    await tx.execute(update(addresses).where(addresses.c.servant_id == other).values(servant_id=kept))
    known = select(memories.c.competency_id).where(memories.c.servant_id.in_((kept, other)))
    touched = set((await tx.execute(known)).scalars())
    await tx.execute(delete(servants).where(servants.c.id == other))
    return touched


async def set_preferred_channel(tx: Transaction, servant_id: int, channel: str) -> None:
    """Where this servant's prompts go."""
    await tx.execute(update(servants).where(servants.c.id == servant_id).values(channel=channel))


async def remove_channel(tx: Transaction, servant_id: int, channel: str) -> list[str]:
    """The servant is no longer on that channel; give the addresses that went."""
    gone = (addresses.c.servant_id == servant_id) & (addresses.c.channel == channel)
    left = (await tx.execute(delete(addresses).where(gone).returning(addresses.c.address))).scalars().all()
    chosen = (servants.c.id == servant_id) & (servants.c.channel == channel)
    await tx.execute(update(servants).where(chosen).values(channel=None))
    return list(left)
