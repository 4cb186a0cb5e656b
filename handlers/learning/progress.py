"""How far a servant has come: competencies held, topic by topic."""

from content.learning.memory import Strength
from content.text import Text
from handlers import help
from handlers.context import Turn, Visit
from handlers.message import Message, Value
from storage.learning import record

HELD = 0.8
"""Predicted recall from which a competency counts as held."""


async def progress(visit: Visit) -> Turn:
    """`/avance`."""
    if visit.servant is None:
        return help.stranger(visit)
    answers = await record.answers_of(visit.tx, visit.servant.id)
    values: dict[str, Value] = {
        "answered": len(answers),
        "right": sum(one.is_right for one in answers),
        "topics": await _topics(visit),
    }
    return Turn((Message("standing.progress", values),))


async def certificate(visit: Visit) -> Turn:
    """`/constancia`: what is still missing for one; certificates themselves are not issued yet."""
    if visit.servant is None:
        return help.stranger(visit)
    return Turn((Message("standing.certificate", {"topics": await _topics(visit)}),))


async def _topics(visit: Visit) -> Text:
    assert visit.servant is not None
    memories = await record.memories_of(visit.tx, visit.servant.id)
    held = {
        competency
        for competency, one in memories.items()
        if Strength(one.stability, one.difficulty, one.reviewed_on, one.due_on, one.repetitions).recall(visit.today)
        >= HELD
    }

    def lines(language: str) -> str:
        return "\n".join(
            f"{_bar(sum(one.id in held for one in topic.competencies), len(topic.competencies))} "
            f"{topic.name.in_language(language)}"
            for topic in visit.library.topics.values()
        )

    return Text(es=lines("es"), en=lines("en"))


def _bar(held: int, of: int) -> str:
    return "●" * held + "○" * (of - held) + f" {held}/{of}"
