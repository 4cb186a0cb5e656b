"""A short question typed in the chat: the two best answers of the FAQ, and the way to the self-assessment."""

from content.course.faq import FaqEntry
from content.library import Library
from handlers.context import Context, Response
from handlers.learning import answer
from handlers.message import Button, Message, Value

ROW = (Button("button.assess", "assess:start"),)


async def typed(context: Context) -> Response | None:
    """What the FAQ says to a text that asks something; None: it asks nothing, or nothing comes near enough.

    The words serve the search and nothing else: they are neither kept nor said again.
    """
    faq = context.library.faq
    if not faq.is_question(context.update.text):
        return None
    found = faq.find(context.update.text, context.language)
    if not found:
        return None
    return Response((told(context.library, found),))


def told(library: Library, found: tuple[FaqEntry, ...]) -> Message:
    """One or two entries, each with its question, answer and articles."""
    values = _values(library, found[0], "")
    if len(found) == 1:
        return Message("faq.one", values, (ROW,))
    return Message("faq.two", values | _values(library, found[1], "other_"), (ROW,))


def _values(library: Library, entry: FaqEntry, prefix: str) -> dict[str, Value]:
    return {
        f"{prefix}question": entry.question,
        f"{prefix}answer": entry.answer,
        f"{prefix}articles": answer.cited(library, entry.articles),
    }
