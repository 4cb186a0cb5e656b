"""Fallback replies that always offer a next step: help, free text, long texts, attachments, forged and old buttons."""

from handlers.context import Context, Response
from handlers.message import Button, Message
from storage.people import servants
from storage.people.servants import Institution

NEXT_STEPS = (
    (Button("button.today", "profile:today"), Button("button.assess", "assess:start")),
    (Button("button.consult", "consult:start"),),
)


async def command(context: Context) -> Response:
    """`/ayuda`."""
    if context.servant is None:
        return stranger(context)
    note = pending_validation(context)
    return Response((Message("help.servant", {"validation": f"\n\n{note}" if note else ""}, NEXT_STEPS),))


def pending_validation(context: Context) -> str:
    """The sentence that the course awaits legal validation, empty once every scenario has a reviewer."""
    library = context.library
    return "" if library.is_validated else library.phrases.template(context.language, "help.pending")


def stranger(context: Context) -> Response:
    """Explain to a user who is not enrolled what this is, and offer what needs no enrolment."""
    rows = ((Button("button.enroll", f"enroll:list:{context.language}:0"),), NEXT_STEPS[0][1:], NEXT_STEPS[1])
    return Response((Message("help.stranger", {}, rows),))


async def privacy(context: Context) -> Response:
    """`/privacidad`: the privacy notice in force in short, and the link to its full text."""
    servant = context.servant
    institution = None if servant is None else await servants.institution(context.tx, servant.institution_id)
    return Response((Message("notice.summary", notice_values(context, institution)),))


def notice_values(context: Context, institution: Institution | None) -> dict[str, str]:
    """Who answers for the personal data of an institution's servants, and the address of the full notice."""
    url = f"{context.installation.public_url}/privacidad"
    if institution is not None and institution.responsible:
        return {"responsible": institution.responsible, "url": f"{url}?institucion={institution.code}"}
    return {"responsible": context.library.phrases.template(context.language, "notice.responsible"), "url": url}


async def text(context: Context) -> Response:
    """A short text that is no command, no answer and no question."""
    return Response((Message("help.text", {}, NEXT_STEPS),))


async def long_text(context: Context) -> Response:
    """A long text may be confidential: it was not stored, it is erased from the chat, and the letterbox is offered.

    Where the channel cannot erase it, the user is asked to do so.
    """
    row = (Button("button.consult", "consult:start"),)
    if not context.capabilities.can_erase:
        return Response((Message("help.long_text_yours", {}, (row,)),))
    return Response((Message("help.long_text", {}, (row,)),), erase_incoming=True)


async def attachment(context: Context) -> Response:
    """An attachment, which is never read."""
    return Response((Message("help.attachment", {}, NEXT_STEPS if context.servant else NEXT_STEPS[1:]),))


async def unknown_command(context: Context) -> Response:
    """A command that does not exist."""
    return Response((Message("help.unknown_command"),))


async def unknown_button(context: Context) -> Response:
    """A button that no handler accepts: forged, or of an earlier version."""
    return Response((Message("help.old_button"),))
