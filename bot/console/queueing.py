"""A short line before slow work: who is known goes first, and where others fill it, the first of them is refused."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Busy(Exception):
    """Too many came at once: nothing was done, and a moment later there is room."""


class SlowQueue:
    """At most `slots` at work at once; of the known and of the others at most `most_waiting` wait.

    A refused newcomer would have to come back while a flood goes on; so it is the oldest that leaves, which a flood of
    one moment is full of.
    """

    def __init__(self, slots: int, most_waiting: int) -> None:
        self._free = slots
        self._most_waiting = most_waiting
        self._known: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> tuple[int, int]:
        """How many wait, of the known and of the others."""
        return len(self._known), len(self._others)

    @asynccontextmanager
    async def turn(self, *, is_known: bool) -> AsyncIterator[None]:
        """Hold a slot. Raises Busy."""
        await self._wait(self._known if is_known else self._others)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, line: deque[asyncio.Future[None]]) -> None:
        if self._free:
            self._free -= 1
            return
        if len(line) >= self._most_waiting:
            line.popleft().set_exception(Busy())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(place)
        try:
            await place
        except asyncio.CancelledError:  # the client has left
            if place in line:
                line.remove(place)
            elif place.done() and not place.cancelled() and place.exception() is None:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give a slot to the next in line, or keep it free."""
        for line in (self._known, self._others):
            while line:
                place = line.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._free += 1
