"""Send slots of this process on one channel: each goes to the most urgent delivery that waits for one."""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

MIN_GAP = 0.99  # fraction of a step: least distance between two messages of one process; 31 such span a second
TIMER_TOLERANCE = 0.002  # seconds that a timer may fire late without moving the next slot
LATE = 0.01  # seconds after its slot from which a message counts as late: half of the slack in a platform's second

Urgency = tuple[int, int]
"""Priority and id in the outbox; the least goes first."""


@dataclass(order=True, slots=True)
class _Waiter:
    urgency: Urgency
    turn: "asyncio.Future[_Turn]" = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A slot, and the moment at which its message may leave: later than the slot if messages before were late."""

    slot: float
    moment: float


class SlotQueue:
    """Reserved slots in their order, and the deliveries that wait for one.

    A reply gets the next slot even if that was reserved for a prompt; the prompt gets the reply's. A message that
    leaves late moves the next ones back, as several that leave together would be a burst. `step` is in seconds.
    """

    def __init__(self, step: float, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._step = step
        self._monotonic = monotonic
        self._sleep = sleep
        self._slots: deque[float] = deque()  # by the monotonic clock
        self._waiters: list[_Waiter] = []
        self._free_at = 0.0  # from when this process may send again
        self._max_delay = 0.0  # the longest that a message left after its slot, since the last `collect_delay` ...
        self._late_count = 0  # ... and how many were late
        self._task: asyncio.Task[None] | None = None

    @property
    def reserved(self) -> int:
        """Slots that are still to come."""
        return len(self._slots)

    def add(self, moments: Iterable[float]) -> None:
        """Add slots for so many deliveries, behind those that are there."""
        self._slots.extend(moments)

    async def wait(self, urgency: Urgency) -> None:
        """Wait for a slot. Each slot that was added is for one `wait` or one `skip`."""
        waiter = _Waiter(urgency, asyncio.get_running_loop().create_future())
        heapq.heappush(self._waiters, waiter)
        if self._task is None:
            self._task = asyncio.create_task(self._assign_slots())
        turn = await waiter.turn
        self._record_delay(self._leave(turn.moment) - turn.slot)  # the loop may have been busy since the assignment

    def skip(self) -> None:
        """Give up the last slot: a delivery no longer needs one."""
        self._slots.pop()

    async def _assign_slots(self) -> None:
        try:
            while self._waiters:
                slot = self._slots[0]
                await self._sleep_until(max(slot, self._free_at))
                moment = max(slot, self._free_at)  # the previous delivery may have reported meanwhile that it was late
                await self._sleep_until(moment)
                self._slots.popleft()
                self._assign(_Turn(slot, self._leave(moment)))
        finally:
            self._task = None

    async def _sleep_until(self, moment: float) -> None:
        if (seconds := moment - self._monotonic()) > 0:
            await self._sleep(seconds)

    def _leave(self, moment: float) -> float:
        """Return when a message that may leave from `moment` on leaves, and keep the next one at a distance."""
        now = self._monotonic()
        leaves_at = moment if now - moment <= TIMER_TOLERANCE else now
        self._free_at = max(self._free_at, leaves_at + MIN_GAP * self._step)
        return leaves_at

    def _assign(self, turn: _Turn) -> None:
        waiting = heapq.heappop(self._waiters).turn
        if not waiting.done():  # its caller may have been cancelled
            waiting.set_result(turn)

    # ------------------------------------------------------------ late messages

    def _record_delay(self, delay: float) -> None:
        if delay > LATE:
            self._late_count += 1
            self._max_delay = max(self._max_delay, delay)

    def collect_delay(self, *, moves: bool) -> float:
        """Return the seconds by which later slots of all processes must move, as messages of this process were late.

        Each delay is returned once, and the slots that are here move by it. Without `moves` (no other process sends on
        this channel) nothing moves: 0.0.
        """
        seconds = min(self._max_delay, self._late_count * self._step) if moves else 0.0
        self._max_delay, self._late_count = 0.0, 0
        if seconds:
            self._slots = deque(moment + seconds for moment in self._slots)
        return seconds
