"""What processes must know of a platform credential's rate limit: who sends on it, and how it was throttled.

The process that sends keeps the pace in memory (bot/delivery/rate_limiter.py). The row is read when another process
takes the credential over, and written after a rate-limit response (429): sending stops for as long as the platform
asked, and is slower for a while.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, func, select, update

from storage.database import Transaction, dialect_insert
from storage.queue import tuning
from storage.queue.tuning import RECOVERY, SLOWEST, STRETCH
from storage.schema import rate_limits


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """State of a credential's rate limit."""

    channel: str
    held: float = 0.0  # seconds until sending may resume after a 429
    factor: float = 1.0  # by how much messages are further apart than without back-off
    refusals: int = 0  # 429s so far


async def take_over(tx: Transaction, channel: str, worker: str, now: datetime) -> RateLimitStatus:
    """Record that `worker` sends on a credential from now on; the one before it can claim nothing any more.

    Only for a process that holds the credential's lock (bot/delivery/credentials.py). Waits for a claim of the previous
    one that is being committed, for TAKE_OVER_WAIT seconds; raises DatabaseUnavailable then.
    """
    await _bound(tx, lock_timeout=tuning.TAKE_OVER_WAIT)
    await tx.execute(dialect_insert(tx, rate_limits).values(channel=channel).on_conflict_do_nothing())
    row = (await tx.execute(_TAKE_OVER, {"on_channel": channel, "by_worker": worker})).mappings().one()
    return _status(row, now)


async def confirm_holder(tx: Transaction, channel: str, worker: str) -> bool:
    """Whether `worker` still sends on a credential; if so, none takes over before the transaction ends."""
    await _bound(tx, idle_in_transaction_session_timeout=tuning.CLAIM_SILENCE)
    return await tx.scalar(_CONFIRM, {"on_channel": channel, "by_worker": worker}) is not None


async def _bound(tx: Transaction, **seconds: float) -> None:
    """Bound how long this transaction may wait for others, or make others wait that want to take over."""
    if tx.dialect.name == "postgresql":
        limits = (func.set_config(name, f"{value:g}s", True) for name, value in seconds.items())
        await tx.execute(select(*limits))


async def record_throttling(tx: Transaction, channel: str, seconds: float, now: datetime) -> RateLimitStatus:
    """Record a rate-limit response (429): nothing is sent for `seconds`, and more slowly for a while.

    Several in one burst slow down once: their messages were in flight when the first response arrived.
    """
    await _bound(tx, idle_in_transaction_session_timeout=tuning.CLAIM_SILENCE)
    await tx.execute(dialect_insert(tx, rate_limits).values(channel=channel).on_conflict_do_nothing())
    row = (await tx.execute(_LOCK, {"on_channel": channel})).mappings().one()
    before, moment = _status(row, now), now.timestamp()
    factor = before.factor if before.held else min(SLOWEST, before.factor * STRETCH)
    after = RateLimitStatus(channel, max(before.held, seconds), factor, before.refusals + 1)
    new = {"held_until": moment + after.held, "factor": factor, "refused_at": moment, "refusals": after.refusals}
    await tx.execute(_THROTTLE, {"on_channel": channel, **{f"new_{name}": value for name, value in new.items()}})
    return after


async def statuses(tx: Transaction, now: datetime) -> list[RateLimitStatus]:
    """The state of every credential, by channel."""
    rows = (await tx.execute(select(rate_limits).order_by(rate_limits.c.channel))).mappings()
    return [_status(row, now) for row in rows]


def recovered(factor: float, seconds: float) -> float:
    """The back-off factor after so many seconds without another 429; 1.0: full speed."""
    return max(1.0, factor * float(RECOVERY ** (max(0.0, seconds) / 60)))


def _status(row: RowMapping, now: datetime) -> RateLimitStatus:
    """A 429 that was recorded far in the future does not stop sending: the clock was set back.

    Clocks of machines may differ by a little; a pause is never longer than the platform asked.
    """
    since = now.timestamp() - row["refused_at"]
    held = min(row["held_until"] - now.timestamp(), row["held_until"] - row["refused_at"])
    held = max(0.0, held) if since > -tuning.CLOCK_DIFFERENCE else 0.0
    return RateLimitStatus(row["channel"], held, recovered(row["factor"], since), row["refusals"])


_is_of_channel: Any = rate_limits.c.channel == bindparam("on_channel")
_LOCK = select(rate_limits).where(_is_of_channel).with_for_update()
_TAKE_OVER = update(rate_limits).where(_is_of_channel).values(holder=bindparam("by_worker")).returning(rate_limits)
_CONFIRM = (
    select(rate_limits.c.channel)
    .where(_is_of_channel, rate_limits.c.holder == bindparam("by_worker"))
    .with_for_update()
)
_THROTTLE = (
    update(rate_limits)
    .where(_is_of_channel)
    .values({name: bindparam(f"new_{name}") for name in ("held_until", "factor", "refused_at", "refusals")})
)
