"""What an officer's words open, in Python: a test can act from another device, or as holder of the unit's key."""

from dataclasses import dataclass

from storage.confidential import notebooks, officers
from storage.confidential.protocol import boxes, keys
from storage.confidential.protocol.canonical import decode
from storage.confidential.protocol.notebooks import Notebook, open_notebook
from storage.confidential.protocol.signatures import import_key
from tests.bot.console.office import Office
from tests.fakes.unit import Keyholder, Unit

FAST_ROUNDS = 1000  # of PBKDF2 in these tests, as in tests/screen.py


@dataclass(frozen=True)
class Unlocked:
    """An officer's keys; `unit` can sign lists, as its key was in the officer's box."""

    holder: Keyholder
    unit: Unit
    notebook_key: bytes

    async def notebook(self, office: Office) -> Notebook:
        """The stored notebook, opened. Raises ProtocolError."""
        async with office.database.read() as tx:
            stored = await notebooks.newest(tx, self.holder.id)
        assert stored is not None
        return open_notebook(self.notebook_key, stored.box, self.holder.id, stored.version)


async def unlock_first_officer(office: Office, email: str, words: str) -> Unlocked:
    """Open the boxes of the officer who made the unit's key."""
    async with office.database.read() as tx:
        known = await officers.credentials(tx, email)
    assert known is not None
    assert known.bundle is not None
    assert known.unit_key is not None
    key = boxes.derive(boxes.stretch(words, decode(known.salt), FAST_ROUNDS), "wrap")
    box = boxes.unwrap_officer(key, known.bundle, known.officer.id, "words")
    reading, signing = import_key(box["reading"]), import_key(box["signing"])
    unit_key = keys.open_unit_key(known.unit_key, known.officer.id, box["unit"], reading)
    holder = Keyholder(known.officer.name, id=known.officer.id, reading=reading, signing=signing)
    stored = (await office.stored_unit()).lists
    return Unlocked(holder, Unit([holder], unit_key, stored), decode(box["notebook"]))
