"""Joining: code or institution, privacy notice, consent, hour, and the first scenario at once.

Until the notice is accepted nothing is recorded: each button carries the steps before it.
"""

from collections.abc import Sequence
from dataclasses import replace

from content.text import fold
from handlers.context import Context, Response
from handlers.learning import daily
from handlers.message import Button, Message
from storage.people import servants
from storage.people.servants import Institution

HOURS = ((8, 9, 10), (11, 12, 13), (14, 15, 16), (17,))  # as many as a WhatsApp list has rows
OFFERED = frozenset(str(hour) for row in HOURS for hour in row)  # as buttons carry them
SHOWN = 8  # institutions a page of the list


async def start(context: Context) -> Response:
    """`/start`, with or without a code."""
    code = context.update.text.strip()
    if context.servant is not None:
        return await _known(context, code)
    if not code:
        return await _list(context, 0)
    chosen = await servants.institution_by_code(context.tx, code)
    if chosen is None:
        return Response((Message("enroll.unknown_code"), *(await _list(context, 0)).messages))
    return Response((_notice(context, chosen),))


async def typed(context: Context) -> Response:
    """A stranger typed something: a code, or part of an institution's name."""
    wanted = context.update.text.strip()
    code = wanted.split()[-1] if wanted.split() else ""  # "ALTA CODE" as in the WhatsApp link
    chosen = await servants.institution_by_code(context.tx, code)
    if chosen is not None:
        return Response((_notice(context, chosen),))
    found = [one for one in await servants.all_institutions(context.tx) if _matches(one.name, wanted)]
    if found:
        return Response((_choices(context, found[:SHOWN], "enroll.found", more=None),))
    return Response((Message("enroll.not_found"), *(await _list(context, 0)).messages))


async def turn(context: Context) -> Response:
    """A button of the way in: list, institution, language, accept, refuse, hour, renew."""
    step, _, carried = context.update.choice.partition(":")[2].partition(":")
    rest = carried.split(":") if carried else []
    if step == "renew":
        return await _renewed(context, rest)
    if step == "move" and context.servant is not None:
        return await _moved(context, rest)
    if context.servant is not None:
        return Response((Message("enroll.already", replaces=True),))
    if step == "list" and len(rest) == 2 and rest[1].isdecimal():
        return _replacing(await _list(_speaking(context, rest[0]), int(rest[1][:4])), rest[0])
    if step == "no":
        return _replacing(Response((Message("enroll.refused"),)), rest[0] if rest else "")
    chosen = await servants.institution_by_code(context.tx, rest[-1]) if len(rest) >= 2 else None
    if chosen is None or rest[0] not in ("es", "en"):
        return _replacing(await _list(context, 0), "")
    spoken = _speaking(context, rest[0])
    if step == "notice":
        return _replacing(Response((_notice(spoken, chosen),)), rest[0])
    current = context.library.phrases.template("es", "notice.version")
    if len(rest) < 3 or rest[1] != current:  # an old button: that notice is no longer in force
        return _replacing(Response((_notice(spoken, chosen),)), rest[0])
    if step == "yes":
        return _replacing(Response((_hours(spoken, chosen),)), rest[0])
    if step == "hour" and len(rest) == 4 and rest[2] in OFFERED:
        return await _join(spoken, chosen, int(rest[2]))
    return _replacing(await _list(spoken, 0), rest[0])


async def _join(context: Context, chosen: Institution, hour: int) -> Response:
    update = context.update
    servant = await servants.enrol(
        context.tx,
        update.channel,
        update.address,
        institution_id=chosen.id,
        language=context.language,
        hour=hour,
        notice_version=context.library.phrases.template("es", "notice.version"),
        now=context.now,
        today=context.today,
        alias=update.alias,
        heard_at=context.heard_at,
    )
    first = await daily.first(replace(context, servant=servant))
    welcome = Message("enroll.welcome", {"institution": chosen.name, "hour": f"{hour}:00"}, replaces=True)
    return Response((welcome, *first), language=context.language)


# ---------------------------------------------------------------- a newer notice, another institution


def must_renew(context: Context) -> bool:
    """The servant accepted an older privacy notice than the one in force."""
    servant = context.servant
    return servant is not None and servant.notice_version != context.library.phrases.template("es", "notice.version")


