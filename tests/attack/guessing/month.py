"""What a month of people and officers is: how large, what is copied each night, and what only the test knows."""

from dataclasses import dataclass, field
from datetime import datetime

from tests.attack.guessing.copies import Copy
from tests.attack.guessing.series import Person


@dataclass(frozen=True)
class Size:
    """How large a month is."""

    days: int = 30
    telegram: int = 10
    whatsapp: int = 7
    webchat: int = 7
    asks: tuple[int, ...] = (0, 1, 1, 1, 2, 2, 3)
    """Numbers of cases of a working day, of which one is drawn."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that one person sent to the product, as the platform saw it; `is_press` of a button."""

    address: Person  # channel and address
    at: datetime
    is_press: bool


@dataclass
class Month:
    """What the attacker has (`copies`), and what only the test knows."""

    copies: list[Copy] = field(default_factory=list)
    asker_of: dict[str, Person] = field(default_factory=dict)  # channel and address by case
    actions: list[Action] = field(default_factory=list)
    notices: list[tuple[Person, datetime]] = field(default_factory=list)
    """To whom news are announced, and when."""
    prompts: list[tuple[Person, datetime]] = field(default_factory=list)
    """Who was asked the question of a day, and when."""
    waiting: list[tuple[Person, datetime]] = field(default_factory=list)
    """Whose link could not be delivered on the day on which they asked for it, as the platform was away."""
