"""The writer of rows: acts between the steps of honest people, and tries all his keys on what he has seen."""

import random
from collections.abc import Sequence

from storage.database import Transaction
from tests.attack.model.forger import Forger
from tests.attack.model.keyring import Keyring, access_row, parsed
from tests.attack.model.rows import Change, Move, Rows, Snapshot, changes, undo
from tests.attack.model.truth import Found, Truth
from tests.fakes.unit import Keyholder

REPAIRS = 0.7  # how often he first undoes what he did before: pages that say "altered" show nothing new


class Writer:
    """One attacker of one episode: some kinds of moves are his favourites, others he hardly makes."""

    def __init__(self, rng: random.Random, truth: Truth, colluding: Sequence[Keyholder]) -> None:
        self.rng, self.truth = rng, truth
        self.rows, self.keyring = Rows(rng), Keyring(rng, colluding)
        self.forger = Forger(rng, self.keyring)
        self.made: list[Change] = []  # in his last turn
        moves = (*self.rows.moves, *self.forger.moves)
        self.weights: dict[Move, float] = {move: rng.choice((0.02, 1, 1, 3)) for move in moves}

    async def act(self, tx: Transaction, now: Snapshot) -> str:
        """Make a few moves, most of them around one case; `now` is what he saw last."""
        said = list[str]()
        if self.made and self.rng.random() < REPAIRS:
            await undo(tx, now, self.made)
            now = await self.rows.look(tx)
            said.append("undo")
        cases = [row["id"] for row in now["cases"]]
        self.rows.focus = self.rng.choice(cases) if cases and self.rng.random() < 0.8 else ""
        self.forger.focus = self.rows.focus
        for move in self.rng.choices(list(self.weights), list(self.weights.values()), k=self.rng.choice((1, 2, 2, 3))):
            said.append(await move(tx, now))
        self.made = changes(now, await self.rows.look(tx))
        return "; ".join(said)

    def read(self) -> None:
        """Open whatever opens of all that he has seen. Raises Found."""
        written = [letter for row in self.rows.seen["letters"] if (letter := parsed(row["letter"]))]
        written += self.truth.posted
        self.keyring.find_keys([*self.rows.seen["access"], *map(access_row, self.truth.posted_access)], written)
        for _ in range(2):  # the second time with the keys that grants held
            for letter in written:
                self._check(self.keyring.texts(letter))

    def _check(self, texts: Sequence[str]) -> None:
        for text in texts:
            if self.truth.is_secret(text):
                raise Found("read", f"the writer opens {text}, sealed to {sorted(self.truth.written[text].readers)}")
