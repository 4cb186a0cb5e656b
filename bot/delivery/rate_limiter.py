"""The pace of one channel: messages at even distances, the most urgent first, with pauses and back-off after a 429."""

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from storage.queue import rate_limits, tuning
from storage.queue.claims import RecipientRateLimit
from storage.queue.rate_limits import RateLimitStatus

Urgency = tuple[int, int]
"""Priority and id in the outbox; the least goes first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows: messages per second over all recipients, and to one recipient."""

    rate: float
    recipient: RecipientRateLimit | None = None


@dataclass(order=True, slots=True)
class _Waiter:
    urgency: Urgency
    turn: "asyncio.Future[float]" = field(compare=False)  # the moment at which its message may leave


class RateLimiter:
    """Turns at even distances for the deliveries that wait, the most urgent first; times are of the monotonic clock.

    A message that leaves late moves the next ones back, as several that leave together would be a burst; what was lost
    is caught up by and by. Without limits nothing waits.
    """

    def __init__(
        self, limits: Limits | None, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._sleep = sleep
        self._waiters: list[_Waiter] = []
        self._next_at = 0.0  # when the next turn is, if no message is late
        self._free_at = 0.0  # from when the next message keeps its distance to the last one
        self._paused_until = 0.0
        self._factor, self._factor_at = 1.0, 0.0  # the back-off, and when it was that high
        self._task: asyncio.Task[None] | None = None

    @property
    def recipient_limit(self) -> RecipientRateLimit | None:
        """What one recipient may get."""
        return self._limits.recipient if self._limits else None

    @property
    def max_ahead(self) -> int | None:
        """How many deliveries may wait for their turn; None: there is no limit."""
        return math.ceil(self._limits.rate * tuning.AHEAD) if self._limits else None

    # ------------------------------------------------------------ after a 429

    @property
    def seconds_paused(self) -> float:
        """Seconds until sending may resume after a 429."""
        return max(0.0, self._paused_until - self._monotonic())

    def take_over(self, status: RateLimitStatus) -> None:
        """Go on as the credential's row says, at a distance to the last message of the process that sent before."""
        if self._limits is not None:
            self.slow_down(status)
            self._next_at = max(self._free_at, self._monotonic() + self._step())

    def slow_down(self, status: RateLimitStatus) -> None:
        """Pause and send more slowly, as a 429 demands."""
        if self._limits is not None:
            self._factor, self._factor_at = status.factor, self._monotonic()
            self.pause(status.held)

    def pause(self, seconds: float) -> None:
        """Send nothing for so many seconds. All that wait get their turn at once, and find out that we pause."""
        if self._limits is not None and seconds > 0:
            self._paused_until = max(self._paused_until, self._monotonic() + seconds)
            self.end_waiting()

    # ------------------------------------------------------------ turns

    async def wait(self, urgency: Urgency) -> None:
        """Wait for a turn."""
        if self._limits is None:
            return
        if not self._waiters and self._task is None and self._monotonic() >= max(self._next_at, self._free_at):
            self._leave(self._take_turn())
            return
        waiter = _Waiter(urgency, asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiters, waiter)
        if self._task is None:
            self._task = asyncio.create_task(self._give_turns())
        self._leave(await waiter.turn)  # the loop may have been busy since the turn was given

    def end_waiting(self) -> None:
        """Give all that wait their turn at once: none of them will be sent, as each will find out."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        while self._waiters:
            self._give_turn(self._monotonic())

    async def _give_turns(self) -> None:
        try:
            while self._waiters:
                await self._sleep_until_turn()
                await self._sleep_until_turn()  # the message before may have left late meanwhile
                moment = self._take_turn()
                self._leave(moment)
                self._give_turn(moment)
        finally:
            if self._task is asyncio.current_task():  # not ended, and not one that began since
                self._task = None

    async def _sleep_until_turn(self) -> None:
        if (seconds := max(self._next_at, self._free_at) - self._monotonic()) > 0:
            await self._sleep(seconds)

    def _take_turn(self) -> float:
        """Take the next turn; one that was missed, as nothing waited or the loop was busy, is caught up by and by."""
        now = self._monotonic()
        if now - self._next_at > tuning.MAX_CATCH_UP:
            self._next_at = now
        moment = max(self._next_at, self._free_at)
        self._next_at += self._step()
        return moment

    def _leave(self, moment: float) -> None:
        """A message that may leave from `moment` on leaves now: keep the next one at a distance."""
        now = self._monotonic()
        left_at = moment if now - moment <= tuning.TIMER_TOLERANCE else now
        self._free_at = max(self._free_at, left_at + tuning.MIN_GAP * self._step())

    def _give_turn(self, moment: float) -> None:
        turn = heapq.heappop(self._waiters).turn
        if not turn.done():  # its caller may have been cancelled
            turn.set_result(moment)

    def _step(self) -> float:
        """Seconds between two messages."""
        assert self._limits is not None
        return rate_limits.recovered(self._factor, self._monotonic() - self._factor_at) / self._limits.rate
