"""Keep the rate limit of each recipient by what this process has sent: rows of ended replies do not tell to whom.

A process that has just taken a credential over knows nothing yet; the platform may then ask a recipient's message to
wait, as it may at any time.
"""

from collections import deque
from collections.abc import Callable

from storage.queue.claims import RecipientRateLimit

KEPT = 1000  # recipients; above, those without recent messages are forgotten


class RecipientPace:
    """The moments of recent messages to each recipient of one channel; `monotonic` in seconds."""

    def __init__(self, limit: RecipientRateLimit | None, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._sent: dict[str, deque[float]] = {}

    def seconds_to_wait(self, address: str) -> float:
        """Seconds until the limit allows another message to this recipient; 0.0: now."""
        sent = self._sent.get(address)
        if self._limit is None or sent is None or len(sent) < self._limit.count:
            return 0.0
        return max(0.0, sent[0] + self._limit.seconds - self._monotonic())

    def record(self, address: str) -> None:
        """Count a message that the platform has accepted."""
        if self._limit is None:
            return
        now = self._monotonic()
        if len(self._sent) >= KEPT:
            since = now - self._limit.seconds
            self._sent = {known: sent for known, sent in self._sent.items() if sent[-1] > since}
        self._sent.setdefault(address, deque(maxlen=self._limit.count)).append(now)
