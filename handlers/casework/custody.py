"""Custodians of the recovery key, and the officers who hold the unit's key: inviting, registering, making, sharing."""

from dataclasses import replace
from typing import Any, Final

from handlers.casework import joining, readiness, trust
from handlers.casework.joining import KeysRefused
from handlers.casework.office import OfficerContext
from handlers.context import WorkContext
from storage.confidential import custody, officers, unit_keys
from storage.confidential.custody import StoredCustodian
from storage.confidential.ledger import Verb
from storage.confidential.officers import InviteRefused, OfficerState
from storage.confidential.protocol import custody as protocol
from storage.confidential.protocol import fields, keys, readers, signatures
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.lists import Chain

MOST_CUSTODIANS: Final = 20
"""Invited or registered at once, those of former custodies included."""


async def view(context: OfficerContext) -> dict[str, Any]:
    """What the page of custodians shows, as JSON values, which the browser verifies."""
    known = await joining.known_lists(context)
    rows = await custody.all_custodies(context.tx)
    chain = known.chain if known else None
    stored = readiness.in_force(rows, chain) if chain else None
    proposal = next((row for row in rows if chain and row.recovery not in chain.by_id), None)
    return {
        "custodians": [_shown(one) for one in await custody.all_custodians(context.tx)],
        "proposal": {**proposal.joining, "custody": proposal.signed} if proposal else None,
        "custody": stored.signed if stored else None,
        "rehearsals": [*stored.rehearsals] if stored else [],
        "uses": [*stored.uses] if stored else [],
        "holders": [one.id for one in await officers.all_officers(context.tx) if one.signs_keys],
    }


def _shown(one: StoredCustodian) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "custodian": one.statement}


async def is_missing(context: OfficerContext) -> bool:
    """Whether the letterbox is closed because the custodians have not rehearsed, or have used the keys."""
    known = await joining.known_lists(context)
    if known is None or context.unit.adopts_itself:
        return False
    return not readiness.is_ready(await custody.everything(context.tx), known.chain)


# ---------------------------------------------------------------- custodians


async def invite(context: OfficerContext, name: str) -> tuple[str, str]:
    """Invite a custodian; return id and one-time token. Raises KeysRefused, Malformed (the name)."""
    fields.name(name, "name")
    if not context.officer.signs_keys or not context.unit.pin():
        raise KeysRefused
    if len(await custody.all_custodians(context.tx)) >= MOST_CUSTODIANS:
        raise KeysRefused
    await context.append_to_ledger(Verb.INVITE_CUSTODIAN)
    return await custody.invite(context.tx, name, context.now)


async def remove(context: OfficerContext, custodian_id: str) -> None:
    """Forget a custodian whom no recovery key in force needs. Raises KeysRefused."""
    if not context.officer.signs_keys or custodian_id in await _needed(context):
        raise KeysRefused
    await custody.remove(context.tx, custodian_id)


async def _needed(context: OfficerContext) -> set[str]:
    known = await joining.known_lists(context)
    stored = readiness.in_force(await custody.all_custodies(context.tx), known.chain) if known else None
    return {one["id"] for one in stored.signed["custody"]["custodians"]} if stored else set()


async def invited(work: WorkContext, token: str) -> StoredCustodian:
    """The custodian who was sent this token. Raises InviteRefused."""
    found = await custody.by_token(work.tx, token, work.now)
    if found is None:
        raise InviteRefused
    return found


async def register(work: WorkContext, token: str, statement: Any, box: Any) -> None:
    """Store the keys that a custodian has made, once. Raises InviteRefused, KeysRefused, trust.Closed, Malformed."""
    protocol.CUSTODIAN(statement, "custodian")
    fields.BOX(box, "box")
    found = await invited(work, token)
    chain = (await trust.verified(work.tx, work.installation.unit)).chain
    expected = found.id, found.name, chain.newest["unit"]
    if (statement["id"], statement["name"], statement["unit"]) != expected:
        raise KeysRefused
    if not await custody.register(work.tx, found.id, statement, box):
        raise InviteRefused


