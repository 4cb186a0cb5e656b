"""The unit from its first invite on, whose officers accept invites, vouch and sign as their browsers do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from handlers.casework import joining
from handlers.casework.office import OfficerContext
from storage.confidential import officers
from storage.confidential.officers import OfficerState, ReaderKeys
from storage.confidential.protocol import lists
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.lists import SignedList
from tests.fakes.letterbox import AUDIT_KEY
from tests.fakes.unit import Keyholder
from tests.handlers.casework.desk import Desk

UNIT_KEY = encode(bytes(200))
BOX: Box = {"iv": encode(bytes(12)), "body": encode(bytes(40))}
CREDENTIALS = ("salt", "hash")


class Office(Desk):
    """The unit from its first invite on: its officers have rows, and their keys are those of their browsers."""

    async def invite(self, name: str, role: str = "officer") -> tuple[str, Keyholder]:
        """An invite's token, and who is to use it."""
        async with self.work() as work:
            token = await officers.invite(work.tx, f"{name.lower()}@ueipci.example", name, role, None, self.now)
            return token, Keyholder(name, id=(await officers.by_invite(work.tx, token, self.now)).id)

    @asynccontextmanager
    async def row(self, one: Keyholder) -> AsyncIterator[OfficerContext]:
        """What an officer does, as the database knows them."""
        async with self.work() as work:
            officer = await officers.by_id(work.tx, one.id)
            assert officer is not None
            yield OfficerContext(work.tx, officer, self.installation, AUDIT_KEY, self.now)

    def keys(self, one: Keyholder, unit_key: str | None = None, **join: Any) -> ReaderKeys:
        """What the officer's browser makes; `join` replaces fields of the statement, which it signs."""
        joined: Any = self.unit.joining(one)
        if join:
            statement = joined["join"] | join
            joined = {"join": statement, "proofs": [one.prove(statement)]}
        return ReaderKeys(joined, BOX, BOX, BOX, unit_key)

    async def accept_invite(
        self, token: str, one: Keyholder, keys: ReaderKeys | None, first: SignedList | None = None
    ) -> OfficerState:
        async with self.row(one) as context:
            return await joining.accept_invite(context, token, CREDENTIALS, keys, first)

    async def found(self, is_adopted: bool = True) -> Keyholder:
        """Carmen accepts the first invite and signs the first list."""
        token, carmen = await self.invite("Carmen", "admin")
        self.unit.readers = [carmen, Keyholder("Respaldo", "recovery")]
        assert (
            await self.accept_invite(token, carmen, self.keys(carmen, UNIT_KEY), self.unit.first_list(self.today))
            == "active"
        )
        if is_adopted:
            self.installation.unit.adopt(self.unit.point, lists.pin_of(self.unit.newest["list"]))
            async with self.work() as work:
                await self.unit.rehearse(work.tx)
        return carmen

    async def join(self, name: str) -> Keyholder:
        """A later officer accepts an invite and waits."""
        token, one = await self.invite(name)
        assert await self.accept_invite(token, one, self.keys(one)) is OfficerState.PENDING
        return one

    async def sign(self, signer: Keyholder, signed: object) -> None:
        async with self.row(signer) as context:
            await joining.sign_list(context, signed)

    async def sign_next(self, signer: Keyholder, adding: Sequence[Keyholder] = (), ending: Sequence[Any] = ()) -> None:
        """The unit's next list of today."""
        await self.sign(signer, self.unit.next_list(adding, ending, day=self.today))

    async def vouch(self, voucher: Keyholder, candidate: Keyholder, **proof: Any) -> None:
        given: Any = voucher.prove(candidate.join(self.unit.point))
        async with self.row(voucher) as context:
            await joining.vouch(context, candidate.id, given | proof)

    async def state(self, one: Keyholder) -> OfficerState:
        async with self.row(one) as context:
            return context.officer.state
