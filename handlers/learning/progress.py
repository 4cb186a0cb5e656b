"""How far a servant has come: competencies held, topic by topic."""

from content.learning.memory import MemoryState
from content.text import Text
from handlers import help
from handlers.context import Context, Response
from handlers.message import Message, Value
from storage.learning import record

HELD = 0.8
"""Predicted recall from which a competency counts as held."""


async def progress(context: Context) -> Response:
    """`/avance`."""
    if context.servant is None:
        return help.stranger(context)
    answers = await record.answers_of(context.tx, context.servant.id)
    values: dict[str, Value] = {
        "answered": len(answers),
        "right": sum(one.is_right for one in answers),
        "topics": await _topics(context),
    }
    return Response((Message("standing.progress", values),))


async def certificate(context: Context) -> Response:
    """`/constancia`: what is still missing for one; certificates themselves are not issued yet."""
    if context.servant is None:
        return help.stranger(context)
    return Response((Message("standing.certificate", {"topics": await _topics(context)}),))


async def _topics(context: Context) -> Text:
    assert context.servant is not None
    memories = await record.memories_of(context.tx, context.servant.id)
    held = {
        competency
        for competency, one in memories.items()
        if MemoryState(one.stability, one.difficulty, one.reviewed_on, one.due_on, one.repetitions).retrievability(
            context.today
        )
        >= HELD
    }

    def lines(language: str) -> str:
        return "\n".join(
            f"{_bar(sum(one.id in held for one in topic.competencies), len(topic.competencies))} "
            f"{topic.name.in_language(language)}"
            for topic in context.library.topics.values()
        )

    return Text(es=lines("es"), en=lines("en"))


def _bar(held: int, of: int) -> str:
    return "●" * held + "○" * (of - held) + f" {held}/{of}"