async def renew(context: Context) -> Response:
    return Response((daily.renewal(context.library),))


async def _renewed(context: Context, rest: Sequence[str]) -> Response:
    current = context.library.phrases.template("es", "notice.version")
    if context.servant is None or not rest or rest[0] != current:
        return await renew(context) if context.servant else await _list(context, 0)
    await servants.accept_notice(context.tx, context.servant.id, current, context.now)
    return Response((Message("enroll.renewed", replaces=True),))


async def _known(context: Context, code: str) -> Response:
    assert context.servant is not None
    here = await servants.institution(context.tx, context.servant.institution_id)
    there = await servants.institution_by_code(context.tx, code) if code else None
    if here is not None and there is not None and there.id != here.id:
        move = Button("button.move", f"enroll:move:{there.code}")
        return Response((Message("enroll.other", {"here": here.name, "there": there.name}, ((move,),)),))
    return Response((Message("enroll.back", {"institution": here.name if here else ""}, MENU),))


async def _moved(context: Context, rest: Sequence[str]) -> Response:
    chosen = await servants.institution_by_code(context.tx, rest[0]) if rest else None
    if chosen is None or context.servant is None:
        return Response((Message("enroll.not_found", replaces=True),))
    await servants.change_institution(context.tx, context.servant.id, chosen.id)
    return Response((Message("enroll.moved", {"institution": chosen.name}, replaces=True),))


# ---------------------------------------------------------------- what is shown

MENU = ((Button("button.today", "profile:today"), Button("button.assess", "assess:start")),)


async def _list(context: Context, page: int) -> Response:
    everyone = await servants.all_institutions(context.tx)
    if not everyone:
        return Response((Message("enroll.nobody"),))
    page = min(page, (len(everyone) - 1) // SHOWN)
    shown = everyone[page * SHOWN : (page + 1) * SHOWN]
    more = page + 1 if (page + 1) * SHOWN < len(everyone) else (0 if page else None)
    return Response((_choices(context, shown, "enroll.choose", more),))


def _choices(context: Context, shown: Sequence[Institution], key: str, more: int | None) -> Message:
    names = "\n".join(f"{place}. {one.name}" for place, one in enumerate(shown, 1))
    rows = [
        (
            Button(
                "button.institution",
                f"enroll:notice:{context.language}:{one.code}",
                {"number": place, "name": one.name},
                hint=one.name,
            ),
        )
        for place, one in enumerate(shown, 1)
    ]
    if more is not None:
        rows.append((Button("button.more", f"enroll:list:{context.language}:{more}"),))
    other = "en" if context.language == "es" else "es"
    rows.append((Button(f"button.{other}", f"enroll:list:{other}:0"),))
    return Message(key, {"names": names}, tuple(rows))


def _notice(context: Context, chosen: Institution) -> Message:
    version = context.library.phrases.template("es", "notice.version")
    language = context.language
    other = "en" if language == "es" else "es"
    rows = (
        (Button("button.accept", f"enroll:yes:{language}:{version}:{chosen.code}"),),
        (
            Button("button.refuse", f"enroll:no:{language}"),
            Button(f"button.{other}", f"enroll:notice:{other}:{chosen.code}"),
        ),
    )
    url = f"{context.installation.public_url}/privacidad"
    return Message("enroll.notice", {"institution": chosen.name, "url": url}, rows)


def _hours(context: Context, chosen: Institution) -> Message:
    version = context.library.phrases.template("es", "notice.version")
    rows = tuple(
        tuple(
            Button("button.hour", f"enroll:hour:{context.language}:{version}:{hour}:{chosen.code}", {"hour": hour})
            for hour in row
        )
        for row in HOURS
    )
    return Message("enroll.hour", {}, rows)


def _matches(name: str, wanted: str) -> bool:
    asked = fold(wanted)
    return len(asked) >= 3 and asked in fold(name)


def _speaking(context: Context, language: str) -> Context:
    return replace(context, language=language) if language in ("es", "en") else context


def _replacing(given: Response, language: str) -> Response:
    first, *rest = given.messages
    spoken = language if language in ("es", "en") else ""
    return Response((replace(first, replaces=True), *rest), language=spoken)
