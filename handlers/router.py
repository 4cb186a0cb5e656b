"""The way in: every update finds its handler here, by an explicit table, in one transaction."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache

from content.library import Library
from content.text import fold
from handlers import help, outgoing
from handlers.account import enroll, leave, link_channels, profile
from handlers.context import Context, Installation, Response
from handlers.learning import answer, daily, progress
from handlers.message import Update, UpdateKind
from handlers.orientation import assess, consult, faq
from handlers.outgoing import Listener, Occasion
from storage.database import Transaction
from storage.people import addresses
from storage.people.addresses import InboundSender
from storage.queue import outbox

Handler = Callable[[Context], Awaitable[Response]]
Together = Callable[[Sequence[Context]], Awaitable[list[Response]]]

COMMANDS: Mapping[str, Handler] = {
    "start": enroll.start,
    "hoy": daily.today,
    "consulta": assess.start,
    "avance": progress.progress,
    "constancia": progress.certificate,
    "hora": profile.hour,
    "pausa": profile.pause,
    "idioma": profile.language,
    "corregir": profile.correct,
    "privacidad": help.privacy,
    "misdatos": leave.my_data,
    "baja": leave.ask,
    "ayuda": help.turn,
    "canal": link_channels.command,
    "otras": answer.others,
    "hola": enroll.start,
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
    "channel": "canal",
    "others": "otras",
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
    "join": link_channels.turn,
}
TOGETHER: Mapping[str, Together] = {"answer": answer.turns}
"""Of these, what everybody presses every day: of several people it is handled by the same statements."""
LONGEST_CHOICE = 64  # bytes; no button of ours has more
LONGEST_ARGUMENT = 40  # characters of a code; more is a sentence
ALWAYS = frozenset({"baja", "misdatos", "privacidad", "ayuda", "idioma", "start"})
"""Open to a servant who has not yet accepted a newer privacy notice."""


async def receive(tx: Transaction, library: Library, installation: Installation, update: Update, now: datetime) -> None:
    """Handle one update that was not handled before; what it leads to is in `tx`, what is said in the outbox."""
    await receive_all(tx, library, installation, [update], now)


async def receive_all(
    tx: Transaction, library: Library, installation: Installation, several: Sequence[Update], now: datetime
) -> None:
    """The same for updates of several people, of each only one: what they have in common is done once for all."""
    spoken = []
    for update in several:
        if update.kind in (UpdateKind.BLOCKED, UpdateKind.MOVED, UpdateKind.PREFERENCE):
            await _note(tx, update, now)
        else:
            spoken.append(Context(tx, library, installation, update, now, _spoken(update), None))
    contexts = [context for context in await _met(tx, spoken) if context.update.kind is not UpdateKind.UNBLOCKED]
    turns = await _turns(contexts)
    await outbox.add(tx, [new for context, turn in zip(contexts, turns, strict=True) for new in _said(context, turn)])


async def _met(tx: Transaction, contexts: Sequence[Context]) -> list[Context]:
    """The same with whoever is known."""
    meetings = [
        InboundSender(one.update.channel, one.update.address, one.update.alias, one.heard_at) for one in contexts
    ]
    found = []
    for context, met in zip(contexts, await addresses.recognize_all(tx, meetings), strict=True):
        if met is None:
            found.append(context)
            continue
        servant, address = met
        update = context.update if address == context.update.address else replace(context.update, address=address)
        found.append(replace(context, update=update, language=servant.language, servant=servant))
    return found


async def _turns(contexts: Sequence[Context]) -> list[Response]:
    """What is said to each, in their order."""
    found: dict[int, Response] = {}
    for owner, together in TOGETHER.items():
        places = [place for place, context in enumerate(contexts) if _is_of(owner, context)]
        if places:
            found |= zip(places, await together([contexts[place] for place in places]), strict=True)
    return [found[place] if place in found else await _turn(context) for place, context in enumerate(contexts)]


def _is_of(owner: str, context: Context) -> bool:
    """A press of such a button, by somebody who may press it now."""
    choice = context.update.choice
    is_press = context.update.kind is UpdateKind.CHOICE and choice.partition(":")[0] == owner
    return is_press and len(choice.encode()) <= LONGEST_CHOICE and not enroll.must_renew(context)


def _spoken(update: Update) -> str:
    return "en" if update.language.lower().startswith("en") else "es"


async def _note(tx: Transaction, update: Update, now: datetime) -> None:
    """What a platform tells of a person without their having said anything to us."""
    place = await addresses.find(tx, update.channel, update.address, update.alias)
    if update.kind is UpdateKind.BLOCKED:
        address = place.address if place else update.address
        await outbox.drop_unreachable(tx, update.channel, address, now)
    elif place is not None and update.kind is UpdateKind.MOVED:
        # Of somebody with an address of their own, a new alias changes the alias alone.
        is_alias = update.moved_to == update.moved_alias and place.address not in (update.address, update.alias)
        await addresses.change_address(tx, place, "" if is_alias else update.moved_to, update.moved_alias)
    elif place is not None and update.kind is UpdateKind.PREFERENCE:
        refuses = update.choice == "stop"
        await addresses.set_no_marketing(tx, update.channel, place.address, no_marketing=refuses)


async def _turn(context: Context) -> Response:
    kind, update = context.update.kind, context.update
    if kind is UpdateKind.CHOICE:
        owner = update.choice.partition(":")[0]
        handler = BUTTONS.get(owner)
        if handler is None or len(update.choice.encode()) > LONGEST_CHOICE:
            return await help.unknown_button(context)
        if enroll.must_renew(context) and not update.choice.startswith(("enroll:renew:", "leave:")):
            return await enroll.renew(context)
        return await handler(context)
    command, argument = _command(context)
    if command in COMMANDS:
        if command not in ALWAYS and enroll.must_renew(context):
            return await enroll.renew(context)
        return await COMMANDS[command](replace(context, update=replace(update, text=argument)))
    if kind is UpdateKind.LONG_TEXT:
        return await help.long_text(context)
    if kind is UpdateKind.ATTACHMENT:
        return await help.attachment(context)
    if kind is UpdateKind.COMMAND:
        return await help.unknown_command(context)
    if context.servant is None:
        return await faq.typed(context) or await enroll.typed(context)
    if enroll.must_renew(context):
        return await enroll.renew(context)
    return await answer.typed(context) or await faq.typed(context) or await help.text(context)


def _command(context: Context) -> tuple[str, str]:
    """The command of an update and what follows it: as such, or as words that a person would type instead."""
    update = context.update
    if update.kind is UpdateKind.COMMAND:
        return ALIASES.get(update.command, update.command), update.text
    if update.kind is not UpdateKind.TEXT:
        return "", ""
    if command := words(context.library, "words").get(fold(update.text)):
        return command, ""
    first, *rest = update.text.split(maxsplit=1) or [""]
    command = words(context.library, "words_with").get(fold(first), "")
    argument = " ".join(re.findall(r"[\w-]+", rest[0] if rest else ""))
    return (command, argument) if argument and len(argument) <= LONGEST_ARGUMENT else ("", "")


@cache
def words(library: Library, section: str) -> Mapping[str, str]:
    """Typed words that mean a command, in both languages: alone (section `words` of content/messages), or with
    something behind them (`words_with`), as in «alta LEON»."""
    found: dict[str, str] = {}
    for language in ("es", "en"):
        for command, listed in library.phrases.section(language, section).items():
            found |= {fold(word): command for word in listed.split(",")}
    return found


def _said(context: Context, turn: Response) -> list[outbox.NewDelivery]:
    update = context.update
    listener = Listener(update.channel, update.address, turn.language or context.language)
    # An album reaches us as one update a picture: the key of its answer is the album's, so it is given once.
    about = f"album:{update.address}:{update.album}" if update.album else update.key
    occasion = Occasion(f"{update.channel}:{about}", outbox.DeliveryKind.REPLY, context.now, _deadline(context))
    news = outgoing.acknowledged(listener, occasion, update.press) if update.press else []
    if turn.erases and update.ref:
        news += outgoing.erased(listener, occasion, update.ref)
    messages = (
        turn.messages if update.kind is UpdateKind.CHOICE else [replace(one, replaces=False) for one in turn.messages]
    )
    return news + outgoing.said(
        context.library, listener, occasion, messages, ref=update.ref, capabilities=context.capabilities
    )


def _deadline(context: Context) -> datetime | None:
    """Where only a recent word lets us answer, an answer does not outlive that: it would be refused."""
    window, heard_at = context.capabilities.window, context.heard_at
    return heard_at + window if window and heard_at else None
