"""How fast a channel may speak: even slots for the credential, a small bucket for each person; pure.

A server that counts calls in any sliding second refuses bursts that a plain token bucket lets through, and pushing on
after a refusal prolongs it: slots are even, and a refusal holds everything back.
"""

from bisect import insort
from dataclasses import dataclass, field


@dataclass
class Pace:
    """Times are seconds of any steady clock; `rate` is messages a second over all people."""

    rate: float
    burst: int = 4  # messages one person may get at once ...
    refill: float = 1.0  # ... and how many more each second (Telegram: about one a second in a chat)
    _held: float = 0.0  # nothing leaves before
    _slots: list[float] = field(default_factory=list)  # moments given away and not yet past, in order
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)  # address: tokens left, when

    def reserve(self, now: float, address: str) -> float:
        """Take the next slot for a message to `address`; give the moment at which it may leave."""
        left, since = self._buckets.get(address, (float(self.burst), now))
        moment = self._slot(now, max(now, self._held, since + max(0.0, (1 - left) / self.refill)))
        left = min(float(self.burst), left + (moment - since) * self.refill)
        self._buckets[address] = (left - 1, moment)
        if len(self._buckets) > 10_000:
            self._forget(now)
        return moment

    def pause(self, now: float, seconds: float) -> None:
        """The platform refused: nothing leaves before."""
        self._held = max(self._held, now + seconds)

    def held(self, now: float) -> float:
        """For how long nothing leaves; while that is so, slots that were taken before count no more."""
        return max(0.0, self._held - now)

    def _slot(self, now: float, earliest: float) -> float:
        """The first moment from `earliest` on that is a whole step away from every other slot."""
        step = 1 / self.rate
        self._slots = [one for one in self._slots if one > now - step]
        moment = earliest
        for taken in self._slots:
            if taken - moment >= step:
                break
            moment = max(moment, taken + step)
        insort(self._slots, moment)
        return moment

    def _forget(self, now: float) -> None:
        full = self.burst / self.refill
        self._buckets = {address: held for address, held in self._buckets.items() if now - held[1] < full}
