"""Recipients of the kill simulation (tests/kills/simulation.py): seeded before it, and audited afterwards."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from bot.channels.whatsapp.fields import hashed_key
from bot.inbound.inbox import Inbox
from content.library import Library
from handlers import outgoing
from handlers.message import Action, Parcel
from storage import schema
from storage.database import Database
from storage.people import servants
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests.cast import INSTITUTIONS
from tests.fakes.counting_platform import (
    FIRST_PRESS_UPDATE,
    FIRST_TEXT_UPDATE,
    PROMPT_PREFIX,
    TELEGRAM,
    WHATSAPP,
    CountingPlatform,
    DeliveryPart,
    ExpectedDelivery,
    Participant,
)

FIRST_ADDRESS = 200_000
PRESS_EVERY = 4  # every fourth recipient presses a button, the others send a message


@dataclass
class KillResult:
    """Counts of one simulation.

    `accepted`: how often the platform accepted each delivery. `unrecorded`: how often the process that had claimed it
    was killed after the platform had accepted it, so that nothing may have been recorded.
    """

    messages: int  # expected
    presses: int
    kills: int = 0
    claimed: int = 0  # deliveries that killed processes had claimed, in total
    most_claimed: int = 0  # by one killed process
    most_unrecorded: Counter[str] = field(default_factory=Counter)  # by one killed process, by channel
    peak_concurrency: int = 0  # maximum of concurrent calls to the platform
    unrecorded: Counter[ExpectedDelivery] = field(default_factory=Counter)
    accepted: Counter[ExpectedDelivery] = field(default_factory=Counter)
    lost: int = 0  # sent according to the database, but never accepted by the platform
    unfinished: int = 0  # not sent at the end
    unhandled: int = 0  # messages and presses that were acknowledged, but not handled
    unanswered: int = 0  # presses without a stored answer
    answered_twice: int = 0  # answers beyond the first of a servant

    @property
    def missing(self) -> int:
        return self.lost + self.unfinished + self.unhandled

    def duplicates(self, channel: str) -> int:
        """Deliveries that the platform accepted again."""
        return sum(times - 1 for delivery, times in self.accepted.items() if delivery.channel == channel)

    @property
    def unexplained_duplicates(self) -> int:
        """Duplicates on all channels that no kill explains."""
        return sum(max(0, times - 1 - self.unrecorded[delivery]) for delivery, times in self.accepted.items())

    def summary(self) -> str:
        """What the kills left behind, in one line."""
        unrecorded = sum(times for delivery, times in self.unrecorded.items() if delivery.channel == TELEGRAM)
        return (
            f"a killed process left {unrecorded / max(1, self.kills):.1f} messages accepted and not recorded (at most "
            f"{self.most_unrecorded[TELEGRAM]:,}, of {self.most_claimed:,} claimed on both channels); "
            f"{self.peak_concurrency:,} concurrent calls"
        )

    def record_kill(self, claimed: Sequence[ExpectedDelivery], accepted: Counter[ExpectedDelivery]) -> None:
        """Count a killed process with its claims; unrecorded are those that the platform accepted since the last such
        kill."""
        unrecorded = [delivery for delivery in claimed if accepted[delivery] > self.unrecorded[delivery]]
        self.kills += 1
        self.claimed += len(claimed)
        self.most_claimed = max(self.most_claimed, len(claimed))
        self.most_unrecorded |= Counter(delivery.channel for delivery in unrecorded)
        self.unrecorded.update(unrecorded)


def expected(recipients: Sequence[Participant]) -> KillResult:
    """A result with the messages and presses that are expected of these recipients, and nothing counted yet."""
    messages = sum(len(recipient.expected_deliveries()) for recipient in recipients)
    return KillResult(messages, sum(bool(recipient.choice) for recipient in recipients))


async def seed_recipients(database: Database, library: Library, count: int) -> list[Participant]:
    """Store `count` recipients on each channel, in random order, each with a prompt in the outbox.

    They are paused, so that the scheduler plans nothing for them.
    """
    addresses = [(TELEGRAM, str(FIRST_ADDRESS + number)) for number in range(count)]
    addresses += [(WHATSAPP, f"MX.{FIRST_ADDRESS + number}") for number in range(count)]
    random.shuffle(addresses)
    recipients = [
        Participant(*address, choice="" if number % PRESS_EVERY else f"answer:{number}:a")
        for number, address in enumerate(addresses, 1)
    ]
    now = datetime.now(UTC)
    numbered = list(enumerate(recipients, 1))
    async with database.write() as tx:
        await servants.add_institution(tx, *INSTITUTIONS[0])
        institution = await servants.institution_by_code(tx, INSTITUTIONS[0][0])
        assert institution is not None
        servant = _servant_row(library, now) | {"institution_id": institution.id}
        await tx.execute(insert(schema.servants), [{"id": number} | servant for number, _ in numbered])
        await tx.execute(insert(schema.addresses), [_address_row(number, one, now) for number, one in numbered])
        prompt = _prompt_row(library, now)
        await tx.execute(
            insert(schema.prompts), [{"id": n, "servant_id": n} | prompt for n, one in numbered if one.choice]
        )
        await outbox.add(tx, [_prompt_delivery(number, one, now) for number, one in numbered])
    return recipients


def _servant_row(library: Library, now: datetime) -> dict[str, Any]:
    version = library.phrases.template("es", "notice.version")
    row = {"state": "paused", "language": "es", "hour": 9, "consented_at": now, "enrolled_on": now.date()}
    return row | {"notice_version": version}


def _address_row(number: int, recipient: Participant, now: datetime) -> dict[str, Any]:
    return {"channel": recipient.channel, "address": recipient.address, "servant_id": number, "heard_at": now}


def _prompt_row(library: Library, now: datetime) -> dict[str, Any]:
    _, scenario = min(library.scenarios.items())
    row = {"scenario_id": scenario.id, "competency_id": scenario.competency, "reason": "new"}
    return row | {"day": now.date()}


def _prompt_delivery(number: int, recipient: Participant, now: datetime) -> NewDelivery:
    text = f"{PROMPT_PREFIX} {number}"
    body = outgoing.pack(Parcel(recipient.address, Action.SEND, text))
    expires = now + timedelta(days=1)
    return NewDelivery(text, recipient.channel, recipient.address, DeliveryKind.PROMPT, body, now, expires)


_PRESSED = f"{TELEGRAM}:{str(FIRST_PRESS_UPDATE)[0]}"
COLUMNS = tuple(schema.deliveries.c[name] for name in ("id", "key", "channel", "address", "kind", "state"))


Causes = dict[str, Participant]
"""By channel and key of the update that each recipient sends: rows of replies do not tell to whom they are."""


def causes_of(recipients: Sequence[Participant]) -> Causes:
    return {f"{one.channel}:{_update_key(number, one)}": one for number, one in enumerate(recipients)}


def _update_key(number: int, recipient: Participant) -> str:
    if recipient.channel == WHATSAPP:
        return hashed_key(f"wamid.IN.{recipient.address}")
    return str((FIRST_PRESS_UPDATE if recipient.choice else FIRST_TEXT_UPDATE) + number)


def delivery_of(row: Any, causes: Causes) -> ExpectedDelivery:
    """The delivery that a row of the outbox stands for."""
    cause = causes.get(row.key.rpartition(":")[0])
    address = row.address if cause is None else cause.address
    part = DeliveryPart.REPLY
    if row.kind == DeliveryKind.PROMPT:
        part = DeliveryPart.PROMPT
    elif row.key.startswith(_PRESSED) and row.key.endswith(":say"):
        part = DeliveryPart.EDIT
    return ExpectedDelivery(row.channel, address, part)


async def check(
    database: Database, platform: CountingPlatform, recipients: Sequence[Participant], inbox: Inbox, result: KillResult
) -> None:
    """Compare the outbox with what the platform accepted, updates with messages sent, and answers with presses."""
    causes = causes_of(recipients)
    names = [inbox.key_of(channel, key) for channel, _, key in (cause.partition(":") for cause in causes)]
    is_handled = schema.handled_updates.c.key.in_(names)
    async with database.read() as tx:
        states = {delivery_of(row, causes): row.state for row in await tx.execute(select(*COLUMNS))}
        handled = await tx.scalar(select(func.count()).where(is_handled)) or 0
        answers = Counter(await tx.scalars(select(schema.answers.c.servant_id)))
    sent = outbox.DeliveryState.SENT
    result.accepted, result.peak_concurrency = platform.accepted, platform.peak_concurrency
    deliveries = [delivery for recipient in recipients for delivery in recipient.expected_deliveries()]
    # The row of a sent reply is deleted soon, and with it the record that it ended.
    ended = {one: sent for one in deliveries if one.part is not DeliveryPart.PROMPT and platform.accepted[one]}
    result.unfinished = sum((ended | states).get(delivery) != sent for delivery in deliveries)
    result.lost = sum(state == sent and not platform.accepted[delivery] for delivery, state in states.items())
    result.unhandled = platform.acknowledged_updates - handled
    result.unanswered = sum(not answers[number] for number, one in enumerate(recipients, 1) if one.choice)
    result.answered_twice = answers.total() - len(answers)
