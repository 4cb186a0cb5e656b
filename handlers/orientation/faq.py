"""Answer a short question typed in the chat with the two best FAQ entries, and offer the self-assessment.

Harassment, threats and reprisals have a path of their own: one answer, the doors, and no self-assessment.
"""

from content.course import doors
from content.course.faq import FaqEntry
from content.library import Library
from handlers.context import Context, Response
from handlers.learning import answer
from handlers.message import Button, Message, Value

ROW = (Button("button.assess", "assess:start"),)
CONSULT_ROW = (Button("button.consult", "consult:start"),)
Rows = tuple[tuple[Button, ...], ...]


async def handle_text(context: Context) -> Response | None:
    """The FAQ entries that match a question; None: the text is no question, or no entry matches well enough.

    The text is used for the search only: it is neither stored nor repeated.
    """
    faq = context.library.faq
    found = faq.find(context.update.text, context.language)
    if support := _support(context.library, found):
        return support
    if not found or not faq.is_question(context.update.text):
        return None
    return Response((entries_message(context.library, tuple(entry for entry in found if entry.path is None)),))


async def handle_support(context: Context) -> Response | None:
    """The doors, if the text is about harassment, threats or reprisals, for those who may not use the rest yet."""
    return _support(context.library, context.library.faq.find(context.update.text, context.language))


def _support(library: Library, found: tuple[FaqEntry, ...]) -> Response | None:
    """Support if the best entry gives it, also to a statement ("mi jefe me acosa")."""
    return Response(support_messages(library, found[0])) if found and found[0].path else None


def support(context: Context, answer: str | None, rows: Rows = ()) -> Response:
    """The doors and the entry that matches a text of distress best, else the entry `answer`; `rows` are added below."""
    found = context.library.faq.find_support(context.update.text, context.language, answer)
    return Response(support_messages(context.library, found[0], rows))


def support_messages(library: Library, entry: FaqEntry, rows: Rows = ()) -> tuple[Message, ...]:
    """The answer with the doors; then the letterbox, with its limit, and further rows of buttons."""
    values = _values(library, entry, "") | {"doors": doors.lines(library.doors)}
    return Message("faq.support", values), Message("faq.support_letterbox", {}, (CONSULT_ROW, *rows))


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
