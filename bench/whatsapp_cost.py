"""Messages per answered prompt on WhatsApp, by answering habit and by the setting of WHATSAPP_PROMPT.

The whole product on a virtual clock against the fake Graph API: one servant for each of four habits, over two weeks.
Counted are the messages that the platform accepted: templates, and free messages (scenario, feedback).
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

FIRST_DAY = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)  # Monday, 8:00 in Guanajuato: enrolment at 8, prompts at 9
DAYS = 14
PROMPT_MODES = ("tap", "direct")
TAP = "Ver la pregunta"


@dataclass(frozen=True, slots=True)
class Habit:
    """When a servant answers a prompt: after `minutes`, on every `every`-th day."""

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
    """Messages for one habit and prompt mode, and how many prompts were answered."""

    templates: int
    free: int
    answered: int

    def per_answer(self) -> float:
        return (self.templates + self.free) / self.answered


async def simulate(library: Library, mode: str, habit: Habit) -> Cost:
    """Two weeks of one servant."""
    clock = Clock(FIRST_DAY)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{folder}/integra.db"
        await migrate.migrate(url)
        async with running(url, Path(folder), library, clock, whatsapp_prompt=mode) as product:
            phone = product.whatsapp()
            await phone.start("LEON")
            await phone.tap("Acepto")
            await phone.tap("9:00")
            await phone.tap("A")
            already_read = len(phone.person.read())
            clock.move(days=1, hours=1)  # Tuesday 9:00
            answered = 0
            for day in range(DAYS):
                answered += await _answer_prompt(product, phone, habit, day)
                clock.moment = FIRST_DAY + timedelta(days=day + 2, hours=1)
            assert not product.meta.refusals, product.meta.refusals
            is_template = Counter(bool(note.template) for note in phone.person.read()[already_read:])
    return Cost(is_template[True], is_template[False], answered)


async def _answer_prompt(product: Product, phone: WhatsAppPhone, habit: Habit, day: int) -> bool:
    if not await product.tick() or day % habit.every:
        return False
    product.clock.move(minutes=habit.minutes)
    if phone.buttons() == [TAP]:
        await phone.tap(TAP)
    await phone.tap("A")
    return True


async def table() -> str:
    """The results as a Markdown table."""
    library = course.load()
    lines = [
        "| answers | prompt mode | prompts answered | templates | free messages | messages per answered prompt |",
        "|---|---|---|---|---|---|",
    ]
    for habit in HABITS:
        for mode in PROMPT_MODES:
            cost = await simulate(library, mode, habit)
            counts = f"{cost.answered} | {cost.templates} | {cost.free}"
            lines.append(f"| {habit.name} | {mode} | {counts} | {cost.per_answer():.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(asyncio.run(table()))
