"""What the people of the month do, step by step, and how the clock moves from one step to the next.

People answer, look, type and ask; officers open and answer; each night a copy of all rows is taken. The same seed gives
the same month, but for the product's own random keys.
"""

import heapq
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import count

from bot.app import App
from content.workdays import is_weekend_or_rest_day
from handlers.casework import cases as casework
from storage.database import Database
from tests.attack.guessing.chats import Chat, Platform
from tests.attack.guessing.copies import take_copy
from tests.attack.guessing.month import Action, Month, Size
from tests.attack.guessing.series import Person
from tests.cast import Clock
from tests.fakes.asker import Asker
from tests.fakes.letterbox import Letterbox, officer_context
from tests.fakes.unit import Keyholder

FIRST_DAY = date(2026, 11, 23)  # a Monday
HOURS = (8, 9, 10, 11)
NIGHT = time(2, 30)
"""When the copy of the day before is taken."""
Script = AsyncIterator[float]
"""What one person does; yields the seconds until the next step."""


class Life:
    """The people of the month and the product that they use."""

    def __init__(self, app: App, clock: Clock, box: Letterbox, platforms: dict[str, Platform], seed: int) -> None:
        self.app, self.clock, self.box, self.platforms = app, clock, box, platforms
        self.random = random.Random(seed)
        self.month = Month()
        self.chats: list[Chat] = []
        self.hours: dict[str, int] = {}
        self.officers = [one for one in box.unit.readers if one.role == "officer"]
        self._queue: list[tuple[datetime, int, Script]] = []
        self._number = count()
        self._news: set[Person] = set()  # to whom officers wrote since the last tick

    # ------------------------------------------------------------ time

    def begin(self, at: datetime, script: Script) -> None:
        """Let a person's script begin at this moment."""
        heapq.heappush(self._queue, (at, next(self._number), script))

    async def live_until(self, end: datetime) -> None:
        """Run all steps that are due before a moment."""
        while self._queue and self._queue[0][0] < end:
            at, _, script = heapq.heappop(self._queue)
            self.clock.moment = self.box.now = at
            seconds = await anext(script, None)
            if seconds is not None:
                self.begin(at + timedelta(seconds=seconds), script)
        self.clock.moment = self.box.now = end

    async def settle(self) -> None:
        """Let the product receive, handle and send what waits."""
        for platform in self.platforms.values():
            if platform.events:
                await self.app.inbox.store(platform.events)
                platform.events.clear()
        await self.app.update_worker.drain()
        await self.app.dispatcher.drain()

    async def tick(self) -> None:
        """What the scheduler does at a quarter of an hour."""
        await self.settle()
        await self.app.tick(self.clock())
        await self.settle()

    # ------------------------------------------------------------ people

    async def enrol(self, chat: Chat, hour: int) -> None:
        """The conversation of an enrolment."""
        await self._send(chat, "/start SALUD" if chat.channel != "whatsapp" else "ALTA SALUD")
        for prefix in ("enroll:yes", "enroll:hour"):
            found = chat.choices(prefix)
            choice = found[0] if prefix == "enroll:yes" else next(one for one in found if f":{hour}:" in one)
            await self._press(chat, choice)
        self.chats.append(chat)
        self.hours[chat.address] = hour

    async def _send(self, chat: Chat, text: str) -> None:
        self._note(chat, is_press=False)
        await chat.type(text)
        await self.settle()
        if not chat.address:  # the browser's chat, which has its address from the page
            taken = {one.address for one in self.chats}
            (chat.address,) = self.platforms[chat.channel].sent.keys() - taken

    async def _press(self, chat: Chat, choice: str) -> None:
        self._note(chat, is_press=True)
        await chat.press(choice)
        await self.settle()

    def _note(self, chat: Chat, *, is_press: bool) -> None:
        self.month.actions.append(Action((chat.channel, chat.address), self.clock(), is_press))

    # ------------------------------------------------------------ scripts

    async def ticks(self) -> Script:
        """The scheduler at each quarter of an hour at which there is something to do, from eight to twenty."""
        for quarter in range(8 * 4, 20 * 4 + 1):
            if self._news or (quarter % 4 == 0 and quarter // 4 in (*HOURS, 20)):
                self.month.notices += [(person, self.clock()) for person in sorted(self._news)]
                self._news.clear()
                await self.tick()
            yield 900.0

    async def answer(self, chat: Chat, then: Script | None) -> Script:
        """Answer the prompt of the day; some say how sure they are, look at their progress or ask for help."""
        found = chat.newest("answer:")
        if found is not None:
            await self._press(chat, self.random.choice(found[1]))
            yield self.random.uniform(3, 15)
            if (sure := chat.choices("sure:")) and self.random.random() < 0.2:
                await self._press(chat, self.random.choice(sure))
                yield self.random.uniform(3, 15)
        drawn = self.random.random()
        if drawn < 0.1:
            await self._send(chat, "/avance")
            yield 5.0
        elif drawn < 0.15:
            await self._send(chat, "/ayuda")
            yield 5.0
        if then is not None:
            yield self.random.uniform(5, 120)
            async for seconds in then:
                yield seconds

    async def assess(self, chat: Chat) -> Script:
        """The self-assessment to its end."""
        await self._send(chat, "/consulta")
        yield self.random.uniform(5, 30)
        if chat.platform.is_away:
            return
        await self._press(chat, chat.choices("assess:on:")[0])
        while chat.choices("assess:on:") and not chat.choices("consult:start"):
            yield self.random.uniform(3, 20)
            if chat.platform.is_away:
                return
            answers = [one for one in chat.choices("assess:on:") if one[-1] in "ynu"]
            longest = max(len(one) for one in answers)
            await self._press(chat, self.random.choice([one for one in answers if len(one) == longest]))

    async def ask(self, chat: Chat) -> Script:
        """The self-assessment, a link, and the letter: minutes later or the next day."""
        async for seconds in self.assess(chat):
            yield seconds
        yield self.random.uniform(5, 40)
        if chat.platform.is_away:
            return
        if is_later := self.random.random() < 0.3:
            self._may_lose(chat)
        pressed_at = self.clock()
        await self._press(chat, chat.choices("consult:start")[0])
        yield self.random.uniform(79_200, 84_600) if is_later else self.random.uniform(240, 2400)
        await self.settle()  # a link that waited in the outbox
        token = chat.url("/c#t=", pressed_at).split("#t=")[1].split("&")[0]
        asker = Asker(self.box.today)
        text = "¿Puedo firmar este contrato? " * self.random.choice((1, 10, 100))
        status, body = await self.box.post("/c/cases", asker.posting(self.box.unit, token, text))
        assert status == 201, body
        self.month.asker_of[asker.case] = (chat.channel, chat.address)
        self.begin(self._office_hour(self.random.choice((0, 1, 1, 2))), self.officer(asker, chat))

    def _may_lose(self, chat: Chat) -> None:
        """Let the platform be away until the morning, once in three times: the link waits in the outbox."""
        if chat.channel != "webchat" and self.random.random() < 0.34:
            chat.platform.is_away = True
            self.month.waiting.append(((chat.channel, chat.address), self.clock()))
            self.begin(self.local(self.box.today, 24 + 6), self._back(chat.platform))

    async def _back(self, platform: Platform) -> Script:
        platform.is_away = False
        yield 0.0

    async def officer(self, asker: Asker, chat: Chat) -> Script:
        """Open the case and answer it, or ask back first."""
        officer = self.random.choice(self.officers)
        await self._open(officer, asker.case)
        yield self.random.uniform(300, 7200)
        if self.random.random() < 0.3:
            await self._write("¿Desde cuándo?", officer, asker.case, "question")
            yield 60.0
            self.begin(self._office_hour(self.random.choice((1, 2))), self.reply(asker, chat, officer))
        else:
            await self._write("Excúsate. " * 20, officer, asker.case)

    async def reply(self, asker: Asker, chat: Chat, officer: Keyholder) -> Script:
        """The asker reads and replies; the officer answers on another day."""
        if read := chat.choices("consult:read"):  # below a template, which holds no link
            await self._press(chat, read[0])
            yield 30.0
        asker.day = self.box.today
        await self.box.read(asker)
        status, body = await self.box.post("/c/letters", asker.reply_body(self.box.unit, "Desde mayo."))
        assert status in (200, 201), body
        yield max(60.0, (self._office_hour(1) - self.clock()).total_seconds())
        await self._open(officer, asker.case)
        yield 900.0
        await self._write("Entonces sí.", officer, asker.case)

    async def _write(self, text: str, officer: Keyholder, case: str, kind: str = "answer") -> None:
        await self.box.answer(text, officer, kind=kind, case=case)
        self._news.add(self.month.asker_of[case])

    async def _open(self, officer: Keyholder, case: str) -> None:
        async with self.app.database.write() as tx:
            await casework.open_case(officer_context(tx, officer, self.app.installation, self.clock()), case)

    def _office_hour(self, days: int) -> datetime:
        """A moment of the office's day, so many working days from now and not in the past."""
        day = self.box.today
        while days or is_weekend_or_rest_day(day):
            day += timedelta(days=1)
            days -= not is_weekend_or_rest_day(day) and days > 0
        return max(self.local(day, self.random.uniform(9.5, 16)), self.clock() + timedelta(minutes=10))

    def local(self, day: date, hour: float) -> datetime:
        """A moment of a local day, in UTC."""
        zone = self.app.installation.timezone
        return (datetime.combine(day, time(), zone) + timedelta(hours=hour)).astimezone(UTC)

    # ------------------------------------------------------------ days

    def plan_day(self, day: date, asks: tuple[int, ...]) -> None:
        """Draw what happens on a working day: who is there, who answers, and who asks."""
        self.begin(self.local(day, 8), self.ticks())
        present = [chat for chat in self.chats if self.random.random() < 0.93]
        askers = self.random.sample(present, self.random.choice(asks))
        alone = self.random.sample(present, self.random.choice((0, 0, 0, 1)))  # who assess themselves, and ask nothing
        for chat in present:
            then = self.ask(chat) if chat in askers else self.assess(chat) if chat in alone else None
            at = self.local(day, self.hours[chat.address] + self.random.expovariate(0.5) + 0.02)
            at = min(at, self.local(day, 17 + self.random.random()))
            if then is not None and self.random.random() < 0.5:  # at another time than the answer
                self.begin(self.local(day, self.random.uniform(9, 17)), then)
                then = None
            if then is not None or self.random.random() < 0.85:
                self.begin(at, self.answer(chat, then))

    async def live(self, size: Size, look: Callable[[Database], Awaitable[None]] | None = None) -> None:
        """The whole month; each night a copy, and a look at what no row shows."""
        for number in range(size.days):
            day = FIRST_DAY + timedelta(days=number)
            if not is_weekend_or_rest_day(day):
                self.plan_day(day, size.asks)
            await self.live_until(self.local(day, 24 + NIGHT.hour + NIGHT.minute / 60))
            await self.tick()
            self.month.copies.append(await take_copy(self.app.database, day))
            if look is not None:
                await look(self.app.database)
        for name, platform in self.platforms.items():
            for address, messages in platform.sent.items():
                for sent in messages:
                    buttons = [button for row in sent.parcel.rows for button in row]
                    if any(button.choice.startswith("answer:") for button in buttons):
                        self.month.prompts.append(((name, address), sent.at))
