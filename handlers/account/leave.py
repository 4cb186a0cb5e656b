"""A servant's data rights: a copy of all data stored about them, and leaving."""

from collections.abc import Sequence

from handlers.account import enroll
from handlers.context import Context, Response
from handlers.message import Button, Message, Value
from storage.learning import record
from storage.learning.record import Answer
from storage.people import addresses, servants

ANSWERS_PER_MESSAGE = 40


async def my_data(context: Context) -> Response:
    """`/misdatos`: a copy of all data stored about the servant (ARCO access; LGPDP 44 to 48)."""
    servant = context.servant
    if servant is None:
        return Response((Message("leave.nothing"),))
    institution = await servants.institution(context.tx, servant.institution_id)
    answers = await record.answers_of(context.tx, servant.id)
    values: dict[str, Value] = {
        "institution": institution.name if institution else "",
        "language": servant.language,
        "hour": f"{servant.hour}:00",
        "state": servant.state,
        "notice": servant.notice_version,
        "consented": servant.consented_at.astimezone(context.installation.timezone).strftime("%Y-%m-%d %H:%M"),
        "enrolled": servant.enrolled_on.isoformat(),
        "channel": ", ".join(await _channels(context, servant.id)),
        "answers": len(answers),
    }
    starts = range(0, len(answers), ANSWERS_PER_MESSAGE)
    pages = (_page(answers[start : start + ANSWERS_PER_MESSAGE]) for start in starts)
    return Response((Message("leave.my_data", values), *pages))


async def _channels(context: Context, servant_id: int) -> list[str]:
    """The name of each channel with the phone number, where one is stored as alias or address."""
    names = []
    for link in await addresses.of_servant(context.tx, servant_id):
        name = context.library.phrases.channel_name(context.language, link.channel)
        number = link.alias or (link.address if link.address.startswith("+") else "")
        names.append(f"{name} ({number})" if number else name)
    return names


def _page(answers: Sequence[Answer]) -> Message:
    return Message("leave.my_answers", {"lines": "\n".join(map(_line, answers))})


def _line(answer: Answer) -> str:
    mark = "✓" if answer.is_right else "✗"
    columns = [answer.day.isoformat(), answer.scenario_id, answer.option.upper(), mark]
    return " · ".join([*columns, answer.confidence] if answer.confidence else columns)


async def confirm(context: Context) -> Response:
    """`/baja`: explain what leaving deletes and what stays, and ask for confirmation; a pause is offered beside it."""
    if context.servant is None:
        return Response((Message("leave.nothing"),))
    rows: tuple[tuple[Button, ...], ...] = (
        (Button("button.leave_yes", "leave:yes"), Button("button.leave_no", "leave:no")),
    )
    if context.servant.state == "active" and not enroll.must_renew(context):
        rows += ((Button("button.pause", "profile:pause"),),)
    return Response((Message("leave.ask", {}, rows),))


async def handle(context: Context) -> Response:
    """A button `leave:ask`, `leave:yes` or `leave:no`."""
    step = context.update.choice.partition(":")[2]
    if context.servant is None:
        return Response((Message("leave.nothing"),))
    if step == "yes":
        await servants.leave(context.tx, context.servant.id)
        return Response((Message("leave.done", replaces=True),))
    if step == "no":
        return Response((Message("leave.stayed", replaces=True),))
    return await confirm(context)
