"""Linking channels to one servant: one-time codes, and merging two records of the same servant."""

from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from storage.database import Transaction
from storage.people import aliases
from storage.schema import addresses, answers, join_codes, packed_memories, prompts, servants


async def add_code(tx: Transaction, servant_id: int, code_hash: str, expires_at: datetime) -> None:
    """Store the (hashed) code of a servant, replacing an older one."""
    await tx.execute(delete(join_codes).where(join_codes.c.servant_id == servant_id))
    row = {"code_hash": code_hash, "servant_id": servant_id, "expires_at": expires_at}
    await tx.execute(insert(join_codes).values(row))


async def code_owner(tx: Transaction, code_hash: str, now: datetime) -> int | None:
    """The id of the servant to whom the code was given; None: unknown, redeemed or expired."""
    statement = select(join_codes.c.servant_id).where(
        join_codes.c.code_hash == code_hash, join_codes.c.expires_at > now
    )
    owner: int | None = await tx.scalar(statement)
    return owner


async def redeem_code(tx: Transaction, code_hash: str) -> bool:
    """Redeem a code; False: it was redeemed concurrently."""
    statement = delete(join_codes).where(join_codes.c.code_hash == code_hash).returning(join_codes.c.servant_id)
    return (await tx.execute(statement)).first() is not None


async def delete_expired_codes(tx: Transaction, now: datetime) -> None:
    await tx.execute(delete(join_codes).where(join_codes.c.expires_at <= now))


async def add_address(
    tx: Transaction, servant_id: int, channel: str, address: str, alias: str, heard_at: datetime | None
) -> None:
    """Assign a stranger's address on a channel to a servant."""
    await aliases.release(tx, channel, alias, keeper=address)
    row = {"channel": channel, "address": address, "servant_id": servant_id, "heard_at": heard_at}
    await tx.execute(insert(addresses).values(row | {"alias": (alias or None) if alias != address else None}))


async def merge(tx: Transaction, target: int, source: int) -> None:
    """Move everything of the servant `source` to `target`, whose memory is rebuilt from all answers at its next use.

    On a day on which both were asked, the prompt and answer of `target` stay and the other's are deleted, so that the
    servant does not count twice.
    """
    days = select(prompts.c.day).where(prompts.c.servant_id == target)
    of_source = prompts.c.servant_id == source
    answered = select(answers.c.prompt_id).where(answers.c.servant_id == target)
    # A prompt that `target` left unanswered on a day that `source` answered gives way to the answered one.
    days_answered_by_source = select(prompts.c.day).where(of_source, prompts.c.id.in_(select(answers.c.prompt_id)))
    is_unanswered = (prompts.c.servant_id == target) & prompts.c.id.not_in(answered)
    await tx.execute(delete(prompts).where(is_unanswered, prompts.c.day.in_(days_answered_by_source)))
    await tx.execute(delete(prompts).where(of_source, prompts.c.day.in_(days)))
    asked_in = select(servants.c.institution_id).where(servants.c.id == source).scalar_subquery()
    moved = {"servant_id": target, "institution_id": func.coalesce(prompts.c.institution_id, asked_in)}
    await tx.execute(update(prompts).where(of_source).values(moved))
    await tx.execute(update(answers).where(answers.c.servant_id == source).values(servant_id=target))
    await tx.execute(update(addresses).where(addresses.c.servant_id == source).values(servant_id=target))
    await tx.execute(delete(packed_memories).where(packed_memories.c.servant_id == target))
    await tx.execute(delete(servants).where(servants.c.id == source))


async def set_preferred_channel(tx: Transaction, servant_id: int, channel: str) -> None:
    """Set the channel to which this servant's prompts are sent."""
    await tx.execute(update(servants).where(servants.c.id == servant_id).values(channel=channel))


async def remove_channel(tx: Transaction, servant_id: int, channel: str) -> list[str]:
    """Remove a servant's addresses on a channel, and return them."""
    is_removed = (addresses.c.servant_id == servant_id) & (addresses.c.channel == channel)
    removed = (await tx.execute(delete(addresses).where(is_removed).returning(addresses.c.address))).scalars().all()
    is_preferred = (servants.c.id == servant_id) & (servants.c.channel == channel)
    await tx.execute(update(servants).where(is_preferred).values(channel=None))
    return list(removed)
