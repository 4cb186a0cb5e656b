"""A servant's own settings: hour, pause, language, institution."""

from dataclasses import replace
from datetime import timedelta

from handlers import help
from handlers.account import enroll
from handlers.context import Turn, Visit
from handlers.learning import daily
from handlers.message import Button, Message, Value
from storage.people import servants

PAUSES = (7, 14, 30)


async def turn(visit: Visit) -> Turn:
    """A button `profile:<what>[:<value>]`."""
    what, _, value = visit.update.choice.partition(":")[2].partition(":")
    if what == "language" and value in ("es", "en"):
        return await _speak(visit, value)
    if visit.servant is None:
        return help.stranger(visit)
    if what == "today":
        return await daily.today(visit)
    if what == "hour" and not value:
        return await hour(visit)
    if what == "hour" and value in enroll.OFFERED:
        await servants.change(visit.tx, visit.servant.id, hour=int(value))
        return Turn((Message("profile.hour_set", {"hour": f"{int(value)}:00"}, replaces=True),))
    if what == "pause":
        return await _pause(visit, value)
    if what == "resume":
        await servants.resume(visit.tx, visit.servant.id)
        return Turn((Message("profile.resumed", replaces=True),))
    return Turn((Message("help.old_button"),))


async def hour(visit: Visit) -> Turn:
    """`/hora`."""
    if visit.servant is None:
        return help.stranger(visit)
    rows = tuple(
        tuple(Button("button.hour", f"profile:hour:{one}", {"hour": one}) for one in row) for row in enroll.HOURS
    )
    return Turn((Message("profile.hour", {"hour": f"{visit.servant.hour}:00"}, rows),))


async def pause(visit: Visit) -> Turn:
    """`/pausa`; whoever is paused is offered to come back."""
    if visit.servant is None:
        return help.stranger(visit)
    if visit.servant.state == "paused":
        return Turn((Message("profile.is_paused", {}, ((Button("button.resume", "profile:resume"),),)),))
    days = tuple(Button("button.days", f"profile:pause:{one}", {"days": one}) for one in PAUSES)
    rows = (days, (Button("button.until_back", "profile:pause:0"),))
    return Turn((Message("profile.pause", {}, rows),))


async def _pause(visit: Visit, value: str) -> Turn:
    assert visit.servant is not None
    if value not in {"0", *map(str, PAUSES)}:
        return await pause(visit)
    until = visit.today + timedelta(days=int(value)) if value != "0" else None
    await servants.pause(visit.tx, visit.servant.id, until)
    back = ((Button("button.resume", "profile:resume"),),)
    if until is None:
        return Turn((Message("profile.paused", {}, back, replaces=True),))
    return Turn((Message("profile.paused_until", {"day": until.isoformat()}, back, replaces=True),))


async def language(visit: Visit) -> Turn:
    """`/idioma`."""
    row = (Button("button.es", "profile:language:es"), Button("button.en", "profile:language:en"))
    return Turn((Message("profile.language", {}, (row,)),))


async def _speak(visit: Visit, chosen: str) -> Turn:
    if visit.servant is None:
        return replace(help.stranger(replace(visit, language=chosen)), language=chosen)
    await servants.change(visit.tx, visit.servant.id, language=chosen)
    return Turn((Message("profile.language_set", replaces=True),), language=chosen)


async def correct(visit: Visit) -> Turn:
    """`/corregir`: what we hold of a person and can be set right."""
    if visit.servant is None:
        return help.stranger(visit)
    place = await servants.institution(visit.tx, visit.servant.institution_id)
    values: dict[str, Value] = {"institution": place.name if place else "", "hour": f"{visit.servant.hour}:00"}
    row = (Button("button.change_hour", "profile:hour"),)
    return Turn((Message("profile.correct", values, (row,)),))
