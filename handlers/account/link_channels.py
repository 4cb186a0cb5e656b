"""Link several channels to one servant by a one-time code, and choose which of them receives the prompts."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from handlers import help, outgoing
from handlers.context import Context, Response
from handlers.message import Button, Message, Value
from handlers.outgoing import Recipient, Trigger
from storage.people import addresses, linking, servants
from storage.people.servants import Servant
from storage.queue import outbox

CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no characters that look alike
CODE_LENGTH = 8  # 40 bits: not guessable while a code is valid
CODE_LIFETIME = timedelta(minutes=15)


async def command(context: Context) -> Response:
    """`/canal`: list the linked channels and offer a code; `/canal <code>` on another channel links that channel."""
    code = "".join(character for character in context.update.text.upper() if character in CODE_ALPHABET)
    if context.update.text.strip():
        return await _redeem_code(context, code)
    if context.servant is None:
        return Response((Message("join.stranger"), *help.stranger(context).messages))
    return Response((await _overview(context),))


async def handle(context: Context) -> Response:
    """A button `join:prefer:<channel>`, `join:remove:<channel>` or `join:code`."""
    step, _, channel = context.update.choice.partition(":")[2].partition(":")
    if context.servant is None:
        return help.stranger(context)
    linked = {address.channel for address in await addresses.of_servant(context.tx, context.servant.id)}
    if step == "code":
        return Response((await _code_message(context),))
    if channel not in linked:
        return Response((Message("help.old_button"),))
    if step == "prefer":
        await linking.set_preferred_channel(context.tx, context.servant.id, channel)
        return Response((Message("join.preferred", {"channel": _name(context, channel)}, replaces=True),))
    if step == "remove" and channel != context.update.channel:
        for address in await linking.remove_channel(context.tx, context.servant.id, channel):
            await servants.delete_messages(context.tx, channel, address)
        return Response((Message("join.removed", {"channel": _name(context, channel)}, replaces=True),))
    return Response((Message("help.old_button"),))


# ---------------------------------------------------------------- linking


async def _redeem_code(context: Context, code: str) -> Response:
    """Link this channel to the code's owner, merging two servants of one user; notify the owner's channels."""
    code_hash = _hash(context, code)
    owner_id = await linking.code_owner(context.tx, code_hash, context.now)
    owner = await servants.by_id(context.tx, owner_id) if owner_id is not None else None
    if owner is None:
        return Response((Message("join.unknown"),))
    if context.servant is not None and context.servant.id == owner.id:
        return Response((Message("join.same"),))
    linked = await addresses.of_servant(context.tx, owner.id)
    if conflict := await _conflicting_channel(context, {address.channel for address in linked}):
        return Response((Message("join.taken", {"channel": _name(context, conflict)}),))
    if not await linking.redeem_code(context.tx, code_hash):
        return Response((Message("join.unknown"),))
    await _link(context, owner)
    for address in linked:  # a channel is never linked without a notice to its owner
        await _notify(context, Recipient(address.channel, address.address, owner.language))
    only_here = (Button("button.prompts_here", f"join:prefer:{context.update.channel}"),)
    name: dict[str, Value] = {"channel": _name(context, context.update.channel)}
    return Response((Message("join.joined", name, (only_here,)),), language=owner.language)


async def _conflicting_channel(context: Context, owner_channels: Collection[str]) -> str:
    """A channel that both servants have, as a servant has at most one address on each; empty: there is none."""
    channels = {context.update.channel}
    if context.servant is not None:
        channels |= {address.channel for address in await addresses.of_servant(context.tx, context.servant.id)}
    return min(channels & set(owner_channels), default="")


async def _link(context: Context, owner: Servant) -> None:
    """Add the address to the owner; if it belongs to another servant already, merge that servant into the owner."""
    update = context.update
    if context.servant is not None:
        await linking.merge(context.tx, owner.id, context.servant.id)
        return
    await linking.add_address(context.tx, owner.id, update.channel, update.address, update.alias, context.heard_at)


async def _notify(context: Context, recipient: Recipient) -> None:
    trigger = Trigger(f"joined:{context.update.channel}:{secrets.token_hex(8)}", outbox.DeliveryKind.NOTICE)
    row = (Button("button.remove_channel", f"join:remove:{context.update.channel}"),)
    message = Message("join.notification", {"channel": _name(context, context.update.channel)}, (row,))
    await outgoing.enqueue(context, recipient, trigger, [message])


async def _code_message(context: Context) -> Message:
    """Create a code, which replaces an earlier one."""
    assert context.servant is not None
    code = "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    await linking.add_code(context.tx, context.servant.id, _hash(context, code), context.now + CODE_LIFETIME)
    minutes = int(CODE_LIFETIME.total_seconds() // 60)
    return Message("join.code", {"code": f"{code[:4]}-{code[4:]}", "minutes": minutes})


def _hash(context: Context, code: str) -> str:
    """Keyed hash of a code: a backup of the database reveals no code."""
    return hashlib.sha256(b"join|" + context.installation.route_key + b"|" + code.encode()).hexdigest()


# ---------------------------------------------------------------- messages


async def _overview(context: Context) -> Message:
    """The linked channels, which of them receives the prompts, and buttons to change that."""
    assert context.servant is not None
    linked = await addresses.of_servant(context.tx, context.servant.id)
    names = [_name(context, address.channel) for address in linked]
    if len(linked) == 1:
        return Message("join.one", {"channel": names[0]}, ((Button("button.code", "join:code"),),))
    chosen = context.servant.channel or linked[0].channel
    prefer = tuple(
        Button("button.prompts_on", f"join:prefer:{address.channel}", {"channel": _name(context, address.channel)})
        for address in linked
        if address.channel != chosen
    )
    remove = tuple(
        Button("button.remove", f"join:remove:{address.channel}", {"channel": _name(context, address.channel)})
        for address in linked
        if address.channel != context.update.channel
    )
    values: dict[str, Value] = {"channels": ", ".join(names), "channel": _name(context, chosen)}
    return Message("join.several", values, (prefer, remove, (Button("button.code", "join:code"),)))


def _name(context: Context, channel: str) -> str:
    return context.library.phrases.channel_name(context.language, channel)
