"""A short question typed in the chat: the two best answers of the FAQ, and the way to the self-assessment."""

from content.course.faq import Entry
from content.library import Library
from handlers.context import Turn, Visit
from handlers.learning import answer
from handlers.message import Button, Message, Value

ROW = (Button("button.assess", "assess:start"),)


async def typed(visit: Visit) -> Turn | None:
    """What the FAQ says to a text that asks something; None: it asks nothing, or nothing comes near enough.

    The words serve the search and nothing else: they are neither kept nor said again.
    """
    faq = visit.library.faq
    if not faq.is_question(visit.update.text):
        return None
    found = faq.find(visit.update.text, visit.language)
    if not found:
        return None
    return Turn((told(visit.library, found),))


def told(library: Library, found: tuple[Entry, ...]) -> Message:
    """One or two entries, each with its question, answer and articles."""
    values = _values(library, found[0], "")
    if len(found) == 1:
        return Message("faq.one", values, (ROW,))
    return Message("faq.two", values | _values(library, found[1], "other_"), (ROW,))


def _values(library: Library, entry: Entry, prefix: str) -> dict[str, Value]:
    return {
        f"{prefix}question": entry.question,
        f"{prefix}answer": entry.answer,
        f"{prefix}articles": answer.cited(library, entry.articles),
    }
