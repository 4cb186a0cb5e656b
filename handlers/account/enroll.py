"""Enrolment: code or institution, privacy notice, consent, hour, and the first prompt at once.

Until the notice is accepted nothing is stored: each button carries the choices of the steps before it.
"""

from collections.abc import Sequence
from dataclasses import replace

from content.text import fold
from handlers import help
from handlers.context import Context, Response
from handlers.learning import daily
from handlers.message import Button, Message
from storage.people import servants
from storage.people.servants import Institution

HOURS = ((8, 9, 10), (11, 12, 13), (14, 15, 16), (17,))  # ten: the most buttons that every channel shows
OFFERED_HOURS = frozenset(str(hour) for row in HOURS for hour in row)  # as button payloads carry them
PAGE_SIZE = 8  # institutions


async def start(context: Context) -> Response:
    """`/start`, with or without an institution code."""
    code = context.update.text.strip()
    if context.servant is not None:
        return await _already_enrolled(context, code)
    if not context.installation.has_enrolment:
        return _closed(context.language)
    if not code:
        return await _institution_list(context, 0)
    chosen = await servants.institution_by_code(context.tx, code)
    if chosen is None:
        return Response((Message("enroll.unknown_code"), *(await _institution_list(context, 0)).messages))
    return Response((_notice_message(context, chosen),))


async def handle_text(context: Context) -> Response:
    """A text of a user who is not enrolled: a code, or part of an institution's name."""
    if not context.installation.has_enrolment:
        return _closed(context.language)
    wanted = context.update.text.strip()
    code = wanted.split()[-1] if wanted.split() else ""  # "ALTA CODE", as an enrolment link types it
    chosen = await servants.institution_by_code(context.tx, code)
    if chosen is not None:
        return Response((_notice_message(context, chosen),))
    institutions = await servants.all_institutions(context.tx)
    found = [institution for institution in institutions if _matches(institution.name, wanted)]
    if found:
        return Response((_institution_message(context, found[:PAGE_SIZE], "enroll.found", next_page=None),))
    return Response((Message("enroll.not_found"), *(await _institution_list(context, 0)).messages))


async def handle(context: Context) -> Response:
    """A button `enroll:<step>[:<choices so far>]`: list, notice, yes, no, hour, renew, move."""
    step, _, payload = context.update.choice.partition(":")[2].partition(":")
    rest = payload.split(":") if payload else []
    if step == "renew":
        return await _accept_newer_notice(context, rest)
    if step == "move" and context.servant is not None:
        return await _change_institution(context, rest)
    if context.servant is not None:
        return Response((Message("enroll.already", replaces=True),))
    if not context.installation.has_enrolment:
        return _as_replacement(_closed(rest[0] if rest else ""), rest[0] if rest else "")
    if step == "list" and len(rest) == 2 and rest[1].isdecimal():
        return _as_replacement(await _institution_list(_in_language(context, rest[0]), int(rest[1][:4])), rest[0])
    if step == "no":
        return _as_replacement(Response((Message("enroll.refused"),)), rest[0] if rest else "")
    chosen = await servants.institution_by_code(context.tx, rest[-1]) if len(rest) >= 2 else None
    if chosen is None or rest[0] not in ("es", "en"):
        return _as_replacement(await _institution_list(context, 0), "")
    localized = _in_language(context, rest[0])
    if step == "notice":
        return _as_replacement(Response((_notice_message(localized, chosen),)), rest[0])
    current = context.library.phrases.template("es", "notice.version")
    if len(rest) < 3 or rest[1] != current:  # an old button: that notice is no longer in force
        return _as_replacement(Response((_notice_message(localized, chosen),)), rest[0])
    if step == "yes":
        return _as_replacement(Response((_hour_message(localized, chosen),)), rest[0])
    if step == "hour" and len(rest) == 4 and rest[2] in OFFERED_HOURS:
        return await _enrol(localized, chosen, int(rest[2]))
    return _as_replacement(await _institution_list(localized, 0), rest[0])


def is_enrolment(choice: str) -> bool:
    """Whether this button stores a servant, if its choices still hold."""
    return choice.startswith("enroll:hour:")


async def _enrol(context: Context, chosen: Institution, hour: int) -> Response:
    """Store the servant with the consent, and send the first prompt."""
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
    prompt = await daily.todays_prompt(replace(context, servant=servant))
    note = help.pending_validation(context)
    values = {"institution": chosen.name, "hour": f"{hour}:00", "validation": f"{note}\n" if note else ""}
    welcome = Message("enroll.welcome", values, replaces=True)
    return Response((welcome, *prompt), language=context.language)


