"""Rate limits of platform credentials: one row per channel, shared by all processes, without a leader.

Slots are evenly spaced and never handed out twice: a worker that claims n deliveries takes the next n slots in the same
transaction. A rate-limit response (429) stops all sending for as long as the platform asked, and spaces the slots
further apart; the spacing recovers slowly.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, bindparam, func, select, text, update

from storage.database import Transaction, dialect_insert
from storage.schema import rate_limits

STRETCH = 1.2  # back-off: factor on the spacing of slots after each 429 ...
SLOWEST = 8.0  # ... up to this
LONGEST_AHEAD = 60.0  # seconds of slots that all processes together may have taken
RECOVERY = 0.9  # factor on the back-off for each minute without another 429


@dataclass(frozen=True, slots=True)
class Slots:
    """`count` slots, `step` seconds apart, the first one `first` seconds from now; `next_at` is the next free one."""

    first: float
    step: float
    count: int
    next_at: float

    def __getitem__(self, index: int) -> float:
        return self.first + index * self.step


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """State of a credential's rate limit."""

    channel: str
    ahead: float  # seconds until the next free slot
    held: float  # seconds until sending may resume after a 429
    factor: float  # by how much slots are further apart than without back-off
    refusals: int  # 429s so far


@dataclass(frozen=True, slots=True)
class LockedRateLimit:
    """A credential's row, locked until the transaction ends, and the current time by the authoritative clock."""

    row: RowMapping
    moment: float

    @property
    def held(self) -> float:
        """Seconds until sending may resume after a 429."""
        return max(0.0, _held_until(self.row, self.moment) - self.moment)

    @property
    def next_at(self) -> float:
        """The next free slot as stored, in Unix seconds; it may be long past."""
        return float(self.row["next_at"])

    @property
    def ahead(self) -> float:
        """Seconds of slots that are taken already."""
        return max(0.0, _plausible(self.next_at, self.moment, LONGEST_AHEAD) - self.moment)


async def lock(tx: Transaction, channel: str, now: datetime | None) -> LockedRateLimit:
    """Lock a credential's row: other workers that claim on this channel wait until the transaction ends.

    `now` None: use the database's clock, so that machines need not agree on the time (PostgreSQL).
    """
    statement, values = _LOCK if now is not None else _LOCK_BY_DATABASE_CLOCK, {"on_channel": channel}
    row = (await tx.execute(statement, values)).mappings().first()
    if row is None:
        await tx.execute(dialect_insert(tx, rate_limits).values(channel=channel).on_conflict_do_nothing())
        row = (await tx.execute(statement, values)).mappings().one()
    return LockedRateLimit(row, float(row["moment"]) if now is None else now.timestamp())


async def take_slots(tx: Transaction, locked: LockedRateLimit, count: int, step: float, late: float = 0.0) -> Slots:
    """Take the next `count` slots, `step` seconds apart without back-off.

    `late`: by how many seconds previous messages were sent late. That many seconds are skipped, so that the messages of
    these slots do not follow them too closely.
    """
    row, moment = locked.row, locked.moment
    stretched = step * _factor(row, moment)
    first = max(moment + locked.ahead + late, _held_until(row, moment), moment)
    next_at = first + count * stretched
    await tx.execute(_TAKE, {"on_channel": row["channel"], "new_next_at": next_at})
    return Slots(first - moment, stretched, count, next_at)


_is_of_channel = rate_limits.c.channel == bindparam("on_channel")
_LOCK = select(rate_limits).where(_is_of_channel).with_for_update()
_LOCK_BY_DATABASE_CLOCK = _LOCK.add_columns(func.extract("epoch", func.clock_timestamp()).label("moment"))
_TAKE = update(rate_limits).where(_is_of_channel).values(next_at=bindparam("new_next_at"))


async def record_throttling(tx: Transaction, channel: str, seconds: float, now: datetime | None) -> None:
    """Record a rate-limit response (429): nothing is sent for `seconds`, and slots are further apart for a while.

    Several in one burst increase the spacing once: their messages were in flight when the first response arrived.
    """
    locked = await lock(tx, channel, now)
    row, moment = locked.row, locked.moment
    factor = _factor(row, moment)
    known = _held_until(row, moment)
    if moment >= known:
        factor = min(SLOWEST, factor * STRETCH)
    until = max(known, moment + seconds)
    new = {"held_until": until, "next_at": max(until, moment), "factor": factor, "refused_at": moment}
    new["refusals"] = row["refusals"] + 1
    await tx.execute(update(rate_limits).where(rate_limits.c.channel == channel).values(**new))
    if tx.dialect.name == "postgresql":  # other processes must not use the slots that they have taken, either
        await tx.execute(select(func.pg_notify("integra_rate_limits", channel)))


async def statuses(tx: Transaction, now: datetime | None) -> list[RateLimitStatus]:
    """The state of every credential, by channel."""
    moment = await _moment(tx, now)
    rows = (await tx.execute(select(rate_limits).order_by(rate_limits.c.channel))).mappings()
    return [
        RateLimitStatus(
            row["channel"],
            max(0.0, row["next_at"] - moment),
            max(0.0, _held_until(row, moment) - moment),
            _factor(row, moment),
            row["refusals"],
        )
        for row in rows
    ]


def _factor(row: RowMapping, moment: float) -> float:
    minutes = max(0.0, moment - row["refused_at"]) / 60
    return float(max(1.0, row["factor"] * RECOVERY**minutes))


def _held_until(row: RowMapping, moment: float) -> float:
    """Until when sending is stopped; a 429 recorded in the future is ignored: the clock was set back."""
    return float(row["held_until"]) if moment >= row["refused_at"] else moment


def _plausible(next_at: float, moment: float, longest: float) -> float:
    """The next free slot; one further ahead than `longest` was taken before the clock was set back: ignored."""
    return next_at if next_at <= moment + longest else moment


async def _moment(tx: Transaction, now: datetime | None) -> float:
    if now is not None:
        return now.timestamp()
    return float(await tx.scalar(select(func.extract("epoch", text("clock_timestamp()")))) or 0)
