"""Answer typed sentences by what the person wants: the doors on distress, one confirmation to those who ask to stop.

The text is only compared with patterns: it is neither stored nor repeated, and nothing is done before a button is
pressed.
"""

from content.course.intents import DISTRESS, STOP
from handlers.account import leave
from handlers.context import Context, Response
from handlers.message import Button, Message
from handlers.orientation import faq

LEAVE_ROW = (Button("button.leave", "leave:ask"),)


async def handle_text(context: Context) -> Response | None:
    """The response to the intent of a text; None: it has none. Distress comes before everything else."""
    found = context.library.intents.find(context.update.text)
    if DISTRESS in found:
        may_leave = STOP in found and context.servant is not None
        return faq.support(context, found[DISTRESS], (LEAVE_ROW,) if may_leave else ())
    if STOP not in found:
        return None
    return await leave.confirm(context) if context.servant else Response((Message("leave.stranger"),))
