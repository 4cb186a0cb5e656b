"""Joining: code or institution, privacy notice, consent, hour, and the first scenario at once.

Until the notice is accepted nothing is recorded: each button carries the steps before it.
"""

from collections.abc import Sequence
from dataclasses import replace

from content.text import fold
from handlers.context import Turn, Visit
from handlers.learning import daily
from handlers.message import Button, Message
from storage.people import servants
from storage.people.servants import Institution

HOURS = ((8, 9, 10), (11, 12, 13), (14, 15, 16), (17,))  # as many as a WhatsApp list has rows
OFFERED = frozenset(str(hour) for row in HOURS for hour in row)  # as buttons carry them
SHOWN = 8  # institutions a page of the list


async def start(visit: Visit) -> Turn:
    """`/start`, with or without a code."""
    code = visit.update.text.strip()
    if visit.servant is not None:
        return await _known(visit, code)
    if not code:
        return await _list(visit, 0)
    chosen = await servants.institution_by_code(visit.tx, code)
    if chosen is None:
        return Turn((Message("enroll.unknown_code"), *(await _list(visit, 0)).messages))
    return Turn((_notice(visit, chosen),))


async def typed(visit: Visit) -> Turn:
    """A stranger typed something: a code, or part of an institution's name."""
    wanted = visit.update.text.strip()
    code = wanted.split()[-1] if wanted.split() else ""  # "ALTA CODE" as in the WhatsApp link
    chosen = await servants.institution_by_code(visit.tx, code)
    if chosen is not None:
        return Turn((_notice(visit, chosen),))
    found = [one for one in await servants.all_institutions(visit.tx) if _matches(one.name, wanted)]
    if found:
        return Turn((_choices(visit, found[:SHOWN], "enroll.found", more=None),))
    return Turn((Message("enroll.not_found"), *(await _list(visit, 0)).messages))


async def turn(visit: Visit) -> Turn:
    """A button of the way in: list, institution, language, accept, refuse, hour, renew."""
    step, _, carried = visit.update.choice.partition(":")[2].partition(":")
    rest = carried.split(":") if carried else []
    if step == "renew":
        return await _renewed(visit, rest)
    if step == "move" and visit.servant is not None:
        return await _moved(visit, rest)
    if visit.servant is not None:
        return Turn((Message("enroll.already", replaces=True),))
    if step == "list" and len(rest) == 2 and rest[1].isdecimal():
        return _replacing(await _list(_speaking(visit, rest[0]), int(rest[1][:4])), rest[0])
    if step == "no":
        return _replacing(Turn((Message("enroll.refused"),)), rest[0] if rest else "")
    chosen = await servants.institution_by_code(visit.tx, rest[-1]) if len(rest) >= 2 else None
    if chosen is None or rest[0] not in ("es", "en"):
        return _replacing(await _list(visit, 0), "")
    spoken = _speaking(visit, rest[0])
    if step == "notice":
        return _replacing(Turn((_notice(spoken, chosen),)), rest[0])
    current = visit.library.phrases.template("es", "notice.version")
    if len(rest) < 3 or rest[1] != current:  # an old button: that notice is no longer in force
        return _replacing(Turn((_notice(spoken, chosen),)), rest[0])
    if step == "yes":
        return _replacing(Turn((_hours(spoken, chosen),)), rest[0])
    if step == "hour" and len(rest) == 4 and rest[2] in OFFERED:
        return await _join(spoken, chosen, int(rest[2]))
    return _replacing(await _list(spoken, 0), rest[0])


async def _join(visit: Visit, chosen: Institution, hour: int) -> Turn:
    update = visit.update
    servant = await servants.enrol(
        visit.tx,
        update.channel,
        update.address,
        institution_id=chosen.id,
        language=visit.language,
        hour=hour,
        notice_version=visit.library.phrases.template("es", "notice.version"),
        now=visit.now,
        today=visit.today,
        alias=update.alias,
        heard_at=visit.heard_at,
    )
    first = await daily.first(replace(visit, servant=servant))
    welcome = Message("enroll.welcome", {"institution": chosen.name, "hour": f"{hour}:00"}, replaces=True)
    return Turn((welcome, *first), language=visit.language)


# ---------------------------------------------------------------- a newer notice, another institution


def must_renew(visit: Visit) -> bool:
    """The servant accepted an older privacy notice than the one in force."""
    servant = visit.servant
    return servant is not None and servant.notice_version != visit.library.phrases.template("es", "notice.version")


