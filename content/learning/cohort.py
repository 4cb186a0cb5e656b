"""Parameters of learning and forgetting that a cohort shares, and how fast individuals learn."""

from dataclasses import dataclass

PACES = (0.55, 1.0, 1.8)
"""How fast a person learns, relative to the cohort: each memory is kept for all three."""
PACE_PRIOR = (0.25, 0.5, 0.25)
GUESS = 1 / 3
"""Chance that an answer without knowledge is right."""
KNEW_AT_FIRST = 0.9
"""Chance that a person who knew the rule before the course knows it at the first question."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The memory model's parameters; the defaults are the prior means, which serve until there is a fit.

    Recall after g days is (1 + f g / S) ** -decay with f such that it is 0.9 after S days (S: the stability).
    """

    decay: float = 0.5
    first_right: float = 2.0
    """Stability in days after a first right answer, at pace 1."""
    first_wrong_ratio: float = 0.5
    """Stability after a first wrong answer, as a share of `first_right`; at most 1."""
    gain: float = 10.0
    """A right answer at recall R multiplies S by 1 + pace * gain * S ** -saturation * exp(-damping * m) * (1 - R)."""
    saturation: float = 0.1
    lapse_scale: float = 0.7
    """A wrong answer makes S lapse_scale * S ** lapse_power."""
    lapse_power: float = 0.7
    floor: float = 0.549834
    """Recall never falls below this for a person who knew the rule before the course (its logit is 0.2)."""
    damping: float = 0.15
    """How much each earlier wrong answer (m, at most 3) lessens the gain."""
    share: float = 0.4
    """Share of rules that people knew before the course."""

    @property
    def factor(self) -> float:
        """The f of the forgetting curve."""
        return float(0.9 ** (-1 / self.decay) - 1)


PRIOR = Cohort()
