"""How fast a channel may speak: even slots for the credential, a small bucket for each person; pure.

A server that counts calls in any sliding second refuses bursts that a plain token bucket lets through, and pushing on
after a refusal prolongs it: slots are even, and a refusal holds everything back.
"""

from dataclasses import dataclass, field


@dataclass
class Pace:
    """Times are seconds of any steady clock; `rate` is messages a second over all people."""

    rate: float
    burst: int = 4  # messages one person may get at once ...
    refill: float = 1.0  # ... and how many more each second (Telegram: about one a second in a chat)
    _next: float = 0.0
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)  # address: tokens left, when

    def reserve(self, now: float, address: str) -> float:
        """Take the next slot for a message to `address`; give the moment at which it may leave."""
        moment = max(now, self._next)
        self._next = moment + 1 / self.rate
        left, since = self._buckets.get(address, (float(self.burst), moment))
        left = min(float(self.burst), left + max(0.0, moment - since) * self.refill)
        wait = 0.0 if left >= 1 else (1 - left) / self.refill
        self._buckets[address] = (left - 1, moment)
        if len(self._buckets) > 10_000:
            self._forget(moment)
        return moment + wait

    def pause(self, now: float, seconds: float) -> None:
        """The platform refused: nothing leaves before."""
        self._next = max(self._next, now + seconds)

    def _forget(self, now: float) -> None:
        full = self.burst / self.refill
        self._buckets = {address: held for address, held in self._buckets.items() if now - held[1] < full}
