"""Two channels, one record: a one-time code said on the other channel, and where prompts are to go."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from handlers import help, outgoing
from handlers.context import Context, Response
from handlers.learning import answer
from handlers.message import Button, Message, Value
from handlers.outgoing import Listener, Occasion
from storage.people import addresses, linking, servants
from storage.people.servants import Servant
from storage.queue import outbox

SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is taken for another
LENGTH = 8  # 40 bits: nobody guesses one in the minutes that it lives
LIFE = timedelta(minutes=15)


async def command(context: Context) -> Response:
    """`/canal`: the channels of this record, and a code for another one; `/canal <code>`: said on that other one."""
    code = "".join(sign for sign in context.update.text.upper() if sign in SIGNS)
    if context.update.text.strip():
        return await _join(context, code)
    if context.servant is None:
        return Response((Message("join.stranger"), *help.stranger(context).messages))
    return Response((await _shown(context),))


async def turn(context: Context) -> Response:
    """A button `join:prefer:<channel>`, `join:remove:<channel>` or `join:code`."""
    what, _, channel = context.update.choice.partition(":")[2].partition(":")
    if context.servant is None:
        return help.stranger(context)
    here = {one.channel for one in await addresses.of_servant(context.tx, context.servant.id)}
    if what == "code":
        return Response((await _code(context),))
    if channel not in here:
        return Response((Message("help.old_button"),))
    if what == "prefer":
        await linking.set_preferred_channel(context.tx, context.servant.id, channel)
        return Response((Message("join.preferred", {"channel": _name(context, channel)}, replaces=True),))
    if what == "remove" and channel != context.update.channel:
        for address in await linking.remove_channel(context.tx, context.servant.id, channel):
            await servants.delete_messages(context.tx, channel, address)
        return Response((Message("join.removed", {"channel": _name(context, channel)}, replaces=True),))
    return Response((Message("help.old_button"),))


# ---------------------------------------------------------------- joining


async def _join(context: Context, code: str) -> Response:
    spoken = _hash(context, code)
    kept = await linking.code_owner(context.tx, spoken, context.now)
    owner = await servants.by_id(context.tx, kept) if kept is not None else None
    if owner is None:
        return Response((Message("join.unknown"),))
    if context.servant is not None and context.servant.id == owner.id:
        return Response((Message("join.same"),))
    there = await addresses.of_servant(context.tx, owner.id)
    if taken := await _taken(context, {one.channel for one in there}):
        return Response((Message("join.taken", {"channel": _name(context, taken)}),))
    if not await linking.redeem_code(context.tx, spoken):
        return Response((Message("join.unknown"),))
    await _unite(context, owner)
    for place in there:  # where the code came from: nobody joins a record unseen by its owner
        await _tell(context, Listener(place.channel, place.address, owner.language))
    only_here = (Button("button.prompts_here", f"join:prefer:{context.update.channel}"),)
    name: dict[str, Value] = {"channel": _name(context, context.update.channel)}
    return Response((Message("join.joined", name, (only_here,)),), language=owner.language)


async def _taken(context: Context, there: Collection[str]) -> str:
    """A channel on which both records are: one record has one chat on each; empty: there is none."""
    here = {context.update.channel}
    if context.servant is not None:
        here |= {one.channel for one in await addresses.of_servant(context.tx, context.servant.id)}
    return min(here & set(there), default="")


async def _unite(context: Context, owner: Servant) -> None:
    update = context.update
    if context.servant is not None:
        for competency in await linking.merge(context.tx, owner.id, context.servant.id):
            await answer.remember(context.tx, owner.id, competency)
        return
    await linking.add_address(context.tx, owner.id, update.channel, update.address, update.alias, context.heard_at)


async def _tell(context: Context, listener: Listener) -> None:
    occasion = Occasion(
        f"joined:{context.update.channel}:{secrets.token_hex(8)}", outbox.DeliveryKind.NOTICE, context.now
    )
    row = (Button("button.remove_channel", f"join:remove:{context.update.channel}"),)
    message = Message("join.told", {"channel": _name(context, context.update.channel)}, (row,))
    capabilities = context.installation.capabilities(listener.channel)
    await outgoing.say(context.tx, context.library, listener, occasion, [message], capabilities=capabilities)


async def _code(context: Context) -> Message:
    assert context.servant is not None
    code = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
    await linking.add_code(context.tx, context.servant.id, _hash(context, code), context.now + LIFE)
    minutes = int(LIFE.total_seconds() // 60)
    return Message("join.code", {"code": f"{code[:4]}-{code[4:]}", "minutes": minutes})


def _hash(context: Context, code: str) -> str:
    """Under the house's key: a backup of the database tells no code."""
    return hashlib.sha256(b"join|" + context.installation.route_key + b"|" + code.encode()).hexdigest()


# ---------------------------------------------------------------- what is shown


async def _shown(context: Context) -> Message:
    assert context.servant is not None
    places = await addresses.of_servant(context.tx, context.servant.id)
    names = [_name(context, one.channel) for one in places]
    if len(places) == 1:
        return Message("join.one", {"channel": names[0]}, ((Button("button.code", "join:code"),),))
    chosen = context.servant.channel or places[0].channel
    prefer = tuple(
        Button("button.prompts_on", f"join:prefer:{one.channel}", {"channel": _name(context, one.channel)})
        for one in places
        if one.channel != chosen
    )
    remove = tuple(
        Button("button.remove", f"join:remove:{one.channel}", {"channel": _name(context, one.channel)})
        for one in places
        if one.channel != context.update.channel
    )
    values: dict[str, Value] = {"channels": ", ".join(names), "channel": _name(context, chosen)}
    return Message("join.several", values, (prefer, remove, (Button("button.code", "join:code"),)))


def _name(context: Context, channel: str) -> str:
    return context.library.phrases.plain(context.language, f"channel.{channel}", {})
