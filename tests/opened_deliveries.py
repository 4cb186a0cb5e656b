"""The outbox as its process reads it: deliveries with their addresses and bodies in the clear."""

from collections.abc import MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect, RowMapping, select

from storage import envelopes
from storage.database import Transaction
from storage.envelopes import Envelopes
from storage.schema import deliveries
from tests import keys

KEY = keys.OUTBOX
"""Of databases that a test opens by itself; those of a whole product have the key of its folder."""
_OF_TESTS = Envelopes(KEY)


class _Known(WeakKeyDictionary[Dialect, Envelopes]):
    def __getitem__(self, dialect: Dialect) -> Envelopes:
        return super().__getitem__(dialect) if dialect in self else _OF_TESTS


def use_invented_key() -> None:
    """Let every database have a key in this process; in the product one without a key is an error."""
    known: MutableMapping[Dialect, Envelopes] = _Known()
    known.update(envelopes.KNOWN)
    envelopes.KNOWN = known


async def opened(tx: Transaction) -> list[dict[str, Any]]:
    """All deliveries by their ids, each that has a body with its address and body in the clear."""
    rows = (await tx.execute(select(deliveries).order_by(deliveries.c.id))).mappings()
    return [opened_row(tx, row) for row in rows]


def opened_row(tx: Transaction, row: RowMapping) -> dict[str, Any]:
    """One of them."""
    if row["body"] is None:
        return dict(row)
    address, body = envelopes.of(tx).open(row["address"], row["body"], row["key"], row["channel"], row["kind"])
    return {**row, "address": address, "body": body}
