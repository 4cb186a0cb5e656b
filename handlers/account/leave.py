"""A person's rights over what we hold of them: a copy of all of it, and being forgotten."""

from collections.abc import Sequence

from handlers.context import Context, Response
from handlers.message import Button, Message, Value
from storage.learning import record
from storage.learning.record import Answer
from storage.people import addresses, servants

PAGE = 40  # answers a message


async def my_data(context: Context) -> Response:
    """`/misdatos`: a copy of everything kept about the person (ARCO access; LGPDP 44 to 48)."""
    servant = context.servant
    if servant is None:
        return Response((Message("leave.nothing"),))
    place = await servants.institution(context.tx, servant.institution_id)
    given = await record.answers_of(context.tx, servant.id)
    values: dict[str, Value] = {
        "institution": place.name if place else "",
        "language": servant.language,
        "hour": f"{servant.hour}:00",
        "state": servant.state,
        "notice": servant.notice_version,
        "consented": servant.consented_at.astimezone(context.installation.timezone).strftime("%Y-%m-%d %H:%M"),
        "enrolled": servant.enrolled_on.isoformat(),
        "channel": ", ".join(await _channels(context, servant.id)),
        "answers": len(given),
    }
    pages = [given[place : place + PAGE] for place in range(0, len(given), PAGE)]
    return Response((Message("leave.my_data", values), *(_page(one) for one in pages)))


async def _channels(context: Context, servant_id: int) -> list[str]:
    """Each channel with its identifiers: the alias too (on WhatsApp a phone number), as it is kept."""
    named = []
    for place in await addresses.of_servant(context.tx, servant_id):
        name = context.library.phrases.plain(context.language, f"channel.{place.channel}", {})
        number = place.alias or (place.address if place.address.startswith("+") else "")
        named.append(f"{name} ({number})" if number else name)
    return named


def _page(given: Sequence[Answer]) -> Message:
    lines = (
        f"{one.day.isoformat()} · {one.scenario_id} · {one.option.upper()} · {'✓' if one.is_right else '✗'}"
        + (f" · {one.confidence}" if one.confidence else "")
        for one in given
    )
    return Message("leave.my_answers", {"lines": "\n".join(lines)})


async def ask(context: Context) -> Response:
    """`/baja`: what will go and what stays, before it does."""
    if context.servant is None:
        return Response((Message("leave.nothing"),))
    row = (Button("button.leave_yes", "leave:yes"), Button("button.leave_no", "leave:no"))
    return Response((Message("leave.ask", {}, (row,)),))


async def turn(context: Context) -> Response:
    """A button `leave:ask`, `leave:yes` or `leave:no`."""
    step = context.update.choice.partition(":")[2]
    if context.servant is None:
        return Response((Message("leave.nothing"),))
    if step == "yes":
        await servants.leave(context.tx, context.servant.id)
        return Response((Message("leave.done", replaces=True),))
    if step == "no":
        return Response((Message("leave.stayed", replaces=True),))
    return await ask(context)
