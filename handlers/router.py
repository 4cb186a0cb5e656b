"""The way in: dispatch every update to its handler by explicit tables, in one transaction."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache

from content.library import Library
from content.limits import CHOICE_BYTES
from content.text import fold
from handlers import help, outgoing
from handlers.account import enroll, leave, link_channels, profile
from handlers.context import Context, Response, WorkContext
from handlers.learning import answer, daily, progress, reason, typed_answer
from handlers.message import Update, UpdateKind
from handlers.orientation import assess, consult, faq, intents
from handlers.outgoing import Recipient, Trigger
from storage.database import Transaction
from storage.people import addresses
from storage.people.addresses import InboundSender
from storage.queue import outbox

Handler = Callable[[Context], Awaitable[Response]]
BatchHandler = Callable[[Sequence[Context]], Awaitable[list[Response]]]

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
    "baja": leave.confirm,
    "ayuda": help.command,
    "canal": link_channels.command,
    "otras": answer.other_options_command,
    "porque": reason.command,
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
    "why": "porque",
}
BUTTONS: Mapping[str, Handler] = {
    "answer": answer.handle,
    "sure": answer.record_confidence,
    "why": answer.explain_other_options,
    "reason": reason.handle,
    "enroll": enroll.handle,
    "assess": assess.handle,
    "consult": consult.handle,
    "profile": profile.handle,
    "leave": leave.handle,
    "join": link_channels.handle,
}
CONFIDENTIAL = frozenset({"assess", "consult", "consulta"})
"""Buttons and commands that lead to a confidential query."""
BATCH_HANDLERS: Mapping[str, BatchHandler] = {"answer": answer.handle_all}
"""Buttons that are pressed often enough to be handled in batches: one set of statements for many users."""
MAX_ARGUMENT_LENGTH = 40  # characters of a code; anything longer is a sentence
ALLOWED_BEFORE_RENEWAL = frozenset({"baja", "misdatos", "privacidad", "ayuda", "idioma", "start"})
"""Commands open to a servant who has not yet accepted a newer privacy notice, as are asking to stop and distress."""


async def receive(work: WorkContext, update: Update) -> None:
    """Handle one update that was not handled before: state changes go to the transaction, replies to the outbox."""
    await receive_all(work, [update])


async def receive_all(work: WorkContext, updates: Sequence[Update]) -> None:
    """Handle a batch of updates with at most one of each user, sharing statements between them.

    Blocks, moves and preferences are recorded first and get no reply.
    """
    contexts = []
    for update in updates:
        if update.kind in (UpdateKind.BLOCKED, UpdateKind.MOVED, UpdateKind.PREFERENCE):
            await _record_account_change(work, update)
        else:
            contexts.append(
                Context(work.tx, work.library, work.installation, work.now, update, _language(update), servant=None)
            )
    identified = await _with_servants(work.tx, contexts)
    answerable = [context for context in identified if context.update.kind is not UpdateKind.UNBLOCKED]
    responses = await _responses(answerable)
    pairs = zip(answerable, responses, strict=True)
    await outbox.add(work.tx, [delivery for context, response in pairs for delivery in _deliveries(context, response)])


async def _with_servants(tx: Transaction, contexts: Sequence[Context]) -> list[Context]:
    """The same contexts with servant, language and current address, where the sender is enrolled."""
    senders = [
        InboundSender(context.update.channel, context.update.address, context.update.alias, _stored_heard_at(context))
        for context in contexts
    ]
    identified = []
    for context, match in zip(contexts, await addresses.recognize_all(tx, senders), strict=True):
        if match is None:
            identified.append(context)
            continue
        servant, address = match
        update = context.update if address == context.update.address else replace(context.update, address=address)
        identified.append(replace(context, update=update, language=servant.language, servant=servant))
    return identified


def _stored_heard_at(context: Context) -> datetime | None:
    """When the user wrote, if that may be stored, where the channel has a reply window: only of what the course asks.

    Stored beside the address, the moment of another action would tell who may have used the self-assessment, asked for
    a link or written a question. The window is then open for longer than we know, and a template is sent instead.
    """
    update = context.update
    if update.kind is UpdateKind.CHOICE:
        is_of_course = update.choice.partition(":")[0] in BUTTONS.keys() - CONFIDENTIAL
    else:
        is_of_course = _command(context)[0] in COMMANDS.keys() - CONFIDENTIAL or len(fold(update.text)) == 1
    return context.heard_at if is_of_course else None


async def _responses(contexts: Sequence[Context]) -> list[Response]:
    """The response to each context, in their order; batch handlers run first."""
    found: dict[int, Response] = {}
    for prefix, handle_all in BATCH_HANDLERS.items():
        indexes = [index for index, context in enumerate(contexts) if _is_press_of(prefix, context)]
        if indexes:
            found |= zip(indexes, await handle_all([contexts[index] for index in indexes]), strict=True)
    return [found[index] if index in found else await _respond(context) for index, context in enumerate(contexts)]


def _is_press_of(prefix: str, context: Context) -> bool:
    """Whether the update is a press of such a button by a user who may press it now."""
    choice = context.update.choice
    is_press = context.update.kind is UpdateKind.CHOICE and choice.partition(":")[0] == prefix
    return is_press and len(choice.encode()) <= CHOICE_BYTES and not enroll.must_renew(context)


def _language(update: Update) -> str:
    """The language of a user who is not enrolled, from the platform's locale."""
    return "en" if update.language.lower().startswith("en") else "es"


