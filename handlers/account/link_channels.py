"""Two channels, one record: a one-time code said on the other channel, and where prompts are to go."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from handlers import help, outgoing
from handlers.context import Turn, Visit
from handlers.learning import answer
from handlers.message import Button, Message, Value
from handlers.outgoing import Listener, Occasion
from storage.people import addresses, linking, servants
from storage.people.servants import Servant
from storage.queue import outbox

SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is taken for another
LENGTH = 8  # 40 bits: nobody guesses one in the minutes that it lives
LIFE = timedelta(minutes=15)


async def command(visit: Visit) -> Turn:
    """`/canal`: the channels of this record, and a code for another one; `/canal <code>`: said on that other one."""
    code = "".join(sign for sign in visit.update.text.upper() if sign in SIGNS)
    if visit.update.text.strip():
        return await _join(visit, code)
    if visit.servant is None:
        return Turn((Message("join.stranger"), *help.stranger(visit).messages))
    return Turn((await _shown(visit),))


async def turn(visit: Visit) -> Turn:
    """A button `join:prefer:<channel>`, `join:remove:<channel>` or `join:code`."""
    what, _, channel = visit.update.choice.partition(":")[2].partition(":")
    if visit.servant is None:
        return help.stranger(visit)
    here = {one.channel for one in await addresses.all_of(visit.tx, visit.servant.id)}
    if what == "code":
        return Turn((await _code(visit),))
    if channel not in here:
        return Turn((Message("help.old_button"),))
    if what == "prefer":
        await linking.prefer(visit.tx, visit.servant.id, channel)
        return Turn((Message("join.preferred", {"channel": _name(visit, channel)}, replaces=True),))
    if what == "remove" and channel != visit.update.channel:
        for address in await linking.remove(visit.tx, visit.servant.id, channel):
            await servants.forget_place(visit.tx, channel, address)
        return Turn((Message("join.removed", {"channel": _name(visit, channel)}, replaces=True),))
    return Turn((Message("help.old_button"),))


# ---------------------------------------------------------------- joining


async def _join(visit: Visit, code: str) -> Turn:
    spoken = _hash(visit, code)
    kept = await linking.whose(visit.tx, spoken, visit.now)
    owner = await servants.by_id(visit.tx, kept) if kept is not None else None
    if owner is None:
        return Turn((Message("join.unknown"),))
    if visit.servant is not None and visit.servant.id == owner.id:
        return Turn((Message("join.same"),))
    there = await addresses.all_of(visit.tx, owner.id)
    if taken := await _taken(visit, {one.channel for one in there}):
        return Turn((Message("join.taken", {"channel": _name(visit, taken)}),))
    if not await linking.spend(visit.tx, spoken):
        return Turn((Message("join.unknown"),))
    await _unite(visit, owner)
    for place in there:  # where the code came from: nobody joins a record unseen by its owner
        await _tell(visit, Listener(place.channel, place.address, owner.language))
    only_here = (Button("button.prompts_here", f"join:prefer:{visit.update.channel}"),)
    name: dict[str, Value] = {"channel": _name(visit, visit.update.channel)}
    return Turn((Message("join.joined", name, (only_here,)),), language=owner.language)


async def _taken(visit: Visit, there: Collection[str]) -> str:
    """A channel on which both records are: one record has one chat on each; empty: there is none."""
    here = {visit.update.channel}
    if visit.servant is not None:
        here |= {one.channel for one in await addresses.all_of(visit.tx, visit.servant.id)}
    return min(here & set(there), default="")


async def _unite(visit: Visit, owner: Servant) -> None:
    update = visit.update
    if visit.servant is not None:
        for competency in await linking.merge(visit.tx, owner.id, visit.servant.id):
            await answer.remember(visit.tx, owner.id, competency)
        return
    await linking.add_address(visit.tx, owner.id, update.channel, update.address, update.alias, visit.heard_at)


async def _tell(visit: Visit, listener: Listener) -> None:
    occasion = Occasion(f"joined:{visit.update.channel}:{secrets.token_hex(8)}", outbox.Kind.NOTICE, visit.now)
    row = (Button("button.remove_channel", f"join:remove:{visit.update.channel}"),)
    message = Message("join.told", {"channel": _name(visit, visit.update.channel)}, (row,))
    manner = visit.house.manner(listener.channel)
    await outgoing.say(visit.tx, visit.library, listener, occasion, [message], manner=manner)


async def _code(visit: Visit) -> Message:
    assert visit.servant is not None
    code = "".join(secrets.choice(SIGNS) for _ in range(LENGTH))
    await linking.add_code(visit.tx, visit.servant.id, _hash(visit, code), visit.now + LIFE)
    minutes = int(LIFE.total_seconds() // 60)
    return Message("join.code", {"code": f"{code[:4]}-{code[4:]}", "minutes": minutes})


def _hash(visit: Visit, code: str) -> str:
    """Under the house's key: a backup of the database tells no code."""
    return hashlib.sha256(b"join|" + visit.house.route_key + b"|" + code.encode()).hexdigest()


# ---------------------------------------------------------------- what is shown


async def _shown(visit: Visit) -> Message:
    assert visit.servant is not None
    places = await addresses.all_of(visit.tx, visit.servant.id)
    names = [_name(visit, one.channel) for one in places]
    if len(places) == 1:
        return Message("join.one", {"channel": names[0]}, ((Button("button.code", "join:code"),),))
    chosen = visit.servant.channel or places[0].channel
    prefer = tuple(
        Button("button.prompts_on", f"join:prefer:{one.channel}", {"channel": _name(visit, one.channel)})
        for one in places
        if one.channel != chosen
    )
    remove = tuple(
        Button("button.remove", f"join:remove:{one.channel}", {"channel": _name(visit, one.channel)})
        for one in places
        if one.channel != visit.update.channel
    )
    values: dict[str, Value] = {"channels": ", ".join(names), "channel": _name(visit, chosen)}
    return Message("join.several", values, (prefer, remove, (Button("button.code", "join:code"),)))


def _name(visit: Visit, channel: str) -> str:
    return visit.library.phrases.plain(visit.language, f"channel.{channel}", {})
