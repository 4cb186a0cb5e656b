"""The second factor of everybody who signs in: asked for, added, removed, and replaced where it was lost.

A first factor is part of signing up, or of the sign-in of an officer who has none, who is not let in before it has
proved itself. Only in a trial, whose officers are invented, may there be none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from handlers.casework.office import OfficerContext
from storage.confidential import factors, ledger, officers, totp
from storage.confidential.factors import Factor, Kind
from storage.confidential.ledger import Verb
from storage.confidential.protocol.errors import Altered

MOST = 5  # factors of one officer: each makes a guessed code a little more likely
CHANGES = (Verb.ADD_FACTOR, Verb.LOST_FACTOR, Verb.RESET_FACTOR)


class FactorRefused(Exception):
    """The proof, or the change, is not accepted, and nothing was changed.

    `reason`: wrong, used (a proof that was accepted before), last, many, gone.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class FactorWanted(Exception):
    """The words are right, and what else is to be shown is missing.

    With `kinds`: a proof of one of the factors. Without: a first factor is to be made; `reset_on` is the day on which
    the administrator removed the former ones.
    """

    def __init__(self, kinds: Sequence[Kind] = (), reset_on: date | None = None) -> None:
        super().__init__(*kinds)
        self.kinds, self.reset_on = kinds, reset_on


@dataclass(frozen=True, slots=True)
class Offer:
    """A secret for an app that no officer uses yet; it is stored nowhere before its first code has come back."""

    secret: bytes
    address: str  # for the picture that the app reads
    ticket: str  # the secret, sealed for this officer: comes back with the code


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A new factor with its first proof."""

    ticket: str
    code: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What came with right words."""

    session_factor: str = ""  # of a live session of the same officer in this browser
    code: str = ""  # of an app
    enrolment: Enrolment | None = None
    has_recovery_code: bool = False  # a right one


def offer(context: OfficerContext, key: bytes) -> Offer:
    """Make a secret for an app."""
    secret = totp.new_secret()
    address = totp.address(secret, context.officer.email)
    return Offer(secret, address, totp.seal(key, secret, context.officer.id))


async def at_sign_in(context: OfficerContext, key: bytes, shown: Shown) -> str:
    """The factor of the session to begin; empty only in a trial. Raises FactorWanted, FactorRefused.

    Words and recovery code together replace all factors by a new one.
    """
    if shown.session_factor and not shown.has_recovery_code:
        return shown.session_factor
    known = await factors.of_officer(context.tx, context.officer.id)
    if shown.enrolment and (shown.has_recovery_code or not known):
        verb = Verb.LOST_FACTOR if known else Verb.ADD_FACTOR
        return await replace_all(context, key, shown.enrolment, verb)
    if known and not shown.has_recovery_code:
        return await _check(context, key, known, shown.code)
    if context.unit.adopts_itself and not shown.has_recovery_code:
        return ""
    raise FactorWanted(reset_on=await reset_on(context))


async def _check(context: OfficerContext, key: bytes, known: Sequence[Factor], code: str) -> str:
    """Raises FactorWanted, FactorRefused."""
    if not code:
        raise FactorWanted(sorted({factor.kind for factor in known}))
    fitting = [(factor, step) for factor in known if (step := _step(context, key, factor.secret, code)) is not None]
    for factor, step in fitting:
        if await factors.use(context.tx, factor, step):
            return factor.kind.value
    raise FactorRefused("used" if fitting else "wrong")


def _step(context: OfficerContext, key: bytes, sealed: str, code: str) -> int | None:
    """The step of a code by this secret; None where it is of none, or the secret was sealed for another officer."""
    try:
        secret = totp.unseal(key, sealed, context.officer.id)
    except Altered:
        return None
    return totp.matching_step(secret, code, context.now)


# ---------------------------------------------------------------- changes


async def add(context: OfficerContext, key: bytes, enrolment: Enrolment) -> None:
    """Add another factor; one that is sent twice is there once, as each accepts a code. Raises FactorRefused."""
    known = await factors.of_officer(context.tx, context.officer.id)
    if any(one.secret == enrolment.ticket for one in known):
        return
    if len(known) >= MOST:
        raise FactorRefused("many")
    await _add(context, key, enrolment, Verb.ADD_FACTOR)


async def make_first(context: OfficerContext, key: bytes, enrolment: Enrolment | None, verb: Verb) -> None:
    """Make the only factor of an account that begins, or begins again; in a trial there may be none.

    Raises FactorWanted, FactorRefused.
    """
    if enrolment is not None:
        await replace_all(context, key, enrolment, verb)
    elif context.unit.adopts_itself:
        await _drop_all(context)
    else:
        raise FactorWanted


async def replace_all(context: OfficerContext, key: bytes, enrolment: Enrolment, verb: Verb) -> str:
    """Make this the only factor, and sign out all devices; return its kind. Raises FactorRefused."""
    await _drop_all(context)
    return await _add(context, key, enrolment, verb)


async def _drop_all(context: OfficerContext) -> None:
    await factors.remove_all(context.tx, [context.officer.id])
    await officers.sign_out(context.tx, [context.officer.id])


async def _add(context: OfficerContext, key: bytes, enrolment: Enrolment, verb: Verb) -> str:
    """Raises FactorRefused."""
    step = _step(context, key, enrolment.ticket, enrolment.code)
    if step is None:
        raise FactorRefused("wrong")
    await factors.add(context.tx, context.officer.id, Kind.TOTP, enrolment.ticket, step, context.today)
    await context.append_to_ledger(verb)
    return Kind.TOTP.value


async def remove(context: OfficerContext, factor_id: str) -> None:
    """Remove a factor, and sign out all devices: one of them may be the lost one. Raises FactorRefused."""
    known = await factors.of_officer(context.tx, context.officer.id)
    if len(known) < 2 and not context.unit.adopts_itself:
        raise FactorRefused("last")
    if not await factors.remove(context.tx, context.officer.id, factor_id):
        raise FactorRefused("gone")
    await officers.sign_out(context.tx, [context.officer.id])
    await context.append_to_ledger(Verb.REMOVE_FACTOR)


async def reset(context: OfficerContext) -> None:
    """Remove all factors, as the administrator wants; the officer reads so at the next sign-in, which makes another."""
    await _drop_all(context)
    await context.append_to_ledger(Verb.RESET_FACTOR)


async def reset_on(context: OfficerContext) -> date | None:
    """The day on which the administrator removed the factors, where none was made since."""
    newest = await ledger.newest_of(context.tx, context.officer.id, CHANGES)
    return newest.day if newest and newest.verb == Verb.RESET_FACTOR else None
