"""A friendly way on, whatever arrived: help, texts where a button is due, pictures, forged and old buttons."""

from handlers.context import Turn, Visit
from handlers.message import Button, Message

ROADS = (
    (Button("button.today", "profile:today"), Button("button.assess", "assess:start")),
    (Button("button.consult", "consult:start"),),
)


async def turn(visit: Visit) -> Turn:
    """`/ayuda`."""
    if visit.servant is None:
        return stranger(visit)
    return Turn((Message("help.servant", {}, ROADS),))


def stranger(visit: Visit) -> Turn:
    """Whoever is not enrolled: what this is, and the ways on that need no enrolment."""
    rows = ((Button("button.enroll", f"enroll:list:{visit.language}:0"),), ROADS[0][1:], ROADS[1])
    return Turn((Message("help.stranger", {}, rows),))


async def privacy(visit: Visit) -> Turn:
    """`/privacidad`: the notice in force, and where the whole of it is."""
    return Turn((Message("notice.told", {"url": f"{visit.house.public_url}/privacidad"}),))


async def text(visit: Visit) -> Turn:
    return Turn((Message("help.text", {}, ROADS),))


async def long_text(visit: Visit) -> Turn:
    """A long text may be a confidence: it was not kept; it goes from the chat too, and the letterbox is offered."""
    row = (Button("button.consult", "consult:start"),)
    if not visit.manner.erases:
        return Turn((Message("help.long_text_yours", {}, (row,)),))
    return Turn((Message("help.long_text", {}, (row,)),), erases=True)


async def attachment(visit: Visit) -> Turn:
    return Turn((Message("help.attachment", {}, ROADS if visit.servant else ROADS[1:]),))


async def unknown_command(visit: Visit) -> Turn:
    return Turn((Message("help.unknown_command"),))


async def unknown_button(visit: Visit) -> Turn:
    return Turn((Message("help.old_button"),))
