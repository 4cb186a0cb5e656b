"""What a prompt costs on WhatsApp, in messages per answered prompt, by habit and by the way a closed window is opened.

The whole product on a virtual clock against the fake Graph API: people of four habits, each of them two working
weeks. Counted is what the platform took from us: templates, and free messages (scenario, reason).
Run: python -m bench.whatsapp_cost
"""

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from content import library as course
from content.library import Library
from storage import migrate
from tests.cast import Clock
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product, running

FIRST_DAY = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)  # Monday, 8:00 in Guanajuato: they join at 8 and are asked at 9
DAYS = 14
WAYS = ("tap", "direct")
TAP = "Ver la pregunta"


@dataclass(frozen=True, slots=True)
class Habit:
    """When somebody answers a prompt: after so many minutes, on each so many-th day."""

    name: str
    minutes: int
    every: int = 1


HABITS = (
    Habit("at once", 2),
    Habit("two hours later", 120),
    Habit("at the end of the day", 8 * 60),
    Habit("every third day, at once", 2, every=3),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Messages of one habit and way, and how many prompts were answered."""

    templates: int
    free: int
    answered: int

    def per_answer(self) -> float:
        return (self.templates + self.free) / self.answered


async def lived(library: Library, way: str, habit: Habit) -> Cost:
    """Two weeks of one person."""
    clock = Clock(FIRST_DAY)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/integra.db"
        await migrate.migrate(url)
        async with running(url, Path(folder), library, clock, whatsapp_prompt=way) as product:
            phone = product.whatsapp()
            await phone.start("LEON")
            await phone.tap("Acepto")
            await phone.tap("9:00")
            await phone.tap("A")
            said = len(phone.person.read())
            clock.move(days=1, hours=1)  # Tuesday 9:00
            answered = 0
            for day in range(DAYS):
                answered += await _one_day(product, phone, habit, day)
                clock.moment = FIRST_DAY + timedelta(days=day + 2, hours=1)
            assert not product.meta.refusals, product.meta.refusals
            kinds = Counter(bool(note.template) for note in phone.person.read()[said:])
    return Cost(kinds[True], kinds[False], answered)


async def _one_day(product: Product, phone: WhatsAppPhone, habit: Habit, day: int) -> bool:
    if not await product.tick() or day % habit.every:
        return False
    product.clock.move(minutes=habit.minutes)
    if phone.buttons() == [TAP]:
        await phone.tap(TAP)
    await phone.tap("A")
    return True


async def table() -> str:
    """Markdown."""
    library = course.load()
    lines = [
        "| answers | way | prompts answered | templates | free messages | messages per answered prompt |",
        "|---|---|---|---|---|---|",
    ]
    for habit in HABITS:
        for way in WAYS:
            cost = await lived(library, way, habit)
            lines.append(
                f"| {habit.name} | {way} | {cost.answered} | {cost.templates} | {cost.free} | {cost.per_answer():.2f} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(asyncio.run(table()))
