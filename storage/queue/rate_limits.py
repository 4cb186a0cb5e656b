"""How fast each platform credential may speak: one row a channel, shared by all processes; no leader.

Slots are even and never given twice: whoever claims n deliveries takes the next n slots in the same transaction. A
refusal holds everything back for as long as the platform asked, and stretches the slots; they come back slowly.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, bindparam, func, select, text, update

from storage.database import Transaction, dialect_insert
from storage.schema import rate_limits

STRETCH = 1.2  # how much slower after a refusal ...
SLOWEST = 8.0
LONGEST_AHEAD = 60.0  # seconds of slots that all processes together may have taken
RECOVERY = 0.9  # ... and how much of that is left after each minute without another


@dataclass(frozen=True, slots=True)
class Slots:
    """`count` moments, `step` seconds apart, the first `first` seconds from now; `next_at` is free after them."""

    first: float
    step: float
    count: int
    next_at: float

    def __getitem__(self, place: int) -> float:
        return self.first + place * self.step


@dataclass(frozen=True, slots=True)
class RateLimitStatus:
    """How a credential stands: seconds until the next free slot, seconds for which nothing leaves, how much slower."""

    channel: str
    ahead: float
    held: float
    factor: float
    refusals: int


@dataclass(frozen=True, slots=True)
class LockedRateLimit:
    """A credential's row, locked until the transaction ends, and the moment by the clock that counts."""

    row: RowMapping
    moment: float

    @property
    def held(self) -> float:
        """Seconds for which nothing leaves."""
        return max(0.0, _held_until(self.row, self.moment) - self.moment)

    @property
    def next_at(self) -> float:
        """The next free slot, as it stands there; it may be long over."""
        return float(self.row["next_at"])

    @property
    def ahead(self) -> float:
        """Seconds of slots that are taken."""
        return max(0.0, _plausible(self.next_at, self.moment, LONGEST_AHEAD) - self.moment)


async def lock(tx: Transaction, channel: str, now: datetime | None) -> LockedRateLimit:
    """Lock a credential's row: whoever else wants to claim on this channel waits until the transaction ends.

    `now` None: by the database's clock, so that machines need not agree on the time (PostgreSQL).
    """
    statement, values = _LOCKED if now is not None else _LOCKED_BY_ITS_CLOCK, {"on": channel}
    row = (await tx.execute(statement, values)).mappings().first()
    if row is None:
        await tx.execute(dialect_insert(tx, rate_limits).values(channel=channel).on_conflict_do_nothing())
        row = (await tx.execute(statement, values)).mappings().one()
    return LockedRateLimit(row, float(row["moment"]) if now is None else now.timestamp())


async def take_slots(tx: Transaction, seen: LockedRateLimit, count: int, step: float, late: float = 0.0) -> Slots:
    """The next `count` slots, `step` seconds apart when all is well; so many seconds of them are left out as messages
    left late: those behind them would come too soon after."""
    row, moment = seen.row, seen.moment
    stretched = step * _factor(row, moment)
    first = max(moment + seen.ahead + late, _held_until(row, moment), moment)
    next_at = first + count * stretched
    await tx.execute(_TAKEN, {"on": row["channel"], "then": next_at})
    return Slots(first - moment, stretched, count, next_at)


_LOCKED = select(rate_limits).where(rate_limits.c.channel == bindparam("on")).with_for_update()
_LOCKED_BY_ITS_CLOCK = _LOCKED.add_columns(func.extract("epoch", func.clock_timestamp()).label("moment"))
_TAKEN = update(rate_limits).where(rate_limits.c.channel == bindparam("on")).values(next_at=bindparam("then"))


async def record_refusal(tx: Transaction, channel: str, seconds: float, now: datetime | None) -> None:
    """The platform refused: nothing leaves before, and slots are further apart for a while.

    Several refusals of one burst count as one: they were on their way when the first was told.
    """
    seen = await lock(tx, channel, now)
    row, moment = seen.row, seen.moment
    factor = _factor(row, moment)
    known = _held_until(row, moment)
    if moment >= known:
        factor = min(SLOWEST, factor * STRETCH)
    until = max(known, moment + seconds)
    new = {"held_until": until, "next_at": max(until, moment), "factor": factor, "refused_at": moment}
    new["refusals"] = row["refusals"] + 1
    await tx.execute(update(rate_limits).where(rate_limits.c.channel == channel).values(**new))
    if tx.dialect.name == "postgresql":  # what others took before leaves no more, too
        await tx.execute(select(func.pg_notify("integra_paces", channel)))


async def statuses(tx: Transaction, now: datetime | None) -> list[RateLimitStatus]:
    """How every credential stands, by channel."""
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
    """A refusal that lies in the future was told before the clock was set back."""
    return float(row["held_until"]) if moment >= row["refused_at"] else moment


def _plausible(next_at: float, moment: float, most: float) -> float:
    """Slots are taken for a moment ahead only: what lies further away was taken before the clock was set back."""
    return next_at if next_at <= moment + most else moment


async def _moment(tx: Transaction, now: datetime | None) -> float:
    if now is not None:
        return now.timestamp()
    return float(await tx.scalar(select(func.extract("epoch", text("clock_timestamp()")))) or 0)
