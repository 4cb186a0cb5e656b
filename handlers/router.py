"""The way in: every update finds its handler here, by an explicit table, in one transaction."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache

from content.library import Library
from content.text import fold
from handlers import answer, ask, assess, consult, daily, enroll, help, leave, profile, speak, standing
from handlers.message import Kind, Update
from handlers.speak import Listener, Occasion
from handlers.visit import House, Turn, Visit
from storage import outbox, servants
from storage.database import Transaction

Handler = Callable[[Visit], Awaitable[Turn]]

COMMANDS: Mapping[str, Handler] = {
    "start": enroll.start,
    "hoy": daily.today,
    "consulta": assess.start,
    "avance": standing.progress,
    "constancia": standing.certificate,
    "hora": profile.hour,
    "pausa": profile.pause,
    "idioma": profile.language,
    "corregir": profile.correct,
    "privacidad": help.privacy,
    "misdatos": leave.my_data,
    "baja": leave.ask,
    "ayuda": help.turn,
}
ALIASES = {
    "help": "ayuda",
    "settings": "corregir",
    "today": "hoy",
    "query": "consulta",
    "progress": "avance",
    "certificate": "constancia",
    "hour": "hora",
    "pause": "pausa",
    "language": "idioma",
    "mydata": "misdatos",
    "privacy": "privacidad",
    "stop": "baja",
    "leave": "baja",
}
BUTTONS: Mapping[str, Handler] = {
    "answer": answer.turn,
    "sure": answer.confidence,
    "why": answer.reason,
    "enroll": enroll.turn,
    "assess": assess.turn,
    "consult": consult.turn,
    "profile": profile.turn,
    "leave": leave.turn,
}
ALWAYS = frozenset({"baja", "misdatos", "privacidad", "ayuda", "idioma", "start"})
"""Open to a servant who has not yet accepted a newer privacy notice."""


async def receive(tx: Transaction, library: Library, house: House, update: Update, now: datetime) -> None:
    """Handle one update that was not handled before; what it leads to is in `tx`, what is said in the outbox."""
    servant = await servants.at(tx, update.channel, update.address)
    if update.kind is Kind.BLOCKED:
        await outbox.drop_unreachable(tx, update.channel, update.address, now)
        return
    if servant is not None:
        await servants.set_reachable(tx, update.channel, update.address, is_reachable=True)
    if update.kind is Kind.UNBLOCKED:
        return
    language = servant.language if servant else ("en" if update.language.lower().startswith("en") else "es")
    visit = Visit(tx, library, house, update, now, language, servant)
    await _answer(visit, await _turn(visit))


async def _turn(visit: Visit) -> Turn:
    kind, update = visit.update.kind, visit.update
    if kind is Kind.CHOICE:
        owner = update.choice.partition(":")[0]
        handler = BUTTONS.get(owner)
        if handler is None or len(update.choice.encode()) > 64:
            return await help.unknown_button(visit)
        if await enroll.must_renew(visit) and not update.choice.startswith(("enroll:renew:", "leave:")):
            return await enroll.renew(visit)
        return await handler(visit)
    command = _command(visit)
    if command in COMMANDS:
        if command not in ALWAYS and await enroll.must_renew(visit):
            return await enroll.renew(visit)
        return await COMMANDS[command](visit)
    if kind is Kind.LONG_TEXT:
        return await help.long_text(visit)
    if kind is Kind.ATTACHMENT:
        return await help.attachment(visit)
    if kind is Kind.COMMAND:
        return await help.unknown_command(visit)
    if visit.servant is None:
        return await ask.typed(visit) or await enroll.typed(visit)
    if await enroll.must_renew(visit):
        return await enroll.renew(visit)
    return await answer.typed(visit) or await ask.typed(visit) or await help.text(visit)


def _command(visit: Visit) -> str:
    """The command of an update: as such, or as a word that a person would type instead."""
    if visit.update.kind is Kind.COMMAND:
        return ALIASES.get(visit.update.command, visit.update.command)
    if visit.update.kind is not Kind.TEXT:
        return ""
    return words(visit.library).get(fold(visit.update.text), "")


@cache
def words(library: Library) -> Mapping[str, str]:
    """Typed words that mean a command, in both languages (content/messages, section `words`)."""
    found: dict[str, str] = {}
    for language in ("es", "en"):
        for command, listed in library.phrases.section(language, "words").items():
            found |= {fold(word): command for word in listed.split(",")}
    return found


async def _answer(visit: Visit, turn: Turn) -> None:
    update = visit.update
    listener = Listener(update.channel, update.address, turn.language or visit.language)
    # An album reaches us as one update a picture: the key of its answer is the album's, so it is given once.
    about = f"album:{update.address}:{update.album}" if update.album else update.key
    occasion = Occasion(f"{update.channel}:{about}", outbox.Kind.REPLY, visit.now)
    if update.press:
        await speak.acknowledge(visit.tx, listener, occasion, update.press)
    if turn.erases and update.ref:
        await speak.erase(visit.tx, listener, occasion, update.ref)
    messages = turn.messages if update.kind is Kind.CHOICE else [replace(one, replaces=False) for one in turn.messages]
    await speak.say(visit.tx, visit.library, listener, occasion, messages, ref=update.ref)
