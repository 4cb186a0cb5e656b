"""Officers' notebooks, which the server cannot read: one version follows the other."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from storage import schema
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import canonical
from storage.database import Transaction


@dataclass(frozen=True, slots=True)
class StoredNotebook:
    """An officer's notebook, encrypted; its version rises by one with each change."""

    version: int
    box: Box


async def newest(tx: Transaction, officer_id: str) -> StoredNotebook | None:
    """The newest version of an officer's notebook; None: the officer has none."""
    table = schema.officers
    columns = select(table.c.notebook, table.c.notebook_version)
    row = (await tx.execute(columns.where(table.c.id == officer_id))).one_or_none()
    return None if row is None else stored_notebook(row)


async def replace(tx: Transaction, officer_id: str, version: int, box: Box) -> bool:
    """Store the next version of a notebook; False when `version` does not follow the stored one."""
    table = schema.officers
    changed = update(table).where(table.c.id == officer_id, table.c.notebook_version == version - 1)
    values = {"notebook": canonical(box), "notebook_version": version}
    return (await tx.execute(changed.values(values).returning(table.c.id))).scalar_one_or_none() is not None


def stored_notebook(row: Row[Any]) -> StoredNotebook | None:
    """The notebook in a row of officers; None where there is none."""
    return None if row.notebook is None else StoredNotebook(row.notebook_version, json.loads(row.notebook))
