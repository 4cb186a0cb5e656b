"""The lane of an answer: in which one of several partitions of all answers it is counted, drawn when it is recorded.

One partition cannot give institutions by week, topics and scenarios at once, and two partitions of the same answers can
be subtracted from each other. So each answer is counted in one lane only: half of them by place, a quarter by topic, a
quarter by scenario (map). The draw is keyed, so that a person who knows a prompt's id does not know the lane.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import func, select

from storage.database import Transaction
from storage.learning.record import Answer
from storage.schema import answers, prompts

RETENTION = timedelta(days=30)  # since the last answer to the rule


class Lane(StrEnum):
    """The lanes that are counted, and one that waits for the page that shows it."""

    REACH = "reach"  # not of answers: of people, whether they answered in the week
    PLACE = "place"
    TOPIC = "topic"
    MAP = "map"
    RETENTION = "retention"  # first answers to unseen texts after a while: waits uncounted


def draw(key: bytes, prompt_id: int) -> Lane:
    """The lane of the answer to a prompt that measures nothing else: place 1/2, topic 1/4, map 1/4."""
    digest = hmac.digest(key, b"lane|%d" % prompt_id, hashlib.sha256)
    return (Lane.PLACE, Lane.PLACE, Lane.TOPIC, Lane.MAP)[digest[0] % 4]


async def with_lanes(tx: Transaction, key: bytes, given: Sequence[Answer]) -> list[Answer]:
    """Answers that are not stored yet, each with its lane."""
    last = await _last_answered(tx, given)
    late = [
        one
        for one in given
        if (day := last.get((one.servant_id, one.competency_id))) is not None and one.day - day >= RETENTION
    ]
    seen = await _other_prompts(tx, late) if late else set()
    retained = {one.prompt_id for one in late if one.prompt_id not in seen}
    return [
        replace(one, lane=Lane.RETENTION if one.prompt_id in retained else draw(key, one.prompt_id)) for one in given
    ]


async def _last_answered(tx: Transaction, given: Sequence[Answer]) -> dict[tuple[int, str], date]:
    """The last day on which each person answered each of the rules."""
    statement = (
        select(answers.c.servant_id, answers.c.competency_id, func.max(answers.c.day))
        .where(
            answers.c.servant_id.in_({one.servant_id for one in given}),
            answers.c.competency_id.in_({one.competency_id for one in given}),
        )
        .group_by(answers.c.servant_id, answers.c.competency_id)
    )
    return {(row[0], row[1]): row[2] for row in await tx.execute(statement)}


async def _other_prompts(tx: Transaction, given: Sequence[Answer]) -> set[int]:
    """The ids of the prompts whose text the person had been asked by another prompt too."""
    other, asked = prompts.alias(), prompts
    statement = (
        select(asked.c.id)
        .join(other, (other.c.servant_id == asked.c.servant_id) & (other.c.scenario_id == asked.c.scenario_id))
        .where(asked.c.id.in_([one.prompt_id for one in given]), other.c.day < asked.c.day)
    )
    return set((await tx.execute(statement)).scalars())
