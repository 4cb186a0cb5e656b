"""What the first officer and her custodians do, one step after the other, at the handlers."""

from typing import Any

from sqlalchemy import select

from handlers.casework import custody, recovery, trust
from handlers.casework.recovery import Announced, Recovery
from storage import schema
from storage.confidential.protocol import lists
from storage.confidential.protocol.custody import SignedCustody, SignedUse
from tests.fakes import custodians
from tests.fakes.custodians import CustodianKeys
from tests.fakes.letterbox import AUDIT_KEY
from tests.fakes.unit import Keyholder
from tests.handlers.casework.office import UNIT_KEY, Office


async def found_alone(office: Office) -> Keyholder:
    """Carmen signs the first list, which names her alone; the unit is adopted."""
    token, carmen = await office.invite("Carmen", "admin")
    office.unit.readers = [carmen]
    await office.accept_invite(token, carmen, office.keys(carmen, UNIT_KEY), office.unit.first_list(office.today))
    office.installation.unit.adopt(office.unit.point, lists.pin_of(office.unit.newest["list"]))
    return carmen


async def invite_three(office: Office, carmen: Keyholder) -> list[CustodianKeys]:
    """Three people use the links that Carmen sends them."""
    for name in ("Notaría 7", "Órgano interno", "Archivo"):
        async with office.row(carmen) as context:
            custodian_id, token = await custody.invite(context, name)
        one = CustodianKeys(name, custodian_id)
        async with office.work() as work:
            await custody.register(work, token, one.statement(office.unit.point), one.box(office.unit.point))
        office.unit.custodians = [known for known in office.unit.custodians if known.name != name]
        office.unit.custodians.append(one)
    office.unit.custodians = office.unit.custodians[-3:]
    return office.unit.custodians


async def propose(office: Office, carmen: Keyholder, one: Keyholder, signed: SignedCustody) -> None:
    joined: Any = office.unit.joining(one)
    async with office.row(carmen) as context:
        await custody.propose(context, joined["join"], joined["proofs"][0], signed)


async def with_recovery_key(office: Office) -> tuple[Keyholder, Keyholder]:
    """Carmen, and a recovery key in the newest list; no custodian has rehearsed."""
    carmen, respaldo = await found_alone(office), Keyholder("Respaldo", "recovery")
    await invite_three(office, carmen)
    await propose(office, carmen, respaldo, office.unit.custody(respaldo))
    await office.sign_next(carmen, [respaldo])
    return carmen, respaldo


async def rehearse(office: Office, signed: SignedCustody, *present: CustodianKeys, **changes: Any) -> bool:
    async with office.work() as work:
        said = custodians.rehearsal(signed, present, office.today, **changes)
        return await recovery.rehearse(Recovery(work, AUDIT_KEY), said)


async def why_closed(office: Office) -> str:
    """The reason why no query is taken; empty where one is."""
    async with office.work() as work:
        try:
            await trust.in_force(work.tx, office.installation.unit, office.today)
        except trust.Closed as closed:
            return closed.reason
    return ""


def said(used: SignedUse) -> Announced:
    """What the tab that made a use posts with all that follows."""
    return Announced(used, custodians.secret_of(used))


async def verbs(office: Office) -> list[str]:
    async with office.work() as work:
        return list(await work.tx.scalars(select(schema.ledger.c.verb).order_by(schema.ledger.c.seq)))
