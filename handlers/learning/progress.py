"""A servant's progress: mastered competencies of each topic."""

from datetime import date

from content.learning.memory import MemoryState
from content.text import Text
from handlers import help
from handlers.context import Context, Response
from handlers.message import Message, Value
from storage.learning import record
from storage.learning.record import Memory

MASTERY_RECALL = 0.8
"""Predicted recall, 0 to 1, from which a competency counts as mastered."""


async def progress(context: Context) -> Response:
    """`/avance`: answers so far, how many were right, and the progress of each topic."""
    if context.servant is None:
        return help.stranger(context)
    answers = await record.answers_of(context.tx, context.servant.id)
    values: dict[str, Value] = {
        "answered": len(answers),
        "right": sum(answer.is_right for answer in answers),
        "topics": await _topic_lines(context),
    }
    return Response((Message("progress.overview", values),))


async def certificate(context: Context) -> Response:
    """`/constancia`: what is missing for a certificate; certificates themselves are not issued yet."""
    if context.servant is None:
        return help.stranger(context)
    return Response((Message("progress.certificate", {"topics": await _topic_lines(context)}),))


async def _topic_lines(context: Context) -> Text:
    assert context.servant is not None
    memories = await record.memories_of(context.tx, context.servant.id)
    mastered = {
        competency for competency, memory in memories.items() if _recall(memory, context.today) >= MASTERY_RECALL
    }

    def lines(language: str) -> str:
        return "\n".join(
            f"{_bar(sum(competency.id in mastered for competency in topic.competencies), len(topic.competencies))} "
            f"{topic.name.in_language(language)}"
            for topic in context.library.topics.values()
        )

    return Text(es=lines("es"), en=lines("en"))


def _recall(memory: Memory, day: date) -> float:
    state = MemoryState(memory.stability, memory.difficulty, memory.reviewed_on, memory.due_on, memory.repetitions)
    return state.retrievability(day)


def _bar(done: int, total: int) -> str:
    return "●" * done + "○" * (total - done) + f" {done}/{total}"