async def _record_account_change(work: WorkContext, update: Update) -> None:
    """Record what the platform reports about a user who sent us nothing: a block, a new address, a preference."""
    tx = work.tx
    known = await addresses.find(tx, update.channel, update.address, update.alias)
    if update.kind is UpdateKind.BLOCKED:
        address = known.address if known else update.address
        await outbox.drop_unreachable(tx, update.channel, address, work.now)
    elif known is not None and update.kind is UpdateKind.MOVED:
        # If the stored address is neither the update's address nor its alias, a new alias changes the alias alone.
        is_alias = update.moved_to == update.moved_alias and known.address not in (update.address, update.alias)
        await addresses.change_address(tx, known, "" if is_alias else update.moved_to, update.moved_alias)
    elif known is not None and update.kind is UpdateKind.PREFERENCE:
        refuses = update.choice == "stop"
        await addresses.set_no_marketing(tx, update.channel, known.address, no_marketing=refuses)


async def _respond(context: Context) -> Response:
    """Dispatch one update to its handler."""
    kind, update = context.update.kind, context.update
    if kind is UpdateKind.CHOICE:
        prefix = update.choice.partition(":")[0]
        handler = BUTTONS.get(prefix)
        if handler is None or len(update.choice.encode()) > CHOICE_BYTES:
            return await help.unknown_button(context)
        if enroll.must_renew(context) and not update.choice.startswith(("enroll:renew:", "leave:")):
            return await enroll.renew(context)
        return await handler(context)
    command, argument = _command(context)
    if command in COMMANDS:
        if command not in ALLOWED_BEFORE_RENEWAL and enroll.must_renew(context):
            return await enroll.renew(context)
        return await COMMANDS[command](replace(context, update=replace(update, text=argument)))
    if kind is UpdateKind.LONG_TEXT:
        return await help.long_text(context)
    if kind is UpdateKind.ATTACHMENT:
        return await help.attachment(context)
    if kind is UpdateKind.COMMAND:
        return await help.unknown_command(context)
    if response := await intents.handle_text(context):
        return response
    if context.servant is None:
        return await faq.handle_text(context) or await enroll.handle_text(context)
    if enroll.must_renew(context):
        return await faq.handle_support(context) or await enroll.renew(context)
    return await typed_answer.handle(context) or await faq.handle_text(context) or await help.text(context)


def _command(context: Context) -> tuple[str, str]:
    """The command of an update and its argument, from a command or from typed words that mean one; empty: none."""
    update = context.update
    if update.kind is UpdateKind.COMMAND:
        return ALIASES.get(update.command, update.command), update.text
    if update.kind is not UpdateKind.TEXT:
        return "", ""
    if command := command_words(context.library, "words").get(fold(update.text)):
        return command, ""
    first, *rest = update.text.split(maxsplit=1) or [""]
    command = command_words(context.library, "words_with").get(fold(first), "")
    argument = " ".join(re.findall(r"[\w-]+", rest[0] if rest else ""))
    return (command, argument) if argument and len(argument) <= MAX_ARGUMENT_LENGTH else ("", "")


@cache
def command_words(library: Library, section: str) -> Mapping[str, str]:
    """Typed words that mean a command, in both languages, mapped to the command.

    Section `words` of content/messages holds words that stand alone, `words_with` those followed by an argument, as
    in «alta LEON».
    """
    found: dict[str, str] = {}
    for language in ("es", "en"):
        for command, listed in library.phrases.section(language, section).items():
            found |= {fold(word): command for word in listed.split(",")}
    return found


def _deliveries(context: Context, response: Response) -> list[outbox.NewDelivery]:
    update = context.update
    recipient = Recipient(update.channel, update.address, response.language or context.language)
    # An album arrives as one update for each picture: the reply's key is the album's, so there is one reply.
    album = hashlib.sha256(f"{update.address} {update.album}".encode()).hexdigest()
    cause = f"album:{album[:32]}" if update.album else update.key
    trigger = Trigger(f"{update.channel}:{cause}", outbox.DeliveryKind.REPLY, _deadline(context))
    signals = outgoing.acknowledgement(context, recipient, trigger, update.press) if update.press else []
    if response.erase_incoming and update.ref:
        signals += outgoing.erasure(context, recipient, trigger, update.ref)
    messages = (
        response.messages
        if update.kind is UpdateKind.CHOICE
        else [replace(message, replaces=False) for message in response.messages]
    )
    return signals + outgoing.deliveries(context, recipient, trigger, messages, ref=update.ref)


def _deadline(context: Context) -> datetime | None:
    """The end of the reply window, where the channel has one: a later reply would be refused."""
    window, heard_at = context.capabilities.reply_window, context.heard_at
    return heard_at + window if window and heard_at else None
