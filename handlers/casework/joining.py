"""Who reads queries: accept invites, let officers vouch for a new reader, put the unit's next signed list in force."""

from collections.abc import Sequence
from typing import Any

from handlers.casework import readiness, trust
from handlers.casework.office import OfficerContext
from storage.confidential import custody, key_lists, officers
from storage.confidential.ledger import Verb
from storage.confidential.officers import Joining, Officer, OfficerState, ReaderKeys
from storage.confidential.protocol import custody as custody_protocol
from storage.confidential.protocol import lists, readers, signatures
from storage.confidential.protocol.errors import ProtocolError
from storage.confidential.protocol.lists import Chain, SignedList
from storage.confidential.protocol.readers import Join, Proof, Reader
from storage.confidential.unit_trust import BrokenTrustFile, UnitTrust, Verified

FIRST_READERS = (["officer"], ["officer", "recovery"])  # a recovery key without custodians opens no letterbox


class KeysRefused(Exception):
    """The keys or the signed list do not fit what is stored; nothing was changed."""


async def known_lists(context: OfficerContext) -> Verified | None:
    """The chain as officers walk it: of the adopted unit, or before the adoption of the unit that signed list 1.

    None where there is none, or where it is not to be trusted.
    """
    try:
        return await trust.verified(context.tx, context.unit)
    except trust.Closed as closed:
        return await trust.waiting(context.tx) if closed.reason == "adoption" else None


# ---------------------------------------------------------------- sign-up


async def makes_the_unit(context: OfficerContext) -> bool:
    """Whether the next reader who signs up is the first: where a unit was adopted, lost rows make no other."""
    return await key_lists.newest(context.tx) is None and not is_adopted(context.unit)


def is_adopted(unit: UnitTrust) -> bool:
    """Whether this installation has adopted a unit, be its file damaged meanwhile."""
    try:
        return bool(unit.unit())
    except BrokenTrustFile:
        return True


async def accept_invite(
    context: OfficerContext,
    token: str,
    credentials: tuple[str, str],
    keys: ReaderKeys | None,
    first_list: Any = None,
) -> OfficerState:
    """Redeem an invite and register salt, hash of the auth key and a reader's keys; return the officer's state.

    The first reader brings the first signed list and is active; later readers are pending until the unit signs a list
    that names them. Raises KeysRefused, InviteRefused.
    """
    if (keys is not None) != (context.officer.role in officers.READER_ROLES):
        raise KeysRefused
    state = OfficerState.ACTIVE
    if keys is not None:
        state = await _join(context, keys, first_list)
    elif first_list is not None:
        raise KeysRefused
    await officers.sign_up(context.tx, token, *credentials, state, context.now, keys)
    await context.append_to_ledger(Verb.SIGN_UP)
    if first_list is not None:
        await context.append_to_ledger(Verb.SIGN_KEYS)
    return state


async def _join(context: OfficerContext, keys: ReaderKeys, first_list: Any) -> OfficerState:
    """Check a reader's join statement; the first reader's list is stored. Raises KeysRefused."""
    join = keys.joining["join"]
    try:
        readers.JOIN(join, "join")
        _check_own(context.officer, keys.joining)
        if await makes_the_unit(context):
            await _add_first_list(context, keys, lists.parse_list(first_list))
            return OfficerState.ACTIVE
    except ProtocolError as fault:
        raise KeysRefused from fault
    known = await known_lists(context)
    if first_list is not None or keys.unit_key is not None or known is None:
        raise KeysRefused
    if join["unit"] != known.chain.newest["unit"] or await trust.succeeding(context.tx, context.unit):
        raise KeysRefused
    return OfficerState.PENDING


def _check_own(officer: Officer, joining: Joining) -> None:
    """The statement is the officer's own, signed with the key that it names. Raises KeysRefused, Altered."""
    join, proofs = joining["join"], joining["proofs"]
    if (join["id"], join["name"], join["role"]) != (officer.id, officer.name, "officer"):
        raise KeysRefused
    if [proof["id"] for proof in proofs] != [officer.id]:
        raise KeysRefused
    _check_proof(proofs[0], join, join["signing"])


def _check_proof(proof: Proof, join: Join, signing: str) -> None:
    """Raises Altered."""
    signatures.verify(signing, proof["signature"], "join", join, "proof.signature")


