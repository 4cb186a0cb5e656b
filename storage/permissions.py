"""Whether we may write where we are going to: told at the start, not by the first person who writes to us."""

from sqlalchemy import func, literal, select, text

from storage.database import Database, PermissionDenied, Transaction
from storage.schema import metadata

RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


async def check(database: Database) -> None:
    """The database takes changes, and on PostgreSQL we may make them in every table of ours.

    Raises NoRights, DatabaseUnavailable, or what the database says where it only reads.
    """
    names = sorted(metadata.tables)
    tables = [func.has_table_privilege(literal(name), right) for name in names for right in RIGHTS]
    async with database.write() as tx:
        if not database.is_sqlite:
            may = list((await tx.execute(select(*tables))).one())
            if not all(may):
                place = may.index(False)
                raise PermissionDenied(f"no right to {RIGHTS[place % len(RIGHTS)]} in {names[place // len(RIGHTS)]}")
        await tx.execute(text("update alembic_version set version_num = version_num"))


async def is_read_only(tx: Transaction) -> bool:
    """PostgreSQL: the server takes no changes (a replica, or set so), though it answers."""
    if tx.dialect.name == "sqlite":
        return False
    return str(await tx.scalar(select(func.current_setting("transaction_read_only")))) == "on"
