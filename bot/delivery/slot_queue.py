"""The moments at which this process may speak on one channel: each goes to whoever waits for it most urgently."""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

CLOSEST = 0.99  # of a step: nearer to each other no two messages of one process leave; 31 such span a second
GRAIN = 0.002  # seconds that a timer may wake us late without pushing anybody back
LATE = 0.01  # seconds behind its slot at which a message counts as late: half of what a platform's second leaves over

Urgency = tuple[int, int]
"""Priority and place in the outbox; the least goes first."""


@dataclass(order=True, slots=True)
class _Waiting:
    urgency: Urgency
    turn: "asyncio.Future[_Turn]" = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Turn:
    """`slot` is for somebody; they may leave at `moment`, which is later where those before were late."""

    slot: float
    moment: float


class SlotQueue:
    """Slots that were taken, in their order, and who waits for one.

    A reply takes the next slot, whichever prompt that was taken for: the prompt gets the reply's. Whoever wakes late
    pushes the next ones back: several that wake together would be a burst. `step` is in seconds.
    """

    def __init__(self, step: float, time: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._step = step
        self._time = time
        self._sleep = sleep
        self._slots: deque[float] = deque()  # by the steady clock
        self._queue: list[_Waiting] = []
        self._free_at = 0.0  # when this process may speak again
        self._behind = 0.0  # the latest that a message left after its slot, since somebody asked ...
        self._late = 0  # ... and how many were late
        self._going: asyncio.Task[None] | None = None

    @property
    def in_hand(self) -> int:
        """Slots that are still to come."""
        return len(self._slots)

    def add(self, moments: Iterable[float]) -> None:
        """Slots for so many turns, behind those that are there."""
        self._slots.extend(moments)

    async def turn(self, urgency: Urgency) -> None:
        """Wait for a slot. Each that was added is for one turn, or for one `skip`."""
        one = _Waiting(urgency, asyncio.get_running_loop().create_future())
        heapq.heappush(self._queue, one)
        if self._going is None:
            self._going = asyncio.create_task(self._go())
        turn = await one.turn
        self._note(self._takes(turn.moment) - turn.slot)  # the loop may have been busy since the call

    def skip(self) -> None:
        """Somebody needs no turn any more."""
        self._slots.pop()

    async def _go(self) -> None:
        try:
            while self._queue:
                slot = self._slots[0]
                await self._until(max(slot, self._free_at))
                moment = max(slot, self._free_at)  # whoever was called last may have told meanwhile that they are late
                await self._until(moment)
                self._slots.popleft()
                self._call(_Turn(slot, self._takes(moment)))
        finally:
            self._going = None

    async def _until(self, moment: float) -> None:
        if (seconds := moment - self._time()) > 0:
            await self._sleep(seconds)

    def _takes(self, moment: float) -> float:
        """Somebody leaves now, who might have at `moment`: give when, and keep the next one at a distance."""
        now = self._time()
        leaves = moment if now - moment <= GRAIN else now
        self._free_at = max(self._free_at, leaves + CLOSEST * self._step)
        return leaves

    def _call(self, turn: _Turn) -> None:
        waiting = heapq.heappop(self._queue).turn
        if not waiting.done():  # whoever waited may have been cancelled
            waiting.set_result(turn)

    # ------------------------------------------------------------ late

    def _note(self, behind: float) -> None:
        if behind > LATE:
            self._late += 1
            self._behind = max(self._behind, behind)

    def late(self, *, moves: bool) -> float:
        """Seconds by which all that follows, of all processes, must leave later, as messages of this one did. Asking
        tells it once, and moves the slots that are there; or nobody else's do, and nothing `moves`: 0.0."""
        seconds = min(self._behind, self._late * self._step) if moves else 0.0
        self._behind, self._late = 0.0, 0
        if seconds:
            self._slots = deque(moment + seconds for moment in self._slots)
        return seconds