async def _add_first_list(context: OfficerContext, keys: ReaderKeys, signed: SignedList) -> None:
    """The first list names its reader alone, in a trial with a recovery key. Raises KeysRefused, ProtocolError."""
    chain = lists.check_first(signed, lists.unit_pin(signed["list"]["unit"]))
    check_days(context, chain)
    entries = chain.by_id
    roles = sorted(reader["join"]["role"] for reader in entries.values())
    if keys.unit_key is None or roles not in FIRST_READERS:
        raise KeysRefused
    own = entries.get(context.officer.id)
    if own is None or own["join"] != keys.joining["join"] or not await key_lists.add(context.tx, signed):
        raise KeysRefused


# ---------------------------------------------------------------- vouching


async def vouch(context: OfficerContext, officer_id: str, posted: Any) -> None:
    """Add an active officer's proof to the join statement of one who waits. Raises KeysRefused."""
    candidate = await officers.by_id(context.tx, officer_id)
    known = await known_lists(context)
    if candidate is None or candidate.joining is None or candidate.state is not OfficerState.PENDING or known is None:
        raise KeysRefused
    me, joining = context.officer.id, candidate.joining
    if not (known.chain.is_officer(me) and known.chain.is_active(me)):
        raise KeysRefused
    try:
        readers.PROOF(posted, "proof")
        _check_proof(posted, joining["join"], known.chain.by_id[me]["join"]["signing"])
    except ProtocolError as fault:
        raise KeysRefused from fault
    if posted["id"] != me:
        raise KeysRefused
    others = [proof for proof in joining["proofs"] if proof["id"] != me]
    proofs = sorted([*others, posted], key=lambda proof: proof["id"])
    await officers.replace_joining(context.tx, officer_id, {"join": joining["join"], "proofs": proofs})
    await context.append_to_ledger(Verb.VOUCH)


async def waiting_officers(context: OfficerContext) -> list[Officer]:
    """Readers who have signed up and whom no list names yet."""
    everybody = await officers.all_officers(context.tx)
    return [one for one in everybody if one.state is OfficerState.PENDING and one.role in officers.READER_ROLES]


# ---------------------------------------------------------------- lists


async def sign_list(context: OfficerContext, posted: Any) -> Chain:
    """Put the unit's next list in force: new readers become active, ended ones have left and are signed out.

    New readers have exactly the join statements that they registered; a new recovery key comes with its custodians, who
    stay the same until the next one. Another key of the unit has a request of its own (succession.py). Raises
    KeysRefused.
    """
    known = await known_lists(context)
    if known is None or not context.officer.signs_keys:
        raise KeysRefused
    before = known.chain
    try:
        signed = lists.parse_list(posted)
        after = lists.check_next(before, signed)
        check_days(context, after)
    except ProtocolError as fault:
        raise KeysRefused from fault
    if after.newest["unit"] != before.newest["unit"]:
        raise KeysRefused
    added = [reader for one, reader in after.by_id.items() if one not in before.by_id]
    await _check_registered(context, added)
    await _check_custodians(context, before, after)
    if not await key_lists.add(context.tx, signed):
        raise KeysRefused
    await officers.activate(context.tx, [reader["join"]["id"] for reader in added])
    await officers.leave(context.tx, [one for one in after.by_id if before.is_active(one) and not after.is_active(one)])
    await context.append_to_ledger(Verb.SIGN_KEYS)
    return after


def check_days(context: OfficerContext, chain: Chain) -> None:
    """A new list is of today, give or take a day. Raises KeysRefused, Expired, WrongClock."""
    lists.check_in_force(chain.newest, context.today)
    if chain.newest["day"] < (context.today - lists.TOLERANCE).isoformat():
        raise KeysRefused


async def _check_custodians(context: OfficerContext, before: Chain, after: Chain) -> None:
    """Raises KeysRefused unless the custodians are those of the recovery key; in a trial there are none."""
    if context.unit.adopts_itself:
        return
    reader = custody_protocol.recovery_reader(after)
    if reader is None or reader["join"]["id"] in before.by_id:
        if after.newest["custodians"] != before.newest["custodians"]:
            raise KeysRefused
        return
    await custody.locked(context.tx, reader["join"]["id"])  # no other proposal discards it meanwhile
    stored = readiness.in_force(await custody.all_custodies(context.tx), after)
    if stored is None or stored.join != reader["join"]:
        raise KeysRefused


async def _check_registered(context: OfficerContext, added: Sequence[Reader]) -> None:
    """Raises KeysRefused unless each new officer waits with exactly this join statement."""
    waiting = {one.id: one.joining["join"] for one in await waiting_officers(context) if one.joining}
    for reader in added:
        join = reader["join"]
        if join["role"] == "officer" and waiting.get(join["id"]) != join:
            raise KeysRefused