async def renew(visit: Visit) -> Turn:
    return Turn((daily.renewal(visit.library),))


async def _renewed(visit: Visit, rest: Sequence[str]) -> Turn:
    current = visit.library.phrases.template("es", "notice.version")
    if visit.servant is None or not rest or rest[0] != current:
        return await renew(visit) if visit.servant else await _list(visit, 0)
    await servants.accept_notice(visit.tx, visit.servant.id, current, visit.now)
    return Turn((Message("enroll.renewed", replaces=True),))


async def _known(visit: Visit, code: str) -> Turn:
    assert visit.servant is not None
    here = await servants.institution(visit.tx, visit.servant.institution_id)
    there = await servants.institution_by_code(visit.tx, code) if code else None
    if here is not None and there is not None and there.id != here.id:
        move = Button("button.move", f"enroll:move:{there.code}")
        return Turn((Message("enroll.other", {"here": here.name, "there": there.name}, ((move,),)),))
    return Turn((Message("enroll.back", {"institution": here.name if here else ""}, MENU),))


async def _moved(visit: Visit, rest: Sequence[str]) -> Turn:
    chosen = await servants.institution_by_code(visit.tx, rest[0]) if rest else None
    if chosen is None or visit.servant is None:
        return Turn((Message("enroll.not_found", replaces=True),))
    await servants.move(visit.tx, visit.servant.id, chosen.id)
    return Turn((Message("enroll.moved", {"institution": chosen.name}, replaces=True),))


# ---------------------------------------------------------------- what is shown

MENU = ((Button("button.today", "profile:today"), Button("button.assess", "assess:start")),)


async def _list(visit: Visit, page: int) -> Turn:
    everyone = await servants.all_institutions(visit.tx)
    if not everyone:
        return Turn((Message("enroll.nobody"),))
    page = min(page, (len(everyone) - 1) // SHOWN)
    shown = everyone[page * SHOWN : (page + 1) * SHOWN]
    more = page + 1 if (page + 1) * SHOWN < len(everyone) else (0 if page else None)
    return Turn((_choices(visit, shown, "enroll.choose", more),))


def _choices(visit: Visit, shown: Sequence[Institution], key: str, more: int | None) -> Message:
    names = "\n".join(f"{place}. {one.name}" for place, one in enumerate(shown, 1))
    rows = [
        (
            Button(
                "button.institution",
                f"enroll:notice:{visit.language}:{one.code}",
                {"number": place, "name": one.name},
                hint=one.name,
            ),
        )
        for place, one in enumerate(shown, 1)
    ]
    if more is not None:
        rows.append((Button("button.more", f"enroll:list:{visit.language}:{more}"),))
    other = "en" if visit.language == "es" else "es"
    rows.append((Button(f"button.{other}", f"enroll:list:{other}:0"),))
    return Message(key, {"names": names}, tuple(rows))


def _notice(visit: Visit, chosen: Institution) -> Message:
    version = visit.library.phrases.template("es", "notice.version")
    language = visit.language
    other = "en" if language == "es" else "es"
    rows = (
        (Button("button.accept", f"enroll:yes:{language}:{version}:{chosen.code}"),),
        (
            Button("button.refuse", f"enroll:no:{language}"),
            Button(f"button.{other}", f"enroll:notice:{other}:{chosen.code}"),
        ),
    )
    url = f"{visit.house.public_url}/privacidad"
    return Message("enroll.notice", {"institution": chosen.name, "url": url}, rows)


def _hours(visit: Visit, chosen: Institution) -> Message:
    version = visit.library.phrases.template("es", "notice.version")
    rows = tuple(
        tuple(
            Button("button.hour", f"enroll:hour:{visit.language}:{version}:{hour}:{chosen.code}", {"hour": hour})
            for hour in row
        )
        for row in HOURS
    )
    return Message("enroll.hour", {}, rows)


def _matches(name: str, wanted: str) -> bool:
    asked = fold(wanted)
    return len(asked) >= 3 and asked in fold(name)


def _speaking(visit: Visit, language: str) -> Visit:
    return replace(visit, language=language) if language in ("es", "en") else visit


def _replacing(given: Turn, language: str) -> Turn:
    first, *rest = given.messages
    spoken = language if language in ("es", "en") else ""
    return Turn((replace(first, replaces=True), *rest), language=spoken)
