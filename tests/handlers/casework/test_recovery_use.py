"""The use of the recovery key: announced first, seen by all, good for one purpose on one day and in one tab."""

from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.casework import custody, readiness, recovery, trust
from handlers.casework.joining import KeysRefused
from handlers.casework.recovery import Announced, Recovery
from storage.confidential import custody as stored
from storage.confidential import officers, unit_keys
from storage.confidential.ledger import Verb
from storage.confidential.protocol import keys
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.errors import Malformed, ProtocolError
from storage.confidential.protocol.signatures import export_key, import_key
from tests.fakes import custodians
from tests.fakes.letterbox import AUDIT_KEY
from tests.fakes.unit import Keyholder
from tests.handlers.casework.custody_steps import (
    propose,
    rehearse,
    said,
    verbs,
    why_closed,
    with_recovery_key,
)
from tests.handlers.casework.office import UNIT_KEY, Office

pytestmark = pytest.mark.attack


async def test_a_use_closes_the_letterbox_until_a_new_recovery_key_was_rehearsed(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    signed, three = office.unit.custody(respaldo), office.unit.custodians
    await rehearse(office, signed, *three)
    used = custodians.use(signed, three[:2], "unit", office.today)
    async with office.work() as work:
        for _ in range(2):
            await recovery.use(Recovery(work, AUDIT_KEY), used)
    assert await why_closed(office) == "custody"
    assert (await verbs(office)).count(Verb.USE_RECOVERY) == 1
    async with office.row(carmen) as context:
        assert (await custody.view(context))["uses"] == [used]
    new = Keyholder("Respaldo 2", "recovery")
    await propose(office, carmen, new, office.unit.custody(new))
    await office.sign_next(carmen, [new], [respaldo])
    assert await rehearse(office, office.unit.custody(new), *three)
    assert await why_closed(office) == ""


async def test_the_recovery_key_can_be_used_before_the_rehearsal(office: Office) -> None:
    _, respaldo = await with_recovery_key(office)
    used = custodians.use(office.unit.custody(respaldo), office.unit.custodians[1:], "cases", office.today)
    async with office.work() as work:
        await recovery.use(Recovery(work, AUDIT_KEY), used)
        assert (await recovery.readable_cases(work, said(used), ""))["cases"] == []


async def test_two_custodians_give_the_units_key_to_an_officer(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    dora = await office.join("Dora")
    await office.vouch(carmen, dora)
    await office.sign_next(carmen, [dora])
    signed, pair = office.unit.custody(respaldo), office.unit.custodians[:2]
    used = custodians.use(signed, pair, "unit", office.today)
    kept = custodians.open_with(signed, pair)
    sealed = keys.seal_unit_key(import_key(kept["unit_key"]), dora.id, dora.join(office.unit.point)["reading"])
    async with office.work() as work:
        acting = Recovery(work, AUDIT_KEY)
        with pytest.raises(KeysRefused):
            await recovery.give_unit_key(acting, said(used), dora.id, sealed)
        await recovery.use(acting, used)
        await unit_keys.share(work.tx, dora.id, UNIT_KEY)  # one that opens nothing: it is replaced
        for stranger in (respaldo.id, "unknown"):
            with pytest.raises(KeysRefused):
                await recovery.give_unit_key(acting, said(used), stranger, sealed)
        await recovery.give_unit_key(acting, said(used), dora.id, sealed)
    async with office.row(dora) as context:
        assert context.officer.signs_keys
        known = await officers.credentials(context.tx, context.officer.email)
    assert known is not None
    assert known.unit_key is not None
    opened = keys.open_unit_key(known.unit_key, dora.id, office.unit.point, dora.reading)
    assert export_key(opened) == export_key(office.unit.signing)
    with pytest.raises(ProtocolError):
        keys.open_unit_key(known.unit_key, dora.id, office.unit.point, carmen.reading)


async def test_who_sees_a_use_does_nothing_with_it(office: Office) -> None:
    """Every page shows it, with its signature; only the tab that made it has the secret."""
    _, respaldo = await with_recovery_key(office)
    signed, pair = office.unit.custody(respaldo), office.unit.custodians[:2]
    used = custodians.use(signed, pair, "cases", office.today)
    async with office.work() as work:
        await recovery.use(Recovery(work, AUDIT_KEY), used)
        other = custodians.use(signed, pair, "cases", office.today)
        with pytest.raises(KeysRefused):
            await recovery.readable_cases(work, Announced(used, custodians.secret_of(other)), "")
        for malformed in ("", "x", encode(bytes(16))):
            with pytest.raises(Malformed):
                await recovery.readable_cases(work, Announced(used, malformed), "")
        assert (await recovery.readable_cases(work, said(used), ""))["cases"] == []


async def test_a_use_authorises_its_own_purpose_on_its_own_day(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    signed, three = office.unit.custody(respaldo), office.unit.custodians
    used = custodians.use(signed, three[:2], "unit", office.today)
    async with office.work() as work:
        acting = Recovery(work, AUDIT_KEY)
        await recovery.use(acting, used)
        await recovery.give_unit_key(acting, said(used), carmen.id, UNIT_KEY)
        with pytest.raises(KeysRefused):
            await recovery.readable_cases(work, said(used), "")
    office.now += timedelta(days=2)
    stale = custodians.use(signed, three[:2], "cases", office.today - timedelta(days=2))
    async with office.work() as work:
        acting = Recovery(work, AUDIT_KEY)
        with pytest.raises(KeysRefused):
            await recovery.use(acting, stale)
        with pytest.raises(KeysRefused):
            await recovery.give_unit_key(acting, said(used), carmen.id, UNIT_KEY)


async def test_readiness_believes_no_statement_of_a_former_key(office: Office) -> None:
    carmen, respaldo = await with_recovery_key(office)
    old = office.unit.custody(respaldo)
    await rehearse(office, old, *office.unit.custodians)
    said = custodians.rehearsal(old, office.unit.custodians, office.today)
    new = Keyholder("Respaldo 2", "recovery")
    await propose(office, carmen, new, office.unit.custody(new))
    await office.sign_next(carmen, [new], [respaldo])
    async with office.work() as work:
        chain = (await trust.verified(work.tx, office.installation.unit)).chain
        row = readiness.in_force(await stored.all_custodies(work.tx), chain)
    assert row is not None
    assert row.recovery == new.id
    assert readiness.rehearsed(replace(row, rehearsals=[said]), chain) == frozenset()