# ---------------------------------------------------------------- a newer notice, another institution


def must_renew(context: Context) -> bool:
    """Whether the servant accepted another privacy notice than the one in force."""
    servant = context.servant
    return servant is not None and servant.notice_version != context.library.phrases.template("es", "notice.version")


async def renew(context: Context) -> Response:
    """Ask the servant to accept the newer privacy notice."""
    return Response((daily.renewal_message(context.library),))


async def _accept_newer_notice(context: Context, rest: Sequence[str]) -> Response:
    current = context.library.phrases.template("es", "notice.version")
    if context.servant is None or not rest or rest[0] != current:
        return await renew(context) if context.servant else await _institution_list(context, 0)
    await servants.accept_notice(context.tx, context.servant.id, current, context.now)
    return Response((Message("enroll.renewed", replaces=True),))


async def _already_enrolled(context: Context, code: str) -> Response:
    """Greet an enrolled servant; with the code of another institution, offer to move there."""
    assert context.servant is not None
    here = await servants.institution(context.tx, context.servant.institution_id)
    there = await servants.institution_by_code(context.tx, code) if code else None
    if here is not None and there is not None and there.id != here.id:
        move = Button("button.move", f"enroll:move:{there.code}")
        return Response((Message("enroll.other", {"here": here.name, "there": there.name}, ((move,),)),))
    return Response((Message("enroll.back", {"institution": here.name if here else ""}, MENU),))


async def _change_institution(context: Context, rest: Sequence[str]) -> Response:
    chosen = await servants.institution_by_code(context.tx, rest[0]) if rest else None
    if chosen is None or context.servant is None:
        return Response((Message("enroll.not_found", replaces=True),))
    await servants.change_institution(context.tx, context.servant.id, chosen.id, context.today)
    return Response((Message("enroll.moved", {"institution": chosen.name}, replaces=True),))


# ---------------------------------------------------------------- messages


def _closed(language: str) -> Response:
    """Say why enrolment is closed here, and what needs no enrolment."""
    other = "en" if language == "es" else "es"
    rows = ((Button("button.assess", "assess:start"),), (Button(f"button.{other}", f"enroll:list:{other}:0"),))
    return Response((Message("enroll.closed", {}, rows),))


MENU = ((Button("button.today", "profile:today"), Button("button.assess", "assess:start")),)


async def _institution_list(context: Context, page: int) -> Response:
    institutions = await servants.all_institutions(context.tx)
    if not institutions:
        return Response((Message("enroll.no_institutions"),))
    page = min(page, (len(institutions) - 1) // PAGE_SIZE)
    shown = institutions[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    next_page = page + 1 if (page + 1) * PAGE_SIZE < len(institutions) else (0 if page else None)
    return Response((_institution_message(context, shown, "enroll.choose", next_page),))


def _institution_message(context: Context, shown: Sequence[Institution], key: str, next_page: int | None) -> Message:
    names = "\n".join(f"{number}. {institution.name}" for number, institution in enumerate(shown, 1))
    rows = [
        (
            Button(
                "button.institution",
                f"enroll:notice:{context.language}:{institution.code}",
                {"number": number, "name": institution.name},
                hint=institution.name,
            ),
        )
        for number, institution in enumerate(shown, 1)
    ]
    if next_page is not None:
        rows.append((Button("button.more", f"enroll:list:{context.language}:{next_page}"),))
    other = "en" if context.language == "es" else "es"
    rows.append((Button(f"button.{other}", f"enroll:list:{other}:0"),))
    return Message(key, {"names": names}, tuple(rows))


def _notice_message(context: Context, chosen: Institution) -> Message:
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
    return Message("enroll.notice", {"institution": chosen.name, **help.notice_values(context, chosen)}, rows)


def _hour_message(context: Context, chosen: Institution) -> Message:
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
    query = fold(wanted)
    return len(query) >= 3 and query in fold(name)


def _in_language(context: Context, language: str) -> Context:
    return replace(context, language=language) if language in ("es", "en") else context


def _as_replacement(response: Response, language: str) -> Response:
    """The response with its first message in place of the pressed one, in a language if it is a known one."""
    first, *rest = response.messages
    known = language if language in ("es", "en") else ""
    return Response((replace(first, replaces=True), *rest), language=known)
