"""A servant's progress: for each topic how many competencies are held, in practice or fading."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from content.course.topic import Topic
from content.learning import memories as model
from content.learning.levels import Level, level_of
from content.learning.memories import RuleMemory
from content.library import Library
from content.text import LANGUAGES, Text
from handlers import help
from handlers.context import Context, Response
from handlers.learning import memories
from handlers.message import Message, Value
from storage.learning import record

MARKS: Mapping[Level | None, str] = {Level.HELD: "●", Level.FADING: "◑", Level.PRACTISING: "◔", None: "○"}
"""One for each competency of a topic, the best first; None: not met yet."""


async def progress(context: Context) -> Response:
    """`/avance`: answers so far, how many were right, and how well each topic is held."""
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
    servant_id = context.servant.id
    rules = await memories.read(context.tx, [servant_id], lambda rows: _rules(context, rows[servant_id].memory))
    topics = [_levels(topic, rules) for topic in context.library.topics.values()]
    lines = {
        language: "\n".join(
            _topic_line(context.library, language, topic, levels)
            for topic, levels in zip(context.library.topics.values(), topics, strict=True)
        )
        for language in LANGUAGES
    }
    return Text(**lines)


def _rules(context: Context, packed: bytes) -> dict[str, RuleMemory]:
    """How well each answered competency is remembered; those answered today, tomorrow: it is another day then."""
    now, tomorrow = (model.rules(packed, context.library, context.today + timedelta(days=days)) for days in (0, 1))
    return {id: rule if rule.answered_on < context.today else tomorrow[id] for id, rule in now.items()}


def _levels(topic: Topic, rules: Mapping[str, RuleMemory]) -> Counter[Level | None]:
    """How many competencies of a topic are at each level."""
    return Counter(
        level_of(rules[competency.id]) if competency.id in rules else None for competency in topic.competencies
    )


def _topic_line(library: Library, language: str, topic: Topic, levels: Counter[Level | None]) -> str:
    """The marks of a topic's competencies, its name, and the same in words."""
    marks = "".join(mark * levels[level] for level, mark in MARKS.items())
    words = [
        library.phrases.plain(language, f"progress.level.{level}", {"number": levels[level]})
        for level in Level
        if levels[level]
    ]
    counts = ", ".join(words) or library.phrases.plain(language, "progress.level.none", {})
    return f"{marks} {topic.name.in_language(language)}: {counts}"
