"""Answer a short question typed in the chat with the two best FAQ entries, and offer the self-assessment."""

from content.course.faq import FaqEntry
from content.library import Library
from handlers.context import Context, Response
from handlers.learning import answer
from handlers.message import Button, Message, Value

ROW = (Button("button.assess", "assess:start"),)


async def handle_text(context: Context) -> Response | None:
    """The FAQ entries that match a question; None: the text is no question, or no entry matches well enough.

    The text is used for the search only: it is neither stored nor repeated.
    """
    faq = context.library.faq
    if not faq.is_question(context.update.text):
        return None
    found = faq.find(context.update.text, context.language)
    if not found:
        return None
    return Response((entries_message(context.library, found),))


def entries_message(library: Library, found: tuple[FaqEntry, ...]) -> Message:
    """One or two entries, each with its question, answer and articles."""
    values = _values(library, found[0], "")
    if len(found) == 1:
        return Message("faq.one", values, (ROW,))
    return Message("faq.two", values | _values(library, found[1], "other_"), (ROW,))


def _values(library: Library, entry: FaqEntry, prefix: str) -> dict[str, Value]:
    return {
        f"{prefix}question": entry.question,
        f"{prefix}answer": entry.answer,
        f"{prefix}articles": answer.citations(library, entry.articles),
    }