# ---------------------------------------------------------------- the recovery key


async def propose(context: OfficerContext, join: Any, proof: Any, posted: Any) -> None:
    """Store a new recovery key, sealed to three registered custodians, until a list names it; older proposals go.

    Raises KeysRefused, Malformed.
    """
    readers.JOIN(join, "join")
    readers.PROOF(proof, "proof")
    signed = protocol.parse_custody(posted)
    known = await joining.known_lists(context)
    if known is None or not context.officer.signs_keys:
        raise KeysRefused
    try:
        _check_proposal(known.chain, join, proof, signed)
    except ProtocolError as fault:
        raise KeysRefused from fault
    registered = [one.statement for one in await custody.all_custodians(context.tx)]
    if not all(one in registered for one in signed["custody"]["custodians"]):
        raise KeysRefused
    for row in await custody.all_custodies(context.tx):
        if row.recovery not in known.chain.by_id:
            await custody.discard(context.tx, row.recovery)
    if not await custody.add(context.tx, signed, {"join": join, "proofs": [proof]}):
        raise KeysRefused
    await context.append_to_ledger(Verb.CUSTODY)


def _check_proposal(chain: Chain, join: Any, proof: Any, signed: protocol.SignedCustody) -> None:
    """Raises KeysRefused, ProtocolError."""
    checked = protocol.check_custody(signed, chain.newest["unit"])
    signatures.verify(join["signing"], proof["signature"], "join", join, "proof.signature")
    if (join["unit"], join["role"], join["id"]) != (chain.newest["unit"], "recovery", checked["recovery"]):
        raise KeysRefused
    if proof["id"] != join["id"] or join["id"] in chain.by_id:
        raise KeysRefused


async def vouch(context: OfficerContext, recovery: str, proof: Any) -> None:
    """Add an active officer's proof to the join statement of a proposed recovery key. Raises KeysRefused, Malformed."""
    readers.PROOF(proof, "proof")
    known = await joining.known_lists(context)
    stored = await custody.locked(context.tx, recovery)
    me = context.officer.id
    if known is None or stored is None or recovery in known.chain.by_id or proof["id"] != me:
        raise KeysRefused
    if not (known.chain.is_officer(me) and known.chain.is_active(me)):
        raise KeysRefused
    try:
        signing = known.chain.by_id[me]["join"]["signing"]
        signatures.verify(signing, proof["signature"], "join", stored.join, "proof.signature")
    except ProtocolError as fault:
        raise KeysRefused from fault
    others = [one for one in stored.joining["proofs"] if one["id"] != me]
    proofs = sorted([*others, proof], key=lambda one: one["id"])
    await custody.replace(context.tx, replace(stored, joining={"join": stored.join, "proofs": proofs}))
    await context.append_to_ledger(Verb.VOUCH)


# ---------------------------------------------------------------- the unit's key


async def share_unit_key(context: OfficerContext, officer_id: str, unit_key: str) -> None:
    """Let another active officer hold the unit's key, too. Raises KeysRefused, Malformed."""
    if not context.officer.signs_keys:
        raise KeysRefused
    known = await joining.known_lists(context)
    if known is None:
        raise KeysRefused
    await give_unit_key(context, known.chain, officer_id, unit_key)
    await context.append_to_ledger(Verb.SHARE_UNIT_KEY)


async def give_unit_key(
    work: OfficerContext | WorkContext, chain: Chain, officer_id: str, unit_key: str, *, replaces: bool = False
) -> None:
    """Store the unit's key, sealed to an active officer; with `replaces` also in the place of one that may be damaged.

    Raises KeysRefused, Malformed.
    """
    keys.UNIT_KEY(unit_key, "unit_key")
    officer = await officers.by_id(work.tx, officer_id)
    if officer is None or officer.state is not OfficerState.ACTIVE:
        raise KeysRefused
    if not (chain.is_officer(officer_id) and chain.is_active(officer_id)):
        raise KeysRefused
    if not await unit_keys.share(work.tx, officer_id, unit_key, replaces=replaces):
        raise KeysRefused
