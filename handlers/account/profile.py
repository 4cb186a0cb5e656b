"""A servant's settings: hour, pause, language, and the profile that can be corrected."""

from dataclasses import replace
from datetime import timedelta

from handlers import help
from handlers.account import enroll
from handlers.context import Context, Response
from handlers.learning import daily
from handlers.message import Button, Message, Value
from storage.people import servants

PAUSES = (7, 14, 30)


async def handle(context: Context) -> Response:
    """A button `profile:<what>[:<value>]`."""
    what, _, value = context.update.choice.partition(":")[2].partition(":")
    if what == "language" and value in ("es", "en"):
        return await _set_language(context, value)
    if context.servant is None:
        return help.stranger(context)
    if what == "today":
        return await daily.today(context)
    if what == "hour" and not value:
        return await hour(context)
    if what == "hour" and value in enroll.OFFERED_HOURS:
        await servants.change(context.tx, context.servant.id, hour=int(value))
        return Response((Message("profile.hour_set", {"hour": f"{int(value)}:00"}, replaces=True),))
    if what == "pause":
        return await _set_pause(context, value)
    if what == "resume":
        await servants.resume(context.tx, context.servant.id)
        return Response((Message("profile.resumed", replaces=True),))
    return Response((Message("help.old_button"),))


async def hour(context: Context) -> Response:
    """`/hora`: choose the hour of the daily prompt."""
    if context.servant is None:
        return help.stranger(context)
    rows = tuple(
        tuple(Button("button.hour", f"profile:hour:{hour}", {"hour": hour}) for hour in row) for row in enroll.HOURS
    )
    return Response((Message("profile.hour", {"hour": f"{context.servant.hour}:00"}, rows),))


async def pause(context: Context) -> Response:
    """`/pausa`: choose how long; a paused servant is offered to resume instead."""
    if context.servant is None:
        return help.stranger(context)
    if context.servant.state == "paused":
        return Response((Message("profile.is_paused", {}, ((Button("button.resume", "profile:resume"),),)),))
    days = tuple(Button("button.days", f"profile:pause:{count}", {"days": count}) for count in PAUSES)
    rows = (days, (Button("button.until_back", "profile:pause:0"),))
    return Response((Message("profile.pause", {}, rows),))


async def _set_pause(context: Context, value: str) -> Response:
    assert context.servant is not None
    if value not in {"0", *map(str, PAUSES)}:
        return await pause(context)
    until = context.today + timedelta(days=int(value)) if value != "0" else None
    await servants.pause(context.tx, context.servant.id, until)
    back = ((Button("button.resume", "profile:resume"),),)
    if until is None:
        return Response((Message("profile.paused", {}, back, replaces=True),))
    return Response((Message("profile.paused_until", {"day": until.strftime("%d/%m/%Y")}, back, replaces=True),))


async def language(context: Context) -> Response:
    """`/idioma`: choose the language."""
    row = (Button("button.es", "profile:language:es"), Button("button.en", "profile:language:en"))
    return Response((Message("profile.language", {}, (row,)),))


async def _set_language(context: Context, chosen: str) -> Response:
    if context.servant is None:
        return replace(help.stranger(replace(context, language=chosen)), language=chosen)
    await servants.change(context.tx, context.servant.id, language=chosen)
    return Response((Message("profile.language_set", replaces=True),), language=chosen)


async def correct(context: Context) -> Response:
    """`/corregir`: show the profile data that the servant can correct."""
    if context.servant is None:
        return help.stranger(context)
    institution = await servants.institution(context.tx, context.servant.institution_id)
    name = institution.name if institution else ""
    values: dict[str, Value] = {"institution": name, "hour": f"{context.servant.hour}:00"}
    row = (Button("button.change_hour", "profile:hour"),)
    return Response((Message("profile.correct", values, (row,)),))
