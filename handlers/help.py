"""A friendly way on, whatever arrived: help, texts where a button is due, pictures, forged and old buttons."""

from handlers.context import Context, Response
from handlers.message import Button, Message

ROADS = (
    (Button("button.today", "profile:today"), Button("button.assess", "assess:start")),
    (Button("button.consult", "consult:start"),),
)


async def turn(context: Context) -> Response:
    """`/ayuda`."""
    if context.servant is None:
        return stranger(context)
    return Response((Message("help.servant", {}, ROADS),))


def stranger(context: Context) -> Response:
    """Whoever is not enrolled: what this is, and the ways on that need no enrolment."""
    rows = ((Button("button.enroll", f"enroll:list:{context.language}:0"),), ROADS[0][1:], ROADS[1])
    return Response((Message("help.stranger", {}, rows),))


async def privacy(context: Context) -> Response:
    """`/privacidad`: the notice in force, and where the whole of it is."""
    return Response((Message("notice.told", {"url": f"{context.installation.public_url}/privacidad"}),))


async def text(context: Context) -> Response:
    return Response((Message("help.text", {}, ROADS),))


async def long_text(context: Context) -> Response:
    """A long text may be a confidence: it was not kept; it goes from the chat too, and the letterbox is offered."""
    row = (Button("button.consult", "consult:start"),)
    if not context.capabilities.erases:
        return Response((Message("help.long_text_yours", {}, (row,)),))
    return Response((Message("help.long_text", {}, (row,)),), erases=True)


async def attachment(context: Context) -> Response:
    return Response((Message("help.attachment", {}, ROADS if context.servant else ROADS[1:]),))


async def unknown_command(context: Context) -> Response:
    return Response((Message("help.unknown_command"),))


async def unknown_button(context: Context) -> Response:
    return Response((Message("help.old_button"),))
